//! From the bytes of a file to its records: the one place that knows how records lie in a file.
//!
//! Guarantees, each by a property test: the records do not depend on how the bytes were cut into chunks; memory is bounded by
//! the maximum record, beyond which a record is cut and marked and the next one is intact; [`Framer::position`] says exactly
//! which records were handed out, so that a framer that begins there hands out the others, each once.

mod bounded;
mod cri;
mod docker;
mod encoding;
mod join;
pub(crate) mod lines;
mod multiline;
mod piece;
mod position;
mod streams;
mod text;

pub use self::encoding::{Encoding, Endian};
pub use self::position::{FramePosition, StreamPosition, StreamPositions};

use self::piece::Whole;
use self::streams::{Format, Streams};
use self::text::Text;
use super::Tick;
use crate::config::Multiline;
use crate::record::Stream;
use crate::record::time::Nanos;
use logship_crd::agent_config::Framing;
use std::sync::Arc;
use std::time::Duration;

/// A line without its end is handed out after this time; what comes later goes on as a record of its own.
const PARTIAL_AGE_MAX: Duration = Duration::from_secs(5);

/// How the files of a source are framed.
#[derive(Debug, Clone)]
pub struct FramerSettings {
    /// How lines lie in the file.
    pub framing: Framing,
    /// How lines are joined to records.
    pub multiline: Option<Multiline>,
    /// Longer records are cut.
    pub record_bytes_max: usize,
}

/// One record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Its bytes without the line end.
    pub body: &'a [u8],
    /// The length that it had, when it was longer than the maximum.
    pub original_bytes: Option<u64>,
    /// When its first line was written, where the file says so.
    pub time: Option<Nanos>,
    /// Of which of a container's outputs it is.
    pub stream: Option<Stream>,
}

/// The framer of one file.
#[derive(Debug)]
pub struct Framer {
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Text(Text),
    Streams(Box<Streams>),
}

impl Framer {
    /// A framer that is pushed the bytes from `at.offset` on.
    pub fn new(settings: Arc<FramerSettings>, at: FramePosition) -> Self {
        let format = match settings.framing {
            Framing::Lines => None,
            Framing::Cri => Some(Format::cri()),
            Framing::DockerJson => Some(Format::docker(settings.record_bytes_max)),
        };
        let kind = match format {
            None => Kind::Text(Text::new(settings, at)),
            Some(format) => Kind::Streams(Box::new(Streams::new(settings, at, format))),
        };
        Self { kind }
    }

    /// Takes the next bytes and hands out every record that they complete.
    #[inline]
    pub fn push(&mut self, now: Tick, chunk: &[u8], each: impl FnMut(Frame<'_>)) {
        match &mut self.kind {
            Kind::Text(text) => text.push(now, chunk, each),
            Kind::Streams(streams) => streams.push(now, chunk, each),
        }
    }

    /// Hands out everything that is open; what follows it in the file goes on as a record of its own.
    pub fn flush(&mut self, now: Tick, each: impl FnMut(Frame<'_>)) {
        match &mut self.kind {
            Kind::Text(text) => text.flush(now, each),
            Kind::Streams(streams) => streams.flush(now, each),
        }
    }

    /// The file is at its end for good, but its records may go on in another: see [`Framer::inherit`].
    pub fn end_line(&mut self, now: Tick, each: impl FnMut(Frame<'_>)) {
        match &mut self.kind {
            Kind::Text(text) => text.end_line(now, each),
            Kind::Streams(streams) => streams.end_line(now, each),
        }
    }

    /// Hands out what is open and has waited long enough. For a file that was read to its end: elsewhere what goes on may be there
    /// already.
    pub fn flush_due(&mut self, now: Tick, each: impl FnMut(Frame<'_>)) {
        match &mut self.kind {
            Kind::Text(text) if text.deadline().is_some_and(|at| at <= now) => text.flush(now, each),
            Kind::Text(_) => {}
            Kind::Streams(streams) => streams.flush_due(now, each),
        }
    }

    /// When [`Framer::flush_due`] has something to hand out.
    pub fn deadline(&self) -> Option<Tick> {
        match &self.kind {
            Kind::Text(text) => text.deadline(),
            Kind::Streams(streams) => streams.deadline(),
        }
    }

    /// Whether there are bytes that were pushed and not handed out.
    pub fn is_open(&self) -> bool {
        match &self.kind {
            Kind::Text(text) => text.is_open(),
            Kind::Streams(streams) => streams.is_open(),
        }
    }

    /// Which records were handed out.
    pub fn position(&self) -> FramePosition {
        match &self.kind {
            Kind::Text(text) => text.position(),
            Kind::Streams(streams) => streams.position(),
        }
    }

    /// Takes over the records that are open in `before`, the framer of the file that this one follows after a rotation, and has
    /// nothing open itself. Until [`Framer::holds_inheritance`] is over, the other file's position must stay where it is.
    pub fn inherit(&mut self, before: &mut Self) {
        match (&mut self.kind, &mut before.kind) {
            (Kind::Text(text), Kind::Text(before)) => text.inherit(before),
            (Kind::Streams(streams), Kind::Streams(before)) => streams.inherit(before),
            // Files of one source are framed alike.
            (Kind::Text(_), Kind::Streams(_)) | (Kind::Streams(_), Kind::Text(_)) => {}
        }
    }

    /// Whether a record is open whose beginning lies in another file.
    pub fn holds_inheritance(&self) -> bool {
        match &self.kind {
            Kind::Text(text) => text.holds_inheritance(),
            Kind::Streams(streams) => streams.holds_inheritance(),
        }
    }

    /// How many malformed lines there were since the last call.
    pub fn take_malformed(&mut self) -> u64 {
        match &mut self.kind {
            Kind::Text(_) => 0,
            Kind::Streams(streams) => streams.take_malformed(),
        }
    }

    /// Bytes of memory that it holds for what is open.
    pub fn capacity(&self) -> usize {
        match &self.kind {
            Kind::Text(text) => text.capacity(),
            Kind::Streams(streams) => streams.capacity(),
        }
    }
}

impl<'a> Frame<'a> {
    #[inline]
    fn new(record: &Whole<'a>, stream: Option<Stream>) -> Self {
        Self {
            body: record.bytes,
            original_bytes: record.original_bytes(),
            time: record.time,
            stream,
        }
    }
}

#[cfg(test)]
mod tests;
