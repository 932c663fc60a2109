//! What applications and those who rotate their logs do to files.

use crate::filesystem::Node;
use crate::profile::Act;
use crate::world::World;
use crate::world::writers::Writer;

/// More applications do not write at once.
const WRITERS_MAX: usize = 6;

impl World {
    /// What happens to the log of one of the writers.
    pub(super) fn act_on_a_log(&mut self, act: Act) {
        if self.writers.is_empty() {
            return self.new_file();
        }
        let index = self.rng.usize(..self.writers.len());
        let Writer {
            directory,
            name,
            node,
        } = &self.writers[index];
        let (directory, name, node) = (*directory, name.clone(), *node);
        self.note(|| format!("    {name} of directory {directory}, its writer has file {node}"));
        match act {
            // Nobody can tell what was written on from what was written anew between the first listing, which says what is skipped, and
            // the first look.
            Act::CopyTruncate | Act::Rewrite if self.skipped.contains(&node) => {}
            Act::Write => {
                let lines = self.rng.usize(1..6);
                self.write(node, lines);
            }
            Act::Burst => {
                let lines = self.rng.usize(20..60);
                self.write(node, lines);
            }
            Act::Giant => self.write_giant(node),
            Act::Rotate => {
                let number = self.next_number();
                self.rotate(index, directory, &name, &format!("{name}.{number}"));
            }
            Act::RotateChain => {
                self.rename(directory, &format!("{name}.1"), &format!("{name}.2"));
                self.rotate(index, directory, &name, &format!("{name}.1"));
            }
            Act::Reopen => self.reopen(index),
            Act::CopyTruncate => self.copy_and_truncate(directory, &name, node),
            Act::Rewrite => self.rewrite(node),
            Act::Delete => self.unlink(directory, &name),
            Act::Recreate => {
                self.unlink(directory, &name);
                self.reopen(index);
            }
            Act::MoveAway => {
                let away = format!("{}-{name}", self.next_number());
                self.fs
                    .rename((directory, &name), (self.directories.len(), &away));
                self.renamed(directory);
            }
            Act::LeavePattern => self.rename(directory, &name, &format!("{name}.old")),
            Act::HardLink => {
                if let Some(node) = self.fs.find(directory, &name) {
                    let other = format!("hard{}.log", self.next_number());
                    self.fs.hard_link(directory, node, &other);
                    self.renamed(directory);
                }
            }
            Act::SymbolicLink => {
                self.fs.symbolic_link(directory, &name, "current.log");
                self.renamed(directory);
            }
            Act::Forbid => {
                self.fs.permit(node, false);
                self.soil_drain();
            }
            Act::Permit => self.fs.permit(node, true),
            other => unreachable!("{other:?} happens to no log"),
        }
    }

    pub(super) fn new_file(&mut self) {
        let directory = self.rng.usize(..self.directories.len());
        let name = format!("{}.log", ["a", "b", "c"][self.rng.usize(..3)]);
        if self.writers.len() >= WRITERS_MAX {
            let gone = self.writers.swap_remove(0);
            self.fs.let_go(gone.node);
        }
        let node = self.open_log(directory, &name);
        self.writers.push(Writer {
            directory,
            name,
            node,
        });
        let lines = self.rng.usize(..4);
        self.write(node, lines);
    }

    pub(super) fn move_back(&mut self) {
        let elsewhere = self.directories.len();
        let names = self.fs.file_names(elsewhere);
        if names.is_empty() {
            return;
        }
        let name = &names[self.rng.usize(..names.len())];
        let Some(node) = self.fs.find(elsewhere, name) else {
            return;
        };
        let directory = self.directory_of(node);
        let old = name.split_once('-').map_or(name.as_str(), |(_, old)| old);
        if self.fs.find(directory, old).is_none() {
            self.fs.rename((elsewhere, name), (directory, old));
            self.renamed(directory);
        }
    }

