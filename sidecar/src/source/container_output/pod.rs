//! What a pod says about its containers. Pure.

use crate::engine::follow::{ContainerState, Instance};
use crate::record::time::{Nanos, SECOND, parse_rfc3339};
use logship_crd::names;
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::collections::BTreeMap;

/// What we read of a `v1.Pod`; the API server's other fields are passed over.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Pod {
    metadata: Metadata,
    spec: Spec,
    status: Status,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Metadata {
    annotations: BTreeMap<String, String>,
    deletion_timestamp: Option<IgnoredAny>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Spec {
    containers: Vec<Container>,
    init_containers: Vec<Container>,
    ephemeral_containers: Vec<Container>,
    restart_policy: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
struct Container {
    name: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[expect(clippy::struct_field_names, reason = "they are those of the API")]
struct Status {
    container_statuses: Vec<ContainerStatus>,
    init_container_statuses: Vec<ContainerStatus>,
    ephemeral_container_statuses: Vec<ContainerStatus>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ContainerStatus {
    name: String,
    restart_count: i64,
    #[serde(default)]
    state: Phase,
    #[serde(default)]
    last_state: Phase,
}

/// `v1.ContainerState`: at most one is there; waiting is the absence of the others.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Phase {
    running: Option<Running>,
    terminated: Option<Terminated>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Running {
    started_at: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Terminated {
    exit_code: i32,
    #[serde(default)]
    started_at: Option<String>,
}

/// The container whose output is shipped when none is named: the one of our annotation, of kubectl's, or the first that is
/// neither ours nor a known proxy.
pub fn choose(pod: &Pod) -> Option<String> {
    let annotation = |key: &str| pod.metadata.annotations.get(key).filter(|name| !name.is_empty());
    let named =
        annotation(names::CONTAINER_ANNOTATION).or_else(|| annotation(names::DEFAULT_CONTAINER_ANNOTATION));
    let first = || {
        pod.spec
            .containers
            .iter()
            .map(|container| &container.name)
            .find(|name| is_other(name))
    };
    named.or_else(first).cloned()
}

/// A container of the pod of any kind, as it was found at this time.
pub fn instance(pod: &Pod, container: &str, now: Nanos) -> Option<Instance> {
    let found = Instance {
        container: container.to_owned(),
        state: ContainerState::NotStarted,
        restarts: 0,
        started: None,
        found: now,
    };
    let Some(status) = statuses(pod).find(|status| status.name == container) else {
        let Spec {
            containers,
            init_containers,
            ephemeral_containers,
            restart_policy: _,
        } = &pod.spec;
        let all = containers
            .iter()
            .chain(init_containers)
            .chain(ephemeral_containers);
        let mut names = all.map(|container| &container.name);
        return names.any(|name| name == container).then_some(found);
    };
    Some(Instance {
        state: state(status),
        restarts: u32::try_from(status.restart_count).unwrap_or_default(),
        started: started(status),
        ..found
    })
}

/// Whether every container but ours and the known proxies has ended and will not be started again.
pub fn others_ended(pod: &Pod) -> bool {
    // Nothing is started again in a pod that is being deleted.
    let policy = match pod.metadata.deletion_timestamp {
        Some(_) => "Never",
        None => pod.spec.restart_policy.as_deref().unwrap_or("Always"),
    };
    let ended = |name: &str| {
        let mut statuses = pod.status.container_statuses.iter();
        let status = statuses.find(|status| status.name == name);
        let terminated = status.and_then(|status| status.state.terminated.as_ref());
        terminated.is_some_and(|end| policy == "Never" || (policy == "OnFailure" && end.exit_code == 0))
    };
    let mut others = pod
        .spec
        .containers
        .iter()
        .map(|container| container.name.as_str())
        .filter(|name| is_other(name))
        .peekable();
    others.peek().is_some() && others.all(ended)
}

fn is_other(name: &str) -> bool {
    name != names::SIDECAR_CONTAINER && !names::KNOWN_PROXIES.contains(&name)
}

fn statuses(pod: &Pod) -> impl Iterator<Item = &ContainerStatus> {
    let Status {
        container_statuses,
        init_container_statuses,
        ephemeral_container_statuses,
    } = &pod.status;
    container_statuses
        .iter()
        .chain(init_container_statuses)
        .chain(ephemeral_container_statuses)
}

/// When the instance started that runs, or ended last.
fn started(status: &ContainerStatus) -> Option<i64> {
    let ended = |phase: &'_ Phase| phase.terminated.as_ref()?.started_at.clone();
    let running = status.state.running.as_ref();
    let text = running
        .and_then(|running| running.started_at.clone())
        .or_else(|| ended(&status.state))
        .or_else(|| ended(&status.last_state))?;
    Some(parse_rfc3339(text.as_bytes())?.div_euclid(SECOND))
}

fn state(status: &ContainerStatus) -> ContainerState {
    if status.state.running.is_some() {
        ContainerState::Running
    } else if status.state.terminated.is_some() {
        ContainerState::Ended
    } else if status.last_state.terminated.is_some() {
        ContainerState::BacksOff
    } else {
        ContainerState::NotStarted
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn pod(value: Value) -> Pod {
        serde_json::from_value(value).unwrap()
    }

    fn with_containers(names: &[&str], annotations: &Value) -> Pod {
        let containers: Vec<Value> = names.iter().map(|name| json!({"name": name})).collect();
        pod(json!({"metadata": {"annotations": annotations}, "spec": {"containers": containers}}))
    }

    #[test]
    fn chooses_annotated_container_then_first_that_is_no_helper() {
        let check = |annotations, expected: Option<&str>| {
            let pod = with_containers(&["istio-proxy", "logship", "web", "other"], &annotations);
            assert_eq!(choose(&pod).as_deref(), expected);
        };
        check(json!({}), Some("web"));
        check(
            json!({"kubectl.kubernetes.io/default-container": "other"}),
            Some("other"),
        );
        check(
            json!({"kubectl.kubernetes.io/default-container": "other", "logship.dev/container": "web"}),
            Some("web"),
        );
        assert_eq!(choose(&with_containers(&["logship", "envoy"], &json!({}))), None);
    }

    #[test]
    fn state_follows_status_and_a_crashed_container_counts_as_ended() {
        let check = |state: Value, last: Value, expected| {
            let status = json!({"name": "web", "restartCount": 2, "ready": false, "image": "", "imageID": "", "state": state, "lastState": last});
            let pod = pod(
                json!({"spec": {"containers": [{"name": "web"}]}, "status": {"containerStatuses": [status]}}),
            );
            let found = instance(&pod, "web", 0).unwrap();
            assert_eq!((found.state, found.restarts), (expected, 2));
        };
        check(json!({"running": {}}), json!({}), ContainerState::Running);
        check(
            json!({"terminated": {"exitCode": 0}}),
            json!({}),
            ContainerState::Ended,
        );
        check(
            json!({"waiting": {"reason": "CrashLoopBackOff"}}),
            json!({"terminated": {"exitCode": 1}}),
            ContainerState::BacksOff,
        );
        check(
            json!({"waiting": {"reason": "PodInitializing"}}),
            json!({}),
            ContainerState::NotStarted,
        );
        assert_eq!(
            instance(&with_containers(&["web"], &json!({})), "nosuch", 0),
            None
        );
    }

    #[test]
    fn containers_of_every_kind_are_found_started_or_not() {
        for (spec, statuses) in [
            ("containers", "containerStatuses"),
            ("initContainers", "initContainerStatuses"),
            ("ephemeralContainers", "ephemeralContainerStatuses"),
        ] {
            let unstarted = pod(json!({"spec": {spec: [{"name": "it"}]}}));
            let found = instance(&unstarted, "it", 7 * SECOND).unwrap();
            assert_eq!(
                (found.state, found.found),
                (ContainerState::NotStarted, 7 * SECOND),
                "{spec}"
            );
            let status = json!({"name": "it", "restartCount": 1, "state": {"running": {"startedAt": "1970-01-01T00:00:05Z"}}});
            let running = pod(json!({"spec": {spec: [{"name": "it"}]}, "status": {statuses: [status]}}));
            let found = instance(&running, "it", 0).unwrap();
            let expected = (ContainerState::Running, 1, Some(5));
            assert_eq!((found.state, found.restarts, found.started), expected, "{spec}");
        }
    }

    #[test]
    fn classic_sidecar_ends_only_when_no_other_container_can_come_back() {
        let check = |policy: &str, exit: i32, expected: bool| {
            let pod = pod(json!({
                "spec": {"restartPolicy": policy, "containers": [{"name": "job"}, {"name": "logship"}]},
                "status": {"containerStatuses": [
                    {"name": "job", "restartCount": 0, "ready": false, "image": "", "imageID": "", "state": {"terminated": {"exitCode": exit}}},
                    {"name": "logship", "restartCount": 0, "ready": true, "image": "", "imageID": "", "state": {"running": {}}},
                ]},
            }));
            assert_eq!(others_ended(&pod), expected, "{policy} {exit}");
        };
        check("Never", 0, true);
        check("Never", 1, true);
        check("OnFailure", 0, true);
        check("OnFailure", 1, false);
        check("Always", 0, false);
        assert!(!others_ended(&with_containers(&["job", "logship"], &json!({}))));
        let mut deleted = with_containers(&["web", "logship"], &json!({}));
        deleted.metadata =
            serde_json::from_value(json!({"deletionTimestamp": "2026-01-02T03:04:05Z"})).unwrap();
        deleted.status = serde_json::from_value(json!({"containerStatuses": [
            {"name": "web", "restartCount": 0, "ready": false, "image": "", "imageID": "", "state": {"terminated": {"exitCode": 1}}},
        ]})).unwrap();
        assert!(others_ended(&deleted));
    }
}
