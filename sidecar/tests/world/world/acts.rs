//! What happens in the world without being asked for.

mod logs;

use super::{Change, Draining, LAST_LOOK, World};
use crate::filesystem::Node;
use crate::oracle::Violation;
use crate::profile::Act;
use crate::sinks::Mood;
use std::time::Duration;

impl World {
    /// The next thing happens.
    pub(super) fn act(&mut self) -> Result<(), Violation> {
        let act = self.profile.act(&mut self.rng);
        let now = self.now;
        self.note(|| format!("{now:?} {act:?}"));
        self.wall_ns += 1_000_000;
        self.calm &= act.is_harmless();
        match act {
            Act::Crash => self.end()?,
            Act::Drain => self.drain(),
            Act::SinkDown => {
                let wishes = [None, Some(Duration::ZERO), Some(Duration::from_secs(60))];
                let wish = wishes[self.rng.usize(..wishes.len())];
                self.set_mood(Mood::Down(wish));
            }
            Act::SinkSilent => self.set_mood(Mood::Silent),
            Act::SinkWorks => self.set_mood(Mood::Works),
            Act::SavesFail => self.saves_fail = !self.saves_fail,
            Act::ReadsFail => {
                self.reads_fail = !self.reads_fail;
                self.soil_drain();
            }
            Act::ListingFails => {
                let source = self.rng.usize(..self.directories.len());
                self.directories[source].listing_fails ^= true;
                self.soil_drain();
            }
            Act::Overflow => {
                self.events.clear();
                if self.directories.iter().any(|directory| directory.watched) {
                    self.events.push_back((self.now, Change::Names(None)));
                }
            }
            Act::WallJumps => self.wall_ns = 1_000_000_000 * i128::from(self.rng.u32(..)),
            Act::NewFile => self.new_file(),
            Act::MoveBack => self.move_back(),
            Act::EnterPattern => self.enter_pattern(),
            Act::Compress => self.compress(),
            file_act => self.act_on_a_log(file_act),
        }
        Ok(())
    }

    /// The kernel tells that names changed, a little later.
    pub(super) fn renamed(&mut self, directory: usize) {
        self.happened(directory, Change::Names(Some(directory)));
    }

    /// The kernel tells that contents changed, if the file still has a name where it looks.
    pub(super) fn touch(&mut self, node: Node) {
        let directory = self.directory_of(node);
        match self.fs.own_name(directory, node).map(str::to_owned) {
            Some(name) => self.happened(directory, Change::Contents(directory, name)),
            None => self.oracle.unwatched(node),
        }
    }

    fn happened(&mut self, directory: usize, change: Change) {
        let watched = self.directories.get(directory).is_some_and(|at| at.watched);
        if watched && self.subject.is_some() {
            let last = self.events.back().map_or(self.now, |(at, _)| *at);
            let at = last.max(self.now) + Duration::from_micros(self.rng.u64(..500));
            self.events.push_back((at, change));
        }
    }

    fn set_mood(&mut self, mood: Mood) {
        let sink = self.rng.usize(..self.sinks.len());
        self.sinks[sink].mood = mood;
    }

    /// The process is told to stop; told again, it does not wait for the others to end.
    fn drain(&mut self) {
        let until_end = self.draining.is_none() && self.rng.u32(..3) == 0;
        let clean = !self.has_faults();
        let readable = self.oracle.readable(|node| self.is_readable(node));
        let known = self.oracle.next_word();
        let Some(subject) = &mut self.subject else {
            return;
        };
        subject.drain(self.now, until_end);
        self.oracle.drains();
        let last_look = (self.now + self.profile.setup.drain).saturating_sub(LAST_LOOK);
        let owed_until = if until_end {
            last_look.max(self.now)
        } else {
            self.now
        };
        let draining = self.draining.get_or_insert(Draining {
            since: self.now,
            owed_until,
            known,
            readable,
            clean,
        });
        draining.owed_until = draining.owed_until.min(owed_until);
    }

    /// Something keeps files from being listed, opened or read.
    fn has_faults(&self) -> bool {
        self.reads_fail
            || self.directories.iter().any(|directory| directory.listing_fails)
            || self.fs.nodes().any(|node| !self.fs.file(node).permitted)
    }

    /// What cannot be read now need not arrive before a drain ends.
    pub(super) fn soil_drain(&mut self) {
        if let Some(draining) = &mut self.draining {
            draining.clean = false;
        }
    }
}
