//! Follows the files of one directory through growth, rename, truncation and deletion. Pure: it is told what the directory
//! and the files look like, and says what to list, open, read and close.
//!
//! Guarantees: a file is its device and inode, refuted by a fingerprint of its beginning, so a renamed file is read on to its
//! end and not again; a descriptor is given up only when the file was read to its end, is acknowledged, has been quiet for
//! a while, and no matching path names it.

mod arrivals;
mod begin;
mod evidence;
mod file;
mod followed;
mod judgement;
mod listing;
mod memory;
mod observed;
mod siblings;
mod succession;
mod trails;

pub use self::observed::{Chunk, Entry, Look};
pub use self::siblings::rotated;
pub use self::succession::Succession;

use self::arrivals::Arrival;
use self::file::{File, Shown, Stage};
use self::followed::Followed;
use self::memory::Memory;
use self::siblings::Age;
use super::checkpoint::{FilePosition, Identity};
use super::framer::FramerSettings;
use super::outlets::{Context, Outlets, Position, StreamId};
use super::report::Report;
use super::{Output, Tick};
use logship_crd::agent_config::StartAt;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// Names of unreadable files are remembered up to this number.
const UNREADABLE_MAX: usize = 1024;
/// The time that a listing takes for each name, generously: listings must not follow each other without a pause.
const PER_NAME: Duration = Duration::from_micros(20);
/// A file that may be a copy in the making is looked at again after this time.
const SHORT: Duration = Duration::from_secs(2);
/// Changes are gathered this long, so that a busy writer does not wake us for every line.
const COALESCE: Duration = Duration::from_millis(100);

/// How a directory is followed.
#[derive(Debug, Clone)]
pub struct TailSettings {
    /// Time between two listings.
    pub scan_interval: Duration,
    /// Where to begin in files that were there before the very first start.
    pub start_at: StartAt,
    /// What the records have in common; the file's name is added.
    pub context: Context,
    /// How records lie in the files.
    pub framer: Arc<FramerSettings>,
    /// At the end of a drain a record that is open stays, whole, for the next start, rather than being sent as far as it is there.
    pub keep_open_records: bool,
    /// More descriptors are not held.
    pub open_files_max: usize,
}

/// What became of the files so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TailCounts {
    /// Files that were gone before they were read to their end, as far as that is known.
    pub lost_files: u64,
    /// Bytes that were gone before they were read, as far as that is known.
    pub lost_bytes: u64,
    /// Files that were truncated or rewritten.
    pub truncations: u64,
    /// NUL bytes skipped in the holes that writers leave which do not append.
    pub nul_bytes: u64,
    /// Descriptors given up because others needed them.
    pub parked: u64,
    /// Lines that were not in the format of the files and passed as they were.
    pub malformed: u64,
}

/// The files of one directory.
#[derive(Debug)]
pub struct Tail {
    source: usize,
    settings: TailSettings,
    followed: Followed,
    memory: Memory,
    /// Files whose contents are compared with what is known.
    arrivals: BTreeMap<StreamId, Arrival>,
    /// Rotated files that nobody has seen, and whether they were missed.
    examined: BTreeSet<StreamId>,
    judged: VecDeque<(StreamId, bool)>,
    /// The names of the last listing.
    names: BTreeMap<String, Identity>,
    /// The source never ran before: `start_at` applies to the first listing.
    first_start: bool,
    listed: bool,
    /// None while a listing is under way.
    next_listing: Option<Tick>,
    /// Listings of many names keep a distance.
    listing_distance: Duration,
    look_at: Option<Tick>,
    to_open: VecDeque<StreamId>,
    to_close: VecDeque<StreamId>,
    /// Why, by name.
    unreadable: BTreeMap<String, String>,
    directory_error: Option<String>,
    /// That there are more files than descriptors was said.
    said_too_many: bool,
    drain_listed: Option<bool>,
    counts: TailCounts,
}

