//! Text in files that say their encoding by a byte order mark: the mark is no part of the text, and UTF-16 becomes UTF-8.
//!
//! Guarantees: without a mark nothing is changed; an odd byte or half a surrogate pair at the end of a chunk waits for its other
//! half; what is not valid UTF-16 becomes U+FFFD, never an error.

use super::bounded::Bounded;
use super::lines::Line;
use serde::{Deserialize, Serialize};

const MARKS: [(&[u8], Encoding); 3] = [
    (b"\xef\xbb\xbf", Encoding::Bytes),
    (b"\xff\xfe", Encoding::Utf16(Endian::Little)),
    (b"\xfe\xff", Encoding::Utf16(Endian::Big)),
];

/// How text is written in a file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Encoding {
    /// UTF-8, or whatever it is: its bytes are kept.
    #[default]
    Bytes,
    /// Units of two bytes.
    Utf16(Endian),
}

/// The order of the two bytes of a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Endian {
    /// The low byte first.
    Little,
    /// The high byte first.
    Big,
}

/// What the first bytes of a file say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    /// They may be the beginning of a mark.
    Undecided,
    /// A mark of so many bytes (0: none), and the encoding of what follows.
    Decided(usize, Encoding),
}

impl Encoding {
    /// The encoding of a file that begins with `head`.
    pub fn of_head(head: &[u8]) -> Self {
        match Mark::of(head) {
            Mark::Decided(_, encoding) => encoding,
            Mark::Undecided => Self::Bytes,
        }
    }

    /// Whether bytes are kept.
    pub fn is_bytes(&self) -> bool {
        *self == Self::Bytes
    }
}

impl Mark {
    /// The longest mark.
    pub const BYTES_MAX: usize = 3;

    pub fn of(head: &[u8]) -> Self {
        let found = MARKS.iter().find(|(mark, _)| head.starts_with(mark));
        match found {
            Some((mark, encoding)) => Self::Decided(mark.len(), *encoding),
            None if MARKS.iter().any(|(mark, _)| mark.starts_with(head)) => Self::Undecided,
            None => Self::Decided(0, Encoding::Bytes),
        }
    }
}

/// [`super::lines::Lines`] for UTF-16.
#[derive(Debug)]
pub(super) struct Utf16Lines {
    endian: Endian,
    open: Bounded,
    /// Where in the file the open line, or the next one, begins.
    start: u64,
    /// Behind the last unit that was decoded.
    decoded: u64,
    is_rest: bool,
    /// The first byte of a unit.
    half_unit: Option<u8>,
    /// The first unit of a surrogate pair.
    half_pair: Option<u16>,
}

impl Utf16Lines {
    pub fn new(endian: Endian, line_bytes_max: usize, start: u64, is_rest: bool) -> Self {
        Self {
            endian,
            open: Bounded::new(line_bytes_max),
            start,
            decoded: start,
            is_rest,
            half_unit: None,
            half_pair: None,
        }
    }

    pub fn push(&mut self, mut chunk: &[u8], mut each: impl FnMut(Line<'_>)) {
        // Where reading began inside a unit, the rest of that unit is no text.
        if self.decoded % 2 == 1 && !chunk.is_empty() {
            chunk = &chunk[1..];
            self.decoded += 1;
            self.start += 1;
        }
        if let (Some(first), Some((&second, rest))) = (self.half_unit, chunk.split_first()) {
            self.half_unit = None;
            self.unit([first, second], &mut each);
            chunk = rest;
        }
        let (units, rest) = chunk.as_chunks::<2>();
        for &unit in units {
            self.unit(unit, &mut each);
        }
        self.half_unit = rest.first().copied().or(self.half_unit);
    }

    /// Hands out the open line as far as it is decoded.
    pub fn flush(&mut self, mut each: impl FnMut(Line<'_>)) {
        if !self.open.is_empty() {
            self.complete(&mut each);
            self.start = self.decoded - if self.half_pair.is_some() { 2 } else { 0 };
            self.is_rest = true;
        }
    }

    pub fn is_open(&self) -> bool {
        !self.open.is_empty()
    }

    pub fn at(&self) -> (u64, bool) {
        (self.start, self.is_rest)
    }

    pub fn encoding(&self) -> Encoding {
        Encoding::Utf16(self.endian)
    }

    fn unit(&mut self, bytes: [u8; 2], each: &mut impl FnMut(Line<'_>)) {
        let unit = match self.endian {
            Endian::Little => u16::from_le_bytes(bytes),
            Endian::Big => u16::from_be_bytes(bytes),
        };
        self.decoded += 2;
        match (self.half_pair.take(), unit) {
            (None, 0xd800..=0xdbff) => self.half_pair = Some(unit),
            (Some(_), 0xd800..=0xdbff) => {
                self.character(char::REPLACEMENT_CHARACTER);
                self.half_pair = Some(unit);
            }
            (Some(high), _) => {
                for character in char::decode_utf16([high, unit]) {
                    match character {
                        Ok('\n') => self.end_line(each),
                        Ok(character) => self.character(character),
                        Err(_) => self.character(char::REPLACEMENT_CHARACTER),
                    }
                }
            }
            (None, 0x000a) => self.end_line(each),
            (None, _) => {
                let character = char::from_u32(u32::from(unit));
                self.character(character.unwrap_or(char::REPLACEMENT_CHARACTER));
            }
        }
    }

    fn character(&mut self, character: char) {
        self.open.extend(character.encode_utf8(&mut [0; 4]).as_bytes());
    }

    fn end_line(&mut self, each: &mut impl FnMut(Line<'_>)) {
        self.complete(each);
        self.start = self.decoded;
        self.is_rest = false;
    }

    fn complete(&mut self, each: &mut impl FnMut(Line<'_>)) {
        each(Line::gathered(&self.open, self.start, self.is_rest));
        self.open.clear();
    }

    pub fn capacity(&self) -> usize {
        self.open.capacity()
    }
}
