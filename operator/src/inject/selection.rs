//! Who is meant: which pods ask for a sidecar, which resources select a pod, and which containers are the application's.

use crate::policies::Policy;
use kube::core::{Selector, SelectorExt};
use logship_crd::names;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Whether a pod asks for a sidecar: its own label beats its namespace's, where the namespace has one that means something.
/// The selectors of the webhook configuration say the same, so that no other pod is ever sent.
pub fn asks(namespace_injection: Option<&str>, pod_injection: Option<&str>) -> bool {
    match namespace_injection {
        Some(names::INJECTION_ENABLED | names::INJECTION_REQUIRED) => {
            pod_injection != Some(names::INJECTION_DISABLED)
        }
        Some(names::INJECTION_DISABLED) => pod_injection == Some(names::INJECTION_ENABLED),
        _ => false,
    }
}

/// The resources that select a pod with these labels, whether they are ready or not.
pub fn matching<'a>(
    pod_labels: &BTreeMap<String, String>,
    policies: &'a [Arc<Policy>],
) -> Vec<&'a Arc<Policy>> {
    policies
        .iter()
        .filter(|policy| selects(policy, pod_labels))
        .collect()
}

/// A selector that cannot be read selects nothing; the reconciler reports it as invalid.
fn selects(policy: &Policy, pod_labels: &BTreeMap<String, String>) -> bool {
    Selector::try_from(policy.spec.selector.clone()).is_ok_and(|selector| selector.matches(pod_labels))
}

/// Whether the container `name` is ours, a known proxy, or one that the operator was told to leave out.
pub(super) fn is_helper(name: &str, exclude: &[String]) -> bool {
    name == names::SIDECAR_CONTAINER
        || names::KNOWN_PROXIES.contains(&name)
        || exclude.iter().any(|other| other == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_label_of_the_pod_beats_that_of_the_namespace() {
        let check = |namespace: Option<&str>, pod: Option<&str>, expected: bool| {
            assert_eq!(
                asks(namespace, pod),
                expected,
                "namespace {namespace:?}, pod {pod:?}"
            );
        };
        for namespace in [None, Some("yes")] {
            for pod in [None, Some("enabled"), Some("disabled")] {
                check(namespace, pod, false);
            }
        }
        check(Some("disabled"), None, false);
        check(Some("disabled"), Some("enabled"), true);
        check(Some("disabled"), Some("required"), false);
        for namespace in [Some("enabled"), Some("required")] {
            check(namespace, None, true);
            check(namespace, Some("enabled"), true);
            check(namespace, Some("disabled"), false);
            check(namespace, Some("yes"), true);
        }
    }
}
