//! The census: which pods of a namespace a resource means, and how they are doing. Pure.

use super::cluster::PodSummary;
use crate::inject::{Settings, asks, injection_hash, matching};
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
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Census {
    /// Counted, but for what their sidecars run.
    pub counts: PodCounts,
    /// Names of those without a sidecar, newest first.
    pub missed: Vec<String>,
    /// Those with a sidecar, by name, and whether they are outdated.
    pub carriers: Vec<(Arc<PodSummary>, bool)>,
}

/// The pods that the resource `name` means.
pub(super) fn count(name: &str, namespace: Namespace<'_>, settings: &Settings) -> Census {
    let mut counts = PodCounts::default();
    let mut missed = Vec::new();
    let mut carriers = Vec::new();
    for pod in namespace.asking() {
        let policies = matching(&pod.labels, namespace.policies);
        if !policies.iter().any(|policy| policy.name == name) {
            continue;
        }
        counts.matched += 1;
        if let Some(hash) = &pod.injected {
            let is_outdated = *hash != injection_hash(policies, settings);
            counts.injected += 1;
            counts.outdated += i32::from(is_outdated);
            carriers.push((Arc::clone(pod), is_outdated));
        } else {
            counts.missed += 1;
            missed.push(pod);
        }
    }
    missed.sort_by_key(|pod| Reverse(pod.created));
    Census {
        counts,
        missed: missed.into_iter().map(|pod| pod.name.clone()).collect(),
        carriers,
    }
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
