//! The sidecar's state: one volume for all resources of a pod. Pure.
//!
//! The kubelet evicts a pod that writes more into an emptyDir than its limit, so that limit must hold all that is kept there. Each
//! resource is held to what it asks for by validation; the volume of a pod has room for all of its resources together, so that none takes
//! from another and none stands against another; and the sidecar is told how much that is, and keeps no more, for what it is to keep may
//! change while the volume cannot.

use super::resources::amount;
use crate::policies::Policy;
use logship_crd::types::size_text;
use logship_crd::v1alpha1::{EmptyDirState, State};

/// Bytes that a state has room for; none: a claim, whose size nobody says here, or no limit.
pub(crate) fn room(state: &State) -> Option<u64> {
    if state.persistent_volume_claim.is_some() {
        return None;
    }
    let EmptyDirState { size_limit } = state.empty_dir.clone().unwrap_or_default();
    // A float is exact far beyond any disk.
    let bytes = format!("{:.0}", amount(&size_limit).floor()).parse().ok();
    bytes.filter(|bytes| *bytes > 0)
}

/// The state of a pod with these resources, oldest first: of several claims that of the oldest; else an emptyDir with room for all of
/// them, and without a limit where one of them wants none.
pub(super) fn combined(policies: &[&Policy]) -> State {
    let states = || policies.iter().map(|policy| &policy.spec.sidecar.state);
    if let Some(claim) = states().find_map(|state| state.persistent_volume_claim.clone()) {
        return State {
            empty_dir: None,
            persistent_volume_claim: Some(claim),
        };
    }
    let empty_dir = match policies {
        // In the words of the resource.
        [policy] => policy.spec.sidecar.state.empty_dir.clone().unwrap_or_default(),
        _ => EmptyDirState {
            size_limit: size_limit(states().map(room)),
        },
    };
    State {
        empty_dir: Some(empty_dir),
        persistent_volume_claim: None,
    }
}

/// The sum as a quantity.
fn size_limit(mut rooms: impl Iterator<Item = Option<u64>>) -> String {
    let sum = rooms.try_fold(0_u64, |sum, room| Some(sum.saturating_add(room?)));
    match sum {
        None => "0".to_owned(),
        Some(bytes) => size_text(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures;
    use proptest::prelude::*;
    use serde_json::{Value, json};
    use std::sync::Arc;

    fn policy(state: &Value) -> Arc<Policy> {
        let spec = json!({"selector": {}, "sources": [], "sinks": [], "sidecar": {"state": state}});
        fixtures::policy("shop", spec)
    }

    fn combined(states: &[Value]) -> Value {
        let policies: Vec<Arc<Policy>> = states.iter().map(policy).collect();
        json!(super::combined(
            &policies.iter().map(AsRef::as_ref).collect::<Vec<_>>()
        ))
    }

    fn limit(text: &str) -> Value {
        json!({"emptyDir": {"sizeLimit": text}})
    }

    #[test]
    fn volume_has_room_for_all_resources_together() {
        let check = |states: &[Value], expected: &str| assert_eq!(combined(states), limit(expected));
        check(&[json!({})], "64Mi");
        check(&[limit("0.5Gi")], "0.5Gi");
        check(&[json!({}), json!({})], "128Mi");
        check(&[limit("1Gi"), limit("64Mi"), json!({})], "1152Mi");
        check(&[limit("100M"), limit("1Mi")], "101048576");
        check(&[limit("8191Pi"), limit("8191Pi")], "17590038560768Mi");
    }

    #[test]
    fn one_resource_that_wants_no_limit_leaves_none() {
        assert_eq!(combined(&[limit("0"), limit("64Mi")]), limit("0"));
        assert_eq!(room(&policy(&limit("0")).spec.sidecar.state), None);
    }

    #[test]
    fn claim_of_the_oldest_comes_before_all() {
        let claim = |name: &str| json!({"persistentVolumeClaim": {"claimName": name}});
        assert_eq!(combined(&[json!({}), claim("a"), claim("b")]), claim("a"));
        assert_eq!(room(&policy(&claim("a")).spec.sidecar.state), None);
    }

    proptest! {
        /// Whatever resources ask for: what each may keep fits beside what the others may, or there is no limit to run into.
        #[test]
        fn no_resource_takes_the_room_of_another(limits in proptest::collection::vec((0_u64..1 << 40, any::<bool>()), 1..6)) {
            let text = |&(bytes, mebibytes): &(u64, bool)| if mebibytes { format!("{}Mi", bytes >> 20) } else { bytes.to_string() };
            let states: Vec<Value> = limits.iter().map(text).map(|text| limit(&text)).collect();
            let rooms: Vec<Option<u64>> = states.iter().map(|state| room(&policy(state).spec.sidecar.state)).collect();
            let all: State = serde_json::from_value(combined(&states)).unwrap();
            match room(&all) {
                Some(all) => prop_assert_eq!(rooms.into_iter().sum::<Option<u64>>(), Some(all)),
                None => prop_assert!(rooms.contains(&None)),
            }
        }
    }
}
