//! The files that are followed, with what makes each of their questions cheap: who is next to read, what is due, who can give up
//! its descriptor, who is older among the files of one name.
//!
//! Guarantees: hungry files are read in turns, one read each, so none starves another; among the files of one name the oldest is
//! read first; nothing here takes time that grows with the number of files but a listing.

use super::file::{File, Stage};
use super::siblings::Age;
use crate::engine::Tick;
use crate::engine::checkpoint::Identity;
use crate::engine::outlets::StreamId;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

#[derive(Debug, Default)]
pub(super) struct Followed {
    files: BTreeMap<StreamId, Slot>,
    by_identity: BTreeMap<Identity, StreamId>,
    ready: VecDeque<StreamId>,
    verifying: VecDeque<StreamId>,
    timers: BTreeSet<(Tick, StreamId)>,
    idle: BTreeSet<(Tick, StreamId)>,
    /// Read to their end with a record open.
    open_records: BTreeSet<StreamId>,
    /// Of names with several files.
    families: Vec<Family>,
    open: usize,
}

/// The files of one name.
#[derive(Debug)]
struct Family {
    /// Oldest first.
    members: Vec<StreamId>,
    /// The places of those of which there is something to read or to find out.
    busy: BTreeSet<usize>,
}

/// A file and where it stands in the queues.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each says in which of the queues it is"
)]
#[derive(Debug)]
struct Slot {
    file: File,
    is_ready: bool,
    is_to_verify: bool,
    is_reading: bool,
    timer: Option<Tick>,
    idle: Option<Tick>,
    is_open: bool,
    /// The family, and the place in it.
    family: Option<(usize, usize)>,
}

impl Followed {
    pub(super) fn insert(&mut self, file: File) {
        let id = file.id;
        self.by_identity.insert(file.identity, id);
        let slot = Slot {
            file,
            is_ready: false,
            is_to_verify: false,
            is_reading: false,
            timer: None,
            idle: None,
            is_open: false,
            family: None,
        };
        self.files.insert(id, slot);
        self.index(id);
    }

    pub(super) fn remove(&mut self, id: StreamId) -> Option<File> {
        let slot = self.files.remove(&id)?;
        self.timers.extract(slot.timer, id);
        self.idle.extract(slot.idle, id);
        self.open_records.remove(&id);
        self.open -= usize::from(slot.is_open);
        set_busy(&mut self.families, slot.family, false);
        if self.by_identity.get(&slot.file.identity) == Some(&id) {
            self.by_identity.remove(&slot.file.identity);
        }
        Some(slot.file)
    }

    pub(super) fn get(&self, id: StreamId) -> Option<&File> {
        self.files.get(&id).map(|slot| &slot.file)
    }

