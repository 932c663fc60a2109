//! What was taken from the API and is not settled yet: in memory while sinks take it, on the disk while they do not.
//!
//! The kubelet rotates the files that the API serves, so what waits there too long is gone. Therefore the lines of a source go through a
//! queue. As long as sinks have room it is a window in memory over what they have not settled, and no disk is touched. When they have
//! had none for [`PATIENCE`] the whole window is written down, what was sent and is not settled included, and so is everything that
//! comes, up to a bound. Sinks are fed from it in order: from the disk, then from memory, then directly again.
//!
//! Guarantees: entries are fed in the order in which they came; the disk holds everything that is not settled as soon as it holds
//! anything, so a restart needs the API only behind it; a segment goes when a checkpoint says that it is settled; when the bound is
//! reached, or the disk takes nothing, nothing more is taken and memory holds no more than what came with the last answer.
//! Pure: [`Act`] says what is to be done, and each is answered by exactly one [`Done`].

mod act;
mod disk;
mod entry;
mod reading;
mod scan;
mod window;

pub use self::act::{Act, Done, Unread};
pub use self::disk::Segment;
pub use self::entry::{Entry, Flaw, HEADER_BYTES, Header, damage};
pub use self::scan::{FILE_BYTES_MAX, Fate, Found, Scan};

use self::disk::{Disk, Place};
use self::reading::Reading;
use self::window::Window;
use super::Tick;
use super::checkpoint::SpoolPosition;
use super::outlets::{Context, StreamId};
use super::report::Report;
use crate::record::Labels;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// Sinks that had no room for so long are not waited for any longer.
pub const PATIENCE: Duration = Duration::from_millis(500);
/// More is not kept in memory, whatever sinks do: records that steps drop settle only with those before them.
const WINDOW_BYTES_MAX: usize = 4 << 20;
/// A disk that took nothing is tried again after this time.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// What happened so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Bytes of entries that were written.
    pub spilled_bytes: u64,
    /// How often the bound was reached.
    pub full: u64,
    /// Times that the disk failed.
    pub failures: u64,
    /// Bytes of entries that were damaged or gone.
    pub lost_bytes: u64,
}

/// A container whose lines are in the spool.
#[derive(Debug)]
pub struct Reader {
    /// Who waits for its positions; none: they were read before.
    pub stream: Option<StreamId>,
    /// What its records have in common.
    pub context: Context,
}

/// The spool of one source.
#[derive(Debug)]
pub struct Spool {
    /// Name of the source.
    pub name: String,
    /// Number of the source.
    pub source: usize,
    /// What the records of all its containers have in common.
    pub labels: Labels,
    /// By the container's name.
    pub readers: BTreeMap<String, Reader>,
    window: Window,
    disk: Disk,
    /// Every sink has settled what is before it, and a checkpoint said so of what is before the other.
    settled: u64,
    saved: u64,
    /// What is before it went to the sinks.
    fed: u64,
    /// What is before it was there at the start: its lines are part of the containers' positions.
    included: u64,
    /// Behind entries that are lost, as soon as those before are settled, this is settled.
    gap: Option<u64>,
    /// An answer is waited for.
    acting: Option<Acting>,
    /// Since when sinks have no room.
    stalled_since: Option<Tick>,
    /// It writes down what comes.
    is_spilling: bool,
    /// No room is waited for.
    is_hurried: bool,
    is_full: bool,
    /// When the disk is tried again that took nothing.
    retry_at: Option<Tick>,
    reading: Reading,
    counts: Counts,
    reports: VecDeque<Report>,
    said: Said,
}

/// What was said and still holds.
#[derive(Debug, Clone, Copy, Default)]
struct Said {
    failure: bool,
    full: bool,
    spilling: bool,
}

/// What is being done.
#[derive(Debug)]
enum Acting {
    Writing(Place),
    Syncing(u64),
    Reading { wanted: usize },
    Removing,
}

