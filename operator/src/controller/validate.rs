//! Validation: turns a spec into values that cannot be wrong, or reports every mistake in it at once.
//!
//! It is pure, and the last place that looks at the raw spec. It checks what the schema of the resource cannot (regular
//! expressions, selectors, header values, names that refer to others) and parses the rest. The webhook's index uses it too, so
//! that both agree.
//!
//! It cannot tell whether a text in CEL is one: the compiler for records is the sidecar's. A resource with a bad one is valid here;
//! its sidecars keep what they did before and say in their log what is wrong.

mod endpoint;
mod pipeline;
mod report;
mod selector;
mod sink;
mod source;
mod storage;

use kube::core::Selector;
use logship_crd::agent_config as agent;
use logship_crd::v1alpha1::{LimitsSpec, LogShippingSpec};
use report::Report;
use std::collections::BTreeSet;
use std::fmt;

/// A spec that can be carried out.
#[derive(Debug, Clone, PartialEq)]
pub struct Valid {
    /// Which pods.
    pub selector: Selector,
    /// Where records come from.
    pub sources: Vec<agent::Source>,
    /// What is done to them.
    pub pipeline: Vec<agent::Step>,
    /// Where records go.
    pub sinks: Vec<agent::Sink>,
    /// The longest time that the sidecar takes to stop.
    pub drain_ms: u64,
    /// What the resource may use in each pod.
    pub limits: agent::Limits,
}

/// A mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Path of the field, for example `spec.sources[0].files.pattern`.
    pub field: String,
    /// What it says.
    pub value: String,
    /// What to write instead.
    pub remedy: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is {:?}: {}", self.field, self.value, self.remedy)
    }
}

/// All mistakes in one text.
pub fn violations_text(violations: &[Violation]) -> String {
    violations
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("; ")
}

/// Checks a spec.
pub fn validate(spec: &LogShippingSpec) -> Result<Valid, Vec<Violation>> {
    let mut report = Report::default();
    let LogShippingSpec {
        selector,
        sources,
        pipeline,
        sinks,
        limits,
        sidecar,
    } = spec;
    let selector = selector::parse(selector, &mut report);
    let mut agent_sources = source::parse_all(sources, &mut report);
    let steps = pipeline::parse(pipeline, sources, sinks, &mut report);
    let agent_sinks = sink::parse_all(sinks, &mut report);
    let limits = self::limits(limits, &mut report);
    if let (Some(sources), Some(limits)) = (&mut agent_sources, &limits) {
        storage::share(spec, sources, limits.dead_letter_bytes, &mut report);
    }
    let drain_ms = report.duration_ms("spec.sidecar.drain", &sidecar.drain);
    let valid = || {
        Some(Valid {
            selector: selector?,
            sources: agent_sources?,
            pipeline: steps?,
            sinks: agent_sinks?,
            drain_ms: drain_ms?,
            limits: limits?,
        })
    };
    match (report.into_violations(), valid()) {
        (violations, Some(valid)) if violations.is_empty() => Ok(valid),
        (violations, _) => Err(violations),
    }
}

/// Checks a spec in its namespace: in one of the namespaces `excluded`, such as those of the cluster itself, none is right.
pub(super) fn validate_in(
    namespace: &str,
    excluded: &BTreeSet<String>,
    spec: &LogShippingSpec,
) -> Result<Valid, Vec<Violation>> {
    if excluded.contains(namespace) {
        return Err(vec![Violation {
            field: "metadata.namespace".to_owned(),
            value: namespace.to_owned(),
            remedy: "the namespace is excluded (--exclude-namespaces of the operator): use another"
                .to_owned(),
        }]);
    }
    validate(spec)
}

fn limits(limits: &LimitsSpec, report: &mut Report) -> Option<agent::Limits> {
    let LimitsSpec {
        record_bytes,
        in_flight_bytes,
        open_files,
        dead_letter_bytes,
    } = limits;
    let record_bytes = report.size("spec.limits.recordBytes", record_bytes);
    let in_flight_bytes = report.size("spec.limits.inFlightBytes", in_flight_bytes);
    let dead_letter_bytes = report.size("spec.limits.deadLetterBytes", dead_letter_bytes);
    Some(agent::Limits {
        record_bytes: record_bytes?,
        in_flight_bytes: in_flight_bytes?,
        open_files: u64::from(*open_files),
        dead_letter_bytes: dead_letter_bytes?,
    })
}

#[cfg(test)]
mod tests;
