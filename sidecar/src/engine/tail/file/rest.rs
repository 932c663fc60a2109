//! When a file has come to rest: it was read to its end, nothing of it is under way, and its descriptor may be given up.

use super::{File, Stage};
use crate::engine::Tick;
use std::time::Duration;

/// A file without a matching name is kept open until nothing was written to it for this long: writers go on for a while after
/// a rotation has renamed their file.
const QUIET: Duration = Duration::from_secs(30);
/// A file is looked at so shortly before it is closed for good.
const GLANCE: Duration = Duration::from_millis(50);

impl File {
    pub(in crate::engine::tail) fn is_done(&self, now: Tick) -> bool {
        !self.framer.is_open() && self.done_at().is_some_and(|at| at <= now)
    }

    /// Whether it was looked at just now: nobody else would see what was written in its last moment.
    pub(in crate::engine::tail) fn was_just_looked_at(&self, now: Tick) -> bool {
        self.looked_at + GLANCE >= now
    }

    /// Whether its descriptor may be given up for a while: nothing of it is under way, and its name leads back to it.
    pub(in crate::engine::tail) fn is_idle(&self) -> bool {
        self.stage == Stage::Rested
            && self.away_since.is_none()
            && self.is_settled()
            && self.heir_of.is_none()
            && !self.skip_nul
    }

    /// Whether there is something to read of it, or to find out, so that younger files of its name wait.
    pub(in crate::engine::tail) fn is_busy(&self) -> bool {
        !matches!(self.stage, Stage::Rested | Stage::Unread | Stage::Failed)
    }

    /// Whether it holds no record, and shares none with another file.
    pub(in crate::engine::tail) fn is_untied(&self) -> bool {
        !self.framer.is_open() && self.heir_of.is_none() && self.lent_to.is_none()
    }

    pub(in crate::engine::tail) fn deadline(&self) -> Option<Tick> {
        let due = self.framer.deadline().filter(|_| self.stage == Stage::Rested);
        due.into_iter().chain(self.done_at()).min()
    }

    fn is_settled(&self) -> bool {
        self.lent_to.is_none() && !self.framer.is_open() && self.settled == self.marked
    }

    /// When it has no name any more and was quiet for long enough.
    pub(super) fn quiet_at(&self) -> Option<Tick> {
        self.away_since.map(|away| away.max(self.changed_at) + QUIET)
    }

    /// When it can be closed, or what is open in it can be sent because nothing more will come.
    fn done_at(&self) -> Option<Tick> {
        let waits_for_others =
            self.lent_to.is_some() || (!self.framer.is_open() && self.settled != self.marked);
        self.quiet_at()
            .filter(|_| self.stage == Stage::Rested && !waits_for_others)
    }
}
