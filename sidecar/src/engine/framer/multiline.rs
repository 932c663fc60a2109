//! Joins the lines of one output to records, by an expression that finds the first or the last line of a record.
//!
//! Guarantees: a record is bounded in bytes and in lines, also when the expression never matches; lines are joined by the
//! newline that was between them and none is lost or moved.

use super::bounded::Bounded;
use super::piece::Whole;
use crate::config::{Boundary, Multiline};
use crate::engine::Tick;
use crate::record::time::Nanos;

/// The lines of a record that has not ended.
#[derive(Debug)]
pub(super) struct Gathering {
    record_bytes_max: usize,
    gathered: Bounded,
    lines: u32,
    /// Of its first line.
    time: Option<Nanos>,
    start: u64,
    is_rest: bool,
    /// When its last line came.
    pub touched: Tick,
    /// Its beginning lies in another file.
    pub is_inherited: bool,
}

impl Gathering {
    pub fn new(record_bytes_max: usize) -> Self {
        Self {
            record_bytes_max,
            gathered: Bounded::new(record_bytes_max),
            lines: 0,
            time: None,
            start: 0,
            is_rest: false,
            touched: Tick::ZERO,
            is_inherited: false,
        }
    }

    pub fn is_open(&self) -> bool {
        self.lines > 0
    }

    /// Where its first line begins, and whether that is the rest of a line.
    pub fn at(&self) -> Option<(u64, bool)> {
        self.is_open().then_some((self.start, self.is_rest))
    }

    /// From now on its first line counts as beginning at `start`: where it really begins is in another file.
    pub fn inherit(&mut self, start: u64) {
        self.start = start;
        self.is_rest = false;
        self.is_inherited = true;
    }

    /// Takes the next line and hands out the record that it ends or follows.
    pub fn line(&mut self, now: Tick, rules: &Multiline, line: Whole<'_>, each: &mut impl FnMut(Whole<'_>)) {
        self.touched = now;
        let is_end = match &rules.boundary {
            Boundary::Start(pattern) => {
                if self.is_open() && pattern.is_match(line.bytes) {
                    self.flush(each);
                }
                false
            }
            Boundary::End(pattern) => pattern.is_match(line.bytes),
        };
        self.append(line);
        if is_end || self.lines >= rules.lines_max {
            self.flush(each);
        }
    }

    /// Hands out what there is.
    pub fn flush(&mut self, each: &mut impl FnMut(Whole<'_>)) {
        if !self.is_open() {
            return;
        }
        each(Whole {
            time: self.time,
            bytes: self.gathered.bytes(),
            length: self.gathered.length(),
            start: self.start,
            is_rest: self.is_rest,
        });
        self.gathered.clear();
        self.lines = 0;
        self.is_inherited = false;
    }

    fn append(&mut self, line: Whole<'_>) {
        if self.is_open() {
            self.gathered.extend(b"\n");
        } else {
            (self.time, self.start, self.is_rest) = (line.time, line.start, line.is_rest);
        }
        let kept = &line.bytes[..line.bytes.len().min(self.record_bytes_max)];
        self.gathered.extend(kept);
        self.gathered.skip(line.length - kept.len() as u64);
        self.lines += 1;
    }

    pub fn capacity(&self) -> usize {
        self.gathered.capacity()
    }
}
