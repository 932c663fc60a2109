//! What a listing of the directory changes: who is there under which name, who has come, who has gone.
//!
//! A file is found again by its identity alone. Times of files are hints only: an equal size and time saves a look, and an order by
//! time is used where names say nothing about it.

use super::file::{File, Stage};
use super::memory::{Aside, Ghost};
use super::siblings::{Age, Rotated, is_temporary, rotated};
use super::{Entry, SHORT, Tail};
use crate::engine::Tick;
use crate::engine::checkpoint::Identity;
use crate::engine::outlets::StreamId;
use crate::engine::report::Report;
use std::collections::{BTreeMap, BTreeSet};

/// In which order new files are opened.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Turn {
    /// Files that are known already, so that it is known who is missing.
    Known,
    /// Rotated files by name, oldest first.
    Rotated(String, Age),
    /// All others; by time only so that the log of a start reads well.
    Other(i128),
}

impl Tail {
    /// Takes a listing. `next_id` gives each new file its number.
    pub fn listed(&mut self, now: Tick, entries: Vec<Entry>, next_id: &mut StreamId) -> Vec<Report> {
        self.after_listing(now, entries.len());
        self.directory_error = None;
        self.names = entries
            .iter()
            .map(|entry| (entry.name.clone(), entry.identity))
            .collect();
        let (entries, others) = one_each(entries);
        let mut reports = Vec::new();
        self.memory.seen(now, &entries);
        self.counts.lost_bytes += self.memory.lost_bytes();
        let kin = self.kin(&entries, &others);
        for id in self.followed.ids() {
            reports.extend(self.seen_again(now, id, &entries, &kin));
        }
        let mut arrivals: Vec<(Turn, Entry)> = Vec::new();
        for (identity, entry) in entries {
            let kin = kin.get(&identity).cloned();
            let kin = kin.unwrap_or_else(|| Rotated::current(&entry.name));
            if self.followed.id_of(identity).is_none()
                && let Some(turn) = self.turn(now, &entry, kin)
            {
                arrivals.push((turn, entry));
            }
        }
        arrivals.sort_by(|(a, left), (b, right)| (a, &left.name).cmp(&(b, &right.name)));
        for (turn, entry) in arrivals {
            *next_id += 1;
            let mut file = File::new(*next_id, now, &entry, !self.listed, &self.settings.framer);
            if let Some(kin) = kin.get(&entry.identity) {
                file.kin = kin.clone();
            }
            if let Some(known) = self.memory.get(entry.identity) {
                known.position.name.clone_into(&mut file.name);
            } else if matches!(turn, Turn::Rotated(..)) && !entry.matches {
                file.kin.stem.clone_into(&mut file.name);
            }
            self.to_open.push_back(*next_id);
            self.followed.insert(file);
        }
        for other in others {
            let id = self.followed.id_of(other.identity);
            if id
                .and_then(|id| self.followed.update(id, |file| file.families.add(&other.name)))
                .is_none()
            {
                self.memory.is_also(&other);
            }
        }
        self.followed.arrange();
        reports.extend(self.missing());
        self.listed = true;
        reports
    }

    /// The rotated files among the entries, whose stem is a name that is there or is known.
    fn kin(&self, entries: &BTreeMap<Identity, Entry>, others: &[Entry]) -> BTreeMap<Identity, Rotated> {
        let matching = entries.values().chain(others).filter(|entry| entry.matches);
        let followed = self.followed.iter().flat_map(|file| [&*file.name, &*file.path]);
        let known = self.memory.known().map(|known| &*known.position.name);
        let replaced = self.memory.ghosts().map(|ghost| &*ghost.name);
        let stems: BTreeSet<&str> = matching
            .map(|entry| &*entry.name)
            .chain(followed)
            .chain(known)
            .chain(replaced)
            .collect();
        let kin = entries.iter().filter_map(|(identity, entry)| {
            let rotated = rotated(&entry.name).filter(|rotated| stems.contains(&*rotated.stem))?;
            Some((*identity, rotated))
        });
        kin.collect()
    }