impl Spool {
    /// A spool that goes on with what was found.
    pub fn new(name: &str, source: usize, labels: Labels, bytes_max: u64, found: Found) -> Self {
        let Found {
            position: SpoolPosition { settled, included: _ },
            segments,
            containers: _,
            end,
            aside_bytes,
            lost_bytes,
        } = found;
        let lost = (lost_bytes > 0).then(|| Report::SpillDamaged {
            source_name: name.to_owned(),
            bytes: lost_bytes,
        });
        let kept = segments
            .iter()
            .map(|segment| segment.end - segment.first)
            .sum::<u64>();
        let replayed = (kept > 0).then(|| Report::SpillFound {
            source_name: name.to_owned(),
            bytes: kept,
        });
        Self {
            name: name.to_owned(),
            source,
            labels,
            readers: BTreeMap::new(),
            window: Window::at(end),
            disk: Disk::new(bytes_max, segments, aside_bytes),
            settled,
            saved: settled,
            fed: settled,
            included: end,
            gap: None,
            acting: None,
            stalled_since: None,
            is_spilling: false,
            is_hurried: false,
            is_full: false,
            retry_at: None,
            reading: Reading::default(),
            counts: Counts {
                lost_bytes,
                ..Counts::default()
            },
            said: Said {
                spilling: kept > 0,
                ..Said::default()
            },
            reports: lost.into_iter().chain(replayed).collect(),
        }
    }

    /// Goes on counting, and has said what `before` has said: that was of the same process, and left what was found.
    #[must_use]
    pub fn count_on(mut self, before: &Self) -> Self {
        self.counts = before.counts;
        self.said = Said {
            spilling: self.said.spilling || before.said.spilling,
            ..before.said
        };
        self.reports.clone_from(&before.reports);
        self
    }

    /// Whether a pipeline that has no use for it may forget it.
    pub fn is_unused(&self) -> bool {
        self.disk.bytes_max() == 0 && self.disk.is_empty()
    }

    /// Whether more may be taken from the API, where sinks have room or have not.
    pub fn takes(&self, sinks_have_room: bool) -> bool {
        let disk_takes = self.is_spilling && !self.is_full && self.retry_at.is_none();
        disk_takes || (sinks_have_room && !self.is_behind())
    }

    /// Whether something is here that did not go to the sinks.
    pub fn is_behind(&self) -> bool {
        self.fed < self.window.end()
    }

    /// Whether the entry that ends at this address was there before this run took anything.
    pub fn is_from_before(&self, behind: u64) -> bool {
        behind <= self.included
    }

    /// Takes an entry; the address behind it.
    pub fn push(&mut self, entry: &Entry<'_>) -> u64 {
        self.window.push(entry)
    }

    /// The entry that was just taken went to the sinks.
    pub fn went(&mut self, behind: u64) {
        self.fed = behind;
    }

    /// Looks whether sinks have room.
    pub fn look(&mut self, now: Tick, sinks_have_room: bool) {
        self.reading.look(now);
        if sinks_have_room {
            self.stalled_since = None;
            if !self.is_behind() {
                self.is_spilling = false;
            }
            return;
        }
        let since = *self.stalled_since.get_or_insert(now);
        self.is_spilling |= self.disk.bytes_max() > 0 && (self.is_hurried || since + PATIENCE <= now);
    }

    /// From now on sinks are not waited for: the process is told to stop.
    pub fn hurry(&mut self) {
        self.is_hurried = true;
    }

    /// The next entries to feed that are in memory, and their address.
    pub fn in_memory(&self) -> Option<(u64, &[u8])> {
        if self.disk.find(self.fed).is_some() {
            return None;
        }
        Some((self.fed, self.window.entries(self.fed)?))
    }

    /// What to do on the disk, if there is something now. Reads wait until sinks have room.
    pub fn poll(&mut self, now: Tick, sinks_have_room: bool) -> Option<Act> {
        if self.acting.is_some() {
            return None;
        }
        let act = self
            .next_remove()
            .or_else(|| self.next_write(now))
            .or_else(|| self.next_sync(now, false));
        act.or_else(|| self.next_read(sinks_have_room))
    }

