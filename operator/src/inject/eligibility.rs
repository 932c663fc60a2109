//! Whether a pod gets the sidecar at all: the checks in their documented order; the first that applies is the reason.
//!
//! What depends on the pod's volumes is checked where they are planned, after these.

use super::pod::{Pod, text};
use super::{Input, Skip, SkipReason, asks, listed, matching};
use crate::policies::{Policy, Readiness};
use logship_crd::names;
use std::sync::Arc;

/// Annotation of the kubelet on the API server's image of a static pod.
const MIRROR_ANNOTATION: &str = "kubernetes.io/config.mirror";
/// Labels by which nodes are selected for their operating system; the second is the old one.
const OS_LABELS: [&str; 2] = ["kubernetes.io/os", "beta.kubernetes.io/os"];

/// A pod with our annotation and our container is done, whatever was added to it since.
pub(super) fn not_injected(pod: Pod<'_>) -> Result<(), Skip> {
    let done = pod.annotation(names::INJECTED_ANNOTATION).is_some()
        && pod.container(names::SIDECAR_CONTAINER).is_some();
    if done {
        return Err(Skip::new(
            SkipReason::AlreadyInjected,
            "the pod carries the sidecar already",
        ));
    }
    Ok(())
}

pub(super) fn asked_for(input: &Input<'_>, pod: Pod<'_>) -> Result<(), Skip> {
    let labels = pod.labels();
    let label = labels.get(names::INJECTION_LABEL).map(String::as_str);
    if asks(input.namespace_injection, label) {
        return Ok(());
    }
    let message = match label {
        Some(names::INJECTION_DISABLED) => {
            format!(
                "the pod's label {}={} says so",
                names::INJECTION_LABEL,
                names::INJECTION_DISABLED
            )
        }
        Some(names::INJECTION_ENABLED) => format!(
            "the pod asks, but its namespace {} does not have the label {}, so its pods are not looked at: label it, with {} to inject only pods that ask",
            input.namespace,
            names::INJECTION_LABEL,
            names::INJECTION_DISABLED
        ),
        Some(other) => format!(
            "the pod's label {} has the value {other:?}, which means nothing: write {} or {}",
            names::INJECTION_LABEL,
            names::INJECTION_ENABLED,
            names::INJECTION_DISABLED
        ),
        None => format!(
            "neither the pod nor its namespace {} asks by the label {}={}",
            input.namespace,
            names::INJECTION_LABEL,
            names::INJECTION_ENABLED
        ),
    };
    Err(Skip::new(SkipReason::Disabled, message))
}

/// The resources that are injected: those that select the pod and are ready. Others that select it are warned about.
pub(super) fn policies<'a>(
    input: &Input<'a>,
    pod: Pod<'_>,
    warnings: &mut Vec<String>,
) -> Result<Vec<&'a Arc<Policy>>, Skip> {
    not_static(pod)?;
    not_windows(pod)?;
    has_containers(pod)?;
    let selecting = selecting(input, pod)?;
    let (ready, others): (Vec<_>, Vec<_>) = selecting
        .into_iter()
        .partition(|policy| policy.readiness == Readiness::Ready);
    let mut skips: Vec<Skip> = others.iter().filter_map(|policy| unready(policy)).collect();
    if ready.is_empty() && !skips.is_empty() {
        // Waiting helps sooner than correcting, so that reason comes first.
        skips.sort_by_key(|skip| skip.reason);
        return Err(skips.swap_remove(0));
    }
    warnings.extend(skips.into_iter().map(|skip| skip.message));
    Ok(ready)
}

fn not_static(pod: Pod<'_>) -> Result<(), Skip> {
    if pod.annotation(MIRROR_ANNOTATION).is_some() {
        let message = "the pod is the mirror of a static pod, which the kubelet runs as its file says: add a sidecar to that file";
        return Err(Skip::new(SkipReason::StaticPod, message));
    }
    Ok(())
}

fn not_windows(pod: Pod<'_>) -> Result<(), Skip> {
    let declared = pod.spec("os").and_then(|os| text(os, "name"));
    let selected = pod
        .spec("nodeSelector")
        .and_then(|labels| OS_LABELS.iter().find_map(|label| text(labels, label)));
    if declared.or(selected) == Some("windows") {
        let message =
            "the pod runs on Windows (spec.os or spec.nodeSelector), for which there is no sidecar image";
        return Err(Skip::new(SkipReason::Windows, message));
    }
    Ok(())
}

/// Every real pod has one; what has none may be no pod at all.
fn has_containers(pod: Pod<'_>) -> Result<(), Skip> {
    if pod.containers().is_empty() {
        return Err(Skip::new(
            SkipReason::ContainerNotFound,
            "the pod has no containers (spec.containers)",
        ));
    }
    Ok(())
}

fn selecting<'a>(input: &Input<'a>, pod: Pod<'_>) -> Result<Vec<&'a Arc<Policy>>, Skip> {
    let selecting = matching(&pod.labels(), input.policies);
    if selecting.is_empty() {
        let known = listed(input.policies.iter().map(|policy| policy.name.as_str()));
        let message = format!(
            "no LogShipping in namespace {} selects this pod (there: {known}): compare spec.selector with the pod's labels",
            input.namespace
        );
        return Err(Skip::new(SkipReason::NoMatchingResource, message));
    }
    Ok(selecting)
}

fn unready(policy: &Policy) -> Option<Skip> {
    match &policy.readiness {
        Readiness::Ready => None,
        Readiness::Pending => Some(Skip::new(
            SkipReason::ResourceNotReady,
            format!(
                "LogShipping {} is not ready yet: create the pod again when its condition Ready is True",
                policy.name
            ),
        )),
        Readiness::Invalid(problem) => Some(Skip::new(
            SkipReason::ResourceInvalid,
            format!("LogShipping {} is invalid: {problem}", policy.name),
        )),
    }
}
