//! A compressed log: bytes at an offset of what it was before.
//!
//! Guarantees: it is unpacked forwards and in pieces, so that neither memory nor the time of one read grows with it; each decoder
//! reads at an offset of its own, so that a look at the beginning does not disturb what is being unpacked further on; a file that only
//! begins like a compressed one is an error, and is unpacked anew when it is tried again, because somebody may still be writing it; a
//! file that was unpacked to its end is not unpacked again before it has changed.

use super::Found;
use crate::engine::checkpoint::Trail;
use flate2::read::MultiGzDecoder;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::sync::Arc;

/// Unpacked bytes of one read.
const UNPACKED_BYTES: usize = 64 << 10;
/// One read passes over at most so many unpacked bytes.
const SKIP_BYTES_MAX: u64 = 8 << 20;

/// Unpacked up to somewhere.
#[derive(Debug)]
pub(super) struct Packed {
    file: Arc<File>,
    decoder: Option<Decoder>,
    /// The last unpacked bytes and where they begin.
    window: Vec<u8>,
    start: u64,
    /// What the file was like when its end was reached.
    ended: Option<Stamp>,
}

type Decoder = MultiGzDecoder<BufReader<Forwards>>;

/// Compressed bytes and time of the last change: who appends changes both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    bytes: u64,
    modified: (i64, i64),
}

/// Reads a file from its beginning, whoever else reads it.
#[derive(Debug)]
struct Forwards {
    file: Arc<File>,
    offset: u64,
}

impl Packed {
    /// Nothing is unpacked yet.
    pub(super) fn new(file: Arc<File>) -> Self {
        Self {
            file,
            decoder: None,
            window: Vec::new(),
            start: 0,
            ended: None,
        }
    }

    /// Its first bytes, from where nothing was unpacked yet.
    pub(super) fn beginning(&self) -> impl Read + use<> {
        decoder(&self.file)
    }

    /// What its last member says of the size of that member, modulo 2³²: the whole may be larger.
    pub(super) fn size(&self) -> io::Result<u64> {
        let mut size = [0; 4];
        let end = self.file.metadata()?.len().saturating_sub(4);
        self.file.read_exact_at(&mut size, end)?;
        Ok(u32::from_le_bytes(size).into())
    }

    /// Reads at an offset.
    pub(super) fn read(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<Found> {
        let stamp = Stamp::of(&self.file)?;
        let goes_on = match self.ended {
            Some(ended) => ended == stamp,
            None => self.decoder.is_some(),
        };
        if !goes_on || offset < self.start {
            *self = Self::new(self.file.clone());
            self.decoder = Some(decoder(&self.file));
        }
        let limit = self.end() + SKIP_BYTES_MAX;
        while self.ended.is_none() && self.end() < offset + UNPACKED_BYTES as u64 && self.end() < limit {
            if let Err(error) = self.advance(offset, stamp) {
                *self = Self::new(self.file.clone());
                return Err(error);
            }
        }
        let begin = usize::try_from(offset.saturating_sub(self.start)).unwrap_or(usize::MAX);
        let bytes = self.window.get(begin..).unwrap_or_default();
        let count = bytes.len().min(buffer.len());
        buffer[..count].copy_from_slice(&bytes[..count]);
        let size = if self.ended.is_some() {
            self.end()
        } else {
            // Less than the offset would mean that it holds something else now.
            self.end().max(offset) + 1
        };
        if self.ended.is_some() && self.end() <= offset + count as u64 {
            self.keep_from(offset);
            self.window.shrink_to_fit();
        }
        Ok(Found { size, count })
    }

    fn end(&self) -> u64 {
        self.start + self.window.len() as u64
    }

    /// Unpacks some more.
    fn advance(&mut self, offset: u64, stamp: Stamp) -> io::Result<()> {
        self.keep_from(offset);
        let filled = self.window.len();
        self.window.resize(filled + UNPACKED_BYTES, 0);
        let decoder = self.decoder.as_mut().ok_or(io::ErrorKind::NotConnected)?;
        let count = decoder.read(&mut self.window[filled..])?;
        self.window.truncate(filled + count);
        if count == 0 {
            self.ended = Some(stamp);
            self.decoder = None;
        }
        Ok(())
    }

    /// Forgets what is not asked for again by who reads at this offset.
    fn keep_from(&mut self, offset: u64) {
        let keep_from = offset.min(self.end().saturating_sub(Trail::BYTES_MAX as u64));
        let spare = usize::try_from(keep_from.saturating_sub(self.start)).unwrap_or(0);
        self.window.drain(..spare);
        self.start += spare as u64;
    }
}

fn decoder(file: &Arc<File>) -> Decoder {
    let file = file.clone();
    MultiGzDecoder::new(BufReader::new(Forwards { file, offset: 0 }))
}

impl Stamp {
    fn of(file: &File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        Ok(Self {
            bytes: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        })
    }
}

impl Read for Forwards {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(buffer, self.offset)?;
        self.offset += count as u64;
        Ok(count)
    }
}
