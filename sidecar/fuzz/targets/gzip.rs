//! Gzip, which is our own: what a library reads of it is the body, and it never becomes much longer.

use bytes::Bytes;
use flate2::read::GzDecoder;
use logship::sink::compress::Codec;
use std::io::Read;

/// Three windows.
const BODY_BYTES_MAX: usize = 96 << 10;

/// The first byte says how often the rest stands in the body, in which copies lie ever further apart.
pub fn target(bytes: &[u8]) {
    let Some((times, text)) = bytes.split_first() else {
        return;
    };
    let mut body = Vec::new();
    for copy in 0..=usize::from(times % 16) {
        body.extend_from_slice(text);
        body.extend((0..copy * copy * 150).map(|at| (at * at / 32).to_le_bytes()[0]));
    }
    body.truncate(BODY_BYTES_MAX);
    let body = Bytes::from(body);
    let compressed = Codec::Gzip.compress(body.clone()).expect("memory is written to");
    assert!(compressed.len() <= body.len() + body.len() / 1000 + 64);
    let mut read = Vec::new();
    let mut decoder = GzDecoder::new(&compressed[..]);
    decoder
        .read_to_end(&mut read)
        .expect("length and checksum are right");
    assert!(read == body, "{} of {} bytes", read.len(), body.len());
}