    pub(super) fn id_of(&self, identity: Identity) -> Option<StreamId> {
        self.by_identity.get(&identity).copied()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &File> {
        self.files.values().map(|slot| &slot.file)
    }

    pub(super) fn ids(&self) -> Vec<StreamId> {
        self.files.keys().copied().collect()
    }

    /// Who was read to its end with a record open.
    pub(super) fn with_open_records(&self) -> Vec<StreamId> {
        self.open_records.iter().copied().collect()
    }

    pub(super) fn len(&self) -> usize {
        self.files.len()
    }

    /// How many hold a descriptor.
    pub(super) fn open(&self) -> usize {
        self.open
    }

    /// Changes a file, and its place in the queues with it.
    pub(super) fn update<R>(&mut self, id: StreamId, change: impl FnOnce(&mut File) -> R) -> Option<R> {
        let slot = self.files.get_mut(&id)?;
        let result = change(&mut slot.file);
        self.index(id);
        Some(result)
    }

    /// Changes two files that have to do with each other.
    pub(super) fn update_both(
        &mut self,
        one: StreamId,
        other: StreamId,
        change: impl FnOnce(&mut File, &mut File),
    ) {
        if let Some(mut first) = self.files.remove(&one) {
            if let Some(second) = self.files.get_mut(&other) {
                change(&mut first.file, &mut second.file);
            }
            self.files.insert(one, first);
        }
        self.index(one);
        self.index(other);
    }

    /// The answer to a read came.
    pub(super) fn answered(&mut self, id: StreamId) {
        if let Some(slot) = self.files.get_mut(&id) {
            slot.is_reading = false;
        }
    }

    /// Whose contents are to be compared.
    pub(super) fn next_verifying(&mut self) -> Option<&File> {
        while let Some(id) = self.verifying.pop_front() {
            let Some(slot) = self.files.get_mut(&id) else {
                continue;
            };
            slot.is_to_verify = false;
            if slot.file.stage == Stage::Verifying {
                slot.is_reading = true;
                return self.get(id);
            }
        }
        None
    }

    /// Who is to be read now.
    pub(super) fn next_ready(&mut self) -> Option<&File> {
        for _ in 0..self.ready.len() {
            let id = self.ready.pop_front()?;
            let Some(slot) = self.files.get_mut(&id) else {
                continue;
            };
            slot.is_ready = false;
            if slot.file.stage != Stage::Hungry || slot.is_reading {
                continue;
            }
            let elder = slot
                .family
                .and_then(|(family, place)| self.families[family].elder(place));
            let chosen = match elder {
                None => id,
                Some(elder) => {
                    self.index(id);
                    if self.get(elder).is_none_or(|file| file.stage != Stage::Hungry) {
                        continue;
                    }
                    elder
                }
            };
            let slot = self.files.get_mut(&chosen)?;
            slot.is_reading = true;
            return self.get(chosen);
        }
        None
    }

    /// Whose time has come.
    pub(super) fn due(&self, now: Tick) -> Vec<StreamId> {
        let due = self.timers.iter().take_while(|(at, _)| *at <= now);
        due.map(|(_, id)| *id).collect()
    }

    pub(super) fn deadline(&self) -> Option<Tick> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// Who has had nothing to do for longest.
    pub(super) fn idlest(&self) -> Option<StreamId> {
        self.idle.first().map(|(_, id)| *id)
    }

    /// Whose open records `heir` may take over.
    pub(super) fn bequeather(&self, heir: &File) -> Option<StreamId> {
        let open = self.open_records.iter().rev().copied();
        open.into_iter()
            .find(|id| self.get(*id).is_some_and(|file| file.bequeaths(heir)))
    }

    /// Puts the files of one name in the order of their ages.
    pub(super) fn arrange(&mut self) {
        let mut families: BTreeMap<&str, Vec<(bool, &Age, StreamId)>> = BTreeMap::new();
        for File {
            id, kin, away_since, ..
        } in self.iter()
        {
            // Who lost the current name is older than who has it.
            let is_named = away_since.is_none() || kin.age != Age::Current;
            let current = kin.age == Age::Current;
            families
                .entry(&kin.stem)
                .or_default()
                .push((current && is_named, &kin.age, *id));
        }
        families.retain(|_, members| members.len() > 1);
        let ordered = families.into_values().map(|mut members| {
            members.sort();
            Family {
                members: members.into_iter().map(|(.., id)| id).collect(),
                busy: BTreeSet::new(),
            }
        });
        self.families = ordered.collect();
        for slot in self.files.values_mut() {
            slot.family = None;
        }
        for (family, Family { members, busy }) in self.families.iter_mut().enumerate() {
            for (place, member) in members.iter().enumerate() {
                if let Some(slot) = self.files.get_mut(member) {
                    slot.family = Some((family, place));
                    if slot.file.is_busy() {
                        busy.insert(place);
                    }
                }
            }
        }
    }

    fn index(&mut self, id: StreamId) {
        let Some(slot) = self.files.get_mut(&id) else {
            return;
        };
        let file = &slot.file;
        if file.stage == Stage::Hungry && !slot.is_reading && !std::mem::replace(&mut slot.is_ready, true) {
            self.ready.push_back(id);
        }
        if file.stage == Stage::Verifying
            && !slot.is_reading
            && !std::mem::replace(&mut slot.is_to_verify, true)
        {
            self.verifying.push_back(id);
        }
        self.timers.reschedule(&mut slot.timer, file.deadline(), id);
        let idle = file.is_idle().then_some(file.changed_at);
        self.idle.reschedule(&mut slot.idle, idle, id);
        if file.stage == Stage::Rested && file.framer.is_open() {
            self.open_records.insert(id);
        } else {
            self.open_records.remove(&id);
        }
        set_busy(&mut self.families, slot.family, file.is_busy());
        let is_open = file.is_open();
        if is_open != slot.is_open {
            slot.is_open = is_open;
            self.open = self.open + usize::from(is_open) - usize::from(!is_open);
        }
    }
}

impl Family {
    /// Someone older whose contents come first.
    fn elder(&self, place: usize) -> Option<StreamId> {
        let first = self.busy.first().filter(|first| **first < place)?;
        self.members.get(*first).copied()
    }
}

/// Whether the file at this place of a family has something to read or to find out; a file without a family waits for nobody.
fn set_busy(families: &mut [Family], place: Option<(usize, usize)>, is_busy: bool) {
    let Some((family, place)) = place else { return };
    let Some(Family { busy, .. }) = families.get_mut(family) else {
        return;
    };
    if is_busy {
        busy.insert(place);
    } else {
        busy.remove(&place);
    }
}

/// A queue by time in which each file stands at most once.
trait Times {
    fn extract(&mut self, at: Option<Tick>, id: StreamId);
    fn reschedule(&mut self, at: &mut Option<Tick>, new: Option<Tick>, id: StreamId);
}

impl Times for BTreeSet<(Tick, StreamId)> {
    fn extract(&mut self, at: Option<Tick>, id: StreamId) {
        if let Some(at) = at {
            self.remove(&(at, id));
        }
    }

    fn reschedule(&mut self, at: &mut Option<Tick>, new: Option<Tick>, id: StreamId) {
        if *at != new {
            self.extract(*at, id);
            *at = new;
            if let Some(new) = new {
                self.insert((new, id));
            }
        }
    }
}
