//! What tells one file from another: its device and inode, refuted by checksums of its contents. Names and times prove nothing.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Device and inode of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Identity {
    /// `st_dev`.
    pub device: u64,
    /// `st_ino`.
    pub inode: u64,
}

/// Checksum of the first bytes of a file; grows with the file up to [`Fingerprint::BYTES_MAX`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    /// How many bytes it covers.
    pub bytes: usize,
    /// CRC-32 of them.
    pub crc: u32,
}

impl Fingerprint {
    /// More of a file does not enter the fingerprint.
    pub const BYTES_MAX: usize = 1024;

    /// The fingerprint of a file that begins with `head`.
    pub fn of(head: &[u8]) -> Self {
        let mut fingerprint = Self::default();
        fingerprint.extend(0, head);
        fingerprint
    }

    /// Whether a file that begins with `head` can be the file of this fingerprint.
    pub fn matches(&self, head: &[u8]) -> bool {
        head.get(..self.bytes)
            .is_some_and(|covered| crc32fast::hash(covered) == self.crc)
    }

    /// Grows by `bytes` read at `offset`, where they go on at its end.
    pub fn extend(&mut self, offset: u64, bytes: &[u8]) {
        if offset != self.bytes as u64 {
            return;
        }
        let taken = bytes.len().min(Self::BYTES_MAX.saturating_sub(self.bytes));
        let mut hasher = crc32fast::Hasher::new_with_initial_len(self.crc, self.bytes as u64);
        hasher.update(&bytes[..taken]);
        self.crc = hasher.finalize();
        self.bytes += taken;
    }
}

/// The first bytes of a file, to be compared with the fingerprints of many others: for each length they are summed up once.
#[derive(Debug)]
pub struct Head<'a> {
    bytes: &'a [u8],
    sums: BTreeMap<usize, u32>,
}

impl<'a> Head<'a> {
    /// Nothing is compared yet.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            sums: BTreeMap::new(),
        }
    }

    /// As [`Fingerprint::matches`]; none if it is too short to tell.
    pub fn matches(&mut self, fingerprint: &Fingerprint) -> Option<bool> {
        let covered = self.bytes.get(..fingerprint.bytes)?;
        let sum = self.sums.entry(fingerprint.bytes);
        Some(*sum.or_insert_with(|| crc32fast::hash(covered)) == fingerprint.crc)
    }
}

/// Checksum of the bytes before an offset that was read: finds contents that were replaced behind an equal beginning.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Trail {
    /// The offset.
    pub end: u64,
    /// How many bytes before it are covered.
    pub bytes: usize,
    /// CRC-32 of them.
    pub crc: u32,
}

impl Trail {
    /// More bytes are not covered.
    pub const BYTES_MAX: usize = 256;

    /// Covers nothing before `end`.
    pub fn none(end: u64) -> Self {
        Self {
            end,
            ..Self::default()
        }
    }

    /// The trail before `end`, where `read` is what stands right before it.
    pub fn of(end: u64, read: &[u8]) -> Self {
        let covered = &read[read.len().saturating_sub(Self::BYTES_MAX)..];
        Self {
            end,
            bytes: covered.len(),
            crc: crc32fast::hash(covered),
        }
    }

    /// Where it begins.
    pub fn start(&self) -> u64 {
        self.end.saturating_sub(self.bytes as u64)
    }

    /// Whether `read`, which was read at [`Trail::start`], begins with the bytes of this trail; none if it is too short to tell.
    pub fn leads(&self, read: &[u8]) -> Option<bool> {
        read.get(..self.bytes)
            .map(|covered| self.bytes == 0 || crc32fast::hash(covered) == self.crc)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn trail_is_refuted_by_other_bytes_and_undecided_by_too_few() {
        let trail = Trail::of(400, &[b'x'; 300]);
        assert_eq!((trail.start(), trail.bytes), (144, 256));
        assert_eq!(trail.leads(&[b'x'; 300]), Some(true));
        assert_eq!(trail.leads(&[b'y'; 300]), Some(false));
        assert_eq!(trail.leads(&[b'x'; 200]), None);
        assert_eq!(Trail::none(7).leads(b""), Some(true));
    }

    proptest! {
        /// A fingerprint grown in pieces is the fingerprint of the whole, and still matches when the file has grown.
        #[test]
        fn fingerprint_grows_with_the_file(pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..400), 0..6)) {
            let mut fingerprint = Fingerprint::default();
            let mut file = Vec::new();
            for piece in pieces {
                fingerprint.extend(file.len() as u64, &piece);
                file.extend(piece);
                prop_assert_eq!(fingerprint, Fingerprint::of(&file));
                prop_assert!(fingerprint.matches(&file));
            }
        }

        /// A head says of many files what each of their fingerprints says of it.
        #[test]
        fn head_is_compared_as_fingerprints_compare_it(
            head in proptest::collection::vec(0u8..2, 0..20),
            files in proptest::collection::vec(proptest::collection::vec(0u8..2, 0..20), 0..20),
        ) {
            let mut compared = Head::new(&head);
            for fingerprint in files.iter().map(|file| Fingerprint::of(file)) {
                let expected = (fingerprint.bytes <= head.len()).then(|| fingerprint.matches(&head));
                prop_assert_eq!(compared.matches(&fingerprint), expected);
            }
        }
    }
}
