//! The entries of a spool that are in memory: the newest ones, which no disk has yet.
//!
//! They are kept in chunks as they would be written, so that writing is one act for many entries, and what is settled meanwhile is
//! let go chunk by chunk and never sees a disk.

use super::entry::Entry;
use std::collections::VecDeque;

/// A chunk that is not shorter gets no further entry.
const CHUNK_BYTES: usize = 64 << 10;

/// Entries in memory.
#[derive(Debug, Default)]
pub struct Window {
    chunks: VecDeque<Chunk>,
    bytes: usize,
    /// Address behind the newest entry.
    end: u64,
}

/// Entries that follow each other.
#[derive(Debug)]
pub struct Chunk {
    /// Address of the first.
    pub first: u64,
    /// All of them.
    pub bytes: Vec<u8>,
}

impl Chunk {
    /// Address behind the last.
    pub fn end(&self) -> u64 {
        self.first + self.bytes.len() as u64
    }
}

impl Window {
    /// Without entries; the next one is at `end`.
    pub fn at(end: u64) -> Self {
        Self {
            end,
            ..Self::default()
        }
    }

    /// Address behind the newest entry, also when it is not here any more.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Bytes that are here.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes an entry. The address behind it.
    pub fn push(&mut self, entry: &Entry<'_>) -> u64 {
        if self
            .chunks
            .back()
            .is_none_or(|last| last.bytes.len() >= CHUNK_BYTES)
        {
            self.chunks.push_back(Chunk {
                first: self.end,
                bytes: Vec::new(),
            });
        }
        if let Some(chunk) = self.chunks.back_mut() {
            let before = chunk.bytes.len();
            entry.append(self.end, &mut chunk.bytes);
            let bytes = chunk.bytes.len() - before;
            self.bytes += bytes;
            self.end += bytes as u64;
        }
        self.end
    }

    /// The oldest entries.
    pub fn oldest(&self) -> Option<&Chunk> {
        self.chunks.front()
    }

    /// Lets the oldest chunk go.
    pub fn drop_oldest(&mut self) {
        if let Some(chunk) = self.chunks.pop_front() {
            self.bytes -= chunk.bytes.len();
        }
    }

    /// Everything before this address is settled.
    pub fn settle(&mut self, settled: u64) {
        while self.oldest().is_some_and(|chunk| chunk.end() <= settled) {
            self.drop_oldest();
        }
    }

    /// The entries from this address on, as far as they are in one chunk.
    pub fn entries(&self, address: u64) -> Option<&[u8]> {
        let chunk = self.chunks.iter().find(|chunk| address < chunk.end())?;
        let at = usize::try_from(address.checked_sub(chunk.first)?).ok()?;
        chunk.bytes.get(at..)
    }
}
