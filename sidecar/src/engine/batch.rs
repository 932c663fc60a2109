//! One sink's queue: encoded records are gathered into batches, sent in order, and repeated until they are delivered or refused.
//!
//! Guarantees: batches are bounded by bytes and age; a refused batch is split until the refused record stands alone, so one
//! poison record takes no other with it; [`Lane::acknowledged`] never runs ahead of a record that is not settled, however
//! many batches are on their way and in whatever order they are settled.

use super::Tick;
use super::retry::Backoff;
use crate::pipeline::when::When;
use crate::record::{Labels, Record};
use crate::sink::encode::{Batch, Common, Encode, Gathered};
use crate::sink::verdict::{Failure, Verdict};
use bytes::BytesMut;
use logship_crd::agent_config::{Batch as Batching, WhenFull};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// How a lane gathers.
#[derive(Debug, Clone)]
pub struct LaneSettings {
    /// Form of the records.
    pub encoder: Arc<dyn Encode>,
    /// Bytes of a batch, unless a single record is longer.
    pub bytes_max: usize,
    /// Age of the oldest record of a batch.
    pub age_max: Duration,
    /// Batches that are on their way at once.
    pub in_flight_max: usize,
    /// Failing batches that are older are given up; none: never.
    pub retry_age_max: Option<Duration>,
    /// What happens to records while there is no room.
    pub when_full: WhenFull,
    /// The records that the sink gets; none: all.
    pub when: Option<Arc<When>>,
}

impl LaneSettings {
    /// The defaults of the document, for this encoder.
    pub fn of(encoder: Arc<dyn Encode>) -> Self {
        let Batching {
            max_bytes,
            max_age_ms,
            in_flight,
        } = Batching::default();
        Self {
            encoder,
            bytes_max: usize::try_from(max_bytes).unwrap_or(usize::MAX),
            age_max: Duration::from_millis(max_age_ms),
            in_flight_max: in_flight as usize,
            retry_age_max: None,
            when_full: WhenFull::default(),
            when: None,
        }
    }
}

/// A batch's number, by which its verdict finds it.
pub type BatchId = u64;

#[derive(Debug)]
struct Sealed {
    id: BatchId,
    batch: Batch,
    /// Everything before this sequence number is none of this batch's.
    first: u64,
    since: Tick,
    state: State,
}

/// What a sealed batch waits for. A settled batch is taken out of the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// To be sent.
    Ready,
    /// The transport's verdict, see [`Lane::settle`].
    Sending,
    /// This time; then it is sent again.
    Waiting(Tick),
}

/// Records that are given up.
#[derive(Debug, PartialEq, Eq)]
pub struct Rejected {
    /// The records as they were to be sent.
    pub batch: Batch,
    /// How many of them: fewer than there are where the receiver does not say which.
    pub records: u64,
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
    /// Records refused for good, or given up.
    pub rejected: u64,
    /// Of those, records that were repeated for too long.
    pub given_up: u64,
    /// Records dropped because there was no room.
    pub dropped: u64,
}

