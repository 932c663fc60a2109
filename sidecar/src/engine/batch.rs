//! One sink's queue: encoded records are gathered into batches, sent one at a time and in order, and repeated until they
//! are delivered or refused.
//!
//! Guarantees: batches are bounded by bytes and age; a refused batch is split until the refused record stands alone, so one
//! poison record takes no other with it; [`Lane::acknowledged`] never runs ahead of a record that is not settled.

use super::Tick;
use super::retry::Backoff;
use crate::sink::encode::{Context, Record, encode};
use crate::sink::verdict::Verdict;
use bytes::Bytes;
use logship_crd::agent_config::Format;
use std::collections::VecDeque;
use std::time::Duration;

/// How a lane gathers.
#[derive(Debug, Clone, Copy)]
pub struct LaneSettings {
    /// Form of the records.
    pub format: Format,
    /// Bytes of a batch, unless a single record is longer.
    pub bytes_max: usize,
    /// Age of the oldest record of a batch.
    pub age_max: Duration,
}

/// Encoded records in order.
#[derive(Debug, Clone)]
struct Batch {
    body: Bytes,
    /// Where each record ends in `body`.
    ends: Vec<usize>,
    /// Sequence number of the last record.
    last: u64,
}

#[derive(Debug)]
enum State {
    /// The first sealed batch may be sent now.
    Ready,
    /// The first sealed batch is with the transport; [`Lane::settle`] ends this.
    Sending,
    /// The first sealed batch failed and is sent again at this time.
    Waiting(Tick),
}

/// A record that the sink refused for good.
#[derive(Debug, PartialEq, Eq)]
pub struct Rejected {
    /// The record as it was sent.
    pub body: Bytes,
    /// Why, in the sink's words.
    pub error: String,
}

/// What became of a lane's records so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LaneCounts {
    /// Records delivered.
    pub sent: u64,
    /// Bytes delivered, before compression.
    pub sent_bytes: u64,
    /// Batches sent again.
    pub retries: u64,
    /// Records refused for good.
    pub rejected: u64,
}

/// The queue of one sink.
#[derive(Debug)]
pub struct Lane {
    settings: LaneSettings,
    open: Vec<u8>,
    open_ends: Vec<usize>,
    open_since: Tick,
    sealed: VecDeque<Batch>,
    state: State,
    backoff: Backoff,
    /// The end of the drain, while draining.
    drain_until: Option<Tick>,
    settled: u64,
    /// What became of the records so far.
    pub counts: LaneCounts,
    /// The failure that the lane is in, if any.
    pub error: Option<String>,
}

impl Lane {
    /// An empty lane.
    pub fn new(settings: LaneSettings) -> Self {
        Self {
            settings,
            open: Vec::new(),
            open_ends: Vec::new(),
            open_since: Tick::ZERO,
            sealed: VecDeque::new(),
            state: State::Ready,
            backoff: Backoff::new(Duration::from_millis(200), Duration::from_secs(30)),
            drain_until: None,
            settled: 0,
            counts: LaneCounts::default(),
            error: None,
        }
    }

    /// Whether the lane wants more records: at most one batch waits behind the one that is sent.
    pub fn has_room(&self) -> bool {
        let behind: usize = self.sealed.iter().skip(1).map(|batch| batch.body.len()).sum();
        behind + self.open.len() < self.settings.bytes_max
    }

    /// Whether every record is settled.
    pub fn is_empty(&self) -> bool {
        self.open.is_empty() && self.sealed.is_empty()
    }

    /// The sequence number up to which everything is settled, where `newest` is the last one given out.
    pub fn acknowledged(&self, newest: u64) -> u64 {
        if self.is_empty() { newest } else { self.settled }
    }

    /// Takes the record with this sequence number.
    pub fn append(&mut self, now: Tick, context: &Context, record: Record<'_>, sequence: u64) {
        let start = self.open.len();
        encode(self.settings.format, context, record, &mut self.open);
        if start > 0 && self.open.len() > self.settings.bytes_max {
            let tail = self.open.split_off(start);
            self.seal(sequence - 1);
            self.open = tail;
        }
        if self.open_ends.is_empty() {
            self.open_since = now;
        }
        self.open_ends.push(self.open.len());
        if self.open.len() >= self.settings.bytes_max {
            self.seal(sequence);
        }
    }

