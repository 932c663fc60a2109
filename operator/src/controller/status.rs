//! Status: what is told about a resource, from how far it came and what its pods carry.
//!
//! It is pure. The same outcome gives the same status at any time, so that an unchanged one is never written.

use super::apply::Applied;
use super::census::Conflict;
use super::gather::{Gathered, Skip};
use super::tally::{Tally, tally, unless_incomplete};
use super::validate::{Violation, violations_text};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use logship_crd::types::size_text;
use logship_crd::v1alpha1::{ConditionType, LogShippingStatus, PodCounts, RecentSkip, Sink, SpillBound};
use logship_crd::{agent_config as agent, names};
use std::error::Error as _;

/// How far a resource came.
#[derive(Debug, Clone, Copy)]
pub enum Outcome<'a> {
    /// It could not be read.
    Malformed(&'a str),
    /// It cannot be carried out.
    Invalid(&'a [Violation]),
    /// Its objects were applied, or some of them.
    Applied(&'a Applied),
}

/// What the status is about.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// Name of the resource.
    pub name: &'a str,
    /// Its generation.
    pub generation: Option<i64>,
    /// Its sinks.
    pub sinks: &'a [Sink],
    /// Its sources as pods get them; none: pods go on with what they have.
    pub sources: Option<&'a [agent::Source]>,
}

/// A condition without its times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) status: &'static str,
    pub(super) reason: &'static str,
    pub(super) message: String,
}

/// The status that a resource should have.
pub fn status(
    previous: &LogShippingStatus,
    subject: Subject<'_>,
    outcome: Outcome<'_>,
    gathered: &Gathered,
    now: &Time,
) -> LogShippingStatus {
    let Subject {
        name,
        generation,
        sinks,
        sources,
    } = subject;
    let condition = |(type_, finding)| condition(previous, generation, type_, finding, now);
    let sink_names: Vec<&str> = sinks.iter().map(|sink| sink.name.as_str()).collect();
    let carriers = &gathered.carriers;
    let tally = tally(name, generation.unwrap_or_default(), carriers);
    let Tally {
        current,
        unknown,
        generations,
        refusals,
        verdict,
    } = unless_incomplete(tally, carriers, previous, generation);
    LogShippingStatus {
        observed_generation: generation,
        conditions: findings(outcome, gathered, verdict)
            .into_iter()
            .filter_map(condition)
            .collect(),
        pods: PodCounts {
            current,
            unknown,
            ..gathered.counts
        },
        generations,
        refusals,
        spills: sources.map_or_else(|| previous.spills.clone(), spills),
        service_accounts: gathered.accounts.clone(),
        sinks: sink_names.join(", "),
        recent_skips: gathered
            .skips
            .iter()
            .map(|skip| recent_skip(previous, gathered, skip, now))
            .collect(),
    }
}

fn spills(sources: &[agent::Source]) -> Vec<SpillBound> {
    let bound = |source: &agent::Source| match &source.kind {
        agent::SourceKind::ContainerOutput(output) => Some(SpillBound {
            source: source.name.clone(),
            max_bytes: size_text(output.spill.max_bytes),
        }),
        agent::SourceKind::Files(_) => None,
    };
    sources.iter().filter_map(bound).collect()
}

/// What is found; `None` where nothing was tried, so that what was found before stays.
fn findings(
    outcome: Outcome<'_>,
    gathered: &Gathered,
    verdict: Option<Finding>,
) -> [(ConditionType, Option<Finding>); 6] {
    let refused = |reason, message: String, applied| {
        [
            (
                ConditionType::Ready,
                Some(Finding {
                    status: "False",
                    reason,
                    message: message.clone(),
                }),
            ),
            (
                ConditionType::Valid,
                Some(Finding {
                    status: "False",
                    reason,
                    message,
                }),
            ),
            (ConditionType::RbacReady, None),
            (ConditionType::ConfigReady, None),
            (ConditionType::Compatible, None),
            (ConditionType::Applied, applied),
        ]
    };
    match outcome {
        Outcome::Malformed(text) => refused("Malformed", text.to_owned(), None),
        Outcome::Invalid(violations) => {
            let applied = Finding {
                status: "False",
                reason: "InvalidSpec",
                message: "the spec cannot be carried out; pods go on with what they run".to_owned(),
            };
            refused("InvalidSpec", violations_text(violations), Some(applied))
        }
        Outcome::Applied(Applied { config, rbac }) => {
            let valid = Finding {
                status: "True",
                reason: "Valid",
                message: "the spec can be carried out".to_owned(),
            };
            [
                (ConditionType::Ready, Some(ready([rbac, config], gathered))),
                (ConditionType::Valid, Some(valid)),
                (
                    ConditionType::RbacReady,
                    Some(written(rbac, "ServiceAccount, Role and RoleBinding were applied")),
                ),
                (
                    ConditionType::ConfigReady,
                    Some(written(config, "the ConfigMap was applied")),
                ),
                (ConditionType::Compatible, Some(compatible(&gathered.conflicts))),
                (ConditionType::Applied, verdict),
            ]
        }
    }
}

