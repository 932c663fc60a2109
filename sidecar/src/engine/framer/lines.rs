//! Cuts a stream of bytes into lines at newlines.
//!
//! Guarantees: the lines of a stream do not depend on how its bytes were cut into chunks; of a line that spans chunks no more
//! is kept than the maximum that was asked for, and the next line is intact; a line that lies within one chunk is not copied.

use super::bounded::Bounded;
use super::piece::Whole;

/// One line without its newline.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Line<'a> {
    /// Its beginning, at least as much as was asked for.
    pub bytes: &'a [u8],
    /// The length of all of it.
    pub length: u64,
    /// Its last byte is a carriage return.
    pub ends_in_return: bool,
    /// Where in the file it begins.
    pub start: u64,
    /// It is the rest of a line whose beginning was sent already.
    pub is_rest: bool,
}

impl<'a> Line<'a> {
    /// The line that was gathered.
    pub(super) fn gathered(open: &'a Bounded, start: u64, is_rest: bool) -> Self {
        Self {
            bytes: open.bytes(),
            length: open.length(),
            ends_in_return: open.last() == Some(b'\r'),
            start,
            is_rest,
        }
    }

    /// Its text, cut to the maximum. None: it is the empty rest of a line that was handed out.
    #[inline]
    pub fn text(&self, bytes_max: usize) -> Option<Whole<'a>> {
        let line = Whole {
            time: None,
            bytes: self.bytes,
            length: self.length,
            start: self.start,
            is_rest: self.is_rest,
        };
        line.finish(self.ends_in_return, bytes_max)
    }
}

/// The state between two chunks: a line that has not ended yet.
#[derive(Debug)]
pub(crate) struct Lines {
    open: Bounded,
    /// Where in the file the open line, or the next one, begins.
    start: u64,
    /// The open line is the rest of one whose beginning was sent already.
    is_rest: bool,
}

impl Lines {
    /// Begins at `start`; of a line that spans chunks `line_bytes_max` are kept.
    pub fn new(line_bytes_max: usize, start: u64, is_rest: bool) -> Self {
        Self {
            open: Bounded::new(line_bytes_max),
            start,
            is_rest,
        }
    }

    /// Takes the next bytes and hands out every line that they complete.
    #[inline]
    pub fn push(&mut self, chunk: &[u8], mut each: impl FnMut(Line<'_>)) {
        let mut rest = chunk;
        while let Some(length) = memchr::memchr(b'\n', rest) {
            let (line, behind) = (&rest[..length], &rest[length + 1..]);
            rest = behind;
            if self.open.is_empty() {
                each(Line {
                    bytes: line,
                    length: length as u64,
                    ends_in_return: line.last() == Some(&b'\r'),
                    start: self.start,
                    is_rest: self.is_rest,
                });
                self.start += length as u64 + 1;
                self.is_rest = false;
            } else {
                self.open.extend(line);
                self.complete(1, &mut each);
            }
        }
        self.open.extend(rest);
    }

    /// Hands out the open line; what follows it in the stream is the rest of it.
    pub fn flush(&mut self, mut each: impl FnMut(Line<'_>)) {
        if !self.open.is_empty() {
            self.complete(0, &mut each);
            self.is_rest = true;
        }
    }

    /// Whether a line has begun that has not ended.
    pub fn is_open(&self) -> bool {
        !self.open.is_empty()
    }

    /// What is there of the open line, as far as it is kept.
    pub fn open(&self) -> &[u8] {
        self.open.bytes()
    }

    /// Where the open line, or the next one, begins, and whether it is the rest of a line that was sent.
    pub fn at(&self) -> (u64, bool) {
        (self.start, self.is_rest)
    }

    fn complete(&mut self, newline_bytes: u64, each: &mut impl FnMut(Line<'_>)) {
        each(Line::gathered(&self.open, self.start, self.is_rest));
        self.start += self.open.length() + newline_bytes;
        self.is_rest = false;
        self.open.clear();
    }

    pub fn capacity(&self) -> usize {
        self.open.capacity()
    }
}