    /// The batch to send now, if any. `newest` is the last sequence number given out; `flush` does not wait for age.
    pub fn poll(&mut self, now: Tick, newest: u64, flush: bool) -> Option<Bytes> {
        let due = flush || self.open_since + self.settings.age_max <= now;
        if !self.open.is_empty() && self.sealed.len() < 2 && due {
            self.seal(newest);
        }
        let may_send = match self.state {
            State::Ready => true,
            State::Sending => false,
            State::Waiting(until) => until <= now,
        };
        let body = self.sealed.front().filter(|_| may_send)?.body.clone();
        self.state = State::Sending;
        Some(body)
    }

    /// From now until `until` failures are repeated soon, whatever came before: then the process ends.
    pub fn hurry(&mut self, until: Tick) {
        self.drain_until = Some(until);
        self.backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(1));
        if let State::Waiting(_) = self.state {
            self.state = State::Ready;
        }
    }

    /// When [`Lane::poll`] has something to do without further input.
    pub fn deadline(&self) -> Option<Tick> {
        let retry = match self.state {
            State::Waiting(until) => Some(until),
            State::Ready | State::Sending => None,
        };
        let age = (!self.open.is_empty() && self.sealed.is_empty())
            .then(|| self.open_since + self.settings.age_max);
        retry.into_iter().chain(age).min()
    }

    /// Takes the verdict on the batch that [`Lane::poll`] gave out. Returns the record that is given up, if one is.
    pub fn settle(&mut self, now: Tick, verdict: Verdict, random: f64) -> Option<Rejected> {
        let batch = self.sealed.pop_front()?;
        self.state = State::Ready;
        match verdict {
            Verdict::Delivered => {
                self.counts.sent += batch.ends.len() as u64;
                self.counts.sent_bytes += batch.body.len() as u64;
                self.settled = batch.last;
                self.backoff.succeeded();
                self.error = None;
                None
            }
            Verdict::Retry { after, error } => {
                self.counts.retries += 1;
                self.error = Some(error);
                let mut after = after.unwrap_or_default();
                if let Some(until) = self.drain_until {
                    // A wish beyond the end would mean never.
                    after = after.min(until.saturating_sub(now) / 2);
                }
                let wait = self.backoff.failed(random).max(after);
                self.state = State::Waiting(now + wait);
                self.sealed.push_front(batch);
                None
            }
            Verdict::Refused { error } if batch.ends.len() == 1 => {
                self.counts.rejected += 1;
                self.settled = batch.last;
                self.error = Some(error.clone());
                Some(Rejected {
                    body: batch.body,
                    error,
                })
            }
            Verdict::Refused { error } => {
                self.error = Some(error);
                let (first, second) = batch.split();
                self.sealed.push_front(second);
                self.sealed.push_front(first);
                None
            }
        }
    }

    fn seal(&mut self, last: u64) {
        let body = Bytes::from(std::mem::take(&mut self.open));
        let ends = std::mem::take(&mut self.open_ends);
        self.sealed.push_back(Batch { body, ends, last });
    }
}

