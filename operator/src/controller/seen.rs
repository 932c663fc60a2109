//! What was last seen of each resource, as far as the others of its namespace depend on it.
//!
//! It tells a change of a spec from one of a status, which the reconciliations themselves make: those concern no other resource.

use crate::policies::Guarded;
use kube::Resource;
use kube::runtime::watcher::Event;
use std::collections::HashMap;

/// Generation and deletion of each resource, by uid.
#[derive(Debug, Default)]
pub(super) struct Seen(HashMap<String, (Option<i64>, bool)>);

impl Seen {
    /// Notes an event; returns whether it concerns other resources: one came, went, or has another spec.
    pub(super) fn note(&mut self, event: &Event<Guarded>) -> bool {
        match event {
            Event::Init => self.0.clear(),
            Event::InitDone => {}
            Event::Delete(shipping) => drop(self.0.remove(&uid(shipping))),
            Event::Apply(shipping) | Event::InitApply(shipping) => {
                let metadata = shipping.meta();
                let newest = (metadata.generation, metadata.deletion_timestamp.is_some());
                return self.0.insert(uid(shipping), newest) != Some(newest);
            }
        }
        true
    }
}

fn uid(shipping: &Guarded) -> String {
    shipping.meta().uid.clone().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn shipping(generation: i64, more: &Value) -> Guarded {
        let mut metadata =
            json!({"namespace": "shop", "name": "access", "uid": "1", "generation": generation});
        json_patch::merge(&mut metadata, more);
        serde_json::from_value(json!({
            "apiVersion": "logship.dev/v1alpha1",
            "kind": "LogShipping",
            "metadata": metadata,
        }))
        .unwrap()
    }

    #[test]
    fn only_a_new_spec_existence_or_deletion_concerns_others() {
        let mut seen = Seen::default();
        let mut check =
            |event: Event<Guarded>, expected| assert_eq!(seen.note(&event), expected, "{event:?}");
        let deleting = json!({"deletionTimestamp": "2026-01-01T00:00:00Z"});
        check(Event::Apply(shipping(1, &json!({}))), true);
        check(Event::Apply(shipping(1, &json!({"resourceVersion": "2"}))), false);
        check(Event::Apply(shipping(2, &json!({}))), true);
        check(Event::Apply(shipping(2, &deleting)), true);
        check(Event::Delete(shipping(2, &deleting)), true);
        check(Event::Apply(shipping(2, &json!({"uid": "2"}))), true);
        check(Event::Init, true);
        check(Event::InitApply(shipping(3, &json!({}))), true);
        check(Event::Apply(shipping(3, &json!({}))), false);
    }
}
