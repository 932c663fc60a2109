//! How a spool lies on the disk: segments, each a file that begins with a header and goes on with entries.
//!
//! An address is a number of bytes of entries since the spool began; a segment says at which address it begins, and an entry is
//! only valid where it was written, because its checksum is over its address as well. So what was left over in a file, copied, or
//! glued together is never taken for something else.
//!
//! Guarantees: no bytes make the reader panic; what stands before a damaged place is read, and so is what stands behind it, because
//! each entry begins with a mark that is searched for.
//!
//! ```text
//! header   "logship spool 1\n"  address: u64  address where the segment before it ends: u64  CRC-32 of these: u32
//! entry    mark: 4 bytes  length: u32  CRC-32 of address, length and contents: u32  contents
//! contents kind: u8  length of the container's name: u8  name, then
//!          of a line: its whole length: u64, what is kept of it, with its time as the API sent it
//!          of an instance: restarts: u32
//! ```
//! Numbers are little endian.

use memchr::memmem;

/// Bytes before the first entry of a segment.
pub const HEADER_BYTES: usize = MAGIC.len() + 8 + 8 + 4;
/// Longer contents are damage: a line is cut long before.
const CONTENTS_BYTES_MAX: usize = 2 << 20;
/// So many places that look like an entry are tried behind a damaged one. Only a file that was made for it has more.
const TRIES_MAX: usize = 256;

const MAGIC: &[u8; 16] = b"logship spool 1\n";
const MARK: [u8; 4] = [0xE5, 0x9F, 0x01, 0xC4];
/// Mark, length and checksum.
const HEAD_BYTES: usize = MARK.len() + 4 + 4;
const LINE: u8 = 0;
const INSTANCE: u8 = 1;

/// One thing that was taken from the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry<'a> {
    /// A line of a container's output.
    Line {
        /// The container.
        container: &'a str,
        /// Bytes of the line before it was cut.
        length: u64,
        /// Time, space and content.
        bytes: &'a [u8],
    },
    /// What was taken of the container up to here is the output of the instance with this restart count.
    Instance {
        /// The container.
        container: &'a str,
        /// Its restart count.
        restarts: u32,
    },
}

/// Why there is no entry at an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// It is longer than the bytes: so many are needed.
    Short(usize),
    /// What is there was not written there.
    Damaged,
}

/// The beginning of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Address of its first entry.
    pub first: u64,
    /// Where the segment ended that was on the disk before it; 0: there was none.
    pub previous_end: u64,
}

impl Header {
    /// As it is written.
    pub fn to_bytes(self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..16].copy_from_slice(MAGIC);
        bytes[16..24].copy_from_slice(&self.first.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.previous_end.to_le_bytes());
        let crc = crc32fast::hash(&bytes[..32]);
        bytes[32..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// The header of a segment; none: it is not one of ours.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.get(..HEADER_BYTES)?;
        let is_ours = bytes.starts_with(MAGIC) && crc32fast::hash(&bytes[..32]) == u32_at(bytes, 32)?;
        is_ours.then_some(Self {
            first: u64_at(bytes, 16)?,
            previous_end: u64_at(bytes, 24)?,
        })
    }
}

impl<'a> Entry<'a> {
    /// The container that it is of.
    pub fn container(&self) -> &'a str {
        match self {
            Self::Line { container, .. } | Self::Instance { container, .. } => container,
        }
    }

    /// Writes the entry for `address` behind `out`. A name that no container can have, because it is too long, is left out.
    pub fn append(&self, address: u64, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&MARK);
        out.extend_from_slice(&[0; HEAD_BYTES - MARK.len()]);
        let kind = match self {
            Self::Line { .. } => LINE,
            Self::Instance { .. } => INSTANCE,
        };
        let name = self.container();
        let (name, name_bytes) = match u8::try_from(name.len()) {
            Ok(bytes) => (name, bytes),
            Err(_) => ("", 0),
        };
        out.extend_from_slice(&[kind, name_bytes]);
        out.extend_from_slice(name.as_bytes());
        match self {
            Self::Line { length, bytes, .. } => {
                out.extend_from_slice(&length.to_le_bytes());
                out.extend_from_slice(bytes);
            }
            Self::Instance { restarts, .. } => out.extend_from_slice(&restarts.to_le_bytes()),
        }
        let contents = &out[start + HEAD_BYTES..];
        let length = u32::try_from(contents.len()).unwrap_or(u32::MAX);
        let crc = checksum(address, length, contents);
        out[start + 4..start + 8].copy_from_slice(&length.to_le_bytes());
        out[start + 8..start + 12].copy_from_slice(&crc.to_le_bytes());
    }

    /// The entry at the beginning of `bytes`, which stand at `address`, and how many of them it is.
    pub fn read(bytes: &'a [u8], address: u64) -> Result<(Self, usize), Flaw> {
        let Some(head) = bytes.get(..HEAD_BYTES) else {
            return Err(Flaw::Short(HEAD_BYTES));
        };
        let (Some(length), Some(crc)) = (u32_at(head, 4), u32_at(head, 8)) else {
            return Err(Flaw::Damaged);
        };
        let whole = HEAD_BYTES + length as usize;
        if !head.starts_with(&MARK) || whole > CONTENTS_BYTES_MAX {
            return Err(Flaw::Damaged);
        }
        let contents = bytes.get(HEAD_BYTES..whole).ok_or(Flaw::Short(whole))?;
        if checksum(address, length, contents) != crc {
            return Err(Flaw::Damaged);
        }
        let entry = Self::of_contents(contents).ok_or(Flaw::Damaged)?;
        Ok((entry, whole))
    }

    fn of_contents(contents: &'a [u8]) -> Option<Self> {
        let (&[kind, name_bytes], rest) = contents.split_first_chunk::<2>()?;
        let (name, rest) = rest.split_at_checked(usize::from(name_bytes))?;
        let container = std::str::from_utf8(name).ok()?;
        match kind {
            LINE => Some(Self::Line {
                container,
                length: u64_at(rest, 0)?,
                bytes: rest.get(8..)?,
            }),
            INSTANCE if rest.len() == 4 => Some(Self::Instance {
                container,
                restarts: u32_at(rest, 0)?,
            }),
            _ => None,
        }
    }
}

/// How many bytes to leave out where no entry begins, until one does or there are no more. `bytes` stand at `address` and end where
/// the segment ends.
pub fn damage(bytes: &[u8], address: u64) -> usize {
    let places = memmem::find_iter(bytes.get(1..).unwrap_or_default(), &MARK);
    let mut places = places.map(|at| at + 1).take(TRIES_MAX);
    let is_entry = |at: &usize| Entry::read(&bytes[*at..], address + *at as u64).is_ok();
    places.find(is_entry).unwrap_or(bytes.len())
}

fn checksum(address: u64, length: u32, contents: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&address.to_le_bytes());
    hasher.update(&length.to_le_bytes());
    hasher.update(contents);
    hasher.finalize()
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at + 4)?;
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    let bytes = bytes.get(at..at + 8)?;
    Some(u64::from_le_bytes(bytes.try_into().ok()?))
}

#[cfg(test)]
mod tests;