    /// What is left to do before the process ends while something is not settled.
    pub fn close(&mut self, now: Tick) -> Option<Act> {
        self.is_spilling |= self.disk.bytes_max() > 0;
        let is_sound = !self.said.failure;
        self.next_write(now).or_else(|| self.next_sync(now, is_sound))
    }

    /// When [`Spool::poll`] or [`Spool::look`] have something without further input.
    pub fn deadline(&self) -> Option<Tick> {
        let patience = self.stalled_since.map(|since| since + PATIENCE);
        let patience = patience.filter(|_| !self.is_spilling && self.disk.bytes_max() > 0);
        let retry = self.retry_at.filter(|_| self.is_spilling);
        patience
            .into_iter()
            .chain(retry)
            .chain(self.reading.again_at())
            .chain(self.disk.deadline())
            .min()
    }

    /// A write or a read was tried. What was read is handed back, with its address, to be fed.
    pub fn done<'a>(&mut self, now: Tick, done: Done<'a>) -> Option<(u64, &'a [u8])> {
        match (self.acting.take()?, done) {
            (Acting::Writing(place), Done::Written(result)) => self.written(now, place, result),
            (Acting::Syncing(segment), Done::Synced(result)) => match result {
                Ok(()) => self.disk.synced(now, segment),
                Err(error) => {
                    self.disk.sync_failed(now + RETRY_INTERVAL);
                    self.fails(error);
                }
            },
            (Acting::Reading { wanted }, Done::Read(result)) => return self.was_read(now, wanted, result),
            _ => {}
        }
        None
    }

    /// So many of the bytes that were read went to the sinks.
    pub fn fed(&mut self, bytes: usize) {
        self.fed += bytes as u64;
        self.reading = Reading::default();
    }

    /// No entry begins where sinks are to go on; `bytes` were read from there. More are read, or some are lost.
    pub fn flawed(&mut self, flaw: Flaw, bytes: &[u8]) {
        let rest = self
            .disk
            .find(self.fed)
            .map(|segment| segment.end.saturating_sub(self.fed));
        let rest = usize::try_from(rest.unwrap_or_default()).unwrap_or(usize::MAX);
        match flaw {
            Flaw::Short(needed) if needed <= rest && bytes.len() < needed => self.reading.needs(needed),
            _ if bytes.len() < rest => self.reading.needs(rest),
            _ => {
                let bytes = &bytes[..bytes.len().min(rest)];
                self.lose(damage(bytes, self.fed).max(1) as u64);
            }
        }
    }

    /// Behind entries that are lost, once.
    pub fn take_gap(&mut self) -> Option<u64> {
        self.gap.take()
    }

    /// Every sink has settled what is before this address.
    pub fn settle(&mut self, behind: u64) {
        self.settled = self.settled.max(behind);
        self.window.settle(self.settled);
    }

    /// A checkpoint was written, or tried: what is settled is not needed any more.
    pub fn saved(&mut self) {
        self.saved = self.settled;
    }

    /// What a checkpoint says of it.
    pub fn position(&self) -> SpoolPosition {
        SpoolPosition {
            settled: self.settled,
            included: self.included.max(self.settled),
        }
    }

    /// What happened so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Bytes on the disk, and their bound.
    pub fn bytes(&self) -> (u64, u64) {
        (self.disk.bytes(), self.disk.bytes_max())
    }

    /// Whether nothing is taken because the bound is reached.
    pub fn is_full(&self) -> bool {
        self.is_full
    }

    /// What there is to say.
    pub fn report(&mut self) -> Option<Report> {
        if !self.is_behind() && self.disk.is_empty() && std::mem::take(&mut self.said.spilling) {
            self.said.full = false;
            self.reports.push_back(Report::SpillOver(self.name.clone()));
        }
        self.reports.pop_front()
    }

    fn next_remove(&mut self) -> Option<Act> {
        let removed = self.disk.remove_before(self.saved)?;
        self.is_full = false;
        self.acting = Some(Acting::Removing);
        Some(Act::Remove(removed))
    }

    fn next_sync(&mut self, now: Tick, at_once: bool) -> Option<Act> {
        let segment = self.disk.to_sync(now, at_once)?;
        self.acting = Some(Acting::Syncing(segment));
        Some(Act::Sync(segment))
    }

    fn next_write(&mut self, now: Tick) -> Option<Act> {
        let is_too_much = self.window.bytes() > WINDOW_BYTES_MAX && self.disk.bytes_max() > 0;
        if !self.is_spilling && !is_too_much {
            return None;
        }
        if self.retry_at.is_some_and(|at| now < at) {
            return None;
        }
        self.retry_at = None;
        let Some(chunk) = self.window.oldest() else {
            self.is_full = false;
            return None;
        };
        let place = self.disk.place(chunk);
        let act = place.map(|place| Act::Write {
            segment: place.segment,
            offset: place.offset,
            bytes: place.bytes_of(chunk),
        });
        let was_full = std::mem::replace(&mut self.is_full, place.is_none());
        if self.is_full && !was_full {
            self.counts.full += 1;
            if !std::mem::replace(&mut self.said.full, true) {
                self.reports.push_back(Report::SpillFull {
                    source_name: self.name.clone(),
                    bytes_max: self.disk.bytes_max(),
                });
            }
        }
        self.acting = place.map(Acting::Writing);
        act
    }

    fn written(&mut self, now: Tick, place: Place, result: Result<(), String>) {
        if let Err(error) = result {
            self.retry_at = Some(now + RETRY_INTERVAL);
            self.disk.close();
            self.fails(error);
            return;
        }
        self.said.failure = false;
        // It is the same one still: nothing happens between an act and its answer.
        if let Some(chunk) = self.window.oldest() {
            self.counts.spilled_bytes += chunk.bytes.len() as u64;
            self.disk.written(now, chunk, place);
            self.window.drop_oldest();
        }
        if !std::mem::replace(&mut self.said.spilling, true) {
            self.reports.push_back(Report::SpillBegun(self.name.clone()));
        }
    }

    fn fails(&mut self, error: String) {
        self.counts.failures += 1;
        if !std::mem::replace(&mut self.said.failure, true) {
            self.reports.push_back(Report::SpillFails {
                source_name: self.name.clone(),
                error,
            });
        }
    }

    fn next_read(&mut self, sinks_have_room: bool) -> Option<Act> {
        if !sinks_have_room || self.reading.again_at().is_some() {
            return None;
        }
        let segment = self.disk.find(self.fed)?;
        // What is between two segments was settled from memory, or is gone and counted.
        self.fed = self.fed.max(segment.first);
        let rest = usize::try_from(segment.end - self.fed).unwrap_or(usize::MAX);
        let wanted = self.reading.bytes().min(rest);
        self.acting = Some(Acting::Reading { wanted });
        Some(Act::Read {
            segment: segment.first,
            offset: segment.offset(self.fed),
            bytes: wanted,
        })
    }

    fn was_read<'a>(
        &mut self,
        now: Tick,
        wanted: usize,
        result: Result<&'a [u8], Unread>,
    ) -> Option<(u64, &'a [u8])> {
        match result {
            Ok(bytes) if bytes.len() == wanted => return Some((self.fed, bytes)),
            // The file is shorter than what was written to it, or not there.
            Ok(_) | Err(Unread::Gone) => {
                let end = self.disk.find(self.fed).map_or(self.fed, |segment| segment.end);
                self.lose(end - self.fed);
            }
            Err(Unread::Failed(error)) => {
                self.fails(error);
                if !self.reading.failed(now) {
                    self.lose(wanted as u64);
                }
            }
        }
        None
    }

    /// So many bytes at the place where sinks are to go on are lost.
    fn lose(&mut self, bytes: u64) {
        self.fed += bytes;
        self.gap = Some(self.fed);
        self.reading = Reading::default();
        self.counts.lost_bytes += bytes;
        self.reports.push_back(Report::SpillDamaged {
            source_name: self.name.clone(),
            bytes,
        });
    }
}
