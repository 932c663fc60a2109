//! What of a spool is on the disk: which segments there are, where the next write goes, what is to be made durable, and what may go.
//!
//! Guarantee: the files of all segments together never grow beyond the bound.

use super::Tick;
use super::entry::{HEADER_BYTES, Header};
use super::window::Chunk;
use std::collections::VecDeque;
use std::time::Duration;

/// What was written to the open segment is made durable within this time.
const SYNC_INTERVAL: Duration = Duration::from_secs(1);
/// Segments are shorter where the bound is low, because room comes back only with a whole segment.
const SEGMENT_BYTES_MAX: u64 = 1 << 20;
const SEGMENT_BYTES_MIN: u64 = 16 << 10;

/// One file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Address of its first entry, by which its file is named.
    pub first: u64,
    /// Address behind its last entry.
    pub end: u64,
    /// Of the file.
    pub file_bytes: u64,
}

impl Segment {
    /// Where in the file the entry at this address is.
    pub fn offset(&self, address: u64) -> u64 {
        HEADER_BYTES as u64 + address.saturating_sub(self.first)
    }
}

/// Where a chunk goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The segment, by the address of its first entry.
    pub segment: u64,
    /// In its file; 0: it is a new one, and its header goes first.
    pub offset: u64,
    header: Option<Header>,
    bytes: u64,
}

impl Place {
    /// What to write there.
    pub fn bytes_of(&self, chunk: &Chunk) -> Vec<u8> {
        match self.header {
            Some(header) => [&header.to_bytes(), &chunk.bytes[..]].concat(),
            None => chunk.bytes.clone(),
        }
    }
}

/// The segments of a spool, oldest first.
#[derive(Debug)]
pub struct Disk {
    bytes_max: u64,
    segments: VecDeque<Segment>,
    /// Of files that were set aside.
    aside_bytes: u64,
    /// The newest segment may grow.
    is_open: bool,
    /// Addresses of segments that are not durable, oldest first.
    unsynced: VecDeque<u64>,
    sync_at: Option<Tick>,
}

impl Disk {
    /// These segments, which were there before and do not grow any more.
    pub fn new(bytes_max: u64, segments: VecDeque<Segment>, aside_bytes: u64) -> Self {
        Self {
            bytes_max,
            unsynced: segments.iter().map(|segment| segment.first).collect(),
            sync_at: Some(Tick::ZERO),
            segments,
            aside_bytes,
            is_open: false,
        }
    }

    /// Bytes of all files together at most.
    pub fn bytes_max(&self) -> u64 {
        self.bytes_max
    }

    /// Bytes of all files together.
    pub fn bytes(&self) -> u64 {
        let segments = self.segments.iter().map(|segment| segment.file_bytes);
        segments.sum::<u64>() + self.aside_bytes
    }

    /// Whether there is no segment.
    pub fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    /// The segment with the entry at this address; where there is none, the next one behind it.
    pub fn find(&self, address: u64) -> Option<&Segment> {
        self.segments.iter().find(|segment| address < segment.end)
    }

    /// Where this chunk goes; none: the bound is reached.
    pub fn place(&self, chunk: &Chunk) -> Option<Place> {
        let segment_bytes = (self.bytes_max / 16).clamp(SEGMENT_BYTES_MIN, SEGMENT_BYTES_MAX);
        let bytes = chunk.bytes.len() as u64;
        let newest = self.segments.back();
        let open = newest.filter(|newest| {
            let fits = newest.file_bytes + bytes <= segment_bytes;
            self.is_open && newest.end == chunk.first && fits
        });
        let place = match open {
            Some(open) => Place {
                segment: open.first,
                offset: open.file_bytes,
                header: None,
                bytes,
            },
            None => Place {
                segment: chunk.first,
                offset: 0,
                header: Some(Header {
                    first: chunk.first,
                    previous_end: newest.map_or(0, |newest| newest.end),
                }),
                bytes: HEADER_BYTES as u64 + bytes,
            },
        };
        (self.bytes() + place.bytes <= self.bytes_max).then_some(place)
    }

    /// The chunk was written where [`Disk::place`] said.
    pub fn written(&mut self, now: Tick, chunk: &Chunk, place: Place) {
        let is_new = place.offset == 0;
        match self.segments.back_mut().filter(|_| !is_new) {
            Some(open) => {
                open.end = chunk.end();
                open.file_bytes += place.bytes;
            }
            None => self.segments.push_back(Segment {
                first: chunk.first,
                end: chunk.end(),
                file_bytes: place.bytes,
            }),
        }
        self.is_open = true;
        // One that does not grow any more is made durable at once.
        let at = if is_new && !self.unsynced.is_empty() {
            now
        } else {
            now + SYNC_INTERVAL
        };
        self.sync_at = Some(self.sync_at.map_or(at, |sync_at| sync_at.min(at)));
        if self.unsynced.back() != Some(&place.segment) {
            self.unsynced.push_back(place.segment);
        }
    }

    /// The next segment to make durable: when it is time, or now if nothing is to wait.
    pub fn to_sync(&self, now: Tick, at_once: bool) -> Option<u64> {
        let oldest = *self.unsynced.front()?;
        let is_due = at_once || self.sync_at.is_none_or(|at| at <= now);
        is_due.then_some(oldest)
    }

    /// The segment is durable.
    pub fn synced(&mut self, now: Tick, segment: u64) {
        self.unsynced.retain(|unsynced| *unsynced != segment);
        let wait = if self.unsynced.len() > 1 {
            Duration::ZERO
        } else {
            SYNC_INTERVAL
        };
        self.sync_at = (!self.unsynced.is_empty()).then_some(now + wait);
    }

    /// It could not be made durable; it is tried again then.
    pub fn sync_failed(&mut self, again: Tick) {
        self.sync_at = Some(again);
    }

    /// When [`Disk::to_sync`] has something.
    pub fn deadline(&self) -> Option<Tick> {
        self.sync_at.filter(|_| !self.unsynced.is_empty())
    }

    /// The oldest segment, if it ends at or before this address. From now on it does not exist.
    pub fn remove_before(&mut self, address: u64) -> Option<u64> {
        let removed = self
            .segments
            .front()
            .filter(|oldest| oldest.end <= address)?
            .first;
        self.segments.pop_front();
        self.unsynced.retain(|unsynced| *unsynced != removed);
        self.is_open &= !self.segments.is_empty();
        Some(removed)
    }

    /// The newest segment does not grow any more.
    pub fn close(&mut self) {
        self.is_open = false;
    }
}
