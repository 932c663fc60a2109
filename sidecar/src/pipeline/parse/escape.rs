//! Quoted texts and their escapes, as JSON, logfmt, nginx and Apache write them. One decoder serves all: an escape means the
//! same wherever it occurs, and one that has no meaning stays as it is.

use std::borrow::Cow;

/// A quoted text without its quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quoted<'a> {
    raw: &'a [u8],
    has_escapes: bool,
}

impl<'a> Quoted<'a> {
    /// Reads up to the closing quote and gives what is behind it; the opening quote was read.
    pub fn read(text: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let mut at = 0;
        let mut has_escapes = false;
        loop {
            at += memchr::memchr2(b'"', b'\\', &text[at..])?;
            if text[at] == b'"' {
                let raw = &text[..at];
                return Some((Self { raw, has_escapes }, &text[at + 1..]));
            }
            has_escapes = true;
            // The backslash and what it escapes.
            at += 2;
            if at > text.len() {
                return None;
            }
        }
    }

    /// As it was written.
    pub fn raw(self) -> &'a [u8] {
        self.raw
    }

    /// What it means.
    pub fn text(self) -> Cow<'a, [u8]> {
        if self.has_escapes {
            Cow::Owned(decode(self.raw))
        } else {
            Cow::Borrowed(self.raw)
        }
    }
}

/// Resolves `\" \\ \/ \n \t \r \b \f`, `\xHH` (a byte) and `\uHHHH` (UTF-16, alone or in pairs; half a pair becomes U+FFFD).
pub fn decode(raw: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        decoded.extend_from_slice(&rest[..at]);
        let length = decode_one(&rest[at..], &mut decoded);
        rest = &rest[at + length..];
    }
    decoded.extend_from_slice(rest);
    decoded
}

/// Decodes the escape at the beginning; its length.
fn decode_one(escape: &[u8], decoded: &mut Vec<u8>) -> usize {
    let simple = match escape {
        [_, byte @ (b'"' | b'\\' | b'/'), ..] => *byte,
        [_, b'n', ..] => b'\n',
        [_, b't', ..] => b'\t',
        [_, b'r', ..] => b'\r',
        [_, b'b', ..] => 8,
        [_, b'f', ..] => 12,
        [_, b'x', high, low, ..] => {
            let (Some(high), Some(low)) = (hex(*high), hex(*low)) else {
                decoded.extend_from_slice(b"\\x");
                return 2;
            };
            decoded.push(high << 4 | low);
            return 4;
        }
        [_, b'u', ..] => return decode_utf16(escape, decoded),
        _ => {
            decoded.push(b'\\');
            return 1;
        }
    };
    decoded.push(simple);
    2
}

fn decode_utf16(escape: &[u8], decoded: &mut Vec<u8>) -> usize {
    let Some(first) = unit(escape) else {
        decoded.extend_from_slice(b"\\u");
        return 2;
    };
    let second = escape.get(6..).and_then(unit);
    let units = [first, second.unwrap_or_default()];
    let (character, length) = match char::decode_utf16(units).next() {
        Some(Ok(character)) if (0xD800..0xE000).contains(&first) => (character, 12),
        Some(Ok(character)) => (character, 6),
        _ => (char::REPLACEMENT_CHARACTER, 6),
    };
    decoded.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    length
}

/// The code unit of `\uHHHH`.
fn unit(escape: &[u8]) -> Option<u16> {
    let digits: [u8; 4] = escape.strip_prefix(b"\\u")?.get(..4)?.try_into().ok()?;
    digits
        .iter()
        .try_fold(0, |unit, digit| Some(unit << 4 | u16::from(hex(*digit)?)))
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_of_all_formats_are_resolved_and_others_stay() {
        for (raw, expected) in [
            (&br#"a\"b\\c\/d"#[..], &br#"a"b\c/d"#[..]),
            (br"\n\t\r\b\f", b"\n\t\r\x08\x0c"),
            (br"\x16\x03\x01\xfF", b"\x16\x03\x01\xff"),
            (br"\u00e9\ud83d\uDE00", "é😀".as_bytes()),
            (br"\ud83d-\ude00", "\u{fffd}-\u{fffd}".as_bytes()),
            (br"\ud83d\ud83d\ude00", "\u{fffd}😀".as_bytes()),
            (br"\ud83d\u0041", "\u{fffd}A".as_bytes()),
            (br"\x1\xg0\u12\q\", br"\x1\xg0\u12\q\"),
        ] {
            assert_eq!(decode(raw), expected, "{}", raw.escape_ascii());
        }
    }

    #[test]
    fn quoted_text_ends_at_the_first_quote_that_is_not_escaped() {
        let (quoted, rest) = Quoted::read(br#"a\"b\\" rest"#).unwrap();
        assert_eq!((&*quoted.text(), rest), (&br#"a"b\"#[..], &b" rest"[..]));
        for open in [&b"abc"[..], br"abc\", br#"abc\""#, b""] {
            assert_eq!(Quoted::read(open), None);
        }
    }
}
