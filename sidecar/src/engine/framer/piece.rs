//! What a line of a container's log file says, in whichever format it is written: a piece of a record of one of its outputs.

use crate::record::Stream;
use crate::record::time::Nanos;

/// A piece of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Piece<'a> {
    /// When it was written.
    pub time: Option<Nanos>,
    /// To which output.
    pub stream: Stream,
    /// The record ends with it.
    pub is_last: bool,
    /// Its beginning, at least as much as a record may have.
    pub content: &'a [u8],
    /// The length of all of it.
    pub length: u64,
    /// Its last byte is a carriage return.
    pub ends_in_return: bool,
}

/// A line or record whose bytes are together.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Whole<'a> {
    /// When it was written, where that is known.
    pub time: Option<Nanos>,
    /// Its beginning.
    pub bytes: &'a [u8],
    /// The length of all of it.
    pub length: u64,
    /// Where in the file its first line begins.
    pub start: u64,
    /// That line is the rest of one whose beginning was handed out.
    pub is_rest: bool,
}

impl<'a> Whole<'a> {
    /// The line without the carriage return of a CRLF, which is part of its end, and cut to the maximum. None: it is the empty rest of
    /// a line that was handed out.
    #[inline]
    pub fn finish(self, ends_in_return: bool, bytes_max: usize) -> Option<Whole<'a>> {
        let length = self.length - u64::from(ends_in_return);
        let kept = self.bytes.len().min(bytes_max);
        // Where there are more bytes than that, the last is the carriage return.
        let kept = usize::try_from(length).map_or(kept, |length| kept.min(length));
        (!self.is_rest || length > 0).then_some(Whole {
            bytes: &self.bytes[..kept],
            length,
            ..self
        })
    }

    /// The length of all of it, where it was cut.
    #[inline]
    pub fn original_bytes(&self) -> Option<u64> {
        (self.length > self.bytes.len() as u64).then_some(self.length)
    }
}
