//! The contents of an open log: bytes at an offset, and, of a compressed one, what they were before.
//!
//! Guarantees: a compressed file is unpacked forwards and in pieces, so that neither memory nor the time of one read grows with it; a
//! file that only begins like a compressed one is an error, to be tried again, because somebody may still be writing it.

use crate::engine::checkpoint::{Fingerprint, Trail};
use flate2::read::MultiGzDecoder;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;

/// How a compressed file begins (RFC 1952).
const MAGIC: [u8; 2] = [0x1f, 0x8b];
/// Unpacked bytes of one read.
const UNPACKED_BYTES: usize = 64 << 10;
/// One read passes over at most so many unpacked bytes.
const SKIP_BYTES_MAX: u64 = 8 << 20;

/// An open log.
#[derive(Debug)]
pub(super) enum Contents {
    /// As it is.
    Plain(File),
    /// Compressed.
    Packed(Box<Packed>),
}

/// A compressed file, unpacked up to somewhere.
#[derive(Debug)]
pub(super) struct Packed {
    file: File,
    decoder: Option<MultiGzDecoder<BufReader<File>>>,
    /// The last unpacked bytes and where they begin.
    window: Vec<u8>,
    start: u64,
    is_at_end: bool,
}

/// What a read found.
pub(super) struct Found {
    /// Bytes of the whole; while it is being unpacked, more than was unpacked so far, and than was passed over for this read.
    pub size: u64,
    /// Bytes read into the buffer.
    pub count: usize,
}

impl Contents {
    /// Of a file that was just opened; `packed` says what its name promises.
    pub(super) fn new(file: File, packed: bool) -> io::Result<Self> {
        let mut magic = [0; 2];
        let is_packed = packed && file.read_at(&mut magic, 0)? == 2 && magic == MAGIC;
        Ok(if is_packed {
            Self::Packed(Box::new(Packed {
                file,
                decoder: None,
                window: Vec::new(),
                start: 0,
                is_at_end: false,
            }))
        } else {
            Self::Plain(file)
        })
    }

    /// The first bytes, as many as a fingerprint covers.
    pub(super) fn head(&self) -> io::Result<Vec<u8>> {
        let mut head = vec![0; Fingerprint::BYTES_MAX];
        let filled = match self {
            Self::Plain(file) => fill(&mut head, |rest, at| file.read_at(rest, at))?,
            Self::Packed(packed) => {
                let mut decoder = packed.unpack()?;
                fill(&mut head, |rest, _| decoder.read(rest))?
            }
        };
        head.truncate(filled);
        Ok(head)
    }

    /// Bytes of the whole; of a compressed file, as it says itself.
    pub(super) fn size(&self) -> io::Result<u64> {
        match self {
            Self::Plain(file) => Ok(file.metadata()?.len()),
            Self::Packed(packed) => {
                let mut size = [0; 4];
                let end = packed.file.metadata()?.len().saturating_sub(4);
                packed.file.read_exact_at(&mut size, end)?;
                Ok(u32::from_le_bytes(size).into())
            }
        }
    }

    /// Reads at an offset.
    pub(super) fn read(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<Found> {
        match self {
            Self::Plain(file) => {
                let size = file.metadata()?.len();
                let count = file.read_at(buffer, offset)?;
                Ok(Found { size, count })
            }
            Self::Packed(packed) => packed.read(offset, buffer),
        }
    }
}

impl Packed {
    fn unpack(&self) -> io::Result<MultiGzDecoder<BufReader<File>>> {
        let mut file = self.file.try_clone()?;
        file.seek(SeekFrom::Start(0))?;
        Ok(MultiGzDecoder::new(BufReader::new(file)))
    }

