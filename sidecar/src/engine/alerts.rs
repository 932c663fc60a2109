//! Alerts for our standard error.
//!
//! Guarantees: a storm of bad records becomes no storm of lines: a pipeline writes [`RATE`]. What is beyond is left out and counted,
//! and how much that was is said at most every [`SAY_INTERVAL`]. Alerts for sinks are not limited: those take them or hold us back.

use super::Tick;
use super::report::Report;
use crate::pipeline::rate_limit::{Bucket, Rate};
use std::collections::VecDeque;
use std::time::Duration;

/// What the documentation of the resource promises.
pub(crate) const RATE: Rate = Rate {
    per_second: 10,
    burst: 100,
};
/// Between two words about alerts that were left out.
const SAY_INTERVAL: Duration = Duration::from_secs(10);

/// What one pipeline tells.
#[derive(Debug)]
pub struct Alerts {
    bucket: Bucket,
    /// At most what a piece of a read brings about: then the engine gives them out.
    waiting: VecDeque<Vec<u8>>,
    suppressed: u64,
    /// Of those, how many were not said, and when they will be.
    unsaid: u64,
    say_at: Option<Tick>,
}

impl Default for Alerts {
    fn default() -> Self {
        Self {
            bucket: RATE.bucket(),
            waiting: VecDeque::new(),
            suppressed: 0,
            unsaid: 0,
            say_at: None,
        }
    }
}

impl Alerts {
    /// Takes a line of JSON, or leaves it out.
    pub fn add(&mut self, now: Tick, line: Vec<u8>) {
        if RATE.take(&mut self.bucket, now) {
            self.waiting.push_back(line);
            return;
        }
        self.suppressed += 1;
        self.unsaid += 1;
        self.say_at.get_or_insert(now + SAY_INTERVAL);
    }

    /// The next line.
    pub fn poll(&mut self) -> Option<Vec<u8>> {
        self.waiting.pop_front()
    }

    /// What there is to say about lines that were left out, if it is time.
    pub fn say(&mut self, now: Tick) -> Option<Report> {
        self.say_at.take_if(|at| *at <= now)?;
        Some(Report::AlertsSuppressed(std::mem::take(&mut self.unsaid)))
    }

    /// The same without waiting.
    pub fn say_at_once(&mut self) -> Option<Report> {
        self.say_at.take()?;
        Some(Report::AlertsSuppressed(std::mem::take(&mut self.unsaid)))
    }

    /// When [`Alerts::say`] has something to say.
    pub fn deadline(&self) -> Option<Tick> {
        self.say_at
    }

    /// Lines that were left out so far.
    pub fn suppressed(&self) -> u64 {
        self.suppressed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(alerts: &mut Alerts) -> u32 {
        let mut told = 0;
        while alerts.poll().is_some() {
            told += 1;
        }
        told
    }

    #[test]
    fn storm_is_cut_to_the_burst_and_the_rate_and_said_in_one_line() {
        let mut alerts = Alerts::default();
        for _ in 0..1000 {
            alerts.add(Tick::ZERO, Vec::new());
        }
        assert_eq!(told(&mut alerts), RATE.burst);
        let second = Duration::from_secs(1);
        for _ in 0..50 {
            alerts.add(second, Vec::new());
        }
        assert_eq!(told(&mut alerts), RATE.per_second);
        assert_eq!(alerts.say(second), None);
        assert_eq!(alerts.deadline(), Some(SAY_INTERVAL));
        assert_eq!(alerts.say(SAY_INTERVAL), Some(Report::AlertsSuppressed(940)));
        assert_eq!((alerts.deadline(), alerts.suppressed()), (None, 940));
        assert_eq!(alerts.say_at_once(), None);
    }

    #[test]
    fn what_was_not_said_is_said_at_the_end() {
        let mut alerts = Alerts::default();
        for _ in 0..=RATE.burst {
            alerts.add(Tick::ZERO, Vec::new());
        }
        assert_eq!(alerts.say_at_once(), Some(Report::AlertsSuppressed(1)));
    }
}
