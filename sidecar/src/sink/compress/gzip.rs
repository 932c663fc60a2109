//! A body as one member of gzip: <https://www.rfc-editor.org/rfc/rfc1952>. The inverse is flate2's.

use super::deflate::deflate;

/// Deflate, no name, no time, made fast, on an unknown system.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 4, 255];

/// The compressed body.
pub fn gzip(body: &[u8]) -> Vec<u8> {
    // Logs shrink to a quarter or less; what does not makes the memory grow.
    let mut out = Vec::with_capacity(HEADER.len() + body.len() / 4);
    out.extend_from_slice(&HEADER);
    let mut out = deflate(body, out);
    out.extend_from_slice(&crc32fast::hash(body).to_le_bytes());
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the format has the length modulo 2^32"
    )]
    let length = body.len() as u32;
    out.extend_from_slice(&length.to_le_bytes());
    out
}

#[cfg(test)]
mod tests;
