//! One line of a container's output as the API sends it: a time, a space, and what the container wrote.

use super::RECORD_BYTES_MAX;
use super::resume::LineKey;
use crate::record::Record;
use crate::record::time::parse_rfc3339;

/// Room for the time in front of a line.
pub const TIMESTAMP_BYTES_MAX: usize = 64;

/// A line that has a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutputLine<'a> {
    /// All of it that is kept.
    pub bytes: &'a [u8],
    /// Bytes of all of it.
    pub length: u64,
    /// By which it is known again.
    pub key: LineKey,
    body: usize,
}

impl<'a> OutputLine<'a> {
    /// Reads a line of which `bytes` are kept. None: it has no time, so it is a notice of the API and none of the container's output.
    pub fn read(bytes: &'a [u8], length: u64) -> Option<Self> {
        let split = memchr::memchr(b' ', bytes).unwrap_or(bytes.len());
        let time = parse_rfc3339(&bytes[..split])?;
        Some(Self {
            bytes,
            length,
            key: LineKey::new(time, bytes),
            body: split + 1,
        })
    }

    /// What the container wrote.
    pub fn record(&self) -> Record<'a> {
        let whole = self.bytes.get(self.body..).unwrap_or_default();
        let length = self.length.saturating_sub(self.body as u64);
        let body = &whole[..whole.len().min(RECORD_BYTES_MAX)];
        Record {
            original_bytes: (length > body.len() as u64).then_some(length),
            ..Record::new(self.key.time, body)
        }
    }
}
