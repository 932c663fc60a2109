//! What is known of files that are not followed at the moment: read to their end, closed to save descriptors, gone, or replaced.
//!
//! Guarantees: bounded by what a directory holds and by a fixed number of files that are gone. Nothing is believed because of a
//! name: whoever comes back is compared with what is known of its contents.

use super::Entry;
use super::begin::Begin;
use super::evidence::{Doubt, Origin, Suspect};
use super::file::File;
use super::siblings::{Families, Rotated};
use super::trails::Trails;
use crate::engine::Tick;
use crate::engine::checkpoint::{FilePosition, Fingerprint, Identity, Trail};
use crate::engine::framer::FramePosition;
use std::collections::{BTreeMap, VecDeque};

/// More files that are gone are not remembered.
const ABSENT_MAX: usize = 1024;
/// More replaced contents are not remembered.
const GHOSTS_MAX: usize = 64;
/// A copy is looked for in so many listings.
const GHOST_LISTINGS: u32 = 3;

/// A file that was read.
#[derive(Debug)]
pub(super) struct Known {
    pub position: FilePosition,
    /// What its last name said.
    pub kin: Rotated,
    families: Families,
    /// It is in the directory.
    pub is_present: bool,
    /// Its being gone was said, or is no loss.
    pub is_excused: bool,
    /// The pattern that it matched is another now, so it is left alone.
    pub is_unwanted: bool,
    trails: Trails,
    /// Size and time of the contents that were read; none: not looked at since the start.
    seen: Option<(u64, i128)>,
    since: Tick,
}

/// Contents that were replaced; a copy of them may be about.
#[derive(Debug)]
pub(super) struct Ghost {
    pub number: u64,
    pub identity: Identity,
    pub kin: Rotated,
    families: Families,
    pub name: String,
    pub modified_ns: i128,
    fingerprint: Fingerprint,
    at: FramePosition,
    settled: FramePosition,
    trail: Trail,
    trails: Trails,
    /// Bytes that were there and were not read.
    unread: u64,
    /// Listings since then.
    listings: u32,
}

/// Why a file is left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Aside {
    /// It is older than what is followed, or of nobody.
    Ignored,
    /// It is a copy of this file, which is followed; so many contents had been replaced then.
    CopyOf(Identity, u64),
    /// It is too short to tell, and may be a copy that is being made.
    Short(Tick),
}

/// What will be found out about a file that is known and there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ToCome {
    /// It is as it was when it was read, or is not wanted.
    Nothing,
    /// It is about to be opened and looked at.
    Look,
    /// It cannot be opened, for long.
    Hopeless,
}

/// A file that is left alone.
#[derive(Debug)]
struct Left {
    why: Aside,
    name: String,
    /// The name matches the pattern.
    matched: bool,
    /// Size and time of the contents.
    seen: (u64, i128),
}

#[derive(Debug, Default)]
pub(super) struct Memory {
    known: BTreeMap<Identity, Known>,
    ghosts: VecDeque<Ghost>,
    aside: BTreeMap<Identity, Left>,
    ghost_number: u64,
}

impl Memory {
    /// What the checkpoint tells.
    pub(super) fn new(positions: Vec<FilePosition>) -> Self {
        let known = positions.into_iter().map(|position| {
            let mut trails = Trails::default();
            trails.push(position.trail);
            let known = Known {
                kin: Rotated::current(&position.name),
                families: Families::of(&position.name),
                is_present: false,
                is_excused: position.finished,
                is_unwanted: false,
                trails,
                seen: None,
                since: Tick::ZERO,
                position,
            };
            (known.position.identity, known)
        });
        Self {
            known: known.collect(),
            ..Self::default()
        }
    }

