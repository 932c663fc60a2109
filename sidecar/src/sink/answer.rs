//! What a receiver answered, as far as verdicts need it. Pure.

use super::compress::gunzip;
use bytes::Bytes;
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, RETRY_AFTER};

/// Of an explanation, for people.
const EXPLANATION_BYTES_MAX: usize = 512;

/// An answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Headers and trailers.
    pub headers: HeaderMap,
    /// The body, or its beginning.
    pub body: Bytes,
    /// The whole body is here.
    pub complete: bool,
}

impl Answer {
    /// The value of a header that is text.
    pub fn header(&self, name: impl http::header::AsHeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The receiver's wish when it should be asked again.
    pub fn retry_after(&self) -> Option<&str> {
        self.header(RETRY_AFTER)
    }

    /// The body without its compression, at most `bytes_max`.
    pub fn text(&self, bytes_max: usize) -> Bytes {
        match self.header(CONTENT_ENCODING) {
            Some("gzip") => gunzip(&self.body, bytes_max).into(),
            _ => self.body.slice(..self.body.len().min(bytes_max)),
        }
    }

    /// The beginning of the body on one line, for people.
    pub fn explanation(&self) -> String {
        let text = self.text(EXPLANATION_BYTES_MAX);
        let text = String::from_utf8_lossy(&text);
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::compress::Codec;
    use http::HeaderValue;

    fn answer(body: Bytes) -> Answer {
        Answer {
            status: 400,
            headers: HeaderMap::new(),
            body,
            complete: true,
        }
    }

    #[test]
    fn explanation_is_one_bounded_line_also_of_a_compressed_body() {
        let text = Bytes::from("line 1\r\n\tline 2 ".to_owned() + &"x".repeat(10_000));
        let plain = answer(text.clone()).explanation();
        assert!(plain.starts_with("line 1 line 2 xxx") && plain.len() <= EXPLANATION_BYTES_MAX);
        let mut compressed = answer(Codec::Gzip.compress(text).unwrap());
        compressed
            .headers
            .insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        assert_eq!(compressed.explanation(), plain);
    }
}
