//! Where to go on in a container's output, which the API addresses by time and nothing else.
//!
//! The kubelet reads the current file from its beginning, passes over every line older than `sinceTime`, which it takes in whole
//! seconds, and sends the rest in the order of the file. Equal lines and equal or descending times are legal. So what was
//! taken of a file is a beginning of what is served again, and the position is the last lines that were taken, in their order: a new
//! connection asks from one second before the earliest of the newest ones, and drops each remembered line as often as it was
//! taken. Lines taken before those are known by their number in each second alone.
//!
//! Guarantees: a line is dropped at most as often as it was taken; memory is bounded at any rate. A line is lost only if it is older
//! than the newest [`DISORDER_LINES`] lines by more than a second and was written while nobody was connected: the API does not serve
//! it. The last line taken is always served again unless its file was rotated, see [`Repeats::lacks_last`].
//!
//! Not seen through, because the API serves the second half alone: a line that the container runtime wrote in pieces (it does beyond
//! 16 KiB) on both sides of `sinceTime`, or on both sides of a rotation. The half is counted as a notice, because it has no time, or taken
//! for a line, where it has one (behind a rotation, and from older kubelets). A clock that was set back by more than the lines that
//! are known: those before are served again with those behind, and sent again, until the file is rotated.

mod written;

pub use self::written::Recent;

use crate::record::time::{Nanos, SECOND};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

/// So many lines are remembered each, the last ones.
pub const LINES_MAX: usize = 4096;
/// The next connection asks for what is as old as the earliest of so many lines: times that went back are no exception then.
pub const DISORDER_LINES: usize = 64;
/// Of so many seconds the lines before those are counted.
const SECONDS_MAX: usize = 64;

/// A line as far as repetition is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LineKey {
    /// Its time.
    pub time: Nanos,
    /// CRC-32 of the line as the API sent it. Only lines of one nanosecond are told apart by it.
    pub content: u32,
}

/// Lines of one second that are not remembered each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Earlier {
    lines: u64,
    newest: Nanos,
}

/// A position in a container's output.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resume {
    /// Without lines: what a position says that knows no lines.
    last_second: Option<i64>,
    /// The last lines taken, in their order.
    last: VecDeque<LineKey>,
    /// Those before, by second.
    earlier: BTreeMap<i64, Earlier>,
    /// The last line is of an instance before the one that is read.
    fresh: bool,
}

/// What one connection still has to drop.
#[derive(Debug, Default)]
pub struct Repeats {
    each: HashMap<LineKey, u32>,
    earlier: BTreeMap<i64, Earlier>,
    /// The time of the first line that is remembered.
    oldest: Option<Nanos>,
    /// The last line that was taken, until it came again.
    last: Option<LineKey>,
}

impl LineKey {
    /// The key of `line` (timestamp and content), written at `time`.
    pub fn new(time: Nanos, line: &[u8]) -> Self {
        let content = crc32fast::hash(line);
        Self { time, content }
    }

    /// Its second since 1970.
    pub fn second(self) -> i64 {
        self.time.div_euclid(SECOND)
    }
}

impl Resume {
    /// The position that was written so, see [`Resume::last_second`], [`Resume::recent`], [`Resume::earlier`] and
    /// [`Resume::is_fresh`].
    pub fn restore(
        last_second: Option<i64>,
        recent: Recent,
        earlier: &[(i64, u64, Nanos)],
        fresh: bool,
    ) -> Self {
        let earlier = earlier.iter().rev().take(SECONDS_MAX);
        Self {
            last_second,
            last: recent.0.into(),
            earlier: earlier
                .map(|&(second, lines, newest)| (second, Earlier { lines, newest }))
                .collect(),
            fresh,
        }
    }

    /// The second of the last line.
    pub fn last_second(&self) -> Option<i64> {
        self.last.back().map(|key| key.second()).or(self.last_second)
    }

    /// The remembered lines that the API may serve again.
    pub fn recent(&self) -> Recent {
        let served = self.since().unwrap_or(i64::MIN);
        let lines = self.last.iter().filter(|key| key.second() >= served);
        Recent(lines.copied().collect())
    }

    /// The lines before those that the API may serve again: second, number, time of the newest.
    pub fn earlier(&self) -> Vec<(i64, u64, Nanos)> {
        let served = self.since().unwrap_or(i64::MIN);
        let seconds = self.earlier.range(served..);
        seconds
            .map(|(&second, earlier)| (second, earlier.lines, earlier.newest))
            .collect()
    }

