//! Sinks that answer at once, late, never, in any order, for each record, or with a refusal; and may take a batch although the
//! answer is lost.

use crate::adapter::{Answer, Failure, Tick};
use crate::oracle::decode::{POISON, line};
use crate::oracle::delivery::Taken;
use crate::oracle::{Kind, Oracle, Violation};
use crate::profile::Profile;
use crate::sabotage::Sabotage;
use fastrand::Rng;
use std::time::Duration;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    Works,
    /// Every batch is to be sent again, after so long if it says.
    Down(Option<Duration>),
    /// No answer comes before the mood is another.
    Silent,
}

#[derive(Debug)]
struct Flight {
    batch: u64,
    records: Vec<Vec<u8>>,
    answer_at: Tick,
}

/// One sink.
#[derive(Debug)]
pub struct Sink {
    number: usize,
    json: bool,
    batch_bytes: usize,
    in_flight_max: usize,
    pub mood: Mood,
    in_flight: Vec<Flight>,
    /// Batches of which so many records were lost; the engine has to give them up.
    lost: Vec<(Vec<Vec<u8>>, u64)>,
}

impl Sink {
    pub fn new(number: usize, profile: &Profile) -> Self {
        let setup = &profile.setup.sinks[number];
        Self {
            number,
            json: setup.json,
            batch_bytes: setup.batch_bytes,
            in_flight_max: setup.in_flight,
            mood: Mood::Works,
            in_flight: Vec::new(),
            lost: Vec::new(),
        }
    }

    /// A batch comes.
    pub fn send(
        &mut self,
        now: Tick,
        (batch, records): (u64, Vec<Vec<u8>>),
        profile: &Profile,
        oracle: &mut Oracle,
        rng: &mut Rng,
    ) -> Result<(), Violation> {
        let unbounded = |what: String| Err(Violation::new(Kind::Unbounded, what));
        let bytes = bytes_of(&records);
        if bytes > self.batch_bytes && records.len() > 1 {
            return unbounded(format!(
                "a batch has {bytes} bytes, {} are the maximum",
                self.batch_bytes
            ));
        }
        if self.in_flight.len() >= self.in_flight_max {
            return unbounded(format!(
                "more than {} batches are on their way",
                self.in_flight_max
            ));
        }
        oracle.send(self.number, &self.lines(&records)?)?;
        let delay = Duration::from_millis(rng.u64(..=profile.answer_ms_max));
        self.in_flight.push(Flight {
            batch,
            records,
            answer_at: now + delay,
        });
        Ok(())
    }

    /// When it has something to say.
    pub fn next_answer(&self) -> Option<Tick> {
        let speaks = self.mood != Mood::Silent;
        self.in_flight
            .iter()
            .map(|flight| flight.answer_at)
            .filter(|_| speaks)
            .min()
    }

    /// What it says of a batch whose time has come.
    pub fn answer(
        &mut self,
        now: Tick,
        profile: &Profile,
        sabotage: &mut Sabotage,
        oracle: &mut Oracle,
        rng: &mut Rng,
    ) -> Result<Option<(u64, Answer)>, Violation> {
        let is_due = |index: &usize| self.in_flight[*index].answer_at <= now;
        let due: Vec<usize> = (0..self.in_flight.len()).filter(is_due).collect();
        if due.is_empty() || self.mood == Mood::Silent {
            return Ok(None);
        }
        let Flight { batch, records, .. } = self.in_flight.remove(due[rng.usize(..due.len())]);
        if let Mood::Down(after) = self.mood {
            return Ok(Some((batch, Answer::Retry(after))));
        }
        let mut happens = |percent: u32| rng.u32(..100) < percent;
        let too_large =
            records.len() > 1 && profile.body_bytes_max.is_some_and(|max| bytes_of(&records) > max);
        let answer = if !too_large && happens(profile.taken_in_part) {
            self.take_in_part(now, &records, sabotage, oracle, rng)?
        } else if too_large || records.iter().any(|record| is_poison(record)) {
            Answer::Refused
        } else if happens(profile.given_up) {
            let lost = rng.usize(1..=records.len());
            let (gone, rest) = records.split_at(lost);
            let taken = self.take(rest, sabotage, oracle)?;
            oracle.settle(now, self.number, &taken);
            oracle.lose(now, self.number, &self.lines(gone)?)?;
            self.lost.push((records, lost as u64));
            Answer::Lost(lost as u64)
        } else {
            let taken = self.take(&records, sabotage, oracle)?;
            if happens(profile.lost_answers) {
                oracle.answer_lost(self.number, &taken);
                Answer::Retry(None)
            } else {
                oracle.settle(now, self.number, &taken);
                Answer::Delivered
            }
        };
        Ok(Some((batch, answer)))
    }

