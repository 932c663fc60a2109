use super::*;
use crate::policies::Readiness;
use serde_json::{Value, json};

fn policy(name: &str, app: &str, account: &str, source: &Value) -> Arc<Policy> {
    let spec = json!({
        "selector": {"matchLabels": {"app": app}},
        "sources": [source],
        "sinks": [{"name": "out", "stdout": {}}],
        "sidecar": {"serviceAccount": account},
    });
    let spec = serde_json::from_value(spec).unwrap();
    Arc::new(Policy {
        name: name.to_owned(),
        spec,
        readiness: Readiness::Ready,
    })
}

fn api() -> Value {
    json!({"name": "out", "containerOutput": {}})
}

fn files() -> Value {
    json!({"name": "log", "files": {"directory": "/log", "pattern": "."}})
}

fn pod(name: &str, app: &str, created: i64, injected: Option<String>) -> PodSummary {
    PodSummary {
        name: name.to_owned(),
        labels: [("app".to_owned(), app.to_owned())].into(),
        injected,
        address: None,
        account: format!("account-of-{name}"),
        created: k8s_openapi::jiff::Timestamp::from_second(created).ok(),
    }
}

fn settings() -> Settings {
    Settings {
        image: "logship:1".to_owned(),
        image_pull_policy: "IfNotPresent".to_owned(),
        exclude_containers: Vec::new(),
        nodes_run_native: true,
    }
}

#[test]
fn pods_are_counted_once_each_by_what_they_carry() {
    let policies = [policy("web", "web", "Inject", &api())];
    let current = Some(injection_hash(&policies, &settings()));
    let mut opted_out = pod("opted-out", "web", 1, None);
    opted_out
        .labels
        .insert(names::INJECTION_LABEL.to_owned(), "disabled".to_owned());
    let pods = [
        pod("current", "web", 1, current),
        pod("old", "web", 1, Some("another-hash".to_owned())),
        pod("early", "web", 1, None),
        pod("late", "web", 2, None),
        pod("other", "db", 1, None),
        opted_out,
    ]
    .map(Arc::new);
    let namespace = Namespace {
        injection: Some("enabled"),
        policies: &policies,
        pods: &pods,
    };
    let Census {
        counts,
        missed,
        carriers,
    } = count("web", namespace, &settings());
    assert_eq!(
        counts,
        PodCounts {
            matched: 4,
            injected: 2,
            outdated: 1,
            missed: 2,
            ..PodCounts::default()
        }
    );
    assert_eq!(missed, ["late", "early"], "the newest first");
    let carriers: Vec<(&str, bool)> = carriers
        .iter()
        .map(|(pod, is_outdated)| (pod.name.as_str(), *is_outdated))
        .collect();
    assert_eq!(carriers, [("current", false), ("old", true)]);

    let unlabelled = Namespace {
        injection: None,
        ..namespace
    };
    assert_eq!(count("web", unlabelled, &settings()), Census::default());
}

#[test]
fn accounts_are_bound_only_for_an_api_source_with_the_policy_bind() {
    let pods = [pod("a", "web", 1, None), pod("b", "db", 1, None)].map(Arc::new);
    let check = |policy: Arc<Policy>, expected: &[&str]| {
        let policies = [policy];
        let namespace = Namespace {
            injection: Some("enabled"),
            policies: &policies,
            pods: &pods,
        };
        let bound = bound_accounts(&policies[0], namespace);
        assert_eq!(bound.iter().map(String::as_str).collect::<Vec<_>>(), expected);
    };
    check(policy("web", "web", "Bind", &api()), &["account-of-a"]);
    check(policy("web", "web", "Bind", &files()), &[]);
    check(policy("web", "web", "Inject", &api()), &[]);
    check(policy("web", "web", "Keep", &api()), &[]);
}

#[test]
fn a_token_is_needed_only_with_the_policy_inject_and_for_something_that_uses_the_api() {
    let check = |account: &str, sources: &Value, nodes_run_native: bool, expected: bool| {
        let settings = Settings {
            nodes_run_native,
            ..settings()
        };
        assert_eq!(
            needs_token(&policy("web", "web", account, sources), &settings),
            expected
        );
    };
    check("Inject", &api(), true, true);
    check("Inject", &files(), true, false);
    check("Inject", &files(), false, true);
    check("Bind", &api(), true, false);
    check("Bind", &files(), false, false);
}
