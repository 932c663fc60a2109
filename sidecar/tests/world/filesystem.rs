//! A file system in memory: directories of names, hard links and symbolic links; inodes whose contents live as long as a name
//! or a descriptor holds them, and whose numbers are used again.

use crate::adapter::{Listed, rotated};
use std::collections::BTreeMap;

/// A file for all time: unlike its inode number it is never used again.
pub type Node = usize;

#[derive(Debug)]
pub struct File {
    pub device: u64,
    pub inode: u64,
    pub bytes: Vec<u8>,
    /// Of a compressed file: what it was before.
    pub unpacked: Option<Vec<u8>>,
    pub modified_ns: i128,
    /// Whether it may be opened.
    pub permitted: bool,
    links: usize,
    descriptors: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Name {
    File(Node),
    Link(String),
}

#[derive(Debug, Default)]
pub struct FileSystem {
    files: Vec<File>,
    directories: Vec<BTreeMap<String, Name>>,
    free: Vec<(u64, u64)>,
    reuse: bool,
}

impl FileSystem {
    pub fn new(directories: usize, reuse: bool) -> Self {
        Self {
            directories: vec![BTreeMap::new(); directories],
            reuse,
            ..Self::default()
        }
    }

    pub fn file(&self, node: Node) -> &File {
        &self.files[node]
    }

    /// The file behind a name, through symbolic links.
    pub fn find(&self, directory: usize, name: &str) -> Option<Node> {
        let mut name = name;
        // Loops end like the kernel ends them.
        for _ in 0..8 {
            match self.directories[directory].get(name)? {
                Name::File(node) => return Some(*node),
                Name::Link(target) => name = target,
            }
        }
        None
    }

    pub fn names(&self, directory: usize) -> Vec<String> {
        self.directories[directory].keys().cloned().collect()
    }

    /// The names of regular files.
    pub fn file_names(&self, directory: usize) -> Vec<String> {
        let regular = |(name, what): (&String, &Name)| matches!(what, Name::File(_)).then(|| name.clone());
        self.directories[directory].iter().filter_map(regular).collect()
    }

    /// The first name of one file that is no link.
    pub fn own_name(&self, directory: usize, node: Node) -> Option<&str> {
        let mut names = self.directories[directory].iter();
        names.find_map(|(name, what)| (*what == Name::File(node)).then_some(&**name))
    }

    /// The names of one file.
    pub fn names_of(&self, directory: usize, node: Node) -> Vec<String> {
        let mut names = self.names(directory);
        names.retain(|name| self.find(directory, name) == Some(node));
        names
    }

    /// The regular files of a directory that the engine is shown: those whose name matches or matched before a rotation, or whose
    /// inode is wanted.
    pub fn list(&self, directory: usize, matches: impl Fn(&str) -> bool, wanted: &[u64]) -> Vec<Listed> {
        let mut found = Vec::new();
        for name in self.directories[directory].keys() {
            let Some(node) = self.find(directory, name) else {
                continue;
            };
            let file = &self.files[node];
            let has_matched = rotated(name).is_some_and(|was| matches(&was.stem));
            let matches = matches(name);
            if matches || has_matched || wanted.contains(&file.inode) {
                found.push(Listed {
                    name: name.clone(),
                    device: file.device,
                    inode: file.inode,
                    size: file.bytes.len() as u64,
                    modified_ns: file.modified_ns,
                    matches,
                });
            }
        }
        found
    }

    /// Makes an empty file; one of the same name loses it.
    pub fn create(&mut self, directory: usize, name: &str) -> Node {
        self.unlink(directory, name);
        let device = directory as u64 + 1;
        let freed = self.free.iter().rposition(|(on, _)| *on == device && self.reuse);
        let inode = freed.map_or(1000 + self.files.len() as u64, |index| self.free.remove(index).1);
        self.files.push(File {
            device,
            inode,
            bytes: Vec::new(),
            unpacked: None,
            modified_ns: 0,
            permitted: true,
            links: 1,
            descriptors: 0,
        });
        let node = self.files.len() - 1;
        self.directories[directory].insert(name.to_owned(), Name::File(node));
        node
    }

    pub fn append(&mut self, node: Node, bytes: &[u8], modified_ns: i128) {
        self.files[node].bytes.extend_from_slice(bytes);
        self.files[node].modified_ns = modified_ns;
    }

    /// Makes a compressed file of a text.
    pub fn pack(&mut self, node: Node, text: Vec<u8>, modified_ns: i128) {
        self.append(node, b"\x1f\x8b\x08", modified_ns);
        self.files[node].bytes.resize(20 + text.len() / 4, b'\xfe');
        self.files[node].unpacked = Some(text);
    }

    pub fn truncate(&mut self, node: Node, modified_ns: i128) {
        self.files[node].bytes.clear();
        self.files[node].modified_ns = modified_ns;
    }

    pub fn permit(&mut self, node: Node, permitted: bool) {
        self.files[node].permitted = permitted;
    }

    /// Renames within one file system; a file with the new name loses it.
    pub fn rename(&mut self, (from, old): (usize, &str), (to, new): (usize, &str)) {
        if (from, old) == (to, new) {
            return;
        }
        if let Some(what) = self.directories[from].remove(old) {
            self.unlink(to, new);
            self.directories[to].insert(new.to_owned(), what);
        }
    }

    pub fn unlink(&mut self, directory: usize, name: &str) {
        if let Some(Name::File(node)) = self.directories[directory].remove(name) {
            self.files[node].links -= 1;
            self.release(node);
        }
    }

    pub fn hard_link(&mut self, directory: usize, node: Node, name: &str) {
        self.unlink(directory, name);
        self.files[node].links += 1;
        self.directories[directory].insert(name.to_owned(), Name::File(node));
    }

    pub fn symbolic_link(&mut self, directory: usize, target: &str, name: &str) {
        self.unlink(directory, name);
        self.directories[directory].insert(name.to_owned(), Name::Link(target.to_owned()));
    }

    /// A descriptor that keeps the file.
    pub fn hold(&mut self, node: Node) {
        self.files[node].descriptors += 1;
    }

    pub fn let_go(&mut self, node: Node) {
        self.files[node].descriptors -= 1;
        self.release(node);
    }

    /// The file that has this inode number now.
    pub fn with_identity(&self, device: u64, inode: u64) -> Option<Node> {
        let lives = |file: &File| file.links > 0 || file.descriptors > 0;
        let is_it = |file: &File| (file.device, file.inode) == (device, inode) && lives(file);
        self.files.iter().rposition(is_it)
    }

    pub fn links(&self, node: Node) -> usize {
        self.files[node].links
    }

    pub fn nodes(&self) -> std::ops::Range<Node> {
        0..self.files.len()
    }

    fn release(&mut self, node: Node) {
        let file = &mut self.files[node];
        if file.links == 0 && file.descriptors == 0 {
            self.free.push((file.device, file.inode));
            file.bytes = Vec::new();
        }
    }
}
