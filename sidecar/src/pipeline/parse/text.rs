//! What the parsers of lines have in common.

use crate::record::time::parse_pair;
use std::borrow::Cow;

/// What is before the first blank, and what is behind it.
pub fn token(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = memchr::memchr(b' ', text)?;
    Some((&text[..end], &text[end + 1..]))
}

/// An unsigned decimal number of 1 to 18 digits, which always fits.
pub fn integer(text: &[u8]) -> Option<i64> {
    if text.is_empty() || text.len() > 18 {
        return None;
    }
    text.iter().try_fold(0, |value, byte| {
        byte.is_ascii_digit().then(|| value * 10 + i64::from(byte - b'0'))
    })
}

/// The number of a month from its English abbreviation.
pub fn month(name: &[u8]) -> Option<i64> {
    Some(match name {
        b"Jan" => 1,
        b"Feb" => 2,
        b"Mar" => 3,
        b"Apr" => 4,
        b"May" => 5,
        b"Jun" => 6,
        b"Jul" => 7,
        b"Aug" => 8,
        b"Sep" => 9,
        b"Oct" => 10,
        b"Nov" => 11,
        b"Dec" => 12,
        _ => return None,
    })
}

/// The seconds of a day from `hh:mm:ss`; a leap second is the second after it.
pub fn second_of_day(text: &[u8]) -> Option<i64> {
    let [h1, h2, b':', m1, m2, b':', s1, s2] = *text else {
        return None;
    };
    let (hour, minute, second) = (parse_pair(h1, h2)?, parse_pair(m1, m2)?, parse_pair(s1, s2)?);
    (hour < 24 && minute < 60 && second <= 60).then_some(hour * 3600 + minute * 60 + second)
}

/// A body of which parts become names of fields, which are UTF-8. It is checked once and not part by part.
#[derive(Debug, Clone, Copy)]
pub struct Names<'a> {
    body: &'a [u8],
    text: Option<&'a str>,
}

impl<'a> Names<'a> {
    /// Of this body.
    pub fn new(body: &'a [u8]) -> Self {
        Self {
            body,
            text: std::str::from_utf8(body).ok(),
        }
    }

    /// The part from `start` to `end`; what is not UTF-8 is replaced.
    pub fn part(self, start: usize, end: usize) -> Cow<'a, str> {
        match self.text.and_then(|text| text.get(start..end)) {
            Some(text) => Cow::Borrowed(text),
            None => String::from_utf8_lossy(&self.body[start..end]),
        }
    }
}

/// Bytes of ours as UTF-8; what is not is replaced.
pub fn lossy(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}
