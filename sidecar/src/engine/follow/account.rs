//! What is counted and told of a container's output: each thing once.

use super::question::Instance;
use super::stream::{Cause, Gap, Suspicion};
use crate::engine::report::Report;
use crate::engine::resume::LineKey;

/// What was counted of a container's output.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FollowCounts {
    /// Lines of the API that are none of the container's.
    pub notices: u64,
    /// Instances that ended, of whose output some may be missing.
    pub missed_instances: u64,
    /// See [`Cause::Rotation`].
    pub rotation_gaps: u64,
    /// See [`Cause::HeldBack`].
    pub held_back_gaps: u64,
}

/// The account of one container.
#[derive(Debug, Default)]
pub(super) struct Account {
    pub counts: FollowCounts,
    /// A gap that nobody was told of, and the restart count that was found before.
    suspected: Option<(Suspicion, u32)>,
    /// One that a restart explains if the line behind it is not of the instance before that.
    doubted: Option<(Gap, LineKey)>,
    /// What is wrong, until something new comes.
    said: Option<String>,
    /// People were told that the container is read.
    is_told: bool,
}

impl Account {
    /// The container is read.
    pub fn reads(&mut self, container: &str) -> Option<Report> {
        let is_new = !std::mem::replace(&mut self.is_told, true);
        is_new.then(|| Report::OutputFollowed(container.to_owned()))
    }

    /// Something new came.
    pub fn progressed(&mut self) {
        self.said = None;
    }

    /// Something is wrong; the same is told once until something new comes.
    pub fn unavailable(&mut self, text: String) -> Option<Report> {
        let new = self.said.as_ref() != Some(&text);
        self.said = Some(text.clone());
        new.then_some(Report::OutputUnavailable(text))
    }

    /// A line that is none of the container's.
    pub fn notice(&mut self, text: String) -> Option<Report> {
        self.counts.notices += 1;
        self.unavailable(text)
    }

    /// Of so many instances output is missing.
    pub fn missed(&mut self, container: &str, instances: u32) -> Option<Report> {
        self.counts.missed_instances += u64::from(instances);
        let container = container.to_owned();
        (instances > 0).then_some(Report::OutputGap { container, instances })
    }

    /// A gap that a restart would explain; the container had this restart count.
    pub fn suspect(&mut self, gap: Suspicion, restarts: u32) {
        self.suspected = Some((gap, restarts));
    }

    /// What is suspected, now that the container was found so; none: it will not be known.
    pub fn judge(&mut self, container: &str, found: Option<&Instance>) -> Option<Report> {
        let Some(found) = found else {
            let gap = self.suspected.take().map(|(suspicion, _)| suspicion.gap);
            let gap = gap.or_else(|| self.doubted.take().map(|(gap, _)| gap))?;
            return Some(self.lacks(container, gap));
        };
        let (Suspicion { gap, behind }, before) = self.suspected.take()?;
        if found.restarts == before {
            return Some(self.lacks(container, gap));
        }
        let behind = behind.filter(|_| before.checked_add(1) == Some(found.restarts))?;
        // It was written before that instance began, whose first lines may be a moment older than its status says.
        if found.started.is_some_and(|started| behind.second() + 1 < started) {
            return Some(self.lacks(container, gap));
        }
        self.doubted = Some((gap, behind));
        None
    }

    /// The line that will not come from the instance before, if a restart explains the gap.
    pub fn doubts(&self) -> Option<LineKey> {
        self.doubted.map(|(_, behind)| behind)
    }

    /// It has come.
    pub fn confirm(&mut self, container: &str) -> Option<Report> {
        let (gap, _) = self.doubted.take()?;
        Some(self.lacks(container, gap))
    }

    /// The instance before was read, or nobody has it any more.
    pub fn explain(&mut self) {
        self.doubted = None;
    }

    /// Output seems to be missing.
    pub fn lacks(&mut self, container: &str, gap: Gap) -> Report {
        match gap.cause {
            Cause::Rotation => self.counts.rotation_gaps += 1,
            Cause::HeldBack => self.counts.held_back_gaps += 1,
        }
        let container = container.to_owned();
        Report::OutputSuspected { container, gap }
    }
}