impl Tail {
    /// Follows the directory of source number `source`, from `known` positions or, without them, for the first time.
    pub fn new(source: usize, settings: TailSettings, known: Option<Vec<FilePosition>>) -> Self {
        Self {
            source,
            settings,
            followed: Followed::default(),
            first_start: known.is_none(),
            memory: Memory::new(known.unwrap_or_default()),
            arrivals: BTreeMap::new(),
            examined: BTreeSet::new(),
            judged: VecDeque::new(),
            names: BTreeMap::new(),
            listed: false,
            next_listing: Some(Tick::ZERO),
            listing_distance: COALESCE,
            look_at: None,
            to_open: VecDeque::new(),
            to_close: VecDeque::new(),
            unreadable: BTreeMap::new(),
            directory_error: None,
            said_too_many: false,
            drain_listed: None,
            counts: TailCounts::default(),
        }
    }

    /// The kernel told of a change: of contents, or of `names` too.
    pub fn changed(&mut self, now: Tick, names: bool) {
        self.look_at.get_or_insert(now + COALESCE);
        if names {
            self.list_soon(now);
        }
    }

    /// The kernel told that the contents of this file changed.
    pub fn touched(&mut self, now: Tick, name: &str) {
        let id = self
            .names
            .get(name)
            .and_then(|identity| self.followed.id_of(*identity));
        if id
            .and_then(|id| self.followed.update(id, File::look_again))
            .is_none()
        {
            // New, or closed to save descriptors: the listing tells.
            self.list_soon(now);
        }
    }

    /// Reads what is there and no more.
    pub fn drain(&mut self, now: Tick) {
        self.drain_listed = Some(false);
        self.next_listing = Some(now);
        self.look_at = Some(now);
    }

    /// Whether everything that was there at the drain was read.
    pub fn is_drained(&self) -> bool {
        let is_over = |file: &File| match file.stage {
            Stage::Rested => self.settings.keep_open_records || !file.framer.is_open(),
            Stage::Unread | Stage::Failed => true,
            Stage::Opening | Stage::Verifying | Stage::Examined | Stage::Hungry => false,
        };
        let waits = self.memory.has_short() || !self.to_close.is_empty();
        self.drain_listed == Some(true) && !waits && self.followed.iter().all(is_over)
    }

    /// The next thing to do other than reading.
    pub fn poll(&mut self, now: Tick, outlets: &mut Outlets) -> Option<Output> {
        if self.look_at.is_some_and(|at| at <= now) {
            self.look_at = None;
            for id in self.followed.ids() {
                self.followed.update(id, File::look_again);
            }
        }
        self.flush(now, outlets);
        if self.next_listing.is_some_and(|at| at <= now) {
            self.next_listing = None;
            let followed = self.followed.iter().map(|file| file.identity.inode);
            let wanted = followed.chain(self.memory.inodes()).collect();
            let source = self.source;
            return Some(Output::List { source, wanted });
        }
        if let Some(file) = self.to_close.pop_front() {
            return Some(Output::Close { file });
        }
        if let Some(file) = self.followed.next_verifying() {
            let (file, look_at_head) = (file.id, false);
            let offset = self.verify_from(file)?;
            return Some(Output::Read {
                file,
                offset,
                look_at_head,
            });
        }
        let open = self.next_open(now);
        open.or_else(|| self.judge(outlets).map(Output::Report))
            .or_else(|| self.to_close.pop_front().map(|file| Output::Close { file }))
    }

    /// The next read, if a file may have something.
    pub fn next_read(&mut self) -> Option<Output> {
        let file = self.followed.next_ready()?;
        Some(Output::Read {
            file: file.id,
            offset: file.read_from(),
            look_at_head: file.looks_at_head(),
        })
    }

    /// When [`Tail::poll`] has something to do without further input.
    pub fn deadline(&self) -> Option<Tick> {
        self.next_listing
            .into_iter()
            .chain(self.look_at)
            .chain(self.followed.deadline())
            .min()
    }

    /// The directory could not be listed.
    pub fn listing_failed(&mut self, now: Tick, error: &str) -> Option<Report> {
        self.after_listing(now, 0);
        if !self.listed {
            // Nobody knows what was there at the start: rather send old lines than lose new ones.
            self.settings.start_at = StartAt::Beginning;
            // The next process must not skip them either.
            self.first_start = false;
        }
        for id in self.followed.ids() {
            self.followed.update(id, |file| file.seen_in_listing(now, None));
        }
        let said = self.directory_error.replace(error.to_owned());
        (said.as_deref() != Some(error)).then(|| Report::DirectoryUnreadable(error.to_owned()))
    }

