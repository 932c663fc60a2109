//! One connection to a container's output: its lines, what of them is new, and where some seem to be missing. Pure.
//!
//! The API serves the current file alone, and its reader (the kubelet's) opens the next one when the file is rotated. Two
//! things tell that lines were rotated away unread: a connection that gets new lines without the last one that was taken, and times
//! that jump after reading was held back for long. Neither proves a loss (everything may have been read before the rotation, the
//! container may have been silent), so both are suspected gaps, with the times that they lie between.

use super::question::Instance;
use crate::engine::framer::lines::{Line, Lines};
use crate::engine::output_line::{OutputLine, TIMESTAMP_BYTES_MAX};
use crate::engine::resume::{LineKey, Repeats, Resume};
use crate::engine::{RECORD_BYTES_MAX, Tick};
use crate::record::time::Nanos;
use std::time::Duration;

/// The kubelet looks at most every three seconds whether a file is to be rotated (`containerLogMonitorInterval`), and compresses the
/// ones before first, at which it may be a second or two the first time and quick the next. So hardly a file lives for less.
const FILE_AGE_MIN: Duration = Duration::from_secs(1);
/// What is on its way when reading is held back: less than what a connection's buffers take does not hold the API's reader back.
const BUFFERED_BYTES_MIN: u64 = 64 << 10;
/// More of a notice is not told.
const NOTICE_BYTES_MAX: usize = 256;

/// Lines that seem to be missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// What tells it.
    pub cause: Cause,
    /// The time of the line before.
    pub from: Nanos,
    /// The time of the line behind.
    pub to: Nanos,
}

/// What a gap is suspected by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The file of the last line that was taken is not served any more.
    Rotation,
    /// Reading was held back while times jumped by more than a file may live: the reader goes from the file that it has open to
    /// the current one, over those between.
    HeldBack,
}

/// A gap, and the line behind it, where there is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Suspicion {
    pub gap: Gap,
    pub behind: Option<LineKey>,
}

/// What came of a line.
#[derive(Debug)]
pub(super) enum Taken<'a> {
    /// It was taken before.
    Repeat,
    /// It is new.
    New(OutputLine<'a>),
    /// It carries no time, so it is a notice of the API and none of the container's output.
    Notice(String),
}

/// An open connection.
#[derive(Debug)]
pub(super) struct Stream {
    /// Of the instance before the one that was found.
    pub previous: bool,
    /// What was found.
    pub of: Instance,
    pub opened: Tick,
    /// What was asked for.
    pub since: Option<i64>,
    /// Time of the first new line; repeats do not count, because every connection begins with them.
    pub first: Option<Nanos>,
    pub lines: Lines,
    pub reading: Reading,
}

/// Where a stream of what does not grow any more ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct End {
    /// Of which instance.
    restarts: u32,
    previous: bool,
    /// CRC-32 of the line that was open.
    open: u32,
}

/// What the lines of a connection are compared with.
#[derive(Debug)]
pub(super) struct Reading {
    repeats: Repeats,
    /// The last line that was taken is of the same instance, so that it must come again before anything new.
    continues: bool,
    /// Reading was held back before what comes from here on.
    held_back_at: Option<u64>,
    /// Reading was held back at some time.
    was_held_back: bool,
    /// The first line behind a gap: that of the file which the API's reader went to.
    began: Option<LineKey>,
    /// Time of the line before.
    last: Option<Nanos>,
    /// The last line that was taken did not come where it should have.
    has_missed_last: bool,
    gap: Option<Suspicion>,
    awaited: Awaited,
}

/// A line that is of another instance if it does not come.
#[derive(Debug)]
enum Awaited {
    None,
    Line(LineKey),
    Come,
}

impl Stream {
    /// Of what was found, or of the instance before it.
    pub fn new(
        now: Tick,
        (of, previous): (Instance, bool),
        since: Option<i64>,
        repeats: Repeats,
        continues: bool,
    ) -> Self {
        Self {
            previous,
            of,
            opened: now,
            since,
            first: None,
            lines: no_lines(),
            reading: Reading {
                repeats,
                continues,
                held_back_at: None,
                was_held_back: false,
                began: None,
                last: None,
                has_missed_last: false,
                gap: None,
                awaited: Awaited::None,
            },
        }
    }

    /// Nothing was read for a while, because nobody took it.
    pub fn held_back(&mut self) {
        self.reading.held_back_at.get_or_insert(self.lines.at().0);
        self.reading.was_held_back = true;
    }

    /// Where it ended.
    pub fn end(&self) -> End {
        End {
            restarts: self.of.restarts,
            previous: self.previous,
            open: crc32fast::hash(self.lines.open()),
        }
    }

