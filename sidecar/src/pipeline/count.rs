//! Counts records into a metric of the user's own, with bounded label sets.

use super::Origin;
use super::condition::Condition;
use super::steps::Check;
use super::when::{Name, Undefined};
use crate::record::Record;
use logship_crd::agent_config::CountStep;
use std::collections::BTreeMap;

/// Combinations of values that one metric tells apart; what comes after them is counted together.
pub const COMBINATIONS_MAX: usize = 200;
/// Bytes of a label's value; a longer one is cut.
pub const VALUE_BYTES_MAX: usize = 128;
/// The value of every label in the combination of the rest.
pub const OTHER: &str = "other";
/// Names that begin so are ours.
const OWN_PREFIX: &str = "logship_";
const NAME_BYTES_MAX: usize = 200;
const LABELS_MAX: usize = 16;

pub(super) struct CountRule {
    metric: Box<str>,
    labels: Vec<Label>,
    when: Condition,
}

/// The name of a label, and what its value is in the record.
type Label = (Box<str>, Name);

/// What a [`CountRule`] has counted.
#[derive(Debug, Default)]
pub(super) struct Counter {
    /// By the values of the labels, each ended by [`END`].
    combinations: BTreeMap<Box<str>, u64>,
    /// Beyond [`COMBINATIONS_MAX`].
    other: u64,
    /// The combination of the record at hand, kept for its memory.
    key: String,
}

/// One value of a metric.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Metric {
    /// Name of the metric.
    pub name: String,
    /// Names and values in the order of the document.
    pub labels: Vec<(String, String)>,
    /// How many records.
    pub value: u64,
}

/// Ends a value in a combination; taken out of values, so no two combinations look the same.
const END: char = '\0';

impl CountRule {
    pub(super) fn compile(step: &CountStep, check: &mut Check<'_>) -> Option<Self> {
        let when = check.condition("count.when", step.when.as_deref());
        let named = metric(&step.name, check);
        let labels = labels(&step.labels, check);
        Some(Self {
            metric: named?,
            labels: labels?,
            when: when?,
        })
    }

    /// Whether it was counted.
    pub(super) fn count(
        &self,
        counter: &mut Counter,
        origin: Origin<'_>,
        record: &Record<'_>,
    ) -> Result<bool, Undefined> {
        if !self.when.concerns(origin, record)? {
            return Ok(false);
        }
        let mut key = std::mem::take(&mut counter.key);
        key.clear();
        for (_, name) in &self.labels {
            let start = key.len();
            name.write(record, origin.labels, &mut key);
            end_value(&mut key, start);
        }
        counter.add(&key);
        counter.key = key;
        Ok(true)
    }

    /// What was counted, in the order of the values. A metric without labels has its value from the beginning.
    pub(super) fn metrics<'a>(&'a self, counter: &'a Counter) -> impl Iterator<Item = Metric> + 'a {
        let metric = |values: &mut dyn Iterator<Item = &str>, value| Metric {
            name: self.metric.to_string(),
            labels: self
                .labels
                .iter()
                .zip(values)
                .map(|((name, _), value)| (name.to_string(), value.to_owned()))
                .collect(),
            value,
        };
        let none = (self.labels.is_empty() && counter.combinations.is_empty()).then_some(("", 0));
        let combinations = counter
            .combinations
            .iter()
            .map(|(key, value)| (key.as_ref(), *value));
        let known = none.into_iter().chain(combinations);
        let known = known.map(move |(key, value)| metric(&mut key.split_terminator(END), value));
        let other = (counter.other > 0).then(|| metric(&mut std::iter::repeat(OTHER), counter.other));
        known.chain(other)
    }
}

impl Counter {
    fn add(&mut self, key: &str) {
        if let Some(value) = self.combinations.get_mut(key) {
            *value += 1;
        } else if self.combinations.len() < COMBINATIONS_MAX {
            self.combinations.insert(key.into(), 1);
        } else {
            self.other += 1;
        }
    }
}

/// Cuts the value that begins at `start` and ends it.
fn end_value(key: &mut String, start: usize) {
    let mut end = key.len().min(start + VALUE_BYTES_MAX);
    while !key.is_char_boundary(end) {
        end -= 1;
    }
    key.truncate(end);
    if key[start..].contains(END) {
        let clean = key[start..].replace(END, "");
        key.truncate(start);
        key.push_str(&clean);
    }
    key.push(END);
}

fn metric(name: &str, check: &mut Check<'_>) -> Option<Box<str>> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':');
    let problem = if name.is_empty() || !name.bytes().all(allowed) || name.as_bytes()[0].is_ascii_digit() {
        "not the name of a metric"
    } else if name.len() > NAME_BYTES_MAX {
        "longer than 200 bytes"
    } else if name.starts_with(OWN_PREFIX) {
        "such names are the sidecar's own"
    } else {
        return Some(name.into());
    };
    let remedy = "write letters, digits and underscores, for example checkout_errors_total";
    check.mistake("count.name", name, problem, remedy);
    None
}

/// A field's name becomes a label's name by an underscore for whatever a label cannot have.
fn labels(fields: &[String], check: &mut Check<'_>) -> Option<Vec<Label>> {
    let remedy = "name at most 16 fields, each once";
    if fields.len() > LABELS_MAX {
        check.mistake("count.labels", &fields.join(", "), "too many", remedy);
        return None;
    }
    let mut labels: Vec<Label> = Vec::new();
    for field in fields {
        let clean = |character: char| {
            if character.is_ascii_alphanumeric() {
                character
            } else {
                '_'
            }
        };
        let mut name: String = field.chars().map(clean).collect();
        if name.starts_with(|first: char| first.is_ascii_digit()) {
            name.insert(0, '_');
        }
        // Two underscores at the beginning are for Prometheus itself.
        let name = name.trim_start_matches("__");
        let is_known = labels.iter().any(|(known, _)| known.as_ref() == name);
        if name.is_empty() || is_known {
            let problem = if is_known {
                "the same label as another"
            } else {
                "not the name of a label"
            };
            check.mistake("count.labels", field, problem, remedy);
            return None;
        }
        labels.push((name.into(), Name::new(field)));
    }
    Some(labels)
}
