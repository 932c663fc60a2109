//! Status: computed without I/O, then written with one patch, and only when it differs.
//!
//! Because an equal status is never written, our own patch coming back through the watch ends there.

use super::apply::Applied;
use super::gather::{Gathered, Skip};
use super::validate::{Violation, violations_text};
use crate::policies::Guarded;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::api::{Patch, PatchParams};
use kube::{Api, Client, Resource};
use logship_crd::names;
use logship_crd::v1alpha1::{ConditionType, LogShipping, LogShippingStatus, RecentSkip, Sink};
use serde_json::json;
use std::error::Error as _;

/// What can fail.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API server did not take the status.
    #[error("failed to write the status of LogShipping {name}")]
    Write {
        /// Name of the resource.
        name: String,
        /// Why.
        source: kube::Error,
    },
}

impl Error {
    /// Name of the failure in logs.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Write { .. } => "StatusFailed",
        }
    }
}

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

/// A condition without its times.
struct Finding {
    status: &'static str,
    reason: &'static str,
    message: String,
}

/// The status that a resource of this `generation` should have.
pub fn status(
    previous: &LogShippingStatus,
    generation: Option<i64>,
    outcome: Outcome<'_>,
    sinks: &[Sink],
    gathered: &Gathered,
    now: &Time,
) -> LogShippingStatus {
    let condition = |(type_, finding)| condition(previous, generation, type_, finding, now);
    let names: Vec<&str> = sinks.iter().map(|sink| sink.name.as_str()).collect();
    LogShippingStatus {
        observed_generation: generation,
        conditions: findings(outcome, gathered)
            .into_iter()
            .filter_map(condition)
            .collect(),
        pods: gathered.counts,
        service_accounts: gathered.accounts.clone(),
        sinks: names.join(", "),
        recent_skips: gathered
            .skips
            .iter()
            .map(|skip| recent_skip(previous, gathered, skip, now))
            .collect(),
    }
}

/// What is found; `None` where nothing was tried, so that what was found before stays.
fn findings(outcome: Outcome<'_>, gathered: &Gathered) -> [(ConditionType, Option<Finding>); 4] {
    let refused = |reason, message: String| {
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
        ]
    };
    match outcome {
        Outcome::Malformed(text) => refused("Malformed", text.to_owned()),
        Outcome::Invalid(violations) => refused("InvalidSpec", violations_text(violations)),
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
            "pods without a sidecar: {} of {}, for example {}: {}",
            counts.missed, counts.matched, skip.pod, skip.message
        ),
        None => "pods are injected".to_owned(),
    };
    Finding {
        status: "True",
        reason: "Applied",
        message,
    }
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

/// Writes the status if it differs. A resource that is gone needs none.
pub(super) async fn publish(
    client: &Client,
    shipping: &Guarded,
    previous: &LogShippingStatus,
    status: &LogShippingStatus,
) -> Result<(), Error> {
    if previous == status {
        return Ok(());
    }
    let metadata = shipping.meta();
    let name = metadata.name.as_deref().unwrap_or_default();
    let api = Api::<Guarded>::namespaced(client.clone(), metadata.namespace.as_deref().unwrap_or_default());
    let patch = json!({
        "apiVersion": LogShipping::api_version(&()),
        "kind": LogShipping::kind(&()),
        "metadata": {"name": name, "uid": metadata.uid},
        "status": status,
    });
    let params = PatchParams::apply(names::FIELD_MANAGER).force();
    match api.patch_status(name, &params, &Patch::Apply(patch)).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(answer)) if answer.is_not_found() => Ok(()),
        Err(source) => Err(Error::Write {
            name: name.to_owned(),
            source,
        }),
    }
}

#[cfg(test)]
mod tests;
