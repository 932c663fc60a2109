//! One followed file.

use super::{Chunk, Entry, Look};
use crate::engine::checkpoint::{FilePosition, Fingerprint, Identity};
use crate::engine::framer::{Frame, Framer};
use crate::engine::outlets::{Context, Outlets, Position, StreamId};
use crate::engine::report::Report;
use crate::engine::{RECORD_BYTES_MAX, Tick};
use crate::record::time::Nanos;
use crate::record::{Labels, Record};
use std::time::Duration;

/// The sinks' room is checked this often: records may be much longer than the lines that they are made of.
const PIECE_BYTES: usize = 4 << 10;
/// A last line without newline is sent after this time.
const PARTIAL_AGE_MAX: Duration = Duration::from_secs(5);
/// A file without a matching name is kept open until nothing was written to it for this long: writers go on for a while after
/// a rotation has renamed their file.
const QUIET: Duration = Duration::from_secs(30);

/// What a file waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// The shell is asked to open it.
    Opening,
    /// There may be something to read.
    Hungry,
    /// It was read to its end; a change makes it hungry.
    Rested,
}

#[derive(Debug)]
pub(super) struct File {
    pub id: StreamId,
    pub name: String,
    pub identity: Identity,
    pub stage: Stage,
    /// The next byte to read.
    pub offset: u64,
    pub framer: Framer,
    /// Since when no matching path names it.
    pub away_since: Option<Tick>,
    /// The next read looks whether the file is still the same.
    pub look_at_head: bool,
    pub from_first_listing: bool,
    /// Its name matched the pattern when it was found.
    pub matched: bool,
    fingerprint: Fingerprint,
    context: Context,
    epoch: u32,
    size: u64,
    changed_at: Tick,
    wall: Nanos,
    /// Last position handed out, and last position settled.
    marked: (u64, bool),
    settled: (u64, bool),
}

impl File {
    pub(super) fn new(id: StreamId, now: Tick, entry: &Entry, from_first_listing: bool) -> Self {
        Self {
            id,
            name: entry.name.clone(),
            identity: entry.identity,
            stage: Stage::Opening,
            offset: 0,
            framer: Framer::new(RECORD_BYTES_MAX, false),
            away_since: (!entry.matches).then_some(now),
            look_at_head: false,
            from_first_listing,
            matched: entry.matches,
            fingerprint: Fingerprint::default(),
            context: Context::default(),
            epoch: 0,
            size: entry.size,
            changed_at: now,
            wall: 0,
            marked: (0, false),
            settled: (0, false),
        }
    }

    /// Begins to read at `offset`.
    pub(super) fn start(&mut self, look: &Look<'_>, offset: u64, mid_line: bool, fingerprint: Fingerprint) {
        self.identity = look.identity;
        self.size = look.size;
        self.offset = offset;
        self.fingerprint = fingerprint;
        self.framer = Framer::new(RECORD_BYTES_MAX, mid_line);
        self.marked = (offset, mid_line);
        self.settled = self.marked;
        self.stage = Stage::Hungry;
    }

    pub(super) fn label(&mut self, of_source: &Context, outlets: &Outlets) {
        let labels = Labels {
            file: Some(self.name.clone()),
            ..of_source.labels.clone()
        };
        self.context = outlets.context(of_source.source, labels);
    }

    pub(super) fn look_again(&mut self) {
        if self.stage == Stage::Rested {
            self.stage = Stage::Hungry;
            self.look_at_head = true;
        }
    }

    pub(super) fn seen_in_listing(&mut self, now: Tick, entry: Option<&Entry>) {
        match entry {
            Some(_) => self.away_since = None,
            None => self.away_since = self.away_since.or(Some(now)),
        }
        // Without a name its size is unknown, so it is looked at.
        if entry.is_none_or(|entry| entry.size != self.offset) {
            self.look_again();
        }
    }