    pub(super) fn enter_pattern(&mut self) {
        let directory = self.rng.usize(..self.directories.len());
        for name in self.fs.file_names(directory) {
            let Some(new) = name.strip_suffix(".old") else {
                continue;
            };
            let node = self.fs.find(directory, &name);
            if self.fs.find(directory, new).is_none() && node.is_some() {
                return self.rename(directory, &name, new);
            }
        }
    }

    /// A rotated file is replaced by something that is not read as text.
    pub(super) fn compress(&mut self) {
        let directory = self.rng.usize(..self.directories.len());
        let mut names = self.fs.file_names(directory);
        names.retain(|name| name.contains(".log.") && name.ends_with(|last: char| last.is_ascii_digit()));
        if names.is_empty() {
            return;
        }
        let name = &names[self.rng.usize(..names.len())];
        let Some(node) = self.fs.find(directory, name) else {
            return;
        };
        // As gzip does: who has several names, or cannot be read, stays. And as those who compress logs have to: a writer that is not
        // done would write what nobody reads.
        let is_written = self.writers.iter().any(|writer| writer.node == node);
        if self.fs.links(node) > 1 || !self.fs.file(node).permitted || is_written {
            return;
        }
        let text = self.fs.file(node).bytes.clone();
        let packed = self.fs.create(directory, &format!("{name}.gz"));
        self.oracle.copied(self.now, node, packed, text.len() as u64);
        self.fs.pack(packed, text, self.wall_ns);
        self.unlink(directory, name);
    }

    /// Renames a log and makes a new one. Its writer begins in the new one, or goes on in the old one beside another.
    fn rotate(&mut self, index: usize, directory: usize, name: &str, rotated: &str) {
        self.rename(directory, name, rotated);
        if self.rng.bool() {
            self.reopen(index);
        } else if self.writers.len() < WRITERS_MAX {
            let name = name.to_owned();
            let node = self.open_log(directory, &name);
            self.writers.push(Writer {
                directory,
                name,
                node,
            });
        }
    }

    fn copy_and_truncate(&mut self, directory: usize, name: &str, node: Node) {
        let number = self.next_number();
        // Who copies a log finds it by a name that is there.
        let Some(own) = self.fs.own_name(directory, node) else {
            return;
        };
        let is_of = own.starts_with(name) && self.fs.find(directory, name).is_some();
        let name = if is_of { name.to_owned() } else { own.to_owned() };
        let copy = if self.rng.bool() {
            format!("{name}.{number}")
        } else {
            format!("{name}.copy{number}")
        };
        let bytes = self.fs.file(node).bytes.clone();
        let copied = self.fs.create(directory, &copy);
        self.oracle.copied(self.now, node, copied, bytes.len() as u64);
        self.fs.append(copied, &bytes, self.wall_ns);
        self.renamed(directory);
        self.truncate(node);
    }

    /// Other contents take the place of the old ones: fewer, or more.
    fn rewrite(&mut self, node: Node) {
        let before = self.fs.file(node).bytes.len();
        self.truncate(node);
        let longer = self.rng.bool();
        while longer && self.fs.file(node).bytes.len() < before {
            self.write(node, 3);
        }
        self.write(node, 1);
    }

    fn truncate(&mut self, node: Node) {
        let current = self.descriptors.values().filter(|at| at.node == node);
        let current = current.filter(|at| self.oracle.epoch(node) == at.epoch);
        let read = current.filter_map(|at| at.read).max().unwrap_or_default();
        self.oracle.truncated(node, read);
        self.restored.remove(&node);
        self.fs.truncate(node, self.wall_ns);
        self.touch(node);
    }

    fn rename(&mut self, directory: usize, old: &str, new: &str) {
        self.fs.rename((directory, old), (directory, new));
        self.renamed(directory);
    }

    fn unlink(&mut self, directory: usize, name: &str) {
        self.fs.unlink(directory, name);
        self.renamed(directory);
    }

    fn next_number(&mut self) -> u32 {
        self.names_made += 1;
        self.names_made + 10
    }
}