    /// A file could not be opened or read; it is tried again after the next listing.
    pub fn failed(&mut self, now: Tick, id: StreamId, error: String) -> Option<Report> {
        self.followed.answered(id);
        let file = self.followed.get(id)?;
        let name = file.path.clone();
        if file.is_read() {
            self.followed.update(id, |file| file.stage = Stage::Unread);
        } else {
            let is_new = self.names.get(&name) != Some(&file.identity) || file.stage == Stage::Opening;
            self.to_close.extend(file.is_open().then_some(id));
            self.arrivals.remove(&id);
            self.followed.update(id, |file| file.stage = Stage::Failed);
            if is_new && !self.unreadable.contains_key(&name) {
                // It may only have been renamed since the listing.
                self.look_anew(now);
            }
        }
        // Names of files that were unreadable are kept to say it once; past the bound it is said again.
        if self.unreadable.len() >= UNREADABLE_MAX {
            self.unreadable.clear();
        }
        let said = self.unreadable.insert(name.clone(), error.clone());
        said.is_none().then_some(Report::FileUnreadable { name, error })
    }

    /// Takes what was read of a file, hands its records on.
    pub fn chunk(
        &mut self,
        now: Tick,
        id: StreamId,
        chunk: &Chunk<'_>,
        outlets: &mut Outlets,
    ) -> Option<Report> {
        self.followed.answered(id);
        let file = self.followed.get(id)?;
        if file.stage == Stage::Verifying {
            return self.verify(now, id, chunk, outlets);
        }
        if file.is_fresh() && file.goes_on_in(chunk) {
            self.inherit(id);
        }
        let (shown, nul_bytes) = self.followed.update(id, |file| {
            let shown = file.chunk(now, chunk, outlets);
            (shown, std::mem::take(&mut file.nul_bytes))
        })?;
        self.counts.nul_bytes += nul_bytes;
        self.after_change(id, outlets);
        match shown {
            Shown::Same => None,
            Shown::Shrunk => {
                // A copy may have the rest.
                self.look_anew(now);
                None
            }
            Shown::Replaced => self.replaced(now, id, outlets),
        }
    }

    /// Takes a position that every sink has settled. Whether it is ours.
    pub fn reached(&mut self, id: StreamId, position: Position) -> bool {
        self.followed.update(id, |file| file.reached(position)).is_some()
    }

    /// Whether the directory was listed before, by this process or another.
    pub fn has_run(&self) -> bool {
        self.listed || !self.first_start
    }

    /// The settled positions; none before the directory was listed for the first time.
    pub fn positions(&self) -> Option<Vec<FilePosition>> {
        if !self.has_run() {
            return None;
        }
        let followed = self.followed.iter().filter(|file| file.is_read());
        Some(
            followed
                .map(File::position)
                .chain(self.memory.positions())
                .collect(),
        )
    }

    /// Bytes that are there and were not read.
    pub fn lag_bytes(&self) -> u64 {
        self.followed.iter().map(File::lag_bytes).sum()
    }

    /// Why files, or the directory with all of them, cannot be read at the moment.
    pub fn unreadable(&self) -> impl Iterator<Item = &str> {
        let failed = |file: &&File| matches!(file.stage, Stage::Failed | Stage::Unread);
        let files = self.followed.iter().filter(failed);
        let files = files.filter_map(|file| self.unreadable.get(&file.path));
        self.directory_error.iter().chain(files).map(String::as_str)
    }

    /// What became of the files so far.
    pub fn counts(&self) -> TailCounts {
        self.counts
    }

    /// How many files are followed, those whose descriptor was given up included.
    pub fn files(&self) -> usize {
        let parked = self
            .memory
            .known()
            .filter(|known| known.is_present && !known.position.finished);
        self.followed.len() + parked.count()
    }

    /// How many descriptors are held.
    pub fn open_files(&self) -> usize {
        self.followed.open()
    }

    /// Sends open records whose time has come, and finishes files whose time is over.
    fn flush(&mut self, now: Tick, outlets: &mut Outlets) {
        let at_once = self.drain_listed.is_some() && !self.settings.keep_open_records;
        let due = if at_once {
            self.followed.with_open_records()
        } else {
            Vec::new()
        };
        for id in due.into_iter().chain(self.followed.due(now)) {
            self.followed
                .update(id, |file| file.flush_open(now, at_once, outlets));
            self.after_change(id, outlets);
            let Some(file) = self.followed.get(id).filter(|file| file.is_done(now)) else {
                continue;
            };
            if file.was_just_looked_at(now) {
                self.give_up(now, id, true);
                // A copy of it may wait for its end.
                self.list_soon(now);
            } else {
                self.followed.update(id, File::look_again);
            }
        }
    }

