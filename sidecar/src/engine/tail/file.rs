//! One followed file.

use super::{Chunk, Entry, Look};
use crate::engine::Tick;
use crate::engine::checkpoint::{FilePosition, Fingerprint, Identity};
use crate::engine::framer::{Frame, FramePosition, Framer, FramerSettings};
use crate::engine::outlets::{Context, Outlets, Position, StreamId};
use crate::engine::report::Report;
use crate::record::time::Nanos;
use crate::record::{Labels, Record};
use std::sync::Arc;
use std::time::Duration;

/// The sinks' room is checked this often: records may be much longer than the lines that they are made of.
const PIECE_BYTES: usize = 4 << 10;
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
    marked: FramePosition,
    settled: FramePosition,
    framer_settings: Arc<FramerSettings>,
    /// Where reading began when it was opened; none: it was truncated since.
    opened_at: Option<u64>,
    /// The file whose open records this one has taken over.
    pub heir_of: Option<StreamId>,
    /// The file that has taken over the open records of this one, and has not handed them out.
    lent_to: Option<StreamId>,
}

impl File {
    pub(super) fn new(
        id: StreamId,
        now: Tick,
        entry: &Entry,
        from_first_listing: bool,
        framer: &Arc<FramerSettings>,
    ) -> Self {
        Self {
            id,
            name: entry.name.clone(),
            identity: entry.identity,
            stage: Stage::Opening,
            offset: 0,
            framer: Framer::new(framer.clone(), FramePosition::default()),
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
            marked: FramePosition::default(),
            settled: FramePosition::default(),
            framer_settings: framer.clone(),
            opened_at: Some(0),
            heir_of: None,
            lent_to: None,
        }
    }

    /// Begins to read at a position.
    pub(super) fn start(&mut self, look: &Look<'_>, at: FramePosition, fingerprint: Fingerprint) {
        self.identity = look.identity;
        self.size = look.size;
        self.offset = at.offset;
        self.opened_at = Some(at.offset);
        self.fingerprint = fingerprint;
        self.framer = Framer::new(self.framer_settings.clone(), at);
        self.marked = at;
        self.settled = at;
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
        let mut pushed = 0;
        for piece in chunk.bytes.chunks(PIECE_BYTES) {
            framer.push(now, piece, |frame| send(now, context, *wall, &frame, outlets));
            pushed += piece.len();
            if !outlets.have_room() {
                break;
            }
        }
        self.changed_at = now;
        self.fingerprint.extend(self.offset, &chunk.bytes[..pushed]);
        self.offset += pushed as u64;
        self.mark(outlets);
        self.stage = if self.offset >= self.size {
            Stage::Rested
        } else {
            Stage::Hungry
        };
        None
    }

    /// Sends records that are open and have waited long enough, or all of them, because nothing more will come.
    pub(super) fn flush_open(&mut self, now: Tick, at_once: bool, outlets: &mut Outlets) {
        if self.stage != Stage::Rested || !self.framer.is_open() {
            return;
        }
        let is_over = self.quiet_at().is_some_and(|at| at <= now);
        let Self {
            framer,
            context,
            wall,
            ..
        } = self;
        let each = |frame: Frame<'_>| send(now, context, *wall, &frame, outlets);
        if at_once || is_over {
            framer.flush(now, each);
        } else {
            framer.flush_due(now, each);
        }
        self.mark(outlets);
    }

    /// Takes over the records that are open in `before`, which this file follows after a rotation.
    pub(super) fn inherit(&mut self, before: &mut Self) {
        self.framer.inherit(&mut before.framer);
        if self.framer.holds_inheritance() {
            self.heir_of = Some(before.id);
            before.lent_to = Some(self.id);
        }
    }

    /// Whether `heir`, of which nothing was read yet, may go on with records that are open here: it has the name that this file had.
    pub(super) fn bequeaths(&self, heir: &Self) -> bool {
        let had_name = self.name.strip_prefix(&heir.name);
        heir.opened_at == Some(heir.offset)
            && self.id != heir.id
            && self.stage == Stage::Rested
            && self.framer.is_open()
            && had_name.is_some_and(|rest| match rest.as_bytes() {
                [] => self.away_since.is_some(),
                [first, ..] => matches!(first, b'.' | b'-'),
            })
    }

    /// The records that another file had taken over were handed out.
    pub(super) fn take_back(&mut self, outlets: &mut Outlets) {
        self.lent_to = None;
        self.mark(outlets);
    }

    pub(super) fn is_done(&self, now: Tick) -> bool {
        !self.framer.is_open() && self.done_at().is_some_and(|at| at <= now)
    }

    pub(super) fn deadline(&self) -> Option<Tick> {
        let due = self.framer.deadline().filter(|_| self.stage == Stage::Rested);
        due.into_iter().chain(self.done_at()).min()
    }

    pub(super) fn reached(&mut self, position: Position) {
        if let Position::File { epoch, at } = position
            && epoch == self.epoch
        {
            self.settled = at;
        }
    }

    pub(super) fn position(&self) -> FilePosition {
        let FramePosition {
            offset,
            mid_line,
            encoding,
            streams,
        } = self.settled;
        FilePosition {
            name: self.name.clone(),
            identity: self.identity,
            fingerprint: self.fingerprint,
            offset,
            mid_line,
            encoding,
            streams,
        }
    }

    pub(super) fn lag_bytes(&self) -> u64 {
        self.size.saturating_sub(self.offset)
    }

    /// When it has no name any more and was quiet for long enough.
    fn quiet_at(&self) -> Option<Tick> {
        self.away_since.map(|away| away.max(self.changed_at) + QUIET)
    }

    /// When it can be closed, or what is open in it can be sent because nothing more will come.
    fn done_at(&self) -> Option<Tick> {
        let waits_for_others =
            self.lent_to.is_some() || (!self.framer.is_open() && self.settled != self.marked);
        self.quiet_at()
            .filter(|_| self.stage == Stage::Rested && !waits_for_others)
    }

    /// The contents were replaced: what was read of the old is kept, the new is read from its beginning.
    fn restart(&mut self, outlets: &mut Outlets) {
        let Self {
            framer,
            context,
            wall,
            ..
        } = self;
        let now = self.changed_at;
        framer.end_line(now, |frame| send(now, context, *wall, &frame, outlets));
        let start = FramePosition::default();
        let mut fresh = Framer::new(self.framer_settings.clone(), start);
        // A record of several lines may go on behind the truncation.
        fresh.inherit(framer);
        self.framer = fresh;
        self.epoch += 1;
        self.offset = 0;
        self.opened_at = None;
        self.fingerprint = Fingerprint::default();
        self.marked = start;
        self.settled = start;
        self.stage = Stage::Hungry;
    }

    fn mark(&mut self, outlets: &mut Outlets) {
        let at = self.framer.position();
        if at != self.marked && self.lent_to.is_none() {
            self.marked = at;
            let epoch = self.epoch;
            outlets.mark(self.id, Position::File { epoch, at });
        }
    }
}

fn send(now: Tick, context: &Context, observed: Nanos, frame: &Frame<'_>, outlets: &mut Outlets) {
    let record = Record {
        time: frame.time.unwrap_or(observed),
        original_bytes: frame.original_bytes,
        stream: frame.stream,
        ..Record::new(observed, frame.body)
    };
    outlets.record(now, context, record);
}
