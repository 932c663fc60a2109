//! One followed file: reads it on from where it is, as long as it is the same.
//!
//! Every read begins a little before the offset, with bytes that are known: contents that were replaced are found whatever their
//! size. That, and never a name or a time, decides whether reading goes on.

mod inheritance;
mod rest;
mod settled;

use super::begin::Begin;
use super::siblings::{Families, Rotated, is_compressed};
use super::trails::Trails;
use super::{Chunk, Entry};
use crate::engine::Tick;
use crate::engine::checkpoint::{Fingerprint, Identity, Trail};
use crate::engine::framer::{Frame, FramePosition, Framer, FramerSettings};
use crate::engine::outlets::{Context, Outlets, StreamId};
use crate::record::time::Nanos;
use crate::record::{Labels, Record};
use std::collections::VecDeque;
use std::sync::Arc;

/// The sinks' room is checked this often: records may be much longer than the lines that they are made of.
const PIECE_BYTES: usize = 4 << 10;
/// A trail that ends further before the offset is not checked.
const LEAD_BYTES_MAX: u64 = 32 << 10;

/// What a file waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// The shell is asked to open it.
    Opening,
    /// It could not be opened; the next listing tries again.
    Failed,
    /// It is open, and whether it is what it seems to be is read off its contents.
    Verifying,
    /// It is none of the files that are known; whether it is wanted depends on its siblings.
    Examined,
    /// There may be something to read.
    Hungry,
    /// A read failed; the next listing tries again.
    Unread,
    /// It was read to its end; a change makes it hungry.
    Rested,
}

/// What a chunk showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    /// The file that was read before.
    Same,
    /// It has lost bytes that were not read; nothing that was read is refuted.
    Shrunk,
    /// Its contents were replaced.
    Replaced,
}

