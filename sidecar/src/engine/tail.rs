//! Follows the files of one directory through growth, rename, truncation and deletion. Pure: it is told what the directory
//! and the files look like, and says what to list, open, read and close.
//!
//! Guarantees: a file is its device and inode, refuted by a fingerprint of its beginning, so a renamed file is read on to its
//! end and not again; a descriptor is given up only when the file was read to its end, is acknowledged, has been quiet for
//! a while, and no matching path names it.

mod file;

use self::file::{File, Stage};
use super::checkpoint::{FilePosition, Fingerprint, Identity};
use super::framer::{FramePosition, FramerSettings};
use super::outlets::{Context, Outlets, Position, StreamId};
use super::report::Report;
use super::{Output, Tick};
use crate::record::time::Nanos;
use logship_crd::agent_config::StartAt;
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// More files are not followed at once; each holds a descriptor.
const FILES_MAX: usize = 1024;
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
}

/// A regular file in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Base name.
    pub name: String,
    /// Device and inode.
    pub identity: Identity,
    /// Bytes.
    pub size: u64,
    /// Nanoseconds since 1970.
    pub modified_ns: i128,
    /// The name matches the pattern; others are listed when the checkpoint knows their inode.
    pub matches: bool,
}

/// What an open file looks like.
#[derive(Debug, Clone, Copy)]
pub struct Look<'a> {
    /// Device and inode.
    pub identity: Identity,
    /// Bytes.
    pub size: u64,
    /// Its first bytes, at most [`Fingerprint::BYTES_MAX`].
    pub head: &'a [u8],
}

/// What a read found.
#[derive(Debug, Clone, Copy)]
pub struct Chunk<'a> {
    /// The file at this moment; `head` only where [`Output::Read`] asked for it.
    pub size: u64,
    /// Its first bytes, where asked for.
    pub head: Option<&'a [u8]>,
    /// The bytes at the offset that was asked for.
    pub bytes: &'a [u8],
    /// The time of day of the read.
    pub wall: Nanos,
}

/// The files of one directory.
#[derive(Debug)]
pub struct Tail {
    source: usize,
    settings: TailSettings,
    files: Vec<File>,
    /// Positions of the checkpoint whose files were not seen yet.
    known: Vec<FilePosition>,
    /// The source never ran before: `start_at` applies to the first listing.
    first_start: bool,
    listed: bool,
    /// None while a listing is under way.
    next_listing: Option<Tick>,
    look_at: Option<Tick>,
    to_open: VecDeque<(StreamId, String)>,
    unreadable: BTreeSet<String>,
    directory_error: Option<String>,
    too_many: bool,
    turn: usize,
    drain_listed: Option<bool>,
    malformed: u64,
}

impl Tail {
    /// Follows the directory of source number `source`, from `known` positions or, without them, for the first time.
    pub fn new(source: usize, settings: TailSettings, known: Option<Vec<FilePosition>>) -> Self {
        Self {
            source,
            settings,
            files: Vec::new(),
            first_start: known.is_none(),
            known: known.unwrap_or_default(),
            listed: false,
            next_listing: Some(Tick::ZERO),
            look_at: None,
            to_open: VecDeque::new(),
            unreadable: BTreeSet::new(),
            directory_error: None,
            too_many: false,
            turn: 0,
            drain_listed: None,
            malformed: 0,
        }
    }

