//! What the engine asks for, done as a kernel and a disk would do it.

use super::{Descriptor, LAST_LOOK, World};
use crate::adapter::{Demand, Found, head, positions};
use crate::oracle::{Kind, Violation};
use crate::sabotage::Sabotage;
use std::time::Duration;

/// A file without a name is looked at so shortly before it is closed.
const LAST_GLANCE: Duration = Duration::from_millis(100);
/// The largest read.
const READ_BYTES: usize = 256 << 10;

impl World {
    pub(super) fn perform(&mut self, demand: Demand) -> Result<(), Violation> {
        let now = self.now;
        self.note(|| match &demand {
            Demand::Send { sink, batch, records } => {
                let text = records.concat();
                format!(
                    "{now:?} send {batch} to {sink}: {}",
                    String::from_utf8_lossy(&text)
                )
            }
            Demand::Save(document) => format!("{now:?} save {}", String::from_utf8_lossy(document)),
            Demand::Report(report) => format!("{now:?} says: {report}"),
            demand => format!("{now:?} {demand:?}"),
        });
        match demand {
            Demand::List { source, wanted } => self.list(source, &wanted),
            Demand::Open { source, file, name } => self.open(source, file, &name),
            Demand::Read {
                file,
                offset,
                look_at_head,
            } => self.read(file, offset, look_at_head)?,
            Demand::Close { file } => self.close(file)?,
            Demand::Send { sink, batch, records } => {
                self.sinks[sink].send(
                    self.now,
                    (batch, records),
                    &self.profile,
                    &mut self.oracle,
                    &mut self.rng,
                )?;
            }
            Demand::Reject {
                sink,
                records,
                given_up,
            } => self.sinks[sink].reject(self.now, &records, given_up, &mut self.oracle)?,
            Demand::Save(document) => self.save(document)?,
            Demand::Report(_) => {}
            Demand::Finished { drained } => self.finished(drained)?,
        }
        Ok(())
    }

    fn list(&mut self, source: usize, wanted: &[u64]) {
        self.idle_steps += 1;
        self.directories[source].watched = self.profile.watched;
        let profile = &self.profile;
        let directory = &self.directories[source];
        let listing = if directory.listing_fails {
            // Who cannot know what was there skips nothing.
            self.directories[source].skips = false;
            Err("scripted".to_owned())
        } else {
            Ok(self.fs.list(source, |name| profile.matches(name), wanted))
        };
        if let Ok(found) = &listing {
            let nodes = found.iter().filter_map(|found| self.fs.find(source, &found.name));
            self.directories[source].named = nodes.collect();
            let directory = &mut self.directories[source];
            let first = !std::mem::replace(&mut directory.listed, true);
            if first && directory.skips {
                let names: Vec<&str> = found
                    .iter()
                    .filter(|found| found.matches)
                    .map(|found| &*found.name)
                    .collect();
                for name in names {
                    if let Some(node) = self.fs.find(source, name) {
                        self.oracle.skipped(self.now, node);
                        self.skipped.insert(node);
                    }
                }
            }
            if first {
                self.forget_what_is_gone(source);
            }
        }
        if let Some(subject) = &mut self.subject {
            subject.listed(self.now, source, listing);
        }
    }

    /// Files of the checkpoint that are not there at the first listing are not waited for.
    fn forget_what_is_gone(&mut self, source: usize) {
        for node in self.restored.clone() {
            if self.directory_of(node) == source && self.fs.names_of(source, node).is_empty() {
                self.restored.remove(&node);
                self.oracle.forgotten(node);
            }
        }
    }

    fn open(&mut self, source: usize, file: u64, name: &str) {
        self.idle_steps += 1;
        let found = self.fs.find(source, name);
        let Some(subject) = &mut self.subject else { return };
        let Some(node) = found.filter(|node| self.fs.file(*node).permitted) else {
            subject.failed(self.now, file, "scripted");
            return;
        };
        let opened = self.fs.file(node);
        let unpacked = opened
            .unpacked
            .as_ref()
            .filter(|_| name.strip_suffix(".gz").is_some());
        let unpacks = unpacked.is_some();
        let contents = unpacked.unwrap_or(&opened.bytes);
        subject.opened(self.now, file, (opened.device, opened.inode), contents);
        self.fs.hold(node);
        let descriptor = Descriptor {
            node,
            epoch: self.oracle.epoch(node),
            read: None,
            unpacks,
            looked_at: self.now,
            given: 0..0,
            asked: None,
        };
        self.descriptors.insert(file, descriptor);
        self.open_files_max = self.open_files_max.max(self.descriptors.len());
        self.restored.remove(&node);
        self.skipped.remove(&node);
    }

