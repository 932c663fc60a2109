use super::*;
use serde_json::{Value, json};

fn pod(change: impl FnOnce(&mut Value)) -> Option<PodSummary> {
    let mut pod = json!({
        "metadata": {
            "name": "web-1",
            "labels": {"app": "web"},
            "annotations": {"logship.dev/injected": "abc", "other": "x"},
            "creationTimestamp": "2026-01-02T03:04:05Z",
        },
        "spec": {
            "initContainers": [{"name": "logship"}],
            "containers": [{"name": "web"}],
            "serviceAccountName": "backend",
        },
        "status": {"phase": "Running"},
    });
    change(&mut pod);
    summary(serde_json::from_value(pod).unwrap())
}

#[test]
fn only_what_the_census_needs_is_kept() {
    let expected = PodSummary {
        name: "web-1".to_owned(),
        labels: [("app".to_owned(), "web".to_owned())].into(),
        injected: Some("abc".to_owned()),
        address: None,
        left_out: Vec::new(),
        account: "backend".to_owned(),
        created: "2026-01-02T03:04:05Z".parse().ok(),
    };
    assert_eq!(pod(|_| {}), Some(expected));
}

#[test]
fn pods_that_have_ended_are_left_out() {
    for phase in ["Succeeded", "Failed"] {
        assert_eq!(pod(|pod| pod["status"]["phase"] = json!(phase)), None);
    }
    assert!(pod(|pod| pod["status"] = json!({})).is_some());
}

#[test]
fn a_pod_that_lost_its_sidecar_does_not_count_as_injected() {
    let without = pod(|pod| pod["spec"]["initContainers"] = json!([])).unwrap();
    assert_eq!(without.injected, None);
    let classic = pod(|pod| {
        pod["spec"]["initContainers"] = json!([]);
        pod["spec"]["containers"] = json!([{"name": "web"}, {"name": "logship"}]);
    });
    assert_eq!(classic.unwrap().injected.as_deref(), Some("abc"));
}

#[test]
fn a_sidecar_can_be_asked_while_it_runs() {
    let check = |status: Value, expected: Option<&str>| {
        let summary = pod(|pod| pod["status"] = status.clone()).unwrap();
        let expected = expected.map(|address| address.parse().unwrap());
        assert_eq!(summary.address, expected, "{status}");
    };
    let containers = |name: &str, state: &Value| json!([{"name": name, "state": state, "image": "", "imageID": "", "ready": true, "restartCount": 0}]);
    let running = json!({"running": {"startedAt": "2026-01-02T03:04:05Z"}});
    for kind in ["initContainerStatuses", "containerStatuses"] {
        check(
            json!({kind: containers("logship", &running), "podIP": "10.0.0.7"}),
            Some("10.0.0.7"),
        );
        check(json!({kind: containers("logship", &running)}), None);
        check(
            json!({kind: containers("other", &running), "podIP": "10.0.0.7"}),
            None,
        );
        check(
            json!({kind: containers("logship", &json!({"waiting": {}})), "podIP": "10.0.0.7"}),
            None,
        );
    }
    check(json!({"podIP": "10.0.0.7"}), None);
}

fn namespace(name: &str, injection: Option<&str>) -> NamespaceMetadata {
    let labels = injection.map(|value| json!({"logship.dev/injection": value}));
    serde_json::from_value(json!({"metadata": {"name": name, "labels": labels}})).unwrap()
}

#[test]
fn a_namespace_is_told_when_its_label_changes() {
    let cluster = Cluster::default();
    assert_eq!(
        cluster.apply_namespace(Event::Apply(namespace("shop", Some("enabled")))),
        ["shop"]
    );
    assert_eq!(
        cluster.apply_namespace(Event::Apply(namespace("shop", Some("enabled")))),
        [""; 0]
    );
    assert_eq!(cluster.namespace("shop").0.as_deref(), Some("enabled"));
    assert_eq!(
        cluster.apply_namespace(Event::Apply(namespace("shop", None))),
        ["shop"]
    );
    assert_eq!(cluster.namespace("shop").0, None);
}

#[test]
fn after_a_relist_every_namespace_is_told() {
    let cluster = Cluster::default();
    cluster.apply_namespace(Event::Init);
    cluster.apply_namespace(Event::InitApply(namespace("shop", None)));
    cluster.apply_namespace(Event::InitApply(namespace("bank", None)));
    assert_eq!(cluster.apply_namespace(Event::InitDone), ["bank", "shop"]);
    assert!(!cluster.filled.initialized(), "the pods were not listed");
    cluster.apply_pod(Event::InitDone);
    assert!(cluster.filled.initialized());
}