    /// The kernel told of a change: of contents, or of `names` too.
    pub fn changed(&mut self, now: Tick, names: bool) {
        let due = now + COALESCE;
        self.look_at.get_or_insert(due);
        if names {
            self.next_listing = self.next_listing.map(|at| at.min(due));
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
        self.drain_listed == Some(true)
            && self.to_open.is_empty()
            && self.files.iter().all(|file| {
                file.stage == Stage::Rested && (self.settings.keep_open_records || !file.framer.is_open())
            })
    }

    /// The next thing to do other than reading.
    pub fn poll(&mut self, now: Tick, outlets: &mut Outlets) -> Option<Output> {
        if self.look_at.is_some_and(|at| at <= now) {
            self.look_at = None;
            self.files.iter_mut().for_each(File::look_again);
        }
        let at_once = self.drain_listed.is_some() && !self.settings.keep_open_records;
        for index in 0..self.files.len() {
            let file = &mut self.files[index];
            file.flush_open(now, at_once, outlets);
            self.malformed += file.framer.take_malformed();
            self.return_inheritance(index, outlets);
        }
        if self.next_listing.is_some_and(|at| at <= now) {
            self.next_listing = None;
            let wanted = self
                .known
                .iter()
                .map(|position| position.identity.inode)
                .collect();
            return Some(Output::List {
                source: self.source,
                wanted,
            });
        }
        if let Some((file, name)) = self.to_open.pop_front() {
            return Some(Output::Open {
                source: self.source,
                file,
                name,
            });
        }
        let done = self.files.iter().position(|file| file.is_done(now))?;
        let file = self.files.remove(done);
        Some(Output::Close { file: file.id })
    }

    /// The next read, if a file may have something: files that lost their name first, so that the end of a rotated file
    /// comes before the beginning of its successor.
    pub fn next_read(&mut self) -> Option<Output> {
        let hungry = |file: &File| file.stage == Stage::Hungry;
        let count = self.files.len();
        let index = self
            .files
            .iter()
            .position(|file| file.away_since.is_some() && hungry(file))
            .or_else(|| {
                (0..count)
                    .map(|step| (self.turn + step) % count)
                    .find(|&index| hungry(&self.files[index]))
            })?;
        self.turn = index + 1;
        let file = &self.files[index];
        Some(Output::Read {
            file: file.id,
            offset: file.offset,
            look_at_head: file.look_at_head,
        })
    }

    /// When [`Tail::poll`] has something to do without further input.
    pub fn deadline(&self) -> Option<Tick> {
        let files = self.files.iter().filter_map(File::deadline);
        self.next_listing
            .into_iter()
            .chain(self.look_at)
            .chain(files)
            .min()
    }

    /// Takes a listing. `next_id` gives each new file its number.
    pub fn listed(&mut self, now: Tick, mut entries: Vec<Entry>, next_id: &mut StreamId) -> Vec<Report> {
        self.after_listing(now);
        self.directory_error = None;
        for file in &mut self.files {
            let named = entries
                .iter()
                .find(|entry| entry.matches && entry.identity == file.identity);
            file.seen_in_listing(now, named);
        }
        entries.sort_by(|a, b| (a.modified_ns, &a.name).cmp(&(b.modified_ns, &b.name)));
        let mut reports = Vec::new();
        let full_before = std::mem::take(&mut self.too_many);
        for entry in entries {
            let followed = self.files.iter().any(|file| file.identity == entry.identity);
            let wanted = entry.matches
                || self
                    .known
                    .iter()
                    .any(|position| position.identity == entry.identity);
            if followed || !wanted {
                continue;
            }
            if self.files.len() >= FILES_MAX {
                self.too_many = true;
                break;
            }
            *next_id += 1;
            self.to_open.push_back((*next_id, entry.name.clone()));
            self.files.push(File::new(
                *next_id,
                now,
                &entry,
                !self.listed,
                &self.settings.framer,
            ));
        }
        if self.too_many && !full_before {
            reports.push(Report::TooManyFiles(FILES_MAX));
        }
        if !self.listed && !self.too_many {
            let files = &self.files;
            let (found, gone) = std::mem::take(&mut self.known)
                .into_iter()
                .partition(|position| files.iter().any(|file| file.identity == position.identity));
            self.known = found;
            reports.extend(
                gone.into_iter()
                    .map(|position: FilePosition| Report::FileGone(position.name)),
            );
        }
        self.listed = true;
        reports
    }

    /// The directory could not be listed.
    pub fn listing_failed(&mut self, now: Tick, error: &str) -> Option<Report> {
        self.after_listing(now);
        if !self.listed {
            // Nobody knows what was there at the start: rather send old lines than lose new ones.
            self.settings.start_at = StartAt::Beginning;
        }
        for file in &mut self.files {
            file.seen_in_listing(now, None);
        }
        let said = self.directory_error.replace(error.to_owned());
        (said.as_deref() != Some(error)).then(|| Report::DirectoryUnreadable(error.to_owned()))
    }

    /// A file was opened.
    pub fn opened(&mut self, id: StreamId, look: Look<'_>, outlets: &Outlets) -> Option<Report> {
        let index = self.files.iter().position(|file| file.id == id)?;
        let known = self
            .known
            .iter()
            .position(|position| position.identity == look.identity);
        let known = known
            .map(|index| self.known.swap_remove(index))
            .filter(|position| {
                look.size >= position.frames().furthest() && position.fingerprint.matches(look.head)
            });
        let file = &mut self.files[index];
        if known.is_none() && !file.matched {
            // Its inode was reused by a file that is none of ours.
            self.files.remove(index);
            return None;
        }
        let at_end = file.from_first_listing && self.first_start && self.settings.start_at == StartAt::End;
        match known {
            Some(position) => file.start(&look, position.frames(), position.fingerprint),
            None if at_end => {
                file.start(
                    &look,
                    FramePosition::at(look.size, look.head),
                    Fingerprint::of(look.head),
                );
            }
            None => file.start(&look, FramePosition::default(), Fingerprint::default()),
        }
        file.label(&self.settings.context, outlets);
        self.unreadable.remove(&file.name);
        Some(Report::FileFollowed {
            name: file.name.clone(),
            offset: file.offset,
        })
    }

    /// A file could not be opened or read; it is tried again after the next listing.
    pub fn failed(&mut self, id: StreamId, error: String) -> Option<Report> {
        let index = self.files.iter().position(|file| file.id == id)?;
        let file = &mut self.files[index];
        let name = file.name.clone();
        if file.stage == Stage::Opening {
            self.files.remove(index);
        } else {
            file.stage = Stage::Rested;
        }
        // Names of files that were unreadable are kept to say it once; past the bound it is said again.
        if self.unreadable.len() >= FILES_MAX {
            self.unreadable.clear();
        }
        self.unreadable
            .insert(name.clone())
            .then_some(Report::FileUnreadable { name, error })
    }

    /// Takes what was read of a file, hands its records on.
    pub fn chunk(
        &mut self,
        now: Tick,
        id: StreamId,
        chunk: &Chunk<'_>,
        outlets: &mut Outlets,
    ) -> Option<Report> {
        let index = self.files.iter().position(|file| file.id == id)?;
        if !chunk.bytes.is_empty() {
            self.inherit(index);
        }
        let file = &mut self.files[index];
        let report = file.chunk(now, chunk, outlets);
        self.malformed += file.framer.take_malformed();
        self.return_inheritance(index, outlets);
        report
    }

    /// A file of which nothing was read yet takes over the records that are open at the end of the file that had its name.
    fn inherit(&mut self, heir: usize) {
        let before = (0..self.files.len())
            .filter(|&index| self.files[index].bequeaths(&self.files[heir]))
            .max_by_key(|&index| self.files[index].id);
        if let Some(before) = before
            && let Ok([heir, before]) = self.files.get_disjoint_mut([heir, before])
        {
            heir.inherit(before);
        }
    }

    /// Once the heir has sent what it had taken over, the file before it is done with that too.
    fn return_inheritance(&mut self, heir: usize, outlets: &mut Outlets) {
        let file = &mut self.files[heir];
        if file.heir_of.is_some() && !file.framer.holds_inheritance() {
            let before = file.heir_of.take();
            if let Some(before) = self.files.iter_mut().find(|file| Some(file.id) == before) {
                before.take_back(outlets);
            }
        }
    }

    /// Takes a position that every sink has settled. Whether it is ours.
    pub fn reached(&mut self, id: StreamId, position: Position) -> bool {
        let file = self.files.iter_mut().find(|file| file.id == id);
        file.map(|file| file.reached(position)).is_some()
    }

    /// The settled positions; none before the directory was listed for the first time.
    pub fn positions(&self) -> Option<Vec<FilePosition>> {
        if !self.listed {
            return (!self.first_start).then(|| self.known.clone());
        }
        let followed = self
            .files
            .iter()
            .filter(|file| file.stage != Stage::Opening)
            .map(File::position);
        Some(followed.chain(self.known.iter().cloned()).collect())
    }

    /// Bytes that are there and were not read.
    pub fn lag_bytes(&self) -> u64 {
        self.files.iter().map(File::lag_bytes).sum()
    }

    /// Lines that were not in the format of the files and passed as they were.
    pub fn malformed(&self) -> u64 {
        self.malformed
    }

    fn after_listing(&mut self, now: Tick) {
        self.next_listing = Some(now + self.settings.scan_interval);
        if self.drain_listed.is_some() {
            self.drain_listed = Some(true);
        }
    }
}

#[cfg(test)]
mod tests;