    /// Each record has a fate of its own.
    fn take_in_part(
        &self,
        now: Tick,
        records: &[Vec<u8>],
        sabotage: &mut Sabotage,
        oracle: &mut Oracle,
        rng: &mut Rng,
    ) -> Result<Answer, Violation> {
        let (mut failures, mut rest) = (Vec::new(), Vec::new());
        for (number, record) in records.iter().enumerate() {
            if is_poison(record) {
                failures.push((number, Failure::Rejected("scripted".to_owned())));
            } else if rng.u32(..4) == 0 {
                failures.push((number, Failure::Retry));
            } else {
                rest.push(record.clone());
            }
        }
        let taken = self.take(&rest, sabotage, oracle)?;
        oracle.settle(now, self.number, &taken);
        Ok(if failures.is_empty() {
            Answer::Delivered
        } else {
            Answer::Partly(failures)
        })
    }

    /// The engine gives so many of these records up.
    pub fn reject(
        &mut self,
        now: Tick,
        records: &[Vec<u8>],
        given_up: u64,
        oracle: &mut Oracle,
    ) -> Result<(), Violation> {
        let is_this = |(lost, count): &(Vec<Vec<u8>>, u64)| lost == records && *count == given_up;
        if let Some(index) = self.lost.iter().position(is_this) {
            self.lost.remove(index);
            return Ok(());
        }
        oracle.reject(now, self.number, &self.lines(records)?)
    }

    /// It lost records, and the engine did not give them up.
    pub fn misses_records(&self) -> bool {
        !self.lost.is_empty()
    }

    /// The engine is gone: a batch that is on its way may arrive or not.
    pub fn ended(&mut self, oracle: &mut Oracle, rng: &mut Rng) -> Result<(), Violation> {
        self.lost.clear();
        for Flight { records, .. } in std::mem::take(&mut self.in_flight) {
            let refused = records.iter().any(|record| is_poison(record));
            if self.mood == Mood::Works && !refused && rng.bool() {
                self.take(&records, &mut Sabotage::None, oracle)?;
            }
        }
        Ok(())
    }

    fn take(
        &self,
        records: &[Vec<u8>],
        sabotage: &mut Sabotage,
        oracle: &mut Oracle,
    ) -> Result<Taken, Violation> {
        let mut lines = self.lines(records)?;
        sabotage.spoil(&mut lines);
        oracle.take(self.number, &lines)
    }

    fn lines(&self, records: &[Vec<u8>]) -> Result<Vec<Vec<u8>>, Violation> {
        let line = |record: &Vec<u8>| {
            line(record, self.json).ok_or_else(|| {
                let what = format!("{:?} is no record", String::from_utf8_lossy(record));
                Violation::new(Kind::Torn, what)
            })
        };
        records.iter().map(line).collect()
    }
}

fn is_poison(record: &[u8]) -> bool {
    record.contains(&POISON)
}

fn bytes_of(records: &[Vec<u8>]) -> usize {
    records.iter().map(Vec::len).sum()
}
