//! Which instance of a container is read next. The API has the output of the present instance and of the one before it, or, while the
//! container waits for its next start, of the present one alone.

use super::question::{ContainerState, Instance};

/// What was read of a container's instances, each known by the restart count that it runs with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instances {
    /// The first that was to be read; none: the first that is found.
    first: Option<u32>,
    /// The one that is read.
    present: Option<u32>,
    /// The one that was read to its end.
    complete: Option<u32>,
    /// One that was read to its end, unless the next look at the pod says that it was another.
    read_to_end: Option<u32>,
    /// One whose stream ended by itself while it ran and where its output may end, as streams do when the container ends.
    read_out: Option<u32>,
}

/// What to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// There is nothing yet.
    NotStarted,
    /// There is nothing more.
    Complete,
    /// The output of an instance.
    Read {
        /// The one before the present one.
        previous: bool,
        /// The instance that it is, if nothing was read of it before.
        begins: Option<u32>,
        /// Of so many before it, or of their ends, nobody has the output any more; told once.
        missing: u32,
    },
}

impl Instances {
    /// Nothing was read. `from_the_first`: every instance was to be, also those that ended before the first look.
    pub fn unread(from_the_first: bool) -> Self {
        Self {
            first: from_the_first.then_some(0),
            present: None,
            complete: None,
            read_to_end: None,
            read_out: None,
        }
    }

    /// From the instance that was read when a position was saved.
    pub fn from(present: u32) -> Self {
        Self {
            present: Some(present),
            ..Self::unread(true)
        }
    }

    /// The one that is read.
    pub fn present(&self) -> Option<u32> {
        self.present
    }

    /// Of a container that was found so. `is_last`: at a drain the status may lag behind a short container, so its output is asked
    /// for anyway.
    pub fn next(&mut self, found: &Instance, is_last: bool) -> Next {
        let restarts = found.restarts;
        let read_to_end = self.read_to_end.take();
        let read_out = self.read_out.take().or(read_to_end);
        let confirmed = read_to_end.filter(|read| *read == restarts);
        self.complete = confirmed.or(self.complete);
        if found.state == ContainerState::NotStarted && !is_last {
            return Next::NotStarted;
        }
        if found.state.has_ended() && self.complete == Some(restarts) {
            return Next::Complete;
        }
        let before = restarts.checked_sub(1).filter(|_| self.present < Some(restarts));
        let unread = before.filter(|before| self.complete != Some(*before));
        let previous = unread.filter(|_| found.state != ContainerState::BacksOff);
        let instance = previous.unwrap_or(restarts);
        let missing = unread.map_or(0, |_| self.missing_before(instance, read_out));
        let is_new = self.present.replace(instance) != Some(instance);
        Next::Read {
            previous: previous.is_some(),
            begins: is_new.then_some(instance),
            missing,
        }
    }

    /// How many before this one were not read to their end.
    fn missing_before(&self, instance: u32, read_out: Option<u32>) -> u32 {
        let first = match self.present {
            None => self.first.unwrap_or(instance),
            Some(present) if [self.complete, read_out].contains(&Some(present)) => present + 1,
            // The rest of the one that was being read.
            Some(present) => present,
        };
        instance.saturating_sub(first)
    }

    /// The instance before this one was read to its end, or nobody has it any more.
    pub fn begin(&mut self, restarts: u32) {
        self.present = Some(restarts);
    }

    /// What was found as this instance was read to its end.
    pub fn read_to_end(&mut self, restarts: u32) {
        self.present = Some(restarts);
        self.read_to_end = Some(restarts);
    }

    /// The stream of this instance ended by itself where its output may end, while it was found running.
    pub fn read_out(&mut self, restarts: u32) {
        self.read_out = Some(restarts);
    }

    /// The API failed since, so that stream may have ended for another reason.
    pub fn interrupted(&mut self) {
        self.read_out = None;
    }

    /// What was read last was the output of the instance behind it.
    pub fn mistook(&mut self) {
        self.read_to_end = None;
        self.read_out = None;
    }
}

#[cfg(test)]
mod tests;