    pub(super) fn positions(&self) -> impl Iterator<Item = FilePosition> + '_ {
        self.known.values().map(|known| known.position.clone())
    }

    pub(super) fn inodes(&self) -> impl Iterator<Item = u64> + '_ {
        self.known.keys().map(|identity| identity.inode)
    }

    pub(super) fn get(&self, identity: Identity) -> Option<&Known> {
        self.known.get(&identity)
    }

    pub(super) fn known(&self) -> impl Iterator<Item = &Known> {
        self.known.values()
    }

    pub(super) fn ghosts(&self) -> impl Iterator<Item = &Ghost> {
        self.ghosts.iter()
    }

    /// How many contents were replaced so far.
    pub(super) fn ghost_number(&self) -> u64 {
        self.ghost_number
    }

    pub(super) fn forget(&mut self, identity: Identity) -> Option<Known> {
        self.known.remove(&identity)
    }

    /// Keeps a file that is not followed any longer.
    pub(super) fn remember(&mut self, now: Tick, file: &File, finished: bool) {
        let position = FilePosition {
            finished,
            ..file.position()
        };
        let known = Known {
            position,
            kin: file.kin.clone(),
            families: file.families.clone(),
            is_present: file.away_since.is_none(),
            is_excused: true,
            is_unwanted: false,
            trails: file.trails.clone(),
            seen: Some(file.seen()),
            since: now,
        };
        self.known.insert(file.identity, known);
    }

    /// Keeps what a file was before its contents were replaced.
    pub(super) fn mourn(&mut self, file: &File) -> u64 {
        let settled = file.position();
        let settled = settled.frames();
        self.add_ghost(Ghost {
            number: 0,
            identity: file.identity,
            kin: file.kin.clone(),
            families: file.families.clone(),
            name: file.name.clone(),
            modified_ns: file.modified_ns,
            fingerprint: file.fingerprint,
            at: settled,
            settled,
            trail: file.trail,
            trails: file.trails.clone(),
            unread: file.lag_bytes(),
            listings: 0,
        })
    }

    /// Keeps what was known of a file whose contents are others by now.
    pub(super) fn mourn_known(&mut self, known: Known) {
        let at = known.position.frames();
        self.add_ghost(Ghost {
            number: 0,
            identity: known.position.identity,
            kin: known.kin,
            families: known.families,
            name: known.position.name.clone(),
            modified_ns: known.position.modified_ns.into(),
            fingerprint: known.position.fingerprint,
            at,
            settled: at,
            trail: known.position.trail,
            trails: known.trails,
            unread: 0,
            listings: 0,
        });
    }

    /// The contents of a ghost were handed out up to here.
    pub(super) fn ghost_ends(&mut self, number: u64, at: FramePosition) {
        if let Some(ghost) = self.ghosts.iter_mut().find(|ghost| ghost.number == number) {
            ghost.at = at;
        }
    }

    pub(super) fn lay(&mut self, number: u64) -> Option<Ghost> {
        let index = self.ghosts.iter().position(|ghost| ghost.number == number)?;
        self.ghosts.remove(index)
    }

    pub(super) fn set_aside(&mut self, file: &File, why: Aside) {
        let left = Left {
            why,
            name: file.path.clone(),
            matched: file.matched,
            seen: file.seen(),
        };
        self.aside.insert(file.identity, left);
    }

    pub(super) fn set_aside_entry(&mut self, entry: &Entry) {
        let left = Left {
            why: Aside::Ignored,
            name: entry.name.clone(),
            matched: entry.matches,
            seen: (entry.size, entry.modified_ns),
        };
        self.aside.insert(entry.identity, left);
    }

    /// Files of these names are left alone from now on.
    pub(super) fn leave(&mut self, is_left: impl Fn(&str) -> bool) {
        for known in self.known.values_mut() {
            known.is_unwanted |= is_left(&known.position.name);
        }
    }

    /// Files of these names, which were left alone, are looked at again.
    pub(super) fn return_to(&mut self, has_come: impl Fn(&str) -> bool) {
        for known in self.known.values_mut() {
            known.is_unwanted &= !has_come(&known.position.name);
        }
        self.aside.retain(|_, left| !has_come(&left.name));
    }

    /// What was handed out and not settled of contents that were replaced is read again, should a copy be found.
    pub(super) fn rewind(&mut self) {
        for ghost in &mut self.ghosts {
            ghost.at = ghost.settled;
        }
    }

    /// Why a file is left alone, and whether it is another since: it was written to, or has come into the pattern.
    pub(super) fn aside(&self, entry: &Entry) -> Option<(Aside, bool)> {
        let Left {
            why, matched, seen, ..
        } = self.aside.get(&entry.identity)?;
        let changed = *seen != (entry.size, entry.modified_ns) || entry.matches && !matched;
        Some((*why, changed))
    }

    pub(super) fn reconsider(&mut self, identity: Identity) {
        self.aside.remove(&identity);
    }

    /// Bytes of replaced contents of which no copy was found for a while: they are lost.
    pub(super) fn lost_bytes(&mut self) -> u64 {
        let lost = self
            .ghosts
            .iter_mut()
            .filter(|ghost| ghost.listings > GHOST_LISTINGS);
        lost.map(|ghost| std::mem::take(&mut ghost.unread)).sum()
    }

    /// Whether a file waits for being long enough to tell who it is.
    pub(super) fn has_short(&self) -> bool {
        let mut aside = self.aside.values();
        aside.any(|left| matches!(left.why, Aside::Short(_)))
    }

    /// Since when a file is too short to tell.
    pub(super) fn short_since(&self, identity: Identity) -> Option<Tick> {
        match self.aside.get(&identity)?.why {
            Aside::Short(since) => Some(since),
            Aside::Ignored | Aside::CopyOf(..) => None,
        }
    }

    /// Takes a listing: who is there, under which name.
    pub(super) fn seen(&mut self, now: Tick, entries: &BTreeMap<Identity, Entry>) {
        self.ghosts.iter_mut().for_each(|ghost| ghost.listings += 1);
        self.aside.retain(|identity, _| entries.contains_key(identity));
        let mut absent = Vec::new();
        for (identity, known) in &mut self.known {
            let is_present = entries.contains_key(identity);
            if known.is_present && !is_present {
                known.since = now;
            }
            known.is_present = is_present;
            if !is_present {
                absent.push((known.since, *identity));
            }
        }
        absent.sort_unstable();
        let too_many = absent.len().saturating_sub(ABSENT_MAX);
        for (_, identity) in &absent[..too_many] {
            self.known.remove(identity);
        }
    }

    /// What a name says about the file that has it.
    pub(super) fn is_named(&mut self, identity: Identity, kin: Rotated) {
        if let Some(known) = self.known.get_mut(&identity) {
            known.kin = kin;
        }
    }

    /// A file has this name too.
    pub(super) fn is_also(&mut self, entry: &Entry) {
        if let Some(known) = self.known.get_mut(&entry.identity) {
            known.families.add(&entry.name);
        }
    }

    /// Files of the checkpoint that are not there, each once, also over restarts.
    pub(super) fn missing(&mut self) -> Vec<String> {
        let mut missing = Vec::new();
        for known in self.known.values_mut() {
            if !known.is_present && !std::mem::replace(&mut known.is_excused, true) {
                known.position.finished = true;
                missing.push(known.position.name.clone());
            }
        }
        missing
    }

    /// Files that are not open and replaced contents whose copy a file may be; of those that are there it is asked what is to come.
    pub(super) fn suspects(
        &self,
        is_kin: impl Fn(Identity, [&str; 2], &Families) -> bool,
        to_come: impl Fn(Identity) -> ToCome,
    ) -> Vec<Suspect<'_>> {
        let known = self.known.values().filter(|known| {
            let names = [&*known.kin.stem, &known.position.name];
            is_kin(known.position.identity, names, &known.families)
        });
        let known = known.map(|known| known.suspect(&to_come));
        let ghosts = self.ghosts.iter().filter(|ghost| {
            let names = [&*ghost.kin.stem, &ghost.name];
            is_kin(ghost.identity, names, &ghost.families)
        });
        ghosts.map(Ghost::suspect).chain(known).collect()
    }

    fn add_ghost(&mut self, ghost: Ghost) -> u64 {
        self.ghost_number += 1;
        let number = self.ghost_number;
        self.ghosts.push_back(Ghost { number, ..ghost });
        if self.ghosts.len() > GHOSTS_MAX {
            self.ghosts.pop_front();
        }
        number
    }
}

