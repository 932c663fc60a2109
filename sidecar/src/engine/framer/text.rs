//! A file of lines: its encoding, its lines, and the records that they make where there are rules for that.

use super::encoding::{Encoding, Mark, Utf16Lines};
use super::lines::{Line, Lines};
use super::multiline::Gathering;
use super::piece::Whole;
use super::position::FramePosition;
use super::{Frame, FramerSettings, PARTIAL_AGE_MAX};
use crate::engine::Tick;
use std::sync::Arc;

/// A file of lines.
#[derive(Debug)]
pub(super) struct Text {
    settings: Arc<FramerSettings>,
    cutter: Cutter,
    gathering: Gathering,
    /// When the last bytes came.
    touched: Tick,
}

/// Cuts into lines.
#[derive(Debug)]
enum Cutter {
    /// The first bytes may be the beginning of a byte order mark.
    Undecided {
        head: [u8; Mark::BYTES_MAX],
        length: usize,
    },
    Bytes(Lines),
    Utf16(Utf16Lines),
}

impl Text {
    pub fn new(settings: Arc<FramerSettings>, at: FramePosition) -> Self {
        let cutter = if at.offset == 0 {
            Cutter::Undecided {
                head: [0; Mark::BYTES_MAX],
                length: 0,
            }
        } else {
            Cutter::new(at.encoding, settings.record_bytes_max, at.offset, at.mid_line)
        };
        Self {
            cutter,
            gathering: Gathering::new(settings.record_bytes_max),
            touched: Tick::ZERO,
            settings,
        }
    }

