//! One output of a container: joins the pieces of its lines, and its lines to records where there are rules for that.
//!
//! Guarantees: a record that comes in one piece is not copied; a record whose last piece does not come is handed out after a while,
//! and what comes later goes on as a record of its own; lines that were handed out before a restart are dropped.

use super::PARTIAL_AGE_MAX;
use super::bounded::Bounded;
use super::multiline::Gathering;
use super::piece::{Piece, Whole};
use super::position::StreamPosition;
use crate::config::Multiline;
use crate::engine::Tick;
use crate::record::Stream;
use crate::record::time::Nanos;

/// One output.
#[derive(Debug)]
pub(super) struct Channel {
    pub stream: Stream,
    record_bytes_max: usize,
    pieces: Pieces,
    gathering: Gathering,
    /// Lines that begin before it were handed out before the restart.
    skip_until: u64,
}

/// The pieces of a line that has not ended.
#[derive(Debug)]
struct Pieces {
    joined: Bounded,
    /// Of the first: where it begins, and when it was written. None: no line has begun.
    first: Option<(u64, Option<Nanos>)>,
    /// When the last piece came.
    touched: Tick,
    ends_in_return: bool,
    /// The next piece goes on a line whose beginning was handed out.
    mid_record: bool,
    is_inherited: bool,
}

impl Pieces {
    fn new(record_bytes_max: usize) -> Self {
        Self {
            // A carriage return that is no part of the record.
            joined: Bounded::new(record_bytes_max + 1),
            first: None,
            touched: Tick::ZERO,
            ends_in_return: false,
            mid_record: false,
            is_inherited: false,
        }
    }
}

impl Channel {
    pub fn new(stream: Stream, record_bytes_max: usize, at: StreamPosition) -> Self {
        let mut pieces = Pieces::new(record_bytes_max);
        pieces.mid_record = at.mid_record;
        Self {
            stream,
            record_bytes_max,
            pieces,
            gathering: Gathering::new(record_bytes_max),
            skip_until: at.offset,
        }
    }

    /// Takes the piece in the line that begins at `start`.
    #[inline]
    pub fn piece(
        &mut self,
        now: Tick,
        start: u64,
        piece: &Piece<'_>,
        rules: Option<&Multiline>,
        each: &mut impl FnMut(Whole<'_>),
    ) {
        if start < self.skip_until {
            return;
        }
        if !piece.is_last || self.pieces.first.is_some() {
            return self.join(now, start, piece, rules, each);
        }
        let line = Whole {
            time: piece.time,
            bytes: piece.content,
            length: piece.length,
            start,
            is_rest: std::mem::take(&mut self.pieces.mid_record),
        };
        if let Some(line) = line.finish(piece.ends_in_return, self.record_bytes_max) {
            match rules {
                Some(rules) => self.gathering.line(now, rules, line, each),
                None => each(line),
            }
        }
    }

    fn join(
        &mut self,
        now: Tick,
        start: u64,
        piece: &Piece<'_>,
        rules: Option<&Multiline>,
        each: &mut impl FnMut(Whole<'_>),
    ) {
        let pieces = &mut self.pieces;
        pieces.first.get_or_insert((start, piece.time));
        pieces.joined.extend(piece.content);
        pieces.joined.skip(piece.length - piece.content.len() as u64);
        // An empty last piece ends what the one before it ends in.
        pieces.ends_in_return = piece.ends_in_return || (piece.length == 0 && pieces.ends_in_return);
        pieces.touched = now;
        if piece.is_last {
            self.end_pieces(now, rules, each);
        }
    }

    /// Hands the open line on.
    fn end_pieces(&mut self, now: Tick, rules: Option<&Multiline>, each: &mut impl FnMut(Whole<'_>)) {
        let pieces = &mut self.pieces;
        let Some((start, time)) = pieces.first.take() else {
            return;
        };
        let line = Whole {
            time,
            bytes: pieces.joined.bytes(),
            length: pieces.joined.length(),
            start,
            is_rest: std::mem::take(&mut pieces.mid_record),
        };
        if let Some(line) = line.finish(pieces.ends_in_return, self.record_bytes_max) {
            match rules {
                Some(rules) => self.gathering.line(now, rules, line, each),
                None => each(line),
            }
        }
        pieces.joined.clear();
        pieces.ends_in_return = false;
        pieces.is_inherited = false;
    }

    /// Hands out what is open; what follows of an open line is a record of its own.
    pub fn flush(&mut self, now: Tick, rules: Option<&Multiline>, each: &mut impl FnMut(Whole<'_>)) {
        let is_inside = self.pieces.first.is_some();
        self.end_pieces(now, rules, each);
        self.pieces.mid_record |= is_inside;
        self.gathering.flush(each);
    }

    /// When what is open has waited long enough.
    pub fn deadline(&self, rules: Option<&Multiline>) -> Option<Tick> {
        let gathered = self.gathering.is_open();
        let timeout = rules.map(|rules| rules.timeout).filter(|_| gathered);
        if self.pieces.first.is_some() {
            return Some(self.pieces.touched + timeout.unwrap_or_default().max(PARTIAL_AGE_MAX));
        }
        timeout.map(|timeout| self.gathering.touched + timeout)
    }

    pub fn is_open(&self) -> bool {
        self.pieces.first.is_some() || self.gathering.is_open()
    }

    /// How far this output is, where everything before `read` was read.
    pub fn position(&self, read: u64) -> StreamPosition {
        let oldest = self.gathering.at().or_else(|| {
            let (start, _) = self.pieces.first?;
            Some((start, self.pieces.mid_record))
        });
        let (offset, mid_record) = oldest.unwrap_or((read, self.pieces.mid_record));
        StreamPosition {
            offset: offset.max(self.skip_until),
            mid_record,
        }
    }

    /// Takes over what is open in `before`, the same output in the file that this one follows; it counts as beginning at `start`.
    pub fn inherit(&mut self, before: &mut Self, start: u64) {
        if !before.is_open() {
            self.pieces.mid_record |= std::mem::take(&mut before.pieces.mid_record);
            return;
        }
        std::mem::swap(&mut self.pieces, &mut before.pieces);
        std::mem::swap(&mut self.gathering, &mut before.gathering);
        if let Some((first, _)) = &mut self.pieces.first {
            *first = start;
            self.pieces.is_inherited = true;
        }
        if self.gathering.is_open() {
            self.gathering.inherit(start);
        }
    }

    /// Whether something is open whose beginning lies in another file.
    pub fn holds_inheritance(&self) -> bool {
        self.pieces.is_inherited || self.gathering.is_inherited
    }

    pub fn capacity(&self) -> usize {
        self.pieces.joined.capacity() + self.gathering.capacity()
    }
}
