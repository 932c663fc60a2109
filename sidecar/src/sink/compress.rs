//! Compression of a request's body. Pure.

mod deflate;
mod gzip;

use bytes::Bytes;
use std::io::{self, Read};

/// How a body is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    /// Not at all.
    Identity,
    /// RFC 1952, as fast as it goes: more would cost more time than everything else together.
    Gzip,
    /// RFC 8878, level 1.
    Zstd,
    /// Snappy's block format, without frames, as Loki wants it.
    Snappy,
}

impl Codec {
    /// The value of `Content-Encoding`, or of `grpc-encoding`. None: the body does not say.
    pub fn name(self) -> Option<&'static str> {
        match self {
            Self::Identity | Self::Snappy => None,
            Self::Gzip => Some("gzip"),
            Self::Zstd => Some("zstd"),
        }
    }

    /// The compressed body.
    pub fn compress(self, body: Bytes) -> io::Result<Bytes> {
        match self {
            Self::Identity => Ok(body),
            Self::Gzip => Ok(gzip::gzip(&body).into()),
            Self::Zstd => zstd::bulk::compress(&body, 1).map(Bytes::from),
            Self::Snappy => snap::raw::Encoder::new()
                .compress_vec(&body)
                .map(Bytes::from)
                .map_err(io::Error::other),
        }
    }
}

/// The text of a body that is compressed by gzip, as far as `bytes_max`; a torn end is left out.
pub fn gunzip(body: &[u8], bytes_max: usize) -> Vec<u8> {
    let mut text = Vec::new();
    let limit = bytes_max as u64;
    // What could be read before an error is better than nothing: it is for people.
    let _ = flate2::read::MultiGzDecoder::new(body)
        .take(limit)
        .read_to_end(&mut text);
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decompress(codec: Codec, body: &[u8]) -> Vec<u8> {
        match codec {
            Codec::Identity => body.to_vec(),
            Codec::Gzip => gunzip(body, 1 << 20),
            Codec::Zstd => zstd::decode_all(body).unwrap(),
            Codec::Snappy => snap::raw::Decoder::new().decompress_vec(body).unwrap(),
        }
    }

    proptest! {
        /// What is compressed is what comes out again.
        #[test]
        fn every_codec_keeps_the_body(body in proptest::collection::vec(any::<u8>(), 0..3000)) {
            for codec in [Codec::Identity, Codec::Gzip, Codec::Zstd, Codec::Snappy] {
                let compressed = codec.compress(Bytes::from(body.clone())).unwrap();
                prop_assert_eq!(&decompress(codec, &compressed), &body);
            }
        }
    }

    #[test]
    fn decompression_is_bounded_and_survives_a_torn_body() {
        let bomb = Codec::Gzip.compress(Bytes::from(vec![0; 1 << 20])).unwrap();
        assert_eq!(gunzip(&bomb, 1000).len(), 1000);
        assert!(!gunzip(&bomb[..bomb.len() / 2], 1 << 20).is_empty());
        assert!(gunzip(b"not gzip", 100).is_empty());
    }
}
