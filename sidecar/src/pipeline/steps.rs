//! The steps of a document, compiled, with every mistake that they have.

use super::alert::AlertRule;
use super::condition::{Condition, Sources};
use super::count::CountRule;
use super::rate_limit::RateLimit;
use super::redact::Redact;
use super::sample::Sample;
use super::set::{Remove, Set};
use super::when::{Expression, Position, When};
use super::{parse, pattern, severity};
use crate::config::Mistake;
use logship_crd::agent_config::{self, StepKind};
use regex::bytes::Regex;
use std::fmt;
use std::sync::Arc;

/// Compiled steps. A copy is cheap.
#[derive(Clone)]
pub struct Steps(pub(super) Arc<[Step]>);

impl Default for Steps {
    fn default() -> Self {
        Self(Arc::new([]))
    }
}

/// The names that steps may use, by which sources and sinks are numbered.
#[derive(Debug, Clone, Copy)]
pub struct Names<'a> {
    /// Of the sources.
    pub sources: &'a [String],
    /// Of the sinks.
    pub sinks: &'a [String],
}

/// One step.
pub(super) struct Step {
    pub(super) sources: Sources,
    pub(super) action: Action,
}

/// What a step does.
pub(super) enum Action {
    Parse(parse::Parser),
    Severity(severity::Rule),
    Redact(Redact),
    Drop(Condition),
    Keep(Condition),
    Sample(Sample),
    RateLimit(RateLimit),
    Set(Set),
    Remove(Remove),
    Alert(AlertRule),
    Count(CountRule),
}

impl Steps {
    /// Compiles the steps of a document. None: there is at least one more mistake, each with the path of its field after
    /// `place`.
    pub fn compile(
        steps: &[agent_config::Step],
        names: &Names<'_>,
        place: &str,
        mistakes: &mut Vec<Mistake>,
    ) -> Option<Self> {
        let mut counters: Vec<&str> = Vec::new();
        let mut compiled = Vec::with_capacity(steps.len());
        for (index, step) in steps.iter().enumerate() {
            let place = format!("{place}pipeline[{index}]");
            let mut check = Check {
                place: &place,
                mistakes,
            };
            let sources = check.sources(&step.sources, names.sources);
            let action = check.action(&step.kind, names, &mut counters);
            compiled.extend(
                sources
                    .zip(action)
                    .map(|(sources, action)| Step { sources, action }),
            );
        }
        (compiled.len() == steps.len()).then(|| Self(compiled.into()))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Steps {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.0.iter().map(|step| step.action.name());
        formatter.debug_list().entries(names).finish()
    }
}

impl Action {
    /// As the document names it.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Parse(_) => "parse",
            Self::Severity(_) => "severity",
            Self::Redact(_) => "redact",
            Self::Drop(_) => "drop",
            Self::Keep(_) => "keep",
            Self::Sample(_) => "sample",
            Self::RateLimit(_) => "rateLimit",
            Self::Set(_) => "set",
            Self::Remove(_) => "remove",
            Self::Alert(_) => "alert",
            Self::Count(_) => "count",
        }
    }
}

/// Compiles one step and gathers its mistakes. What returns none has added one.
pub(super) struct Check<'a> {
    /// Path of the step.
    place: &'a str,
    mistakes: &'a mut Vec<Mistake>,
}

impl Check<'_> {
    fn sources(&mut self, named: &[String], known: &[String]) -> Option<Sources> {
        if named.is_empty() {
            return Some(Sources::ALL);
        }
        let mut runs = vec![false; known.len()];
        let mut all_known = true;
        for name in named {
            if let Some(index) = known.iter().position(|known| known == name) {
                runs[index] = true;
            } else {
                all_known = false;
                let remedy = "write names of sources of this resource";
                self.mistake("sources", name, "no such source", remedy);
            }
        }
        all_known.then(|| Sources::only(runs))
    }

    fn action<'s>(
        &mut self,
        kind: &'s StepKind,
        names: &Names<'_>,
        counters: &mut Vec<&'s str>,
    ) -> Option<Action> {
        Some(match kind {
            StepKind::Parse(step) => Action::Parse(self.parser(step)?),
            StepKind::Severity(step) => Action::Severity(severity::Rule::new(step)),
            StepKind::Redact(step) => Action::Redact(Redact::compile(step, self)?),
            StepKind::Drop(step) => Action::Drop(self.when("drop.when", &step.when)?),
            StepKind::Keep(step) => Action::Keep(self.when("keep.when", &step.when)?),
            StepKind::Sample(step) => Action::Sample(Sample::compile(step, self)?),
            StepKind::RateLimit(step) => Action::RateLimit(RateLimit::compile(step, self)?),
            StepKind::Set(step) => Action::Set(Set::compile(step, self)?),
            StepKind::Remove(step) => Action::Remove(Remove::new(step)),
            StepKind::Alert(step) => Action::Alert(AlertRule::compile(step, names.sinks, self)?),
            StepKind::Count(step) => {
                let compiled = CountRule::compile(step, self);
                if counters.contains(&step.name.as_str()) {
                    self.mistake(
                        "count.name",
                        &step.name,
                        "used twice",
                        "give each counter its own name",
                    );
                    return None;
                }
                counters.push(&step.name);
                Action::Count(compiled?)
            }
        })
    }

    fn parser(&mut self, step: &agent_config::ParseStep) -> Option<parse::Parser> {
        let value = step.pattern.as_deref().unwrap_or_default();
        let remedy =
            "write a regular expression with named groups for the format regex, and none for the others";
        let compiled = parse::Parser::compile(step);
        compiled
            .map_err(|error| {
                self.mistake_at(
                    "parse.pattern",
                    value,
                    error.position(),
                    &error.to_string(),
                    remedy,
                );
            })
            .ok()
    }

    pub(super) fn mistake(&mut self, field: &str, value: &str, problem: &str, remedy: &'static str) {
        self.mistake_at(field, value, None, problem, remedy);
    }

    /// A mistake at a place in the value.
    fn mistake_at(
        &mut self,
        field: &str,
        value: &str,
        at: Option<Position>,
        problem: &str,
        remedy: &'static str,
    ) {
        self.mistakes.push(Mistake::Invalid {
            place: format!("{}.{field}", self.place),
            value: value.to_owned(),
            problem: problem.to_owned(),
            at,
            remedy,
        });
    }

    pub(super) fn when(&mut self, field: &str, text: &str) -> Option<Condition> {
        let remedy = "write a condition in CEL, for example status_code >= 500 or !has(fields.user)";
        let compiled = When::compile(text).map(Condition::new);
        compiled
            .map_err(|error| self.mistake_at(field, text, error.position(), &error.to_string(), remedy))
            .ok()
    }

    /// Of a `when` that may be left out.
    pub(super) fn condition(&mut self, field: &str, text: Option<&str>) -> Option<Condition> {
        text.map_or(Some(Condition::ALWAYS), |text| self.when(field, text))
    }

    pub(super) fn expression(&mut self, field: &str, text: &str) -> Option<Expression> {
        let remedy = "write a value in CEL after '=', for example =duration * 1000.0";
        let compiled = Expression::compile(text);
        compiled
            .map_err(|error| self.mistake_at(field, text, error.position(), &error.to_string(), remedy))
            .ok()
    }

    pub(super) fn pattern(&mut self, field: &str, text: &str) -> Option<Regex> {
        let remedy = "write a regular expression as the regex crate knows them, without look-around";
        let compiled = pattern::compile(text);
        compiled
            .map_err(|error| self.mistake_at(field, text, error.position(), &error.to_string(), remedy))
            .ok()
    }
}
