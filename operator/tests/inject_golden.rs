//! Golden cases of injection: each folder of `src/inject/testdata` holds an `input.yaml` and the `expected.yaml` that comes of it,
//! a decision with the whole pod as patched. `UPDATE=1 cargo test -p logship-operator --test inject_golden` writes the
//! latter; each is to be read before it is committed.
//!
//! Inputs name what matters: the namespace is labelled `enabled`, nodes run native sidecars, a resource is ready, selects every
//! pod and writes to stdout, unless they say otherwise.

use k8s_openapi::jiff::Timestamp;
use logship_operator::inject::{Decision, Input, Settings, SkipReason, inject};
use logship_operator::policies::{Policy, Readiness};
use serde::Deserialize;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Case {
    /// What the case shows.
    about: String,
    #[serde(default = "enabled")]
    namespace_injection: Option<String>,
    #[serde(default)]
    settings: SettingsCase,
    #[serde(default)]
    policies: Vec<PolicyCase>,
    pod: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct SettingsCase {
    image: String,
    exclude_containers: Vec<String>,
    nodes_run_native: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PolicyCase {
    name: String,
    /// In seconds; earlier is older.
    #[serde(default)]
    created: Option<i64>,
    #[serde(default)]
    pending: bool,
    #[serde(default)]
    invalid: Option<String>,
    spec: Value,
}

#[expect(clippy::unnecessary_wraps, reason = "it is the default of an optional field")]
fn enabled() -> Option<String> {
    Some("enabled".to_owned())
}

impl Default for SettingsCase {
    fn default() -> Self {
        Self {
            image: "logship:test".to_owned(),
            exclude_containers: Vec::new(),
            nodes_run_native: true,
        }
    }
}

impl From<SettingsCase> for Settings {
    fn from(case: SettingsCase) -> Self {
        Self {
            image: case.image,
            image_pull_policy: "IfNotPresent".to_owned(),
            exclude_containers: case.exclude_containers,
            nodes_run_native: case.nodes_run_native,
        }
    }
}

impl PolicyCase {
    fn policy(self) -> Policy {
        let mut spec = json!({"selector": {}, "sinks": [{"name": "out", "stdout": {}}]});
        json_patch::merge(&mut spec, &self.spec);
        let readiness = match (self.invalid, self.pending) {
            (Some(problem), _) => Readiness::Invalid(problem),
            (None, true) => Readiness::Pending,
            (None, false) => Readiness::Ready,
        };
        Policy {
            name: self.name,
            created: self
                .created
                .map(|second| Timestamp::from_second(second).expect("a time")),
            spec: serde_json::from_value(spec).expect("a spec"),
            readiness,
        }
    }
}

fn cases() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/inject/testdata");
    let entries = std::fs::read_dir(root).expect("testdata exists");
    let mut cases: Vec<PathBuf> = entries.map(|entry| entry.expect("a folder").path()).collect();
    cases.sort();
    cases
}

fn read(case: &Path) -> Case {
    let path = case.join("input.yaml");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn decide(case: Case) -> (Value, Decision) {
    let policies: Vec<Arc<Policy>> = case
        .policies
        .into_iter()
        .map(|policy| Arc::new(policy.policy()))
        .collect();
    let decision = inject(&Input {
        pod: &case.pod,
        namespace: "shop",
        namespace_injection: case.namespace_injection.as_deref(),
        policies: &policies,
        settings: &case.settings.into(),
    });
    (case.pod, decision)
}

fn outcome(case: Case) -> String {
    let about = case.about.clone();
    let (mut pod, decision) = decide(case);
    let outcome = match decision {
        Decision::Inject { patch, warnings } => {
            json_patch::patch(&mut pod, &patch).expect("the patch applies");
            json!({"decision": "Inject", "warnings": warnings, "pod": pod})
        }
        Decision::Skip {
            reason,
            message,
            warnings,
        } => {
            json!({"decision": "Skip", "reason": reason.reason(), "message": message, "warnings": warnings})
        }
    };
    format!(
        "# {about}\n{}",
        serde_saphyr::to_string(&outcome).expect("an outcome is YAML")
    )
}

#[test]
fn every_case_comes_out_as_expected() {
    let update = std::env::var_os("UPDATE").is_some();
    let mut failing = Vec::new();
    for case in cases() {
        let actual = outcome(read(&case));
        let path = case.join("expected.yaml");
        if update {
            std::fs::write(&path, &actual).expect("the expectation can be written");
        }
        let expected = std::fs::read_to_string(&path).unwrap_or_default();
        if actual != expected {
            let line = actual
                .lines()
                .zip(expected.lines())
                .find(|(actual, expected)| actual != expected);
            failing.push(format!(
                "{}: first difference (actual, expected): {line:?}",
                path.display()
            ));
        }
    }
    assert!(
        failing.is_empty(),
        "{} cases differ:\n{}",
        failing.len(),
        failing.join("\n")
    );
}

#[test]
fn every_reason_to_skip_has_a_case() {
    let shown: Vec<SkipReason> = cases()
        .iter()
        .filter_map(|case| match decide(read(case)).1 {
            Decision::Skip { reason, .. } => Some(reason),
            Decision::Inject { .. } => None,
        })
        .collect();
    for reason in SkipReason::ALL {
        assert!(shown.contains(&reason), "no case for {}", reason.reason());
    }
}
