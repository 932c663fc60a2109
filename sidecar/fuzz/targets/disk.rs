//! A disk for a spool, in memory.

use logship::engine::spool::{Act, Done, Unread};
use std::collections::BTreeMap;

/// Its files, by the addresses in their names.
#[derive(Debug, Default)]
pub struct Disk {
    pub files: BTreeMap<u64, Vec<u8>>,
    /// It is full: nothing more can be written.
    pub is_full: bool,
    /// This file cannot be read.
    pub unreadable: Option<u64>,
    /// Bytes of each file that are durable.
    pub durable: BTreeMap<u64, usize>,
    /// Files that were removed, which is not durable.
    removed: BTreeMap<u64, Vec<u8>>,
    buffer: Vec<u8>,
}

impl Disk {
    /// Does it.
    pub fn perform(&mut self, act: Act) -> Done<'_> {
        match act {
            Act::Write { .. } if self.is_full => Done::Written(Err("no space left".to_owned())),
            Act::Write {
                segment,
                offset,
                bytes,
            } => {
                let file = self.files.entry(segment).or_default();
                self.removed.remove(&segment);
                assert_eq!(
                    file.len() as u64,
                    offset,
                    "nothing is overwritten and nothing left out"
                );
                file.extend(bytes);
                Done::Written(Ok(()))
            }
            Act::Sync(segment) => {
                let Some(file) = self.files.get(&segment) else {
                    return Done::Synced(Err("no such file".to_owned()));
                };
                self.durable.insert(segment, file.len());
                self.removed.clear();
                Done::Synced(Ok(()))
            }
            Act::Read { segment, .. } if self.unreadable == Some(segment) => {
                Done::Read(Err(Unread::Failed("input/output error".to_owned())))
            }
            Act::Read {
                segment,
                offset,
                bytes,
            } => {
                let from = usize::try_from(offset).unwrap_or(usize::MAX);
                let file = self.files.get(&segment);
                let found = file.and_then(|file| file.get(from..from.checked_add(bytes)?));
                self.buffer.clear();
                self.buffer.extend_from_slice(found.unwrap_or_default());
                Done::Read(found.map(|_| &self.buffer[..]).ok_or(Unread::Gone))
            }
            Act::Remove(segment) => {
                let removed = self.files.remove(&segment);
                self.removed.extend(removed.map(|bytes| (segment, bytes)));
                self.durable.remove(&segment);
                Done::Removed
            }
        }
    }

    /// The machine loses its power: of what is not durable, `share` of 256 is left of each file, and files that were removed are there.
    pub fn lose_power(&mut self, share: u8) {
        let durable = std::mem::take(&mut self.durable);
        for (segment, bytes) in &mut self.files {
            let least = durable.get(segment).copied().unwrap_or_default();
            let more = (bytes.len() - least) * usize::from(share) / 256;
            bytes.truncate(least + more);
        }
        self.files.append(&mut self.removed);
        self.durable = self
            .files
            .iter()
            .map(|(segment, bytes)| (*segment, bytes.len()))
            .collect();
    }
}