fn ready(parts: [&Result<(), super::apply::Error>; 2], gathered: &Gathered) -> Finding {
    if let Some(failed) = parts.into_iter().find(|part| part.is_err()) {
        return written(failed, "");
    }
    let counts = gathered.counts;
    let message = match gathered.skips.first() {
        Some(skip) => format!(
            "pods that are not shipped: {} of {}, for example {}: {}",
            counts.missed, counts.matched, skip.pod, skip.message
        ),
        None if counts.matched == 0 => without_pods(gathered),
        None => "pods are injected".to_owned(),
    };
    Finding {
        status: "True",
        reason: "Applied",
        message,
    }
}

/// What a resource is told of others that it shares pods with.
fn compatible(conflicts: &[Conflict]) -> Finding {
    match conflicts {
        [] => Finding {
            status: "True",
            reason: "NoConflict",
            message: "no pod had to choose between this and another LogShipping".to_owned(),
        },
        [Conflict { pod, message }, ..] => Finding {
            status: "False",
            reason: "Conflict",
            message: format!(
                "pods in which not every LogShipping can be served: {}, for example {pod}: {message}",
                conflicts.len()
            ),
        },
    }
}

/// Where no pod is meant, the likeliest reason.
fn without_pods(gathered: &Gathered) -> String {
    let Gathered { namespace, .. } = gathered;
    if gathered.injection.is_some() {
        return format!("no pod matches spec.selector in namespace {namespace}");
    }
    let (label, enabled) = (names::INJECTION_LABEL, names::INJECTION_ENABLED);
    format!(
        "namespace {namespace} has no label {label}: kubectl label namespace {namespace} {label}={enabled}"
    )
}

fn written(result: &Result<(), super::apply::Error>, done: &str) -> Finding {
    match result {
        Ok(()) => Finding {
            status: "True",
            reason: "Applied",
            message: done.to_owned(),
        },
        Err(error) => {
            let cause = error
                .source()
                .map(|cause| format!(": {cause}"))
                .unwrap_or_default();
            Finding {
                status: "False",
                reason: error.reason(),
                message: format!("{error}{cause}"),
            }
        }
    }
}

/// The time of the last transition stays while the status of the condition does.
fn condition(
    previous: &LogShippingStatus,
    generation: Option<i64>,
    type_: ConditionType,
    finding: Option<Finding>,
    now: &Time,
) -> Option<Condition> {
    let before = previous
        .conditions
        .iter()
        .find(|condition| condition.type_ == type_.name());
    let Some(Finding {
        status,
        reason,
        message,
    }) = finding
    else {
        return before.cloned();
    };
    let since = before
        .filter(|before| before.status == status)
        .map(|before| &before.last_transition_time);
    Some(Condition {
        type_: type_.name().to_owned(),
        status: status.to_owned(),
        reason: reason.to_owned(),
        message,
        last_transition_time: since.unwrap_or(now).clone(),
        observed_generation: generation,
    })
}

/// A skip that was reported before stays as it is.
fn recent_skip(previous: &LogShippingStatus, gathered: &Gathered, skip: &Skip, now: &Time) -> RecentSkip {
    let pod = format!("{}/{}", gathered.namespace, skip.pod);
    let before = previous
        .recent_skips
        .iter()
        .find(|before| before.pod == pod && before.reason == skip.reason);
    let new = || RecentSkip {
        pod: pod.clone(),
        reason: skip.reason.clone(),
        count: 1,
        last_seen: now.clone(),
    };
    before.cloned().unwrap_or_else(new)
}

#[cfg(test)]
mod tests;