    /// Whether nothing new came, but the last line that was taken, and nothing behind it.
    pub fn ends_as_known(&self) -> bool {
        let has_come_to_last = self.reading.continues && self.reading.repeats.lacks_last().is_none();
        self.first.is_none() && has_come_to_last && self.lines.open().is_empty()
    }

    /// Whether it seems to have come to the end of what was written: from behind the last line that was taken, and to the end of a line.
    pub fn is_read_out(&self) -> bool {
        let continues = self.reading.continues && self.reading.repeats.lacks_last().is_some();
        !continues && !self.reading.has_missed_last && !self.lines.is_open()
    }

    /// Whether the open line is a notice. A line of the container begins with a time, of which at least a digit is there.
    pub fn ends_in_notice(&self) -> bool {
        self.lines
            .open()
            .first()
            .is_some_and(|byte| !byte.is_ascii_digit())
    }
}

impl Reading {
    /// Takes one line, behind those that were taken. None: it is nothing.
    pub fn take<'a>(&mut self, line: &Line<'a>, taken: &Resume) -> Option<Taken<'a>> {
        let line = line.text(RECORD_BYTES_MAX + TIMESTAMP_BYTES_MAX)?;
        let Some(output) = OutputLine::read(line.bytes, line.length) else {
            let told = &line.bytes[..line.bytes.len().min(NOTICE_BYTES_MAX)];
            return Some(Taken::Notice(String::from_utf8_lossy(told).into_owned()));
        };
        if matches!(self.awaited, Awaited::Line(key) if key == output.key) {
            self.awaited = Awaited::Come;
        }
        if self.begins_again(output.key, taken) {
            self.repeats = taken.repeats(Some(output.key.second()));
        }
        if self.repeats.holds(output.key) {
            self.last = Some(output.key.time);
            return Some(Taken::Repeat);
        }
        self.compare(output.key, line.start);
        Some(Taken::New(output))
    }

    /// The API's reader hears of each rotation while it is held back, and opens the current file anew for each, one after the other: it
    /// serves that file again and again. No clock gives one nanosecond twice with a later one in between, so a line that does is such a one.
    fn begins_again(&self, key: LineKey, taken: &Resume) -> bool {
        let goes_back = self.last.is_some_and(|last| key.time < last);
        self.was_held_back && goes_back && (self.began == Some(key) || taken.remembers(key))
    }

    /// What seems to be missing since the last question.
    pub fn gap(&mut self) -> Option<Suspicion> {
        self.gap.take()
    }

    /// Looks out for this line.
    pub fn look_out(&mut self, line: Option<LineKey>) {
        self.awaited = line.map_or(Awaited::None, Awaited::Line);
    }

    /// Whether the line has come that it looks out for.
    pub fn has_come(&self) -> bool {
        matches!(self.awaited, Awaited::Come)
    }

    /// By this time all was written, and the last line that was taken should have come.
    pub fn ends(&mut self, time: Nanos) {
        self.misses_last(time, None);
    }

    /// The last line that was taken should have come before what was written at this time.
    fn misses_last(&mut self, time: Nanos, behind: Option<LineKey>) {
        let before = self.repeats.lacks_last().filter(|_| self.continues);
        if let Some(before) = before {
            self.continues = false;
            self.has_missed_last = true;
            let gap = Gap {
                cause: Cause::Rotation,
                // Times may go back.
                from: before.time.min(time),
                to: before.time.max(time),
            };
            self.gap = Some(Suspicion { gap, behind });
        }
    }

    /// Compares a new line, which begins there, with those before it.
    fn compare(&mut self, key: LineKey, start: u64) {
        let time = key.time;
        if self.repeats.reach(time) {
            self.misses_last(time, Some(key));
        }
        let Some(from) = self.last.replace(time) else {
            return;
        };
        let has_jumped = u128::from(time.abs_diff(from)) > FILE_AGE_MIN.as_nanos() && time > from;
        let behind = self.held_back_at.map(|at| start.saturating_sub(at));
        if has_jumped && behind.is_some_and(|behind| behind >= BUFFERED_BYTES_MIN) {
            // Told once each time that reading was held back.
            self.held_back_at = None;
            self.began = Some(key);
            let gap = Gap {
                cause: Cause::HeldBack,
                from,
                to: time,
            };
            let behind = Some(key);
            self.gap = Some(Suspicion { gap, behind });
        }
    }
}

/// At the beginning of a connection.
fn no_lines() -> Lines {
    Lines::new(RECORD_BYTES_MAX + TIMESTAMP_BYTES_MAX + 1, 0, false)
}
