//! A disk for a spool, in memory.

use logship::engine::spool::{Act, Done, Unread};
use std::collections::BTreeMap;

/// Its files, by the addresses in their names.
#[derive(Debug, Default)]
pub struct Disk {
    pub files: BTreeMap<u64, Vec<u8>>,
    /// It is full: nothing more can be written.
    pub is_full: bool,
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
                assert_eq!(
                    file.len() as u64,
                    offset,
                    "nothing is overwritten and nothing left out"
                );
                file.extend(bytes);
                Done::Written(Ok(()))
            }
            Act::Sync(segment) => {
                let is_there = self.files.contains_key(&segment);
                Done::Synced(is_there.then_some(()).ok_or_else(|| "no such file".to_owned()))
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
                self.files.remove(&segment);
                Done::Removed
            }
        }
    }
}