    fn read(&mut self, file: u64, offset: u64, look_at_head: bool) -> Result<(), Violation> {
        let Some(descriptor) = self.descriptors.get_mut(&file) else {
            let what = format!("descriptor {file} is read and not open");
            return Err(Violation::new(Kind::Misreported, what));
        };
        let (node, unpacks) = (descriptor.node, descriptor.unpacks);
        let stands = descriptor.asked == Some(offset);
        let epoch = self.oracle.epoch(node);
        if offset == 0 {
            descriptor.epoch = epoch;
            descriptor.read = Some(0);
        }
        // Without its beginning it is only compared with what is known; of a compressed file it is not asked for.
        let compares = !look_at_head && !unpacks;
        if compares {
            descriptor.read.get_or_insert(0);
        } else if descriptor.epoch == epoch {
            descriptor.read = Some(offset);
            // Elsewhere it only looks whether it knows the file.
            let given = descriptor.given.clone();
            if given.start <= offset && offset <= given.end {
                self.oracle.read(node, given.start, offset);
            }
        } else {
            descriptor.read.get_or_insert(offset);
        }
        self.oracle.check_held(&self.profile.setup, self.open_files_max)?;
        let Some(subject) = &mut self.subject else {
            return Ok(());
        };
        if self.reads_fail {
            self.idle_steps += 1;
            subject.failed(self.now, file, "scripted");
            return Ok(());
        }
        let opened = self.fs.file(node);
        let unpacked = opened.unpacked.as_ref().filter(|_| unpacks);
        let contents = unpacked.unwrap_or(&opened.bytes);
        let from = contents.len().min(usize::try_from(offset).unwrap_or(usize::MAX));
        let most = if stands {
            // More than the engine reads again; a kernel's reads are as large always.
            READ_BYTES
        } else if self.profile.short_reads {
            self.rng.usize(1..=self.profile.read_bytes)
        } else {
            self.profile.read_bytes
        };
        let bytes = &contents[from..contents.len().min(from + most)];
        self.longest_read = self.longest_read.max(bytes.len());
        if let Some(descriptor) = self.descriptors.get_mut(&file) {
            descriptor.looked_at = self.now;
            let taken = if compares { 0 } else { bytes.len() as u64 };
            descriptor.given = offset..offset + taken;
            descriptor.asked = (from + bytes.len() < contents.len()).then_some(offset);
        }
        let closes = self.sabotage == Sabotage::ClosesEarly && from + bytes.len() < contents.len();
        self.idle_steps = if bytes.is_empty() || stands {
            self.idle_steps + 1
        } else {
            0
        };
        let found = Found {
            size: contents.len() as u64 + u64::from(unpacks && from + most <= contents.len()),
            head: look_at_head.then(|| head(contents)),
            bytes,
            wall: i64::try_from(self.wall_ns).expect("the world ends before"),
        };
        subject.chunk(self.now, file, &found);
        if closes { self.close(file) } else { Ok(()) }
    }

    fn close(&mut self, file: u64) -> Result<(), Violation> {
        self.idle_steps += 1;
        let Some(descriptor) = self.descriptors.remove(&file) else {
            let what = format!("descriptor {file} is closed and not open");
            return Err(Violation::new(Kind::Misreported, what));
        };
        let node = descriptor.node;
        let is_last = self.descriptors.values().all(|at| at.node != node);
        // It is opened again by the name that it had in the last listing. Should that be gone by now, so is what was written meanwhile.
        let directory = self.directory_of(node);
        let was_named = self.directories[directory].named.contains(&node);
        let is_named = was_named || self.fs.own_name(directory, node).is_some();
        if is_last && !is_named && self.is_current(&descriptor) && descriptor.read.is_some() {
            let looked_at = descriptor.looked_at;
            if self.now > looked_at + LAST_GLANCE {
                let what = format!("file {node} is closed and was looked at last at {looked_at:?}");
                return Err(Violation::new(Kind::ClosedEarly, what));
            }
            self.oracle.closed(node, looked_at)?;
        }
        self.fs.let_go(node);
        Ok(())
    }

    fn save(&mut self, document: Vec<u8>) -> Result<(), Violation> {
        if self.saves_fail {
            self.saves_failed_at = self.now;
            if let Some(subject) = &mut self.subject {
                subject.save_failed(self.now);
            }
            return Ok(());
        }
        if let Some(document) = self.sabotage.spoil_checkpoint(document) {
            if positions(&document).is_none() {
                let what = "a checkpoint was saved that cannot be read";
                return Err(Violation::new(Kind::Misreported, what));
            }
            self.saved = Some(document);
        }
        self.oracle.check_not_ahead(&self.covered())
    }

    fn finished(&mut self, drained: bool) -> Result<(), Violation> {
        self.check_drain_time()?;
        let Some(draining) = self.draining.take() else {
            let what = "the engine finished although nobody asked for it";
            return Err(Violation::new(Kind::Stuck, what));
        };
        if drained {
            let is_asked = |id| id >= draining.known || draining.readable.contains(&id);
            let until = draining.owed_until;
            let missing = self
                .oracle
                .missing_of(is_asked, until, |node| self.is_readable(node));
            if let Some(missing) = missing.filter(|_| draining.clean) {
                return Err(missing);
            }
            if !self.saves_fail && self.now > self.saves_failed_at + LAST_LOOK {
                self.oracle.check_complete(&self.covered())?;
            }
        }
        self.end()
    }
}