    /// Opens the next file, for which the idlest may have to give up its descriptor.
    fn next_open(&mut self, now: Tick) -> Option<Output> {
        let id = *self.to_open.front()?;
        let Some(file) = self.followed.get(id).filter(|file| file.stage == Stage::Opening) else {
            self.to_open.pop_front();
            return self.next_open(now);
        };
        if self.followed.open() < self.settings.open_files_max {
            let name = file.path.clone();
            self.to_open.pop_front();
            return Some(Output::Open {
                source: self.source,
                file: id,
                name,
            });
        }
        if !std::mem::replace(&mut self.said_too_many, true) {
            return Some(Output::Report(Report::TooManyFiles(self.settings.open_files_max)));
        }
        let idlest = self.followed.idlest()?;
        self.counts.parked += 1;
        self.give_up(now, idlest, false);
        let file = self.to_close.pop_front()?;
        Some(Output::Close { file })
    }

    /// Closes a file and remembers it.
    fn give_up(&mut self, now: Tick, id: StreamId, finished: bool) {
        if let Some(file) = self.followed.remove(id) {
            self.memory.remember(now, &file, finished);
            self.to_close.push_back(id);
        }
    }

    /// The contents of a file were replaced. A copy of them may be about.
    fn replaced(&mut self, now: Tick, id: StreamId, outlets: &mut Outlets) -> Option<Report> {
        let ghost = self.memory.mourn(self.followed.get(id)?);
        self.counts.truncations += 1;
        let (end, name) = self
            .followed
            .update(id, |file| (file.restart(outlets), file.name.clone()))?;
        self.memory.ghost_ends(ghost, end);
        self.look_anew(now);
        // The next copy may have been made in place of the one before: the listing compares it like any other rotated file.
        let is_rotated = |file: &File| {
            let is_named = self.names.get(&file.path) == Some(&file.identity);
            is_named && file.kin.age != Age::Current && file.is_untied()
        };
        if self.followed.get(id).is_some_and(is_rotated) {
            self.followed.remove(id);
            self.to_close.push_back(id);
        }
        Some(Report::FileTruncated(name))
    }

    fn after_change(&mut self, id: StreamId, outlets: &mut Outlets) {
        let malformed = self.followed.update(id, |file| file.framer.take_malformed());
        self.counts.malformed += malformed.unwrap_or_default();
        self.return_inheritance(id, outlets);
    }

    /// A file of which nothing was read yet takes over the records that are open at the end of the file that had its name.
    fn inherit(&mut self, heir: StreamId) {
        let before = self
            .followed
            .get(heir)
            .and_then(|heir| self.followed.bequeather(heir));
        if let Some(before) = before {
            self.followed.update_both(heir, before, File::inherit);
        }
    }

    /// Once the heir has sent what it had taken over, the file before it is done with that too.
    fn return_inheritance(&mut self, heir: StreamId, outlets: &mut Outlets) {
        if let Some(before) = self.followed.update(heir, File::give_back).flatten() {
            self.followed.update(before, |file| file.take_back(outlets));
            self.return_inheritance(before, outlets);
        }
    }

    /// Lists soon because the last listing is known to be wrong or not enough; a drain waits for that.
    fn look_anew(&mut self, now: Tick) {
        self.drain_listed = self.drain_listed.map(|_| false);
        self.list_soon(now);
    }

    fn list_soon(&mut self, now: Tick) {
        let due = now + self.listing_distance;
        self.next_listing = self.next_listing.map(|at| at.min(due));
    }

    fn after_listing(&mut self, now: Tick, entries: usize) {
        let names = u32::try_from(entries).unwrap_or(u32::MAX);
        self.listing_distance = COALESCE + PER_NAME * names;
        self.next_listing = Some(now + self.settings.scan_interval.max(self.listing_distance));
        if self.drain_listed.is_some() {
            self.drain_listed = Some(true);
        }
    }
}

#[cfg(test)]
mod tests;
