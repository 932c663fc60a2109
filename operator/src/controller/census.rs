//! The census: which pods of a namespace a resource means, and how they are doing. Pure.

use super::cluster::PodSummary;
use crate::inject::{LeftOut, Settings, asks, injection_hash, matching};
use crate::policies::Policy;
use logship_crd::names;
use logship_crd::v1alpha1::{Native, PodCounts, ServiceAccountPolicy};
use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::sync::Arc;

/// A namespace, as far as the census needs it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Namespace<'a> {
    /// Value of its injection label.
    pub injection: Option<&'a str>,
    /// Its resources.
    pub policies: &'a [Arc<Policy>],
    /// Its pods that have not ended.
    pub pods: &'a [Arc<PodSummary>],
}

/// The pods that a resource means.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Census {
    /// How many they are, but for what their sidecars run.
    pub counts: PodCounts,
    /// Those that are not shipped, newest first.
    pub missed: Vec<Missed>,
    /// Those that had to choose between this resource and another one, newest first.
    pub conflicts: Vec<Conflict>,
    /// Those that are shipped, by name, and whether they are outdated.
    pub carriers: Vec<(Arc<PodSummary>, bool)>,
}

/// A pod that is not shipped for a resource that means it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Missed {
    pub pod: String,
    pub why: Why,
}

/// Why a pod is not shipped.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// It has no sidecar.
    NoSidecar,
    /// It has one, which serves others.
    LeftOut(LeftOut),
    /// It has one, which serves others, and would get another today.
    Outdated,
}

/// A pod in which two resources could not be had together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// Name of the pod.
    pub pod: String,
    /// Which was left out, and why.
    pub message: String,
}

/// Counts the pods that the resource `name` means.
pub(super) fn count(name: &str, namespace: Namespace<'_>, settings: &Settings) -> Census {
    let mut counts = PodCounts::default();
    let (mut missed, mut conflicts, mut carriers) = (Vec::new(), Vec::new(), Vec::new());
    for pod in namespace.asking() {
        let policies = matching(&pod.labels, namespace.policies);
        if !policies.iter().any(|policy| policy.name == name) {
            continue;
        }
        counts.matched += 1;
        let is_current = |hash: &String| *hash == injection_hash(policies.iter().copied(), settings);
        let why = match (
            &pod.injected,
            pod.left_out.iter().find(|left| left.resource == name),
        ) {
            (None, _) => Why::NoSidecar,
            (Some(hash), Some(left_out)) if is_current(hash) => Why::LeftOut(left_out.clone()),
            (Some(_), Some(_)) => Why::Outdated,
            (Some(hash), None) => {
                let is_current = is_current(hash);
                counts.injected += 1;
                counts.outdated += i32::from(!is_current);
                carriers.push((Arc::clone(pod), !is_current));
                let displaced = pod.left_out.iter().filter(|_| is_current);
                conflicts.extend(displaced.filter_map(|left_out| Some((pod, as_winner(name, left_out)?))));
                continue;
            }
        };
        counts.missed += 1;
        if let Why::LeftOut(left_out) = &why {
            conflicts.extend(as_loser(left_out).map(|message| (pod, message)));
        }
        missed.push((pod, why));
    }
    missed.sort_by_key(|(pod, _)| Reverse(pod.created));
    conflicts.sort_by_key(|(pod, _)| Reverse(pod.created));
    let missed = missed.into_iter().map(|(pod, why)| Missed {
        pod: pod.name.clone(),
        why,
    });
    let conflicts = conflicts.into_iter().map(|(pod, message)| Conflict {
        pod: pod.name.clone(),
        message,
    });
    Census {
        counts,
        missed: missed.collect(),
        conflicts: conflicts.collect(),
        carriers,
    }
}

fn as_winner(name: &str, left_out: &LeftOut) -> Option<String> {
    let LeftOut {
        resource,
        message,
        rival,
        reason: _,
    } = left_out;
    (rival.as_deref() == Some(name))
        .then(|| format!("LogShipping {resource} is left out, because this one came first: {message}"))
}

fn as_loser(left_out: &LeftOut) -> Option<String> {
    let LeftOut { message, rival, .. } = left_out;
    let rival = rival.as_ref()?;
    Some(format!(
        "this one is left out, because LogShipping {rival} came first: {message}"
    ))
}

/// The accounts of pods that get the right to read logs because `policy` says `Bind`.
pub(super) fn bound_accounts(policy: &Policy, namespace: Namespace<'_>) -> BTreeSet<String> {
    if !policy.spec.needs_api() || policy.spec.sidecar.service_account != ServiceAccountPolicy::Bind {
        return BTreeSet::new();
    }
    let selects = |pod: &&Arc<PodSummary>| {
        matching(&pod.labels, namespace.policies)
            .iter()
            .any(|matched| matched.name == policy.name)
    };
    namespace
        .asking()
        .filter(selects)
        .map(|pod| pod.account.clone())
        .collect()
}

/// Whether sidecars in pods that keep an account of their own talk to the API with a token of ours: for a source, or, as classic
/// containers, to learn when the others have ended.
pub(super) fn needs_token(policy: &Policy, settings: &Settings) -> bool {
    let classic = match policy.spec.sidecar.native {
        Native::Always => false,
        Native::Auto => !settings.nodes_run_native,
        Native::Never => true,
    };
    (policy.spec.needs_api() || classic)
        && policy.spec.sidecar.service_account == ServiceAccountPolicy::Inject
}

impl<'a> Namespace<'a> {
    fn asking(self) -> impl Iterator<Item = &'a Arc<PodSummary>> {
        let asking = move |pod: &&Arc<PodSummary>| {
            asks(
                self.injection,
                pod.labels.get(names::INJECTION_LABEL).map(String::as_str),
            )
        };
        self.pods.iter().filter(asking)
    }
}

#[cfg(test)]
mod tests;
