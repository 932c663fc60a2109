//! The segments of a spool: what is read of them is what was written, everything that is missing is counted, and an engine that goes on
//! with them lives.

use super::checkpoint::CONFIG;
use super::disk::Disk;
use super::life;
use logship::engine::checkpoint::SpoolPosition;
use logship::engine::spool::{Entry, Fate, Flaw, HEADER_BYTES, Scan, damage};
use std::collections::BTreeMap;

/// The bytes are a number of bytes, of which the first segment is settled; the length of a segment, and it, and so on.
pub fn target(bytes: &[u8]) {
    let Some((&[settled, ..], mut rest)) = bytes.split_first_chunk::<2>() else {
        return;
    };
    let settled = u64::from(settled);
    let position = SpoolPosition {
        settled,
        included: settled,
    };
    let mut scan = Scan::new(position, BTreeMap::new());
    let mut disk = Disk::default();
    let mut named = 0;
    while let Some((length, behind)) = rest.split_first_chunk::<2>() {
        let length = usize::from(u16::from_le_bytes(*length)).min(behind.len());
        let (segment, behind) = behind.split_at(length);
        rest = behind;
        if let Some(entries) = segment.get(HEADER_BYTES..) {
            read(entries, named);
        }
        if scan.look(named, segment) == Fate::Keep {
            disk.files.insert(named, segment.to_vec());
        }
        named += segment.len().saturating_sub(HEADER_BYTES) as u64;
    }
    let world = life::World {
        spool: Some(scan.finish()),
        disk,
        ..life::World::default()
    };
    life::live(&CONFIG, None, world);
}

/// Entries and damage follow each other without a gap, and what is read would be written so.
fn read(bytes: &[u8], first: u64) {
    let mut at = 0;
    while at < bytes.len() {
        let address = first + at as u64;
        match Entry::read(&bytes[at..], address) {
            Ok((entry, length)) => {
                let mut again = Vec::new();
                entry.append(address, &mut again);
                assert_eq!(again, bytes[at..at + length]);
                at += length;
            }
            Err(flaw) => {
                if let Flaw::Short(needed) = flaw {
                    assert!(needed > bytes.len() - at);
                }
                let skipped = damage(&bytes[at..], address);
                assert!(skipped > 0 && at + skipped <= bytes.len());
                at += skipped;
            }
        }
    }
}