    fn read(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<Found> {
        if self.decoder.is_none() || offset < self.start {
            self.decoder = Some(self.unpack()?);
            self.window.clear();
            self.start = 0;
            self.is_at_end = false;
        }
        let limit = self.end() + SKIP_BYTES_MAX;
        while !self.is_at_end && self.end() < offset + UNPACKED_BYTES as u64 && self.end() < limit {
            self.advance(offset)?;
        }
        let begin = usize::try_from(offset.saturating_sub(self.start)).unwrap_or(usize::MAX);
        let bytes = self.window.get(begin..).unwrap_or_default();
        let count = bytes.len().min(buffer.len());
        buffer[..count].copy_from_slice(&bytes[..count]);
        let size = if self.is_at_end {
            self.end()
        } else {
            // Less than the offset would mean that it holds something else now.
            self.end().max(offset) + 1
        };
        if self.is_at_end && self.end() <= offset + count as u64 {
            self.decoder = None;
        }
        Ok(Found { size, count })
    }

    fn end(&self) -> u64 {
        self.start + self.window.len() as u64
    }

    /// Unpacks some more; keeps what may be asked for again.
    fn advance(&mut self, offset: u64) -> io::Result<()> {
        let keep_from = offset.min(self.end().saturating_sub(Trail::BYTES_MAX as u64));
        let spare = usize::try_from(keep_from.saturating_sub(self.start)).unwrap_or(0);
        self.window.drain(..spare);
        self.start += spare as u64;
        let filled = self.window.len();
        self.window.resize(filled + UNPACKED_BYTES, 0);
        let decoder = self.decoder.as_mut().ok_or(io::ErrorKind::NotConnected)?;
        let count = decoder.read(&mut self.window[filled..]);
        self.window
            .truncate(filled + count.as_ref().copied().unwrap_or(0));
        self.is_at_end = count? == 0;
        Ok(())
    }
}

/// Reads until the buffer is full or there is nothing more.
fn fill(buffer: &mut [u8], mut read: impl FnMut(&mut [u8], u64) -> io::Result<usize>) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match read(&mut buffer[filled..], filled as u64)? {
            0 => break,
            count => filled += count,
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::Write;

    fn packed(text: &[u8], cut: usize) -> Contents {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text).unwrap();
        let bytes = encoder.finish().unwrap();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes[..bytes.len() - cut]).unwrap();
        Contents::new(file, true).unwrap()
    }

    #[test]
    fn compressed_file_is_read_at_any_offset_to_its_end() {
        let text: Vec<u8> = (0..300_000u32).flat_map(u32::to_le_bytes).collect();
        let mut contents = packed(&text, 0);
        assert_eq!(contents.size().unwrap(), text.len() as u64);
        assert_eq!(contents.head().unwrap(), text[..1024]);
        for offset in [0, 70_000, 69_800, 1_000_000, 5] {
            let mut buffer = vec![0; 256 << 10];
            let found = contents.read(offset as u64, &mut buffer).unwrap();
            assert!(found.count > 0 && found.size > (offset + found.count) as u64 - 1);
            assert_eq!(buffer[..found.count], text[offset..offset + found.count]);
        }
        let found = contents.read(text.len() as u64, &mut [0; 16]).unwrap();
        assert_eq!((found.size, found.count), (text.len() as u64, 0));
    }

    #[test]
    fn far_offset_is_reached_in_several_reads_of_which_none_looks_like_a_shorter_file() {
        let text: Vec<u8> = (0..3_000_000u32).flat_map(u32::to_le_bytes).collect();
        let mut contents = packed(&text, 0);
        let offset = 11 << 20;
        let mut buffer = vec![0; 1 << 10];
        let mut passed_over = 0;
        let count = loop {
            let found = contents.read(offset as u64, &mut buffer).unwrap();
            assert!(found.size > offset as u64, "{}", found.size);
            if found.count > 0 {
                break found.count;
            }
            passed_over += 1;
            assert!(passed_over < 3);
        };
        assert!(passed_over > 0, "nothing was far");
        assert_eq!(buffer[..count], text[offset..offset + count]);
    }

    #[test]
    fn file_that_is_still_being_compressed_is_an_error() {
        let text: Vec<u8> = (0..30_000u32).flat_map(u32::to_le_bytes).collect();
        let mut contents = packed(&text, 1000);
        let mut offset = 0;
        let error = loop {
            match contents.read(offset, &mut vec![0; 64 << 10]) {
                Ok(found) => offset += found.count as u64,
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}
