//! Container output that sinks do not take and that the API does not keep: the engine in a simulated world, and the real binary against
//! a scripted API server.
#![expect(clippy::unwrap_used, reason = "a helper that cannot go on fails the test")]

#[path = "../reload/book.rs"]
#[expect(dead_code, reason = "shared with the tests of changes")]
mod book;
#[path = "../api/container.rs"]
#[expect(dead_code, reason = "shared with the tests of the API")]
mod container;
#[path = "../../fuzz/targets/disk.rs"]
mod disk;
#[path = "../api/kubelet.rs"]
#[expect(dead_code, reason = "shared with the tests of the API")]
mod kubelet;
mod outage;
#[path = "../run/server.rs"]
mod server;
#[path = "../api/shipper.rs"]
#[expect(dead_code, reason = "shared with the tests of the API")]
mod shipper;
mod simulated;
#[path = "../run/support.rs"]
#[expect(dead_code, reason = "shared with the other tests of the binary")]
mod support;
#[path = "../run/tls.rs"]
#[expect(dead_code, reason = "shared with the tests of `run`, which use the rest")]
mod tls;
mod volume;
mod world;

use logship::engine::spool::{Entry, HEADER_BYTES};
use std::path::{Path, PathBuf};

/// The directory of the only source's spool.
fn spool(place: &support::Place) -> PathBuf {
    place.path("state/shop.output.spool")
}

/// Its segments in order. What vanishes meanwhile is none.
fn segments(spool: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(spool).into_iter().flatten();
    let mut segments: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    segments.retain(|path| path.extension().is_some());
    segments.sort();
    segments
}

fn disk_bytes(spool: &Path) -> u64 {
    let metadata = segments(spool)
        .into_iter()
        .filter_map(|segment| segment.metadata().ok());
    metadata.map(|metadata| metadata.len()).sum()
}

fn lines_on_disk(spool: &Path) -> Vec<Vec<u8>> {
    segments(spool)
        .iter()
        .flat_map(|segment| lines_of_segment(segment))
        .collect()
}

fn lines_of_segment(segment: &Path) -> Vec<Vec<u8>> {
    let bytes = std::fs::read(segment).unwrap_or_default();
    let name = segment.file_stem().unwrap().to_str().unwrap();
    lines_of(u64::from_str_radix(name, 16).unwrap(), &bytes)
}

/// The lines of a segment that begins at this address, as far as they are whole.
fn lines_of(first: u64, bytes: &[u8]) -> Vec<Vec<u8>> {
    let (mut lines, mut at) = (Vec::new(), HEADER_BYTES);
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        let address = first + (at - HEADER_BYTES) as u64;
        match Entry::read(rest, address) {
            Ok((entry, length)) => {
                at += length;
                if let Entry::Line { bytes, .. } = entry {
                    lines.push(bytes.to_vec());
                }
            }
            Err(_) => at += logship::engine::spool::damage(rest, address),
        }
    }
    lines
}