    /// The last line.
    pub fn last(&self) -> Option<LineKey> {
        self.last.back().copied()
    }

    /// Whether the last line is of an instance before the one that is read.
    pub fn is_fresh(&self) -> bool {
        self.fresh
    }

    /// Whether it is one of the last lines.
    pub fn remembers(&self, key: LineKey) -> bool {
        self.last.contains(&key)
    }

    /// Whether the last line was written less than `age` before this time.
    pub fn is_of(&self, time: Nanos, age: Duration) -> bool {
        let written = self.last.back().map(|key| key.time);
        written.is_some_and(|written| u128::from(time.abs_diff(written)) < age.as_nanos())
    }

    /// `sinceTime` of the next connection, in seconds; none: from the beginning.
    pub fn since(&self) -> Option<i64> {
        let newest = self.last.iter().rev().take(DISORDER_LINES);
        let lowest = newest.map(|key| key.second()).min().or(self.last_second);
        lowest.map(|second| second.saturating_sub(1))
    }

    /// What a connection that asks from `since` must drop.
    pub fn repeats(&self, since: Option<i64>) -> Repeats {
        let served = since.unwrap_or(i64::MIN);
        let mut each = HashMap::new();
        for key in self.last.iter().filter(|key| key.second() >= served) {
            *each.entry(*key).or_default() += 1;
        }
        Repeats {
            each,
            earlier: self
                .earlier
                .range(served..)
                .map(|(&second, &earlier)| (second, earlier))
                .collect(),
            oldest: self.last.front().map(|first| first.time),
            last: self.last(),
        }
    }

    /// Remembers a line as taken.
    pub fn take(&mut self, key: LineKey) {
        if self.last.len() == LINES_MAX
            && let Some(first) = self.last.pop_front()
        {
            self.count(first);
        }
        self.last.push_back(key);
        self.fresh = false;
    }

    /// What is taken from now on is of the next instance, whose output is another file.
    pub fn begin_instance(&mut self) {
        self.fresh = true;
    }

    fn count(&mut self, key: LineKey) {
        let earlier = self.earlier.entry(key.second()).or_insert(Earlier {
            lines: 0,
            newest: key.time,
        });
        earlier.lines += 1;
        earlier.newest = earlier.newest.max(key.time);
        if self.earlier.len() > SECONDS_MAX {
            self.earlier.pop_first();
        }
    }
}

impl Repeats {
    /// Whether the line was taken by an earlier connection; counts it off. What was taken before the remembered lines is served before
    /// them, so it is looked for first: of equal lines some may be remembered each, and those before not.
    pub fn holds(&mut self, key: LineKey) -> bool {
        self.is_of_earlier(key) || self.is_remembered(key)
    }

    fn is_of_earlier(&mut self, key: LineKey) -> bool {
        let Some(earlier) = self.earlier.get_mut(&key.second()) else {
            return false;
        };
        let is_taken = earlier.lines > 0 && key.time <= earlier.newest;
        earlier.lines -= u64::from(is_taken);
        is_taken
    }

    fn is_remembered(&mut self, key: LineKey) -> bool {
        let Some(count) = self.each.get_mut(&key) else {
            return false;
        };
        // Nothing of what was taken before follows.
        self.earlier.clear();
        *count -= 1;
        if *count == 0 {
            self.each.remove(&key);
            self.last = self.last.filter(|last| *last != key);
        }
        if self.each.is_empty() {
            // The memory is given back: a connection may last for months.
            self.each = HashMap::new();
        }
        true
    }

    /// Only remembered lines are dropped: where the clock was set back, the seconds that are counted may be those of other lines.
    pub fn forget_earlier(&mut self) {
        self.earlier.clear();
    }

    /// Whether a line of this time would be known if it had been taken. Those before may have been forgotten.
    pub fn reach(&self, time: Nanos) -> bool {
        self.oldest.is_none_or(|oldest| time >= oldest)
    }

    /// This line is the last one that was taken of what is served, if it is remembered.
    pub fn expects(&mut self, last: LineKey) -> bool {
        self.last = Some(last);
        self.each.contains_key(&last)
    }

    /// The last line that was taken, if it did not come again. Nothing new may come before it: else the file was rotated.
    pub fn lacks_last(&self) -> Option<LineKey> {
        self.last
    }
}

#[cfg(test)]
mod tests;