impl Batch {
    /// Two halves by number of records; the batch has at least two.
    fn split(mut self) -> (Self, Self) {
        let second_ends = self.ends.split_off(self.ends.len() / 2);
        let middle = self.ends.last().copied().unwrap_or_default();
        let first_last = self.last - second_ends.len() as u64;
        let second = Self {
            body: self.body.slice(middle..),
            ends: second_ends.into_iter().map(|end| end - middle).collect(),
            last: self.last,
        };
        (
            Self {
                body: self.body.slice(..middle),
                ends: self.ends,
                last: first_last,
            },
            second,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::encode::Labels;
    use proptest::prelude::*;

    const AGE: Duration = Duration::from_millis(200);

    fn lane(bytes_max: usize) -> Lane {
        Lane::new(LaneSettings {
            format: Format::Text,
            bytes_max,
            age_max: AGE,
        })
    }

    fn append(lane: &mut Lane, body: &[u8], sequence: u64) {
        let record = Record {
            timestamp: "",
            body,
            original_bytes: None,
            stream: None,
        };
        lane.append(Tick::ZERO, &Context::new(&Labels::default()), record, sequence);
    }

    fn retry() -> Verdict {
        Verdict::Retry {
            after: None,
            error: "down".to_owned(),
        }
    }

    #[test]
    fn batch_waits_for_bytes_or_age() {
        let mut lane = lane(8);
        append(&mut lane, b"abc", 1);
        assert_eq!(lane.poll(Tick::ZERO, 1, false), None);
        assert_eq!(lane.deadline(), Some(AGE));
        append(&mut lane, b"defgh", 2);
        assert_eq!(lane.poll(Tick::ZERO, 2, false).unwrap(), "abc\n");
        assert_eq!(lane.settle(Tick::ZERO, Verdict::Delivered, 0.5), None);
        assert_eq!(lane.acknowledged(2), 1);
        assert_eq!(lane.poll(AGE, 2, false).unwrap(), "defgh\n");
        lane.settle(AGE, Verdict::Delivered, 0.5);
        assert_eq!(lane.acknowledged(2), 2);
    }

    #[test]
    fn failed_batch_is_repeated_after_backoff_or_the_receivers_wish() {
        let mut lane = lane(1);
        append(&mut lane, b"a", 1);
        let body = lane.poll(Tick::ZERO, 1, false);
        lane.settle(Tick::ZERO, retry(), 1.0);
        assert_eq!(lane.deadline(), Some(Duration::from_millis(200)));
        assert_eq!(lane.poll(Duration::from_millis(199), 1, false), None);
        assert_eq!(lane.poll(Duration::from_millis(200), 1, false), body);
        let verdict = Verdict::Retry {
            after: Some(Duration::from_secs(60)),
            error: String::new(),
        };
        lane.settle(Tick::ZERO, verdict, 1.0);
        assert_eq!(lane.deadline(), Some(Duration::from_secs(60)));
        assert_eq!(lane.acknowledged(1), 0);
    }

    #[test]
    fn waiting_lane_that_must_hurry_tries_at_once_and_then_often() {
        let mut lane = lane(1);
        append(&mut lane, b"a", 1);
        let verdict = || Verdict::Retry {
            after: Some(Duration::from_secs(3600)),
            error: "down".to_owned(),
        };
        lane.poll(Tick::ZERO, 1, true);
        lane.settle(Tick::ZERO, verdict(), 1.0);
        let until = Duration::from_secs(20);
        lane.hurry(until);
        assert!(lane.poll(Tick::ZERO, 1, true).is_some());
        lane.settle(Tick::ZERO, verdict(), 1.0);
        assert!(lane.deadline().unwrap() < until);
        for now in 1..10 {
            let now = Duration::from_secs(10 + now);
            lane.poll(now, 1, true);
            lane.settle(now, retry(), 1.0);
            assert!(lane.deadline().unwrap() <= now + Duration::from_secs(1));
        }
    }

    #[test]
    fn full_lane_has_no_room_until_a_batch_is_delivered() {
        let mut lane = lane(4);
        append(&mut lane, b"aaa", 1);
        assert!(lane.poll(Tick::ZERO, 1, false).is_some());
        assert!(lane.has_room());
        append(&mut lane, b"bbb", 2);
        assert!(!lane.has_room());
        lane.settle(Tick::ZERO, Verdict::Delivered, 0.0);
        assert!(lane.has_room());
    }

    proptest! {
        /// Whatever mixture of success, failure and poison: every record is delivered once or rejected once, in order,
        /// and exactly the poison records are rejected.
        #[test]
        fn poison_takes_no_other_record_with_it(
            poison in proptest::collection::vec(any::<bool>(), 1..40),
            failures in proptest::collection::vec(any::<bool>(), 0..20),
            bytes_max in 1usize..40,
        ) {
            let mut lane = lane(bytes_max);
            let mut failures = failures.into_iter();
            let mut settled: Vec<u8> = Vec::new();
            let mut rejected = Vec::new();
            let mut now = Tick::ZERO;
            for (index, bad) in poison.iter().enumerate() {
                append(&mut lane, if *bad { b"x" } else { b"o" }, index as u64 + 1);
            }
            while !lane.is_empty() {
                now += Duration::from_secs(60);
                let body = lane.poll(now, poison.len() as u64, true).unwrap();
                let verdict = if failures.next() == Some(true) {
                    retry()
                } else if body.contains(&b'x') {
                    Verdict::Refused { error: String::new() }
                } else {
                    settled.extend_from_slice(&body);
                    Verdict::Delivered
                };
                if let Some(one) = lane.settle(now, verdict, 0.5) {
                    rejected.extend_from_slice(&one.body);
                }
                if !lane.is_empty() {
                    let processed = (settled.len() + rejected.len()) as u64 / 2;
                    prop_assert!(lane.acknowledged(poison.len() as u64) <= processed);
                }
            }
            let bad = poison.iter().filter(|bad| **bad).count();
            prop_assert_eq!(rejected, b"x\n".repeat(bad));
            prop_assert_eq!(settled, b"o\n".repeat(poison.len() - bad));
        }
    }
}