    #[inline]
    pub fn push(&mut self, now: Tick, chunk: &[u8], mut each: impl FnMut(Frame<'_>)) {
        let Self {
            settings,
            cutter,
            gathering,
            touched,
        } = self;
        *touched = now;
        let bytes_max = settings.record_bytes_max;
        match &settings.multiline {
            None => cutter.push(chunk, bytes_max, &mut |line| {
                if let Some(line) = line.text(bytes_max) {
                    each(Frame::new(&line, None));
                }
            }),
            Some(rules) => cutter.push(chunk, bytes_max, &mut |line| {
                if let Some(line) = line.text(bytes_max) {
                    gathering.line(now, rules, line, &mut |record| each(Frame::new(&record, None)));
                }
            }),
        }
    }

    pub fn flush(&mut self, now: Tick, mut each: impl FnMut(Frame<'_>)) {
        self.end_line(now, &mut each);
        self.gathering
            .flush(&mut |record| each(Frame::new(&record, None)));
    }

    /// Takes the open line as if it had ended.
    pub fn end_line(&mut self, now: Tick, mut each: impl FnMut(Frame<'_>)) {
        let Self {
            settings,
            cutter,
            gathering,
            ..
        } = self;
        let mut each = |record: Whole<'_>| each(Frame::new(&record, None));
        let bytes_max = settings.record_bytes_max;
        cutter.flush(bytes_max, |line| {
            if let Some(line) = line.text(bytes_max) {
                match &settings.multiline {
                    None => each(line),
                    Some(rules) => gathering.line(now, rules, line, &mut each),
                }
            }
        });
    }

    /// When what is open has waited long enough. An open line goes with the record that it may belong to.
    pub fn deadline(&self) -> Option<Tick> {
        let rules = self.settings.multiline.as_ref();
        let timeout = rules
            .map(|rules| rules.timeout)
            .filter(|_| self.gathering.is_open());
        let partial = self.cutter.is_open().then_some(PARTIAL_AGE_MAX);
        Some(self.touched + timeout.into_iter().chain(partial).max()?)
    }

    pub fn is_open(&self) -> bool {
        self.cutter.is_open() || self.gathering.is_open()
    }

    pub fn position(&self) -> FramePosition {
        let (offset, mid_line) = self.gathering.at().unwrap_or_else(|| self.cutter.at());
        FramePosition {
            offset,
            mid_line,
            encoding: self.cutter.encoding(),
            streams: None,
        }
    }

    /// Takes over the record that is open in `before`, the file that this one follows, unless that ends inside a line.
    pub fn inherit(&mut self, before: &mut Self) {
        if before.cutter.is_open() {
            return;
        }
        std::mem::swap(&mut self.gathering, &mut before.gathering);
        if self.gathering.is_open() {
            self.gathering.inherit(self.cutter.at().0);
            self.touched = before.touched;
        }
    }

    pub fn holds_inheritance(&self) -> bool {
        self.gathering.is_inherited
    }

    pub fn capacity(&self) -> usize {
        let cutter = match &self.cutter {
            Cutter::Undecided { .. } => 0,
            Cutter::Bytes(lines) => lines.capacity(),
            Cutter::Utf16(lines) => lines.capacity(),
        };
        cutter + self.gathering.capacity()
    }
}

impl Cutter {
    fn new(encoding: Encoding, record_bytes_max: usize, start: u64, is_rest: bool) -> Self {
        // A carriage return that is no part of the record.
        let line_bytes_max = record_bytes_max + 1;
        match encoding {
            Encoding::Bytes => Self::Bytes(Lines::new(line_bytes_max, start, is_rest)),
            Encoding::Utf16(endian) => Self::Utf16(Utf16Lines::new(endian, line_bytes_max, start, is_rest)),
        }
    }

    #[inline]
    fn push(&mut self, chunk: &[u8], record_bytes_max: usize, each: &mut impl FnMut(Line<'_>)) {
        match self {
            Self::Bytes(lines) => lines.push(chunk, each),
            Self::Utf16(lines) => lines.push(chunk, each),
            Self::Undecided { .. } => self.decide(chunk, record_bytes_max, each),
        }
    }

    fn decide(&mut self, chunk: &[u8], record_bytes_max: usize, each: &mut impl FnMut(Line<'_>)) {
        let Self::Undecided { head, length } = self else {
            return;
        };
        let taken = chunk.len().min(Mark::BYTES_MAX - *length);
        head[*length..*length + taken].copy_from_slice(&chunk[..taken]);
        *length += taken;
        let Mark::Decided(mark_bytes, encoding) = Mark::of(&head[..*length]) else {
            return;
        };
        let (head, length) = (*head, *length);
        let mut decided = Self::new(encoding, record_bytes_max, mark_bytes as u64, false);
        for part in [&head[mark_bytes..length], &chunk[taken..]] {
            match &mut decided {
                Self::Bytes(lines) => lines.push(part, &mut *each),
                Self::Utf16(lines) => lines.push(part, &mut *each),
                Self::Undecided { .. } => {}
            }
        }
        *self = decided;
    }

    fn flush(&mut self, record_bytes_max: usize, each: impl FnMut(Line<'_>)) {
        match self {
            Self::Bytes(lines) => lines.flush(each),
            Self::Utf16(lines) => lines.flush(each),
            Self::Undecided { length: 0, .. } => {}
            Self::Undecided { head, length } => {
                // The beginning of a mark and nothing more is text.
                let mut lines = Lines::new(record_bytes_max + 1, 0, false);
                lines.push(&head[..*length], |_| {});
                lines.flush(each);
                *self = Self::Bytes(lines);
            }
        }
    }

    fn encoding(&self) -> Encoding {
        match self {
            Self::Undecided { .. } | Self::Bytes(_) => Encoding::Bytes,
            Self::Utf16(lines) => lines.encoding(),
        }
    }

    fn is_open(&self) -> bool {
        match self {
            Self::Undecided { length, .. } => *length > 0,
            Self::Bytes(lines) => lines.is_open(),
            Self::Utf16(lines) => lines.is_open(),
        }
    }

    /// Where the open line, or the next one, begins, and whether it is the rest of a line that was sent.
    fn at(&self) -> (u64, bool) {
        match self {
            Self::Undecided { .. } => (0, false),
            Self::Bytes(lines) => lines.at(),
            Self::Utf16(lines) => lines.at(),
        }
    }
}