#[derive(Debug)]
pub(super) struct File {
    pub id: StreamId,
    /// The name that its records are labelled with.
    pub name: String,
    /// Its name now, or the last one.
    pub path: String,
    /// What its name says about other files.
    pub kin: Rotated,
    /// The names that it would have had before any rotation.
    pub families: Families,
    pub identity: Identity,
    pub stage: Stage,
    /// The next byte to read.
    pub offset: u64,
    pub framer: Framer,
    /// Since when no matching path names it.
    pub away_since: Option<Tick>,
    /// It may have changed while it was at rest.
    look_at_head: bool,
    /// It was in the first listing, with so many bytes.
    pub first_listed: Option<u64>,
    /// Its name matched the pattern when it was found.
    pub matched: bool,
    pub fingerprint: Fingerprint,
    /// Of the bytes before the offset, and before offsets of earlier reads.
    pub trail: Trail,
    pub trails: Trails,
    pub size: u64,
    /// As the last listing told; of a compressed file it is another size than that of its contents.
    listed_size: u64,
    pub modified_ns: i128,
    pub changed_at: Tick,
    /// When it was read last, be it that nothing was new.
    pub looked_at: Tick,
    /// NUL bytes that were skipped.
    pub nul_bytes: u64,
    context: Context,
    epoch: u32,
    wall: Nanos,
    /// Last position handed out, and last position settled.
    marked: FramePosition,
    settled: FramePosition,
    settled_trail: Trail,
    /// Trails of the marks that are not settled.
    mark_trails: VecDeque<Trail>,
    framer_settings: Arc<FramerSettings>,
    /// Where reading began when it was opened; none: it was truncated since.
    opened_at: Option<u64>,
    /// Its writer may have left a hole at its beginning.
    skip_nul: bool,
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
        is_first_listing: bool,
        framer: &Arc<FramerSettings>,
    ) -> Self {
        Self {
            id,
            name: entry.name.clone(),
            path: entry.name.clone(),
            kin: Rotated::current(&entry.name),
            families: Families::of(&entry.name),
            identity: entry.identity,
            stage: Stage::Opening,
            offset: 0,
            framer: Framer::new(framer.clone(), FramePosition::default()),
            away_since: (!entry.matches).then_some(now),
            look_at_head: false,
            first_listed: is_first_listing.then_some(entry.size),
            matched: entry.matches,
            fingerprint: Fingerprint::default(),
            trail: Trail::default(),
            trails: Trails::default(),
            size: entry.size,
            listed_size: entry.size,
            modified_ns: entry.modified_ns,
            changed_at: now,
            looked_at: Tick::ZERO,
            nul_bytes: 0,
            context: Context::default(),
            epoch: 0,
            wall: 0,
            marked: FramePosition::default(),
            settled: FramePosition::default(),
            settled_trail: Trail::default(),
            mark_trails: VecDeque::new(),
            framer_settings: framer.clone(),
            opened_at: Some(0),
            skip_nul: false,
            heir_of: None,
            lent_to: None,
        }
    }

    /// Begins to read.
    pub(super) fn start(&mut self, size: u64, begin: Begin, of_source: &Context, outlets: &mut Outlets) {
        let Begin {
            at,
            settled,
            fingerprint,
            trail,
            skip_nul,
        } = begin;
        self.size = size;
        self.offset = at.offset;
        self.opened_at = Some(at.offset);
        self.fingerprint = fingerprint;
        let is_near = trail.end <= at.offset && at.offset - trail.end <= LEAD_BYTES_MAX;
        self.trail = if is_near { trail } else { Trail::none(at.offset) };
        self.trails = Trails::default();
        self.trails.push(self.trail);
        self.framer = Framer::new(self.framer_settings.clone(), at);
        self.marked = settled;
        self.settled = settled;
        self.settled_trail = if settled == at {
            self.trail
        } else {
            Trail::none(settled.offset)
        };
        self.mark_trails.clear();
        self.skip_nul = skip_nul;
        self.stage = Stage::Hungry;
        self.relabel(of_source, outlets);
        // Settled as soon as the records that another file has handed out before are.
        self.mark(&[], outlets);
    }

    /// Goes on under another context, with what is open in it.
    pub(super) fn relabel(&mut self, of_source: &Context, outlets: &Outlets) {
        let labels = Labels {
            file: Some(self.name.clone()),
            ..of_source.labels.clone()
        };
        self.context = outlets.context(of_source.source, labels);
    }

    /// Goes back to behind the last record that is settled, to read on under other settings.
    pub(super) fn rewind(
        &mut self,
        of_source: &Context,
        framer: &Arc<FramerSettings>,
        outlets: &mut Outlets,
    ) {
        self.framer_settings = framer.clone();
        if !self.is_read() {
            return;
        }
        let was_truncated = self.opened_at.is_none();
        let begin = Begin {
            at: self.settled,
            settled: self.settled,
            fingerprint: self.fingerprint,
            trail: self.settled_trail,
            skip_nul: self.skip_nul || (was_truncated && self.settled.offset == 0),
        };
        (self.heir_of, self.lent_to) = (None, None);
        self.start(self.size, begin, of_source, outlets);
        self.opened_at = self.opened_at.filter(|_| !was_truncated);
    }

    /// Whether nothing was read of it since it was opened.
    pub(super) fn is_fresh(&self) -> bool {
        self.opened_at == Some(self.offset)
    }

    /// Whether there is more in it than was read before.
    pub(super) fn goes_on_in(&self, chunk: &Chunk<'_>) -> bool {
        self.trail.start() + chunk.bytes.len() as u64 > self.offset
    }

    /// Goes by the name that it has, or had before a rotation.
    pub(super) fn take_own_name(&mut self) {
        let own = if self.matched { &self.path } else { &self.kin.stem };
        own.clone_into(&mut self.name);
    }

    pub(super) fn look_again(&mut self) {
        if matches!(self.stage, Stage::Rested | Stage::Unread) {
            self.stage = Stage::Hungry;
            self.look_at_head = true;
        }
    }

    pub(super) fn seen_in_listing(&mut self, now: Tick, entry: Option<&Entry>) {
        let named = entry.filter(|entry| entry.matches);
        match named {
            Some(_) => self.away_since = None,
            None => self.away_since = self.away_since.or(Some(now)),
        }
        let packed = is_compressed(&self.path);
        let changed = entry.is_none_or(|entry| {
            entry.modified_ns != self.modified_ns || (!packed && entry.size != self.offset)
        });
        if let Some(entry) = entry {
            // Whose it is is decided once it is open.
            if !self.is_open() {
                self.matched = entry.matches;
            }
            entry.name.clone_into(&mut self.path);
            self.modified_ns = entry.modified_ns;
            self.listed_size = entry.size;
            if !packed {
                self.size = entry.size;
            }
        }
        // Without a name its size is unknown, so it is looked at.
        if changed || self.stage == Stage::Unread {
            self.look_again();
        }
    }

    /// Whether the next read looks at the first bytes too: sinks may have kept it waiting for long, and what stands right before the
    /// offset may be equal in other contents. A compressed file has to be unpacked for that, and nobody writes it anew in its middle.
    pub(super) fn looks_at_head(&self) -> bool {
        self.look_at_head || !is_compressed(&self.path)
    }

    /// Where the next read begins: at the bytes that are known.
    pub(super) fn read_from(&self) -> u64 {
        self.trail.start()
    }

    pub(super) fn chunk(&mut self, now: Tick, chunk: &Chunk<'_>, outlets: &mut Outlets) -> Shown {
        self.look_at_head = false;
        self.looked_at = now;
        let other_head = chunk.head.is_some_and(|head| !self.fingerprint.matches(head));
        let leads = self.trail.leads(chunk.bytes);
        if chunk.size < self.offset || other_head || leads == Some(false) {
            return Shown::Replaced;
        }
        // What a compressed file says of its size is no promise.
        let same = if chunk.size < self.size && !is_compressed(&self.path) {
            Shown::Shrunk
        } else {
            Shown::Same
        };
        self.size = chunk.size;
        self.wall = chunk.wall;
        let lead = usize::try_from(self.offset - self.trail.start()).unwrap_or(usize::MAX);
        let fresh = match chunk.bytes.get(lead..) {
            Some(fresh) if !fresh.is_empty() => fresh,
            // At its end, or a short read, or being truncated, or being unpacked up to here.
            _ => {
                let is_short = !chunk.bytes.is_empty() || is_compressed(&self.path);
                self.stage = if is_short && chunk.size > self.offset {
                    Stage::Hungry
                } else {
                    Stage::Rested
                };
                return same;
            }
        };
        let hole = self.hole(fresh);
        let Self {
            framer,
            context,
            wall,
            ..
        } = self;
        let mut taken = hole;
        for piece in fresh[hole..].chunks(PIECE_BYTES) {
            framer.push(now, piece, |frame| send(now, context, *wall, &frame, outlets));
            taken += piece.len();
            if !outlets.have_room() {
                break;
            }
        }
        self.changed_at = now;
        self.fingerprint.extend(self.offset, &fresh[..taken]);
        self.offset += taken as u64;
        let known = &chunk.bytes[..lead + taken];
        self.trail = Trail::of(self.offset, known);
        self.trails.push(self.trail);
        self.mark(known, outlets);
        self.stage = if self.offset >= self.size {
            Stage::Rested
        } else {
            Stage::Hungry
        };
        same
    }

    /// How many NUL bytes stand where a writer that does not append has left a hole by writing on behind a truncation.
    fn hole(&mut self, fresh: &[u8]) -> usize {
        if !self.skip_nul || self.framer.is_open() {
            self.skip_nul = false;
            return 0;
        }
        let hole = fresh.iter().take_while(|byte| **byte == 0).count();
        self.skip_nul = hole == fresh.len();
        if hole > 0 {
            self.nul_bytes += hole as u64;
            self.framer = Framer::new(
                self.framer_settings.clone(),
                FramePosition {
                    offset: self.offset + hole as u64,
                    ..FramePosition::default()
                },
            );
        }
        hole
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
        self.mark(&[], outlets);
    }

    /// The file whose records this one had taken over, once it has handed them out itself, or whoever took them over from it.
    pub(super) fn give_back(&mut self) -> Option<StreamId> {
        let is_over = !self.framer.holds_inheritance() && self.lent_to.is_none();
        self.heir_of.take_if(|_| is_over)
    }

    pub(super) fn is_open(&self) -> bool {
        !matches!(self.stage, Stage::Opening | Stage::Failed)
    }

    /// Whether it is known who it is, and how far it was read.
    pub(super) fn is_read(&self) -> bool {
        matches!(self.stage, Stage::Hungry | Stage::Unread | Stage::Rested)
    }

    /// Size and time that a listing tells while nothing is written.
    pub(super) fn seen(&self) -> (u64, i128) {
        let packed = is_compressed(&self.path);
        let size = if packed { self.listed_size } else { self.size };
        (size, self.modified_ns)
    }

    pub(super) fn lag_bytes(&self) -> u64 {
        self.size.saturating_sub(self.offset)
    }

    /// The contents were replaced: what was read of the old is kept, the new is read from its beginning. Tells up to where the old
    /// was handed out.
    pub(super) fn restart(&mut self, outlets: &mut Outlets) -> FramePosition {
        let Self {
            framer,
            context,
            wall,
            ..
        } = self;
        let now = self.changed_at;
        framer.end_line(now, |frame| send(now, context, *wall, &frame, outlets));
        let end = framer.position();
        let start = FramePosition::default();
        let mut fresh = Framer::new(self.framer_settings.clone(), start);
        // A record of several lines may go on behind the truncation.
        fresh.inherit(framer);
        self.framer = fresh;
        self.epoch += 1;
        self.offset = 0;
        self.opened_at = None;
        self.size = 0;
        self.fingerprint = Fingerprint::default();
        self.trail = Trail::default();
        self.trails = Trails::default();
        self.marked = start;
        self.settled = start;
        self.settled_trail = Trail::default();
        self.mark_trails.clear();
        self.skip_nul = true;
        self.stage = Stage::Hungry;
        end
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
