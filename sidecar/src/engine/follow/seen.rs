//! Which streams of a present instance were of the one behind it, because the pod's status was old. That is known only once the status
//! tells of that one and when it was started. Pure.

use super::stream::Stream;
use crate::record::time::{Nanos, SECOND};
use std::collections::VecDeque;

/// So many streams are kept, the last ones: hardly more are opened while a status is old.
const STREAMS_MAX: usize = 32;

/// The streams that brought something since an instance began, in their order.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// The restart count that was found.
    restarts: u32,
    streams: VecDeque<Sight>,
}

/// What is kept of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sight {
    /// What was asked for.
    pub since: Option<i64>,
    /// Time of the first new line.
    first: Nanos,
}

impl Seen {
    /// Keeps what a stream brought.
    pub fn note(&mut self, stream: &Stream) {
        let Some(first) = stream.first.filter(|_| !stream.previous) else {
            return;
        };
        if self.restarts != stream.of.restarts {
            self.forget();
            self.restarts = stream.of.restarts;
        }
        let since = stream.since;
        let sight = Sight { since, first };
        if self.streams.back() == Some(&sight) {
            return;
        }
        if self.streams.len() == STREAMS_MAX {
            self.streams.pop_front();
        }
        self.streams.push_back(sight);
    }

    /// The instance before was read to its end, or nobody has it any more.
    pub fn forget(&mut self) {
        self.streams.clear();
    }

    /// Whether one was for certain of the instance behind the one that was found: not in the same second. That one has this restart
    /// count and started then, in seconds since 1970.
    pub fn was_of_next(&self, restarts: u32, started: Option<i64>) -> bool {
        self.after_start_of_next(restarts, started)
            .any(|(_, after)| after > 0)
    }

    /// The first that may have been of it: the end of the instance before is unread from where that was asked for.
    pub fn first_of_next(&self, restarts: u32, started: Option<i64>) -> Option<Sight> {
        let mut streams = self.after_start_of_next(restarts, started);
        streams.next().map(|(stream, _)| stream)
    }

    /// With the seconds between the start of that instance and the first line.
    fn after_start_of_next(&self, restarts: u32, started: Option<i64>) -> impl Iterator<Item = (Sight, i64)> {
        let is_next = self.restarts.checked_add(1) == Some(restarts);
        let started = started.filter(|_| is_next);
        let after = move |stream: &Sight| Some((*stream, stream.first.div_euclid(SECOND) - started?));
        self.streams
            .iter()
            .filter_map(after)
            .filter(|(_, after)| *after >= 0)
    }
}
