//! A container's log file, in which the lines of its two outputs are interleaved and long ones come in pieces.
//!
//! The runtime writes whole lines, so one without newline is torn: it is waited for, and handed out only when nothing more
//! can come. A malformed line passes as it is, at once, and is counted.

use super::cri;
use super::docker;
use super::join::Channel;
use super::lines::{Line, Lines};
use super::piece::{Piece, Whole};
use super::position::{FramePosition, StreamPositions};
use super::{Frame, FramerSettings};
use crate::engine::Tick;
use crate::record::Stream;
use std::sync::Arc;

/// A container's log file.
#[derive(Debug)]
pub(super) struct Streams {
    settings: Arc<FramerSettings>,
    lines: Lines,
    sorter: Sorter,
}

/// In which format the lines are written.
#[derive(Debug)]
pub(super) enum Format {
    Cri(cri::Parser),
    Docker {
        line_bytes_max: usize,
        /// The content of the last line that was not written literally.
        unescaped: Vec<u8>,
    },
}

/// Gives each line to its output.
#[derive(Debug)]
struct Sorter {
    format: Format,
    stdout: Channel,
    stderr: Channel,
    /// Malformed lines that begin before it were handed out before the restart.
    skip_others_until: u64,
    malformed: u64,
}

impl Format {
    pub fn cri() -> Self {
        Self::Cri(cri::Parser::default())
    }

    pub fn docker(record_bytes_max: usize) -> Self {
        Self::Docker {
            line_bytes_max: record_bytes_max.max(docker::LINE_BYTES_MIN),
            unescaped: Vec::new(),
        }
    }

    /// So much of a line that spans chunks has to be kept.
    fn line_bytes_max(&self, record_bytes_max: usize) -> usize {
        match self {
            // A carriage return that is no part of the record.
            Self::Cri(_) => cri::HEADER_BYTES_MAX + record_bytes_max + 1,
            Self::Docker { line_bytes_max, .. } => *line_bytes_max,
        }
    }

    #[inline]
    fn parse<'a>(&'a mut self, line: &Line<'a>) -> Option<Piece<'a>> {
        match self {
            Self::Cri(parser) => parser.parse(line),
            // Of a longer line a part may be missing.
            Self::Docker { line_bytes_max, .. } if line.length > *line_bytes_max as u64 => None,
            Self::Docker { unescaped, .. } => docker::parse(line.bytes, unescaped),
        }
    }
}

impl Streams {
    pub fn new(settings: Arc<FramerSettings>, at: FramePosition, format: Format) -> Self {
        let bytes_max = settings.record_bytes_max;
        let StreamPositions {
            stdout,
            stderr,
            others,
        } = at.per_stream();
        Self {
            lines: Lines::new(format.line_bytes_max(bytes_max), at.offset, at.mid_line),
            sorter: Sorter {
                format,
                stdout: Channel::new(Stream::Stdout, bytes_max, stdout),
                stderr: Channel::new(Stream::Stderr, bytes_max, stderr),
                skip_others_until: others,
                malformed: 0,
            },
            settings,
        }
    }

    #[inline]
    pub fn push(&mut self, now: Tick, chunk: &[u8], mut each: impl FnMut(Frame<'_>)) {
        let Self {
            settings,
            lines,
            sorter,
        } = self;
        lines.push(chunk, |line| sorter.line(now, &line, settings, &mut each));
    }

    /// Hands out what is open, also a torn line: nothing more will come.
    pub fn flush(&mut self, now: Tick, mut each: impl FnMut(Frame<'_>)) {
        self.end_line(now, &mut each);
        for channel in [&mut self.sorter.stdout, &mut self.sorter.stderr] {
            flush(channel, now, &self.settings, &mut each);
        }
    }

    /// Takes the open line as if it had ended.
    pub fn end_line(&mut self, now: Tick, mut each: impl FnMut(Frame<'_>)) {
        let Self {
            settings,
            lines,
            sorter,
        } = self;
        lines.flush(|line| sorter.line(now, &line, settings, &mut each));
    }

    /// Hands out what has waited long enough.
    pub fn flush_due(&mut self, now: Tick, mut each: impl FnMut(Frame<'_>)) {
        let settings = &self.settings;
        for channel in [&mut self.sorter.stdout, &mut self.sorter.stderr] {
            if channel
                .deadline(settings.multiline.as_ref())
                .is_some_and(|at| at <= now)
            {
                flush(channel, now, settings, &mut each);
            }
        }
    }

    pub fn deadline(&self) -> Option<Tick> {
        let channels = [&self.sorter.stdout, &self.sorter.stderr].into_iter();
        channels
            .filter_map(|channel| channel.deadline(self.settings.multiline.as_ref()))
            .min()
    }

    pub fn is_open(&self) -> bool {
        self.lines.is_open() || self.sorter.stdout.is_open() || self.sorter.stderr.is_open()
    }

    pub fn position(&self) -> FramePosition {
        let (read, mid_line) = self.lines.at();
        let sorter = &self.sorter;
        let streams = StreamPositions {
            stdout: sorter.stdout.position(read),
            stderr: sorter.stderr.position(read),
            others: read.max(sorter.skip_others_until),
        };
        FramePosition::of_streams(streams, mid_line)
    }

    /// Takes over the records that are open in `before`, the file that this one follows, unless that ends inside a line.
    pub fn inherit(&mut self, before: &mut Self) {
        if before.lines.is_open() {
            return;
        }
        let (start, _) = self.lines.at();
        self.sorter.stdout.inherit(&mut before.sorter.stdout, start);
        self.sorter.stderr.inherit(&mut before.sorter.stderr, start);
    }

    pub fn holds_inheritance(&self) -> bool {
        self.sorter.stdout.holds_inheritance() || self.sorter.stderr.holds_inheritance()
    }

    pub fn take_malformed(&mut self) -> u64 {
        std::mem::take(&mut self.sorter.malformed)
    }

    pub fn capacity(&self) -> usize {
        let unescaped = match &self.sorter.format {
            Format::Cri(_) => 0,
            Format::Docker { unescaped, .. } => unescaped.capacity(),
        };
        self.lines.capacity() + self.sorter.stdout.capacity() + self.sorter.stderr.capacity() + unescaped
    }
}

impl Sorter {
    #[inline]
    fn line(
        &mut self,
        now: Tick,
        line: &Line<'_>,
        settings: &FramerSettings,
        each: &mut impl FnMut(Frame<'_>),
    ) {
        let Some(piece) = self.format.parse(line) else {
            if line.start < self.skip_others_until {
                return;
            }
            if let Some(text) = line.text(settings.record_bytes_max) {
                self.malformed += 1;
                each(Frame::new(&text, None));
            }
            return;
        };
        let channel = match piece.stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        };
        let stream = piece.stream;
        channel.piece(
            now,
            line.start,
            &piece,
            settings.multiline.as_ref(),
            &mut |record| {
                each(Frame::new(&record, Some(stream)));
            },
        );
    }
}

fn flush(channel: &mut Channel, now: Tick, settings: &FramerSettings, each: &mut impl FnMut(Frame<'_>)) {
    let stream = channel.stream;
    channel.flush(now, settings.multiline.as_ref(), &mut |record: Whole<'_>| {
        each(Frame::new(&record, Some(stream)));
    });
}
