//! Runs the steps of a document on records, one after the other, and counts what they did.

use super::alert::Alert;
use super::count::{Counter, Metric};
use super::parse;
use super::rate_limit::Bucket;
use super::steps::{Action, Steps};
use super::when::Undefined;
use super::{Origin, Outcome};
use crate::engine::Tick;
use crate::record::Record;

/// The state of one process that works by [`Steps`].
#[derive(Debug)]
pub struct Run {
    steps: Steps,
    /// One for each step.
    memories: Vec<Memory>,
    random: fastrand::Rng,
}

/// What a step remembers, as far as its kind needs it.
#[derive(Debug, Default)]
struct Memory {
    affected: u64,
    undefined: u64,
    parsed: parse::Memory,
    bucket: Bucket,
    counter: Counter,
}

/// What one step did since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct StepCounts {
    /// The kind of step, as the document names it.
    pub kind: &'static str,
    /// Records that it could not parse (`parse`), dropped (`drop`, `keep`, `sample`, `rateLimit`), told of (`alert`), counted
    /// (`count`), changed (`redact`, `set`, `remove`) or that have a severity after it (`severity`).
    pub affected: u64,
    /// Records for which its condition or an expression had no value, or a field to set had no room.
    pub undefined: u64,
}

impl Run {
    /// A fresh one. `seed` decides which records a sample keeps.
    pub fn new(steps: &Steps, seed: u64) -> Self {
        let memories = steps.0.iter().map(|step| Memory {
            bucket: match &step.action {
                Action::RateLimit(limit) => limit.bucket(),
                _ => Bucket::default(),
            },
            ..Memory::default()
        });
        Self {
            memories: memories.collect(),
            steps: steps.clone(),
            random: fastrand::Rng::with_seed(seed),
        }
    }

    /// Runs every step that is about the record's source, until one drops it. `tell` is called for each alert, also of a
    /// record that a later step drops.
    pub fn apply(
        &mut self,
        now: Tick,
        origin: Origin<'_>,
        record: &mut Record<'_>,
        tell: &mut dyn FnMut(Alert),
    ) -> Outcome {
        for (step, memory) in self.steps.0.iter().zip(&mut self.memories) {
            if !step.sources.contain(origin.source) {
                continue;
            }
            let performed = memory.perform(&step.action, now, origin, record, &mut self.random, tell);
            let affected = performed.unwrap_or_else(|Undefined| {
                memory.undefined += 1;
                // What is not known to be true is not kept.
                matches!(step.action, Action::Keep(_))
            });
            memory.affected += u64::from(affected);
            if affected && step.action.drops() {
                return Outcome::Drop;
            }
        }
        Outcome::Keep
    }

    /// Whether there is no step at all.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// What each step did, in the order of the document.
    pub fn counts(&self) -> impl Iterator<Item = StepCounts> {
        let both = self.steps.0.iter().zip(&self.memories);
        both.map(|(step, memory)| StepCounts {
            kind: step.action.name(),
            affected: memory.affected,
            undefined: memory.undefined,
        })
    }

    /// What the `count` steps counted.
    pub fn metrics(&self) -> impl Iterator<Item = Metric> {
        let both = self.steps.0.iter().zip(&self.memories);
        let counted = both.filter_map(|(step, memory)| match &step.action {
            Action::Count(rule) => Some(rule.metrics(&memory.counter)),
            _ => None,
        });
        counted.flatten()
    }
}

impl Memory {
    /// Whether the record was affected as [`StepCounts::affected`] says.
    fn perform(
        &mut self,
        action: &Action,
        now: Tick,
        origin: Origin<'_>,
        record: &mut Record<'_>,
        random: &mut fastrand::Rng,
        tell: &mut dyn FnMut(Alert),
    ) -> Result<bool, Undefined> {
        match action {
            Action::Parse(parser) => {
                // Each parser counts its own failure; the mark of an earlier one stays.
                let failed_before = std::mem::take(&mut record.parse_failed);
                parser.run(record, &mut self.parsed);
                let failed = record.parse_failed;
                record.parse_failed |= failed_before;
                Ok(failed)
            }
            Action::Severity(rule) => {
                rule.run(record);
                Ok(record.severity.is_some())
            }
            Action::Redact(redact) => Ok(redact.run(record)),
            Action::Drop(when) => when.concerns(origin, record),
            Action::Keep(when) => when.concerns(origin, record).map(|keeps| !keeps),
            Action::Sample(sample) => sample.drops(origin, record, random),
            Action::RateLimit(limit) => limit.drops(&mut self.bucket, now, origin, record),
            Action::Set(set) => set.run(origin, record),
            Action::Remove(remove) => Ok(remove.run(record)),
            Action::Alert(rule) => {
                let alert = rule.alert(origin, record)?;
                let tells = alert.is_some();
                alert.into_iter().for_each(tell);
                Ok(tells)
            }
            Action::Count(rule) => rule.count(&mut self.counter, origin, record),
        }
    }
}

impl Action {
    /// Whether a record that it affects is dropped.
    fn drops(&self) -> bool {
        match self {
            Self::Drop(_) | Self::Keep(_) | Self::Sample(_) | Self::RateLimit(_) => true,
            Self::Parse(_)
            | Self::Severity(_)
            | Self::Redact(_)
            | Self::Set(_)
            | Self::Remove(_)
            | Self::Alert(_)
            | Self::Count(_) => false,
        }
    }
}
