//! What the reconciler asks of injection: whom it means, and what it would do today.

use crate::inject::{Decision, Input, Settings};
use crate::policies::Policy;
use kube::core::{Selector, SelectorExt};
use logship_crd::names;
use std::collections::BTreeMap;
use std::sync::Arc;

pub(super) fn asks(namespace_injection: Option<&str>, pod_injection: Option<&str>) -> bool {
    match pod_injection {
        Some(names::INJECTION_ENABLED) => true,
        Some(names::INJECTION_DISABLED) => false,
        _ => matches!(
            namespace_injection,
            Some(names::INJECTION_ENABLED | names::INJECTION_REQUIRED)
        ),
    }
}

pub(super) fn matching<'a>(
    labels: &BTreeMap<String, String>,
    policies: &'a [Arc<Policy>],
) -> Vec<&'a Arc<Policy>> {
    let selects = |policy: &&Arc<Policy>| {
        Selector::try_from(policy.spec.selector.clone()).is_ok_and(|selector| selector.matches(labels))
    };
    policies.iter().filter(selects).collect()
}

pub(super) fn injection_hash<'a>(
    policies: impl IntoIterator<Item = &'a Arc<Policy>>,
    settings: &Settings,
) -> String {
    let names: Vec<&str> = policies.into_iter().map(|policy| policy.name.as_str()).collect();
    format!("{}@{}", names.join("+"), settings.image)
}

pub(super) fn inject(_: &Input<'_>) -> Decision {
    Decision::Inject {
        patch: json_patch::Patch::default(),
        warnings: Vec::new(),
    }
}
