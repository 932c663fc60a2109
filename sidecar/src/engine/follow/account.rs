//! What is counted and told of a container's output: each thing once.

use super::stream::{Cause, Gap};
use crate::engine::report::Report;

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
    suspected: Option<(Gap, u32)>,
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
    pub fn suspect(&mut self, gap: Gap, restarts: u32) {
        self.suspected = Some((gap, restarts));
    }

    /// What is suspected, now that the container has this restart count; none: it will not be known.
    pub fn judge(&mut self, container: &str, restarts: Option<u32>) -> Option<Report> {
        let (gap, before) = self.suspected.take()?;
        let is_explained = restarts.is_some_and(|restarts| restarts != before);
        (!is_explained).then(|| self.lacks(container, gap))
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
