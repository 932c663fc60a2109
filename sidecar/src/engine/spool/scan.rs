//! What of a spool is found at a start.
//!
//! Each segment is shown once, oldest first. A beginning that was never finished (the process was killed while it wrote) is cut: the
//! API is asked for these lines again. What was finished and is damaged now, or missing, is lost and counted; so is what the
//! containers' positions include and nobody has.

use super::disk::Segment;
use super::entry::{Entry, HEADER_BYTES, Header, damage};
use crate::engine::checkpoint::{ContainerPosition, SpoolPosition};
use crate::engine::output_line::OutputLine;
use crate::engine::resume::Resume;
use std::collections::{BTreeMap, VecDeque};

/// A longer file is no segment.
pub const FILE_BYTES_MAX: u64 = 4 << 20;

/// A spool as it was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// Where its sinks are.
    pub position: SpoolPosition,
    /// Its segments, oldest first.
    pub segments: VecDeque<Segment>,
    /// Where each container's output goes on: behind what the spool has.
    pub containers: BTreeMap<String, ContainerPosition>,
    /// Address behind everything.
    pub end: u64,
    /// Bytes of files that are none of ours and were set aside.
    pub aside_bytes: u64,
    /// Bytes of entries that were there and are not any more.
    pub lost_bytes: u64,
}

/// Looks at segments.
#[derive(Debug)]
pub struct Scan {
    found: Found,
    taken: BTreeMap<String, (Resume, u32)>,
    /// Bytes of entries of files that were set aside behind the last segment.
    aside_behind: u64,
    /// What is missing before this address is counted.
    counted: u64,
}

/// What is to become of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is a segment.
    Keep,
    /// Everything in it is settled, or there is nothing whole in it.
    Remove,
    /// It is none of ours, or of another form.
    SetAside,
}

impl Scan {
    /// With what the checkpoint knows.
    pub fn new(position: SpoolPosition, containers: BTreeMap<String, ContainerPosition>) -> Self {
        let resume = |at: &ContainerPosition| (at.clone().resume(), at.restarts);
        Self {
            taken: containers
                .iter()
                .map(|(name, at)| (name.clone(), resume(at)))
                .collect(),
            found: Found {
                position,
                end: position.settled,
                containers,
                ..Found::default()
            },
            aside_behind: 0,
            counted: position.settled,
        }
    }

    /// So many bytes were set aside in an earlier run.
    pub fn was_set_aside(&mut self, bytes: u64) {
        self.found.aside_bytes = bytes;
    }

    /// Looks at the next file by the address in its name.
    pub fn look(&mut self, named: u64, bytes: &[u8]) -> Fate {
        if bytes.len() < HEADER_BYTES {
            return Fate::Remove;
        }
        let Some(header) = Header::parse(bytes).filter(|header| header.first == named) else {
            self.set_aside(bytes.len() as u64);
            return Fate::SetAside;
        };
        self.meet(header);
        let end = self.read(header.first, &bytes[HEADER_BYTES..]);
        // The next segment may get the name of one in which nothing is whole, and must not be removed with it.
        if end <= self.found.position.settled || end == header.first {
            return Fate::Remove;
        }
        self.found.end = end;
        self.found.segments.push_back(Segment {
            first: header.first,
            end,
            file_bytes: bytes.len() as u64,
        });
        Fate::Keep
    }

    /// A file is no segment, or cannot be read.
    pub fn set_aside(&mut self, bytes: u64) {
        // There is one such file at a time.
        self.found.aside_bytes = bytes;
        self.aside_behind += bytes.saturating_sub(HEADER_BYTES as u64);
    }

    /// Everything that was found.
    pub fn finish(self) -> Found {
        let Self {
            mut found,
            taken,
            aside_behind,
            counted,
        } = self;
        // The containers are asked for what is behind that, whether it is there or not.
        let included = found.position.included.saturating_sub(found.end.max(counted));
        found.lost_bytes += aside_behind.max(included);
        let position = |(name, (resume, restarts)): (String, (Resume, u32))| {
            (name, ContainerPosition::of(restarts, &resume))
        };
        found.containers = taken.into_iter().map(position).collect();
        found
    }

    /// The segment before it ended where this one says. What is missing up to there is lost.
    fn meet(&mut self, header: Header) {
        // The addresses say it better.
        self.aside_behind = 0;
        let ended = header.previous_end.min(header.first);
        let mut there = self.found.end;
        if let Some(before) = self.found.segments.back_mut().filter(|before| before.end < ended) {
            // What was taken for a beginning that was never finished: more was written behind it, so it is damage.
            let whole = before.first + before.file_bytes.saturating_sub(HEADER_BYTES as u64);
            before.end = before.end.max(whole.min(ended));
            there = before.end;
        }
        self.found.lost_bytes += ended.saturating_sub(there.max(self.counted));
        self.counted = self.counted.max(ended);
    }

    /// Takes the entries of a segment. The address behind the last one.
    fn read(&mut self, first: u64, bytes: &[u8]) -> u64 {
        let (mut at, mut end) = (0, first);
        // A write that failed and could not be taken back is there twice.
        let known = self.found.position.included.max(self.found.end);
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            let address = first + at as u64;
            match Entry::read(rest, address) {
                Ok((entry, length)) => {
                    if address >= known {
                        self.take(&entry);
                    }
                    at += length;
                    end = first + at as u64;
                }
                Err(_) => at += damage(rest, address),
            }
        }
        end
    }

    fn take(&mut self, entry: &Entry<'_>) {
        let (resume, restarts) = self.taken.entry(entry.container().to_owned()).or_default();
        match *entry {
            Entry::Line { length, bytes, .. } => {
                if let Some(line) = OutputLine::read(bytes, length) {
                    resume.take(line.key);
                }
            }
            Entry::Instance { restarts: count, .. } => {
                *restarts = count;
                resume.begin_instance();
            }
        }
    }
}

#[cfg(test)]
mod tests;
