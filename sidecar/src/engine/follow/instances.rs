//! Which instance of a container is read next. The API has the output of the present instance and of the one before it.

use super::question::{ContainerState, Instance};

/// What was read of a container's instances, each known by the restart count that it runs with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Instances {
    /// The one that is read.
    present: Option<u32>,
    /// The one that was read to its end.
    complete: Option<u32>,
    /// One that was read to its end, unless the next look at the pod says that it was another.
    read_to_end: Option<u32>,
    /// The restart count at which missing ones were counted.
    counted: Option<u32>,
}

/// What to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// There is nothing yet.
    NotStarted,
    /// There is nothing more.
    Complete,
    /// The instance before. Of so many others, or of their ends, nobody has the output any more; they are told once.
    Previous { missing: u32 },
    /// The present instance. `first`: nothing was read of it before.
    Present { first: bool },
}

impl Instances {
    /// From the instance that was read when a position was saved.
    pub fn from(present: u32) -> Self {
        Self {
            present: Some(present),
            ..Self::default()
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
        let confirmed = self.read_to_end.take().filter(|read| *read == restarts);
        self.complete = confirmed.or(self.complete);
        if found.state == ContainerState::NotStarted && !is_last {
            return Next::NotStarted;
        }
        if found.state == ContainerState::Ended && self.complete == Some(restarts) {
            return Next::Complete;
        }
        let behind = restarts.saturating_sub(self.present.unwrap_or(0));
        if behind > 0 && self.complete != Some(restarts - 1) {
            let missing = self.missing(behind);
            let is_new = self.counted.replace(restarts) != Some(restarts);
            return Next::Previous {
                missing: if is_new { missing } else { 0 },
            };
        }
        let first = self.present.replace(restarts) != Some(restarts);
        Next::Present { first }
    }

    /// Those that ended unread when the container was restarted so often since we read it.
    fn missing(&self, behind: u32) -> u32 {
        match self.present {
            // What was before us is not ours.
            None => 0,
            Some(present) if self.complete == Some(present) => behind.saturating_sub(2),
            // The rest of the one that was being read is missing too.
            Some(_) => behind - 1,
        }
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use ContainerState::{Ended, NotStarted, Running};

    fn found(state: ContainerState, restarts: u32) -> Instance {
        Instance {
            container: "web".to_owned(),
            state,
            restarts,
            started: None,
            found: 0,
        }
    }

    #[test]
    fn next_is_what_was_not_read_and_what_is_out_of_reach_is_told_once() {
        let check = |instances: Instances, state, restarts, expected| {
            let mut instances = instances;
            assert_eq!(instances.next(&found(state, restarts), false), expected);
            let again = match expected {
                Next::Previous { .. } => Next::Previous { missing: 0 },
                Next::Present { .. } => Next::Present { first: false },
                other => other,
            };
            assert_eq!(instances.next(&found(state, restarts), false), again);
        };
        let none = Instances::default();
        check(none, NotStarted, 0, Next::NotStarted);
        check(none, Running, 0, Next::Present { first: true });
        check(none, Running, 5, Next::Previous { missing: 0 });
        let reading = Instances::from(2);
        check(reading, Running, 2, Next::Present { first: false });
        check(reading, Running, 3, Next::Previous { missing: 0 });
        check(reading, Running, 4, Next::Previous { missing: 1 });
        check(reading, Running, 6, Next::Previous { missing: 3 });
        let mut complete = reading;
        complete.read_to_end(2);
        complete.next(&found(Ended, 2), false);
        check(complete, Ended, 2, Next::Complete);
        check(complete, Running, 3, Next::Present { first: true });
        check(complete, Running, 4, Next::Previous { missing: 0 });
        check(complete, Running, 5, Next::Previous { missing: 1 });
    }

    #[test]
    fn end_counts_only_if_the_container_was_not_restarted_meanwhile() {
        let mut instances = Instances::default();
        instances.next(&found(Ended, 0), false);
        instances.read_to_end(0);
        assert_eq!(
            instances.next(&found(Running, 1), false),
            Next::Previous { missing: 0 }
        );
    }

    #[test]
    fn crash_loop_that_is_read_to_every_end_misses_nothing() {
        let mut instances = Instances::default();
        for restarts in 0..50 {
            let next = instances.next(&found(Ended, restarts), false);
            assert_eq!(next, Next::Present { first: true }, "{restarts}");
            instances.read_to_end(restarts);
            assert_eq!(instances.next(&found(Ended, restarts), false), Next::Complete);
        }
    }
}
