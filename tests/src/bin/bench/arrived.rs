//! Which lines arrived: decodes what a sink took and looks for the numbers of the lines in it.
//!
//! It runs after the clock was read, so that it costs the measurement nothing.

use crate::input::{DIGITS, MARKER};
use anyhow::{Context, Result, bail};
use flate2::read::MultiGzDecoder;
use memchr::memmem::Finder;
use std::borrow::Cow;
use std::io::Read;

/// The numbers seen so far, of those that are expected.
#[derive(Debug)]
pub struct Arrived {
    seen: Vec<bool>,
    distinct: usize,
    mentions: usize,
    decoded_bytes: usize,
    marker: Finder<'static>,
}

impl Arrived {
    /// Nothing yet, of `lines` lines.
    pub fn new(lines: usize) -> Self {
        Self {
            seen: vec![false; lines],
            distinct: 0,
            mentions: 0,
            decoded_bytes: 0,
            marker: Finder::new(MARKER),
        }
    }

    /// Whether every line was seen.
    pub fn is_complete(&self) -> bool {
        self.distinct == self.seen.len()
    }

    /// How many different lines were seen.
    pub fn distinct(&self) -> usize {
        self.distinct
    }

    /// How often the number of a line was seen.
    pub fn mentions(&self) -> usize {
        self.mentions
    }

    /// Bytes of the payloads after they were decoded.
    pub fn decoded_bytes(&self) -> usize {
        self.decoded_bytes
    }

    /// Takes one payload, encoded as its `Content-Encoding` says.
    ///
    /// # Errors
    /// When it cannot be decoded, or has a line that is not expected.
    pub fn take(&mut self, encoding: &str, payload: &[u8]) -> Result<()> {
        let text = decoded(encoding, payload)?;
        self.decoded_bytes += text.len();
        for position in self.marker.find_iter(&text) {
            let digits = text.get(position + MARKER.len()..position + MARKER.len() + DIGITS);
            let number = digits
                .and_then(|digits| str::from_utf8(digits).ok())
                .and_then(|digits| digits.parse().ok());
            let number: usize = number.context("a line's number was changed on its way")?;
            let Some(seen) = self.seen.get_mut(number) else {
                bail!("line {number} arrived, which the input does not have");
            };
            self.mentions += 1;
            self.distinct += usize::from(!std::mem::replace(seen, true));
        }
        Ok(())
    }
}

/// A payload without its `Content-Encoding`.
///
/// # Errors
/// When it is not encoded so.
pub fn decoded<'a>(encoding: &str, payload: &'a [u8]) -> Result<Cow<'a, [u8]>> {
    let mut text = Vec::new();
    match encoding {
        "" | "identity" => return Ok(Cow::Borrowed(payload)),
        "gzip" => MultiGzDecoder::new(payload)
            .read_to_end(&mut text)
            .context("failed to decode gzip")?,
        "zstd" => ruzstd::decoding::StreamingDecoder::new(payload)
            .context("failed to decode zstd")?
            .read_to_end(&mut text)
            .context("failed to decode zstd")?,
        // Loki's form: one raw block.
        "snappy" => {
            text = snap::raw::Decoder::new()
                .decompress_vec(payload)
                .context("failed to decode snappy")?;
            text.len()
        }
        other => bail!("a payload is encoded with {other}"),
    };
    Ok(Cow::Owned(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::Write;

    #[test]
    fn is_complete_only_with_every_line_in_whatever_encoding() {
        let mut arrived = Arrived::new(3);
        arrived.take("", b"..seq-000000000..seq-000000001").unwrap();
        arrived.take("", b"seq-000000000").unwrap();
        assert_eq!(
            (arrived.distinct(), arrived.mentions(), arrived.is_complete()),
            (2, 3, false)
        );

        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(b"{\"id\":\"seq-000000002\"}").unwrap();
        arrived.take("gzip", &gzip.finish().unwrap()).unwrap();
        assert!(arrived.is_complete());

        let snappy = snap::raw::Encoder::new().compress_vec(b"seq-000000002").unwrap();
        arrived.take("snappy", &snappy).unwrap();
        assert_eq!(arrived.mentions(), 5);
    }

    #[test]
    fn refuses_what_the_input_does_not_have() {
        let mut arrived = Arrived::new(3);
        assert!(arrived.take("", b"seq-000000003").is_err());
        assert!(arrived.take("", b"seq-00000000").is_err());
        assert!(arrived.take("gzip", b"seq-000000001").is_err());
    }
}