    pub(super) fn chunk(&mut self, now: Tick, chunk: &Chunk<'_>, outlets: &mut Outlets) -> Option<Report> {
        self.look_at_head = false;
        self.size = chunk.size;
        let replaced = chunk.head.is_some_and(|head| !self.fingerprint.matches(head));
        if chunk.size < self.offset || replaced {
            self.restart(outlets);
            return Some(Report::FileTruncated(self.name.clone()));
        }
        self.wall = chunk.wall;
        if chunk.bytes.is_empty() {
            self.stage = Stage::Rested;
            return None;
        }
        let Self {
            framer,
            context,
            wall,
            ..
        } = self;
        let (mut pushed, mut consumed) = (0, 0);
        for piece in chunk.bytes.chunks(PIECE_BYTES) {
            framer.push(piece, |frame| {
                consumed = pushed + frame.consumed;
                outlets.record(now, context, &record(*wall, frame));
            });
            pushed += piece.len();
            if !outlets.have_room() {
                break;
            }
        }
        self.changed_at = now;
        self.fingerprint.extend(self.offset, &chunk.bytes[..pushed]);
        if consumed > 0 {
            self.mark(self.offset + consumed as u64, false, outlets);
        }
        self.offset += pushed as u64;
        self.stage = if self.offset >= self.size {
            Stage::Rested
        } else {
            Stage::Hungry
        };
        None
    }

    /// Sends a last line without newline when it has waited long enough.
    pub(super) fn flush_partial(&mut self, now: Tick, at_once: bool, outlets: &mut Outlets) {
        if self.stage == Stage::Rested
            && self.framer.has_partial()
            && (at_once || self.changed_at + PARTIAL_AGE_MAX <= now)
        {
            self.send_partial(now, outlets);
            self.mark(self.offset, true, outlets);
        }
    }

    pub(super) fn is_done(&self, now: Tick) -> bool {
        self.done_at().is_some_and(|at| at <= now)
    }

    pub(super) fn deadline(&self) -> Option<Tick> {
        let partial = self.framer.has_partial() && self.stage == Stage::Rested;
        partial
            .then(|| self.changed_at + PARTIAL_AGE_MAX)
            .into_iter()
            .chain(self.done_at())
            .min()
    }

    pub(super) fn reached(&mut self, position: Position) {
        if let Position::File {
            epoch,
            offset,
            mid_line,
        } = position
            && epoch == self.epoch
        {
            self.settled = (offset, mid_line);
        }
    }

    pub(super) fn position(&self) -> FilePosition {
        FilePosition {
            name: self.name.clone(),
            identity: self.identity,
            fingerprint: self.fingerprint,
            offset: self.settled.0,
            mid_line: self.settled.1,
        }
    }

    pub(super) fn lag_bytes(&self) -> u64 {
        self.size.saturating_sub(self.offset)
    }

    fn done_at(&self) -> Option<Tick> {
        let settled =
            self.stage == Stage::Rested && !self.framer.has_partial() && self.settled == self.marked;
        self.away_since
            .filter(|_| settled)
            .map(|away| away.max(self.changed_at) + QUIET)
    }

    /// The contents were replaced: what was read of the old is kept, the new is read from its beginning.
    fn restart(&mut self, outlets: &mut Outlets) {
        self.send_partial(self.changed_at, outlets);
        self.epoch += 1;
        self.offset = 0;
        self.fingerprint = Fingerprint::default();
        self.framer = Framer::new(RECORD_BYTES_MAX, false);
        self.marked = (0, false);
        self.settled = (0, false);
        self.stage = Stage::Hungry;
    }

    fn send_partial(&mut self, now: Tick, outlets: &mut Outlets) {
        let Self {
            framer,
            context,
            wall,
            ..
        } = self;
        framer.flush(|frame| outlets.record(now, context, &record(*wall, frame)));
    }

    fn mark(&mut self, offset: u64, mid_line: bool, outlets: &mut Outlets) {
        self.marked = (offset, mid_line);
        outlets.mark(
            self.id,
            Position::File {
                epoch: self.epoch,
                offset,
                mid_line,
            },
        );
    }
}

fn record(observed: Nanos, frame: Frame<'_>) -> Record<'_> {
    Record {
        original_bytes: frame.original_bytes,
        ..Record::new(observed, frame.body)
    }
}