/// The queue of one sink.
#[derive(Debug)]
pub struct Lane {
    settings: LaneSettings,
    open: Gathered,
    /// Sequence number of the first record in `open`, and when it came.
    open_first: u64,
    open_since: Tick,
    sealed: VecDeque<Sealed>,
    /// Bytes in `sealed`.
    sealed_bytes: usize,
    next_id: BatchId,
    backoff: Backoff,
    /// No batch is sent before this time: the receiver fails.
    pause_until: Tick,
    /// The end of the drain, while draining.
    drain_until: Option<Tick>,
    /// The memory of a delivered batch, for the next one.
    spare: Vec<u8>,
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
            open: Gathered::default(),
            open_first: 0,
            open_since: Tick::ZERO,
            sealed: VecDeque::new(),
            sealed_bytes: 0,
            next_id: 0,
            backoff: Backoff::new(Duration::from_millis(200), Duration::from_secs(30)),
            pause_until: Tick::ZERO,
            drain_until: None,
            spare: Vec::new(),
            counts: LaneCounts::default(),
            error: None,
        }
    }

    /// What the records of a stream with these labels have in common here.
    pub fn prepare(&self, labels: &Labels) -> Common {
        self.settings.encoder.prepare(labels)
    }

    /// Whether this record is for the sink.
    pub fn wants(&self, record: &Record<'_>, labels: &Labels) -> bool {
        let when = self.settings.when.as_ref();
        when.is_none_or(|when| when.matches(record, labels))
    }

    /// Whether the lane wants more records: at most one batch waits behind those that are sent. One that drops always does.
    pub fn has_room(&self) -> bool {
        self.settings.when_full == WhenFull::Drop || self.is_below_bound()
    }

    /// Bytes that are here and not settled.
    pub fn bytes(&self) -> usize {
        self.sealed_bytes + self.open.body.len()
    }

    /// Records that are here and not settled.
    pub fn records(&self) -> usize {
        let sealed = self.sealed.iter().map(|sealed| sealed.batch.records());
        sealed.sum::<usize>() + self.open.records()
    }

    /// Whether every record is settled.
    pub fn is_empty(&self) -> bool {
        self.open.is_empty() && self.sealed.is_empty()
    }

    /// The sequence number up to which everything is settled, where `newest` is the last one given out. What a failing lane that
    /// drops still holds counts as settled: it may be lost like what it has dropped, and must not hold the position of the others.
    pub fn acknowledged(&self, newest: u64) -> u64 {
        if self.settings.when_full == WhenFull::Drop && self.error.is_some() && !self.is_below_bound() {
            return newest;
        }
        let open = (!self.open.is_empty()).then_some(self.open_first);
        let first = self.sealed.front().map(|sealed| sealed.first).or(open);
        first.map_or(newest, |first| first - 1)
    }

    /// Takes the record with this sequence number.
    pub fn append(&mut self, now: Tick, common: &Common, record: &Record<'_>, sequence: u64) {
        if self.settings.when_full == WhenFull::Drop && !self.is_below_bound() {
            self.counts.dropped += 1;
            return;
        }
        let start = self.open.body.len();
        self.settings.encoder.append(common, record, &mut self.open.body);
        if start > 0 && self.open.body.len() > self.settings.bytes_max {
            let tail = self.open.body.split_off(start);
            self.seal();
            self.open.body.extend_from_slice(&tail);
        }
        if self.open.is_empty() {
            self.open_since = now;
            self.open_first = sequence;
        }
        self.open.close_record(common);
        if self.open.body.len() >= self.settings.bytes_max {
            self.seal();
        }
    }

    /// The batch to send now, if any; `flush` does not wait for age.
    pub fn poll(&mut self, now: Tick, flush: bool) -> Option<(BatchId, Batch)> {
        let due = flush || self.open_since + self.settings.age_max <= now;
        if due && !self.open.is_empty() && self.may_seal_early() {
            self.seal();
            // It was not full: at this rate the memory is better given back.
            self.spare = Vec::new();
        }
        if !self.may_send() || self.pause_until > now {
            return None;
        }
        let next = self.sealed.iter_mut().find(|sealed| sealed.is_due(now))?;
        next.state = State::Sending;
        Some((next.id, next.batch.clone()))
    }

    /// From now until `until` failures are repeated soon, whatever came before: then the process ends.
    pub fn hurry(&mut self, until: Tick) {
        self.drain_until = Some(until);
        self.pause_until = Tick::ZERO;
        self.backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(1));
        for sealed in &mut self.sealed {
            if let State::Waiting(_) = sealed.state {
                sealed.state = State::Ready;
            }
        }
    }

    /// When [`Lane::poll`] has something to do without further input.
    pub fn deadline(&self) -> Option<Tick> {
        let send_at = |sealed: &Sealed| match sealed.state {
            State::Waiting(until) => Some(until.max(self.pause_until)),
            State::Ready => Some(self.pause_until),
            State::Sending => None,
        };
        // As long as no more may be sent, a verdict comes first.
        let next = self.sealed.iter().filter_map(send_at).min();
        let next = next.filter(|_| self.may_send());
        let age =
            (!self.open.is_empty() && self.may_seal_early()).then(|| self.open_since + self.settings.age_max);
        next.into_iter().chain(age).min()
    }

    /// Takes the verdict on a batch that [`Lane::poll`] gave out. Returns the records that are given up.
    pub fn settle(&mut self, now: Tick, id: BatchId, verdict: Verdict, random: f64) -> Vec<Rejected> {
        let Some(index) = self.sealed.iter().position(|sealed| sealed.id == id) else {
            return Vec::new();
        };
        match verdict {
            Verdict::Delivered => {
                self.succeeded();
                self.delivered(index);
                Vec::new()
            }
            Verdict::Retry { after, error } => self.failed(now, index, after, error, random),
            Verdict::Refused { error } if self.sealed[index].batch.records() == 1 => {
                self.error = Some(error.clone());
                vec![self.reject(index, 1, error)]
            }
            Verdict::Refused { error } => {
                self.error = Some(error);
                self.split(index);
                Vec::new()
            }
            Verdict::Partly {
                failures,
                after,
                error,
            } => self.partly(now, index, failures, (after, error), random),
            Verdict::Lost { records, error } => {
                self.backoff.succeeded();
                self.error = Some(error.clone());
                let whole = self.sealed[index].batch.records() as u64;
                let lost = records.min(whole);
                self.counts.sent += whole - lost;
                vec![self.reject(index, lost, error)]
            }
        }
    }

    fn is_below_bound(&self) -> bool {
        let waiting = self.sealed.iter().filter(|sealed| sealed.state != State::Sending);
        let waiting: usize = waiting.map(|sealed| sealed.batch.body.len()).sum();
        waiting + self.open.body.len() < self.settings.bytes_max
    }

    /// A batch that is not full is sealed only when it can be sent at once.
    fn may_seal_early(&self) -> bool {
        self.sealed.len() < self.settings.in_flight_max
            && self.sealed.iter().all(|sealed| sealed.state == State::Sending)
    }

    fn may_send(&self) -> bool {
        let sending = self.sealed.iter().filter(|sealed| sealed.state == State::Sending);
        sending.count() < self.settings.in_flight_max
    }

    fn seal(&mut self) {
        let memory = std::mem::take(&mut self.spare);
        let Some(batch) = std::mem::replace(&mut self.open, Gathered::with_memory(memory)).seal() else {
            return;
        };
        self.sealed_bytes += batch.body.len();
        let sealed = Sealed {
            id: self.take_id(),
            batch,
            first: self.open_first,
            since: self.open_since,
            state: State::Ready,
        };
        self.sealed.push_back(sealed);
    }

    fn take_id(&mut self) -> BatchId {
        self.next_id += 1;
        self.next_id
    }

    fn succeeded(&mut self) {
        self.backoff.succeeded();
        self.error = None;
        self.pause_until = Tick::ZERO;
    }

    fn take(&mut self, index: usize) -> Batch {
        let sealed = self.sealed.remove(index).expect("the caller has found it");
        self.sealed_bytes -= sealed.batch.body.len();
        sealed.batch
    }

    fn delivered(&mut self, index: usize) {
        let batch = self.take(index);
        self.counts.sent += batch.records() as u64;
        self.counts.sent_bytes += batch.body.len() as u64;
        if let Ok(memory) = batch.body.try_into_mut() {
            self.spare = reusable(memory);
        }
    }

    fn reject(&mut self, index: usize, records: u64, error: String) -> Rejected {
        self.counts.rejected += records;
        Rejected {
            batch: self.take(index),
            records,
            error,
        }
    }

    fn failed(
        &mut self,
        now: Tick,
        index: usize,
        after: Option<Duration>,
        error: String,
        random: f64,
    ) -> Vec<Rejected> {
        let age = now.saturating_sub(self.sealed[index].since);
        if self.settings.retry_age_max.is_some_and(|max| age >= max) {
            let records = self.sealed[index].batch.records() as u64;
            let error = format!("given up after {} s: {error}", age.as_secs());
            self.error = Some(error.clone());
            self.counts.given_up += records;
            return vec![self.reject(index, records, error)];
        }
        self.error = Some(error);
        self.wait(now, index, after, random);
        Vec::new()
    }

    /// The batch is sent again, and the others wait as well: the receiver is in trouble. No wait goes beyond the time at which the
    /// batch is given up.
    fn wait(&mut self, now: Tick, index: usize, after: Option<Duration>, random: f64) {
        self.counts.retries += 1;
        let mut after = after.unwrap_or_default();
        if let Some(until) = self.drain_until {
            // A wish beyond the end would mean never.
            after = after.min(until.saturating_sub(now) / 2);
        }
        let mut until = now + self.backoff.failed(random).max(after);
        if let Some(max) = self.settings.retry_age_max {
            until = until.min(self.sealed[index].since + max);
        }
        self.pause_until = until;
        self.sealed[index].state = State::Waiting(until);
    }

    fn partly(
        &mut self,
        now: Tick,
        index: usize,
        failures: Vec<(usize, Failure)>,
        (after, error): (Option<Duration>, String),
        random: f64,
    ) -> Vec<Rejected> {
        let batch = &self.sealed[index].batch;
        let whole = batch.records();
        let known = failures.into_iter().filter(|(number, _)| *number < whole);
        let (mut again, mut rejected) = (Vec::new(), Vec::new());
        for (number, failure) in known {
            match failure {
                Failure::Retry => again.push(number),
                Failure::Rejected(error) => rejected.push(Rejected {
                    batch: batch.slice(number, number + 1),
                    records: 1,
                    error,
                }),
            }
        }
        self.counts.sent += (whole - again.len() - rejected.len()) as u64;
        self.counts.rejected += rejected.len() as u64;
        let rest = batch.select(&again);
        self.sealed_bytes -= batch.body.len();
        if let Some(rest) = rest {
            self.sealed_bytes += rest.body.len();
            self.sealed[index].batch = rest;
            rejected.extend(self.failed(now, index, after, error, random));
        } else {
            self.sealed.remove(index);
            self.succeeded();
            self.error = Some(error);
        }
        rejected
    }

    /// Two halves in the place of one; the batch has at least two records.
    fn split(&mut self, index: usize) {
        let second = self.take_id();
        let sealed = &mut self.sealed[index];
        let (whole, middle) = (sealed.batch.records(), sealed.batch.records() / 2);
        let half = Sealed {
            id: second,
            batch: sealed.batch.slice(middle, whole),
            first: sealed.first,
            since: sealed.since,
            state: State::Ready,
        };
        sealed.batch = sealed.batch.slice(0, middle);
        sealed.state = State::Ready;
        self.sealed.insert(index + 1, half);
    }
}

impl Sealed {
    fn is_due(&self, now: Tick) -> bool {
        match self.state {
            State::Ready => true,
            State::Sending => false,
            State::Waiting(until) => until <= now,
        }
    }
}

fn reusable(memory: BytesMut) -> Vec<u8> {
    let mut memory = Vec::from(memory);
    memory.clear();
    memory
}

#[cfg(test)]
mod tests;
