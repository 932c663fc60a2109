use super::*;
use crate::fixtures::{self, settings};
use logship_crd::v1alpha1 as v1;
use serde_json::{Value, json};

fn policy(name: &str, change: &Value) -> Arc<Policy> {
    let mut spec = json!({
        "selector": {},
        "sources": [{"name": "access", "files": {"directory": "/logs", "pattern": "log$"}}],
        "sinks": [{"name": "out", "stdout": {}}],
    });
    json_patch::merge(&mut spec, change);
    fixtures::policy(name, spec)
}

fn hash(change: &Value) -> String {
    injection_hash(&[policy("shop", change)], &settings())
}

/// A change of one field of the resource, as JSON, merged into the one of [`policy`].
type Row = (&'static str, &'static str);

/// What a running sidecar takes over from its document, or what makes no difference to this pod.
const HOT: [Row; 14] = [
    ("selector", r#"{"selector": {"matchLabels": {"app": "web"}}}"#),
    (
        "sources.files.pattern",
        r#"{"sources": [{"name": "access", "files": {"directory": "/logs", "pattern": "new"}}]}"#,
    ),
    (
        "sources.files.scanInterval",
        r#"{"sources": [{"name": "access", "files": {"directory": "/logs", "pattern": "log$", "scanInterval": "1s"}}]}"#,
    ),
    (
        "sources.files.startAt",
        r#"{"sources": [{"name": "access", "files": {"directory": "/logs", "pattern": "log$", "startAt": "End"}}]}"#,
    ),
    (
        "sources.files.framing",
        r#"{"sources": [{"name": "access", "files": {"directory": "/logs", "pattern": "log$", "framing": "cri"}}]}"#,
    ),
    (
        "sources.files.multiline",
        r#"{"sources": [{"name": "access", "files": {"directory": "/logs", "pattern": "log$", "multiline": {"start": "^a"}}}]}"#,
    ),
    (
        "sinks",
        r#"{"sinks": [{"name": "other", "http": {"url": "http://sink"}}]}"#,
    ),
    (
        "sinks, another kind",
        r#"{"sinks": [{"name": "out", "loki": {"url": "http://other", "labels": {"a": "b"}}}]}"#,
    ),
    ("pipeline", r#"{"pipeline": [{"severity": {}}]}"#),
    ("limits", r#"{"limits": {"openFiles": 5}}"#),
    ("sidecar.drain", r#"{"sidecar": {"drain": "1m"}}"#),
    (
        "sidecar.native as the nodes allow",
        r#"{"sidecar": {"native": "Always"}}"#,
    ),
    (
        "sidecar.serviceAccount without a token",
        r#"{"sidecar": {"serviceAccount": "Bind"}}"#,
    ),
    (
        "sidecar.state as by default",
        r#"{"sidecar": {"state": {"emptyDir": {"sizeLimit": "64Mi"}}}}"#,
    ),
];

/// What is in the pod's own spec.
const COLD: [Row; 18] = [
    (
        "sources.name of files",
        r#"{"sources": [{"name": "other", "files": {"directory": "/logs", "pattern": "log$"}}]}"#,
    ),
    (
        "sources.files.directory",
        r#"{"sources": [{"name": "access", "files": {"directory": "/other", "pattern": "log$"}}]}"#,
    ),
    (
        "sources.files.container",
        r#"{"sources": [{"name": "access", "files": {"directory": "/logs", "pattern": "log$", "container": "app"}}]}"#,
    ),
    (
        "sources.files.volume",
        r#"{"sources": [{"name": "access", "files": {"directory": "/logs", "pattern": "log$", "volume": {"name": "logs"}}}]}"#,
    ),
    (
        "sources.containerOutput",
        r#"{"sources": [{"name": "access", "containerOutput": {}}]}"#,
    ),
    (
        "sidecar.serviceAccount with a token",
        r#"{"sources": [{"name": "access", "containerOutput": {}}], "sidecar": {"serviceAccount": "Bind"}}"#,
    ),
    (
        "sinks.auth.bearer",
        r#"{"sinks": [{"name": "out", "http": {"url": "http://s", "auth": {"bearer": {"secretName": "a"}}}}]}"#,
    ),
    (
        "sinks.auth.bearer.key",
        r#"{"sinks": [{"name": "out", "http": {"url": "http://s", "auth": {"bearer": {"secretName": "a", "key": "other"}}}}]}"#,
    ),
    (
        "sinks.auth.basic",
        r#"{"sinks": [{"name": "out", "http": {"url": "http://s", "auth": {"basic": {"secretName": "a"}}}}]}"#,
    ),
    (
        "sinks.tls.ca",
        r#"{"sinks": [{"name": "out", "http": {"url": "https://s", "tls": {"ca": {"secretName": "a"}}}}]}"#,
    ),
    (
        "sinks.tls.certificate",
        r#"{"sinks": [{"name": "out", "http": {"url": "https://s", "tls": {"certificate": {"secretName": "a"}}}}]}"#,
    ),
    ("sidecar.native", r#"{"sidecar": {"native": "Never"}}"#),
    ("sidecar.position", r#"{"sidecar": {"position": "Last"}}"#),
    (
        "sidecar.resources.limits",
        r#"{"sidecar": {"resources": {"limits": {"memory": "128Mi"}}}}"#,
    ),
    (
        "sidecar.resources.requests",
        r#"{"sidecar": {"resources": {"requests": {"cpu": "50m"}}}}"#,
    ),
    (
        "sidecar.state.emptyDir",
        r#"{"sidecar": {"state": {"emptyDir": {"sizeLimit": "128Mi"}}}}"#,
    ),
    (
        "sidecar.state.persistentVolumeClaim",
        r#"{"sidecar": {"state": {"persistentVolumeClaim": {"claimName": "state"}}}}"#,
    ),
    (
        "sidecar.state.persistentVolumeClaim.claimName",
        r#"{"sidecar": {"state": {"persistentVolumeClaim": {"claimName": "other"}}}}"#,
    ),
];

fn hash_of((what, change): &Row) -> String {
    let change = serde_json::from_str(change).unwrap_or_else(|error| panic!("{what}: {error}"));
    hash(&change)
}

#[test]
fn what_a_running_pod_takes_over_leaves_the_hash() {
    for row in &HOT {
        assert_eq!(hash_of(row), hash(&json!({})), "{row:?}");
    }
}

#[test]
fn what_needs_another_pod_changes_the_hash() {
    let mut hashes: Vec<String> = COLD.iter().map(hash_of).collect();
    hashes.push(hash(&json!({})));
    let another = |change: fn(&mut Settings)| {
        let mut settings = settings();
        change(&mut settings);
        injection_hash(&[policy("shop", &json!({}))], &settings)
    };
    hashes.push(another(|settings| settings.image = "logship:2".to_owned()));
    hashes.push(another(|settings| {
        settings.image_pull_policy = "Always".to_owned();
    }));
    hashes.push(another(|settings| {
        settings.exclude_containers.push("proxy".to_owned());
    }));
    // As `native: Never`, which is in the table.
    assert!(hashes.contains(&another(|settings| settings.nodes_run_native = false)));
    hashes.push(injection_hash(&[policy("other", &json!({}))], &settings()));
    let count = hashes.len();
    hashes.sort();
    hashes.dedup();
    assert_eq!(hashes.len(), count);
}

/// A new field does not compile here until it is known whether running pods take it over.
#[test]
fn every_field_has_a_row() {
    let v1::LogShippingSpec {
        selector: _,
        sources,
        pipeline: _,
        sinks: _,
        limits: _,
        sidecar,
    } = policy("shop", &json!({})).spec.clone();
    let v1::SidecarSpec {
        resources: _,
        native: _,
        service_account: _,
        position: _,
        state,
        drain: _,
    } = sidecar;
    let v1::State {
        empty_dir: _,
        persistent_volume_claim: _,
    } = state;
    for source in sources {
        let v1::Source {
            name: _,
            files,
            container_output,
        } = source;
        // Which containers: hot, because their output comes through the API.
        if let Some(v1::ContainerOutputSource {
            containers: _,
            spill: _,
        }) = container_output
        {}
        if let Some(v1::FilesSource {
            directory: _,
            pattern: _,
            scan_interval: _,
            container: _,
            volume: _,
            start_at: _,
            framing: _,
            multiline: _,
        }) = files
        {}
    }
}

#[test]
fn order_and_resources_that_are_not_ready_do_not_count() {
    let (a, b) = (
        policy("a", &json!({})),
        policy("b", &json!({"sidecar": {"position": "Last"}})),
    );
    let pending = Arc::new(Policy {
        readiness: Readiness::Pending,
        ..(*b).clone()
    });
    let both = injection_hash(&[Arc::clone(&a), Arc::clone(&b)], &settings());
    assert_eq!(injection_hash([&b, &a], &settings()), both);
    assert_ne!(injection_hash([&a], &settings()), both);
    assert_eq!(
        injection_hash([&a, &pending], &settings()),
        injection_hash([&a], &settings())
    );
}
