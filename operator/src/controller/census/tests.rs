use super::*;
use crate::fixtures::{self, settings};
use serde_json::{Value, json};

fn policy(name: &str, app: &str, account: &str, source: &Value) -> Arc<Policy> {
    let spec = json!({
        "selector": {"matchLabels": {"app": app}},
        "sources": [source],
        "sinks": [{"name": "out", "stdout": {}}],
        "sidecar": {"serviceAccount": account},
    });
    fixtures::policy(name, spec)
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
        left_out: Vec::new(),
        account: format!("account-of-{name}"),
        created: k8s_openapi::jiff::Timestamp::from_second(created).ok(),
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
    let census = count("web", namespace, &settings());
    assert_eq!(
        census.counts,
        PodCounts {
            matched: 4,
            injected: 2,
            outdated: 1,
            missed: 2,
            ..PodCounts::default()
        }
    );
    let missed: Vec<_> = census.missed.iter().map(|missed| missed.pod.as_str()).collect();
    assert_eq!(missed, ["late", "early"], "the newest first");
    let carriers: Vec<(&str, bool)> = census
        .carriers
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
fn who_is_left_out_is_not_shipped_and_both_are_told_for_as_long_as_it_would_be_so_today() {
    let policies = ["a", "b", "c"].map(|name| policy(name, "web", "Inject", &api()));
    let current = Some(injection_hash(&policies, &settings()));
    let with = |name: &str, created, injected| PodSummary {
        left_out: vec![LeftOut {
            resource: "b".to_owned(),
            reason: "Conflict".to_owned(),
            message: "m".to_owned(),
            rival: Some("a".to_owned()),
        }],
        ..pod(name, "web", created, injected)
    };
    let pods = [
        with("early", 1, current.clone()),
        with("late", 2, current),
        with("outdated", 3, Some("another-hash".to_owned())),
    ]
    .map(Arc::new);
    let seen = |name: &str| {
        let namespace = Namespace {
            injection: Some("enabled"),
            policies: &policies,
            pods: &pods,
        };
        let Census {
            counts,
            missed,
            conflicts,
            carriers: _,
        } = count(name, namespace, &settings());
        let counts = (counts.matched, counts.injected, counts.outdated, counts.missed);
        let missed: Vec<_> = missed
            .iter()
            .map(|Missed { pod, why }| (pod.clone(), matches!(why, Why::LeftOut(_))))
            .collect();
        let conflicts: Vec<_> = conflicts
            .into_iter()
            .map(|Conflict { pod, message }| format!("{pod}: {message}"))
            .collect();
        (counts, missed, conflicts)
    };
    let text = |text: &str| ["late", "early"].map(|pod| format!("{pod}: {text}")).to_vec();
    let winner = text("LogShipping b is left out, because this one came first: m");
    assert_eq!(seen("a"), ((3, 3, 1, 0), vec![], winner));
    let missed = [("outdated", false), ("late", true), ("early", true)]
        .map(|(pod, left_out)| (pod.to_owned(), left_out));
    let loser = text("this one is left out, because LogShipping a came first: m");
    assert_eq!(seen("b"), ((3, 0, 0, 3), missed.to_vec(), loser));
    assert_eq!(seen("c"), ((3, 3, 1, 0), vec![], vec![]));
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
