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
