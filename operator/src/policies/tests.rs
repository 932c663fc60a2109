use super::*;
use serde_json::{Value, json};

fn shipping(namespace: &str, name: &str, spec: &Value) -> Guarded {
    serde_json::from_value(json!({
        "apiVersion": "logship.dev/v1alpha1",
        "kind": "LogShipping",
        "metadata": {"namespace": namespace, "name": name, "generation": 2},
        "spec": spec,
    }))
    .unwrap()
}

fn valid_spec() -> Value {
    json!({
        "selector": {},
        "sources": [{"name": "out", "containerOutput": {}}],
        "sinks": [{"name": "out", "stdout": {}}],
    })
}

fn with_conditions(mut shipping: Guarded, conditions: &[(&str, &str)]) -> LogShipping {
    let conditions: Vec<Value> = conditions
        .iter()
        .map(|(type_, status)| {
            json!({"type": type_, "status": status, "reason": "R", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"})
        })
        .collect();
    let shipping = shipping.0.as_mut().unwrap();
    shipping.status = Some(serde_json::from_value(json!({"conditions": conditions})).unwrap());
    shipping.clone()
}

fn node(name: &str, kubelet: &str) -> Node {
    let status = json!({"nodeInfo": {"kubeletVersion": kubelet, "architecture": "", "bootID": "", "containerRuntimeVersion": "",
        "kernelVersion": "", "kubeProxyVersion": "", "machineID": "", "operatingSystem": "", "osImage": "", "systemUUID": ""}});
    serde_json::from_value(json!({"metadata": {"name": name}, "status": status})).unwrap()
}

#[test]
fn a_resource_is_ready_when_its_status_says_that_its_objects_were_applied() {
    let check = |conditions: &[(&str, &str)], expected| {
        assert_eq!(
            readiness(&with_conditions(shipping("shop", "a", &valid_spec()), conditions)),
            expected
        );
    };
    check(&[], Readiness::Pending);
    check(&[("RbacReady", "True")], Readiness::Pending);
    check(
        &[("RbacReady", "True"), ("ConfigReady", "False")],
        Readiness::Pending,
    );
    check(
        &[("RbacReady", "True"), ("ConfigReady", "True")],
        Readiness::Ready,
    );
}

#[test]
fn an_invalid_resource_is_invalid_whatever_its_status_says() {
    let mut spec = valid_spec();
    spec["sources"][0] = json!({"name": "log", "files": {"directory": "/log", "pattern": "("}});
    let shipping = with_conditions(
        shipping("shop", "a", &spec),
        &[("RbacReady", "True"), ("ConfigReady", "True")],
    );
    let Readiness::Invalid(text) = readiness(&shipping) else {
        panic!("must be invalid")
    };
    assert!(text.contains("spec.sources[0].files.pattern"), "{text}");
}

#[test]
fn a_snapshot_holds_one_namespace_ordered_by_name() {
    let policies = Policies::default();
    for (namespace, name) in [("shop", "b"), ("bank", "x"), ("shop", "a")] {
        policies.apply_shipping(Event::Apply(shipping(namespace, name, &valid_spec())));
    }
    let shop = json!({"metadata": {"name": "shop", "labels": {"logship.dev/injection": "required"}}});
    policies.apply_namespace(Event::Apply(serde_json::from_value(shop).unwrap()));

    let (injection, found) = policies.snapshot("shop");
    assert_eq!(injection.as_deref(), Some("required"));
    assert_eq!(
        found
            .iter()
            .map(|policy| policy.name.as_str())
            .collect::<Vec<_>>(),
        ["a", "b"]
    );
    assert_eq!(policies.snapshot("bank").0, None);
}

#[test]
fn a_resource_that_becomes_malformed_is_left_out_and_harms_no_other() {
    let policies = Policies::default();
    policies.apply_shipping(Event::Apply(shipping("shop", "good", &valid_spec())));
    policies.apply_shipping(Event::Apply(shipping("shop", "bad", &valid_spec())));
    policies.apply_shipping(Event::Apply(shipping("shop", "bad", &json!({"selector": "all"}))));
    let (_, found) = policies.snapshot("shop");
    assert_eq!(
        found
            .iter()
            .map(|policy| policy.name.as_str())
            .collect::<Vec<_>>(),
        ["good"]
    );
}

#[test]
fn it_is_filled_when_every_list_is_complete() {
    let policies = Policies::default();
    policies.apply_shipping(Event::InitDone);
    policies.apply_namespace(Event::InitDone);
    assert!(!policies.is_filled());
    policies.apply_node(Event::InitDone);
    assert!(policies.is_filled());
    policies.apply_node(Event::Init);
    assert!(policies.is_filled(), "a relist serves the old values");
}

#[test]
fn native_sidecars_need_every_kubelet_to_be_1_29_or_newer() {
    let check = |kubelets: &[&str], expected: bool| {
        let policies = Policies::default();
        for (i, kubelet) in kubelets.iter().enumerate() {
            policies.apply_node(Event::Apply(node(&i.to_string(), kubelet)));
        }
        assert_eq!(policies.nodes_run_native(), expected, "{kubelets:?}");
    };
    check(&[], false);
    check(&["v1.36.3"], true);
    check(&["v1.29.0-eks-1234", "v1.31.2+k3s1"], true);
    check(&["v1.29.0", "v1.28.15"], false);
    check(&["v2.0.0"], true);
    check(&["unknown"], false);
}