impl Ghost {
    fn suspect(&self) -> Suspect<'_> {
        Suspect {
            origin: Origin::Ghost(self.number),
            begin: Begin {
                at: self.at,
                settled: self.settled,
                fingerprint: self.fingerprint,
                trail: self.trail,
                skip_nul: false,
            },
            trails: &self.trails,
            more: Doubt::None,
        }
    }
}

impl Known {
    fn suspect(&self, to_come: impl Fn(Identity) -> ToCome) -> Suspect<'_> {
        let identity = self.position.identity;
        let to_come = to_come(identity);
        let (origin, more) = match to_come {
            _ if !self.is_present => (Origin::Gone(identity), Doubt::None),
            ToCome::Hopeless => (Origin::Unreadable(identity), Doubt::None),
            ToCome::Look => (Origin::Parked(identity), Doubt::Unread),
            // It will not be known any better.
            ToCome::Nothing => (Origin::Parked(identity), Doubt::Short),
        };
        Suspect {
            origin,
            begin: Begin::at(&self.position),
            trails: &self.trails,
            more,
        }
    }

    /// Whether it was read since the start.
    pub(super) fn was_read_here(&self) -> bool {
        self.seen.is_some()
    }

    /// Whether it is as it was when it was read; an equal size and time is believed, everything else is looked at.
    pub(super) fn is_unchanged(&self, entry: &Entry) -> bool {
        self.seen == Some((entry.size, entry.modified_ns))
    }
}
