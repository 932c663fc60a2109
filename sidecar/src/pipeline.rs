//! What is done to each record between a source and the sinks: steps in the order of the document, compiled once. Pure: time,
//! randomness and settings are parameters.
//!
//! [`Steps`] is the compiled document and never changes; a [`Run`] is the state of one process that works by it: token
//! buckets, the generator of samples, counters. Nothing here fails and nothing is lost but by a step that says so: a record
//! that a step can make no sense of goes on as it is and is counted.
//!
//! Bounds: a record keeps its number of fields and, but for texts that a step sets, its size; a count has
//! [`count::COMBINATIONS_MAX`] combinations; conditions and expressions are bounded as [`when`] says.

pub mod alert;
mod condition;
pub mod count;
pub mod parse;
pub mod pattern;
pub(crate) mod rate_limit;
mod redact;
mod run;
mod sample;
mod set;
pub mod severity;
mod steps;
#[cfg(test)]
mod tests;
pub mod when;

pub use self::run::{Run, StepCounts};
pub use self::steps::{Names, Steps};

use crate::record::Labels;

/// Where a record comes from.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'a> {
    /// Index of its source.
    pub source: usize,
    /// What its stream's records have in common.
    pub labels: &'a Labels,
}

/// What becomes of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Outcome {
    /// It goes to the sinks.
    Keep,
    /// It goes no further; the step that dropped it has counted it.
    Drop,
}