    /// A followed file is in the listing, or is not.
    fn seen_again(
        &mut self,
        now: Tick,
        id: StreamId,
        entries: &BTreeMap<Identity, Entry>,
        kin: &BTreeMap<Identity, Rotated>,
    ) -> Option<Report> {
        let file = self.followed.get(id)?;
        let entry = entries.get(&file.identity);
        if file.stage == Stage::Failed && entry.is_none() {
            let file = self.followed.remove(id)?;
            return Some(self.lost(&file));
        }
        let retry = self.followed.update(id, |file| {
            file.seen_in_listing(now, entry);
            if let Some(entry) = entry {
                let is = || Rotated::current(&entry.name);
                file.kin = kin.get(&file.identity).cloned().unwrap_or_else(is);
            }
            let retry = file.stage == Stage::Failed;
            if retry {
                file.stage = Stage::Opening;
            }
            retry
        });
        self.to_open.extend(retry.filter(|retry| *retry).map(|_| id));
        None
    }

    /// When a file that is not followed is opened; none: it is left alone.
    fn turn(&mut self, now: Tick, entry: &Entry, kin: Rotated) -> Option<Turn> {
        if let Some(known) = self.memory.get(entry.identity) {
            let is_unchanged = known.is_unchanged(entry) || (known.is_unwanted && !entry.matches);
            self.memory.is_named(entry.identity, kin);
            return (!is_unchanged).then_some(Turn::Known);
        }
        if let Some((why, changed)) = self.memory.aside(entry) {
            let again = match why {
                Aside::Ignored => changed,
                Aside::CopyOf(original, ghosts) => changed || !self.has(original, ghosts),
                Aside::Short(since) => changed || since + SHORT <= now,
            };
            if !again {
                return None;
            }
            if changed {
                self.memory.reconsider(entry.identity);
            }
        }
        match kin.age {
            Age::Current => entry.matches.then_some(Turn::Other(entry.modified_ns)),
            _ if !entry.matches && self.first_start && !self.listed => {
                // It was rotated before anybody asked for it.
                self.memory.set_aside_entry(entry);
                None
            }
            age => Some(Turn::Rotated(kin.stem, age)),
        }
    }

    /// Whether this file is there with the contents that were read; `ghosts` tells since when.
    fn has(&self, original: Identity, ghosts: u64) -> bool {
        let is_there = self.followed.id_of(original).is_some()
            || self.memory.get(original).is_some_and(|known| known.is_present);
        let is_ghost_of = |ghost: &Ghost| ghost.identity == original && ghost.number > ghosts;
        is_there && !self.memory.ghosts().any(is_ghost_of)
    }

    /// Files of the checkpoint that were not found in the first listing, as such or as a copy.
    fn missing(&mut self) -> Vec<Report> {
        if !self.listed || !self.to_open.is_empty() {
            return Vec::new();
        }
        let missing = self.memory.missing();
        self.counts.lost_files += missing.len() as u64;
        missing.into_iter().map(Report::FileGone).collect()
    }

    pub(super) fn lost(&mut self, file: &File) -> Report {
        let bytes = file.size.saturating_sub(file.offset);
        self.counts.lost_files += 1;
        self.counts.lost_bytes += bytes;
        Report::FileLost {
            name: file.path.clone(),
            bytes,
        }
    }
}

/// One entry for each file: a name that matches before others, the current name before rotated ones. And the others.
fn one_each(entries: Vec<Entry>) -> (BTreeMap<Identity, Entry>, Vec<Entry>) {
    let mut chosen: BTreeMap<Identity, Entry> = BTreeMap::new();
    let mut others = Vec::new();
    for entry in entries {
        if is_temporary(&entry.name) {
            continue;
        }
        let rank = |entry: &Entry| (!entry.matches, entry.name.len(), entry.name.clone());
        match chosen.get(&entry.identity) {
            Some(other) if rank(other) <= rank(&entry) => others.push(entry),
            _ => others.extend(chosen.insert(entry.identity, entry)),
        }
    }
    (chosen, others)
}
