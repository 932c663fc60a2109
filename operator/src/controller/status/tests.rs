use super::*;
use crate::controller::apply;
use crate::controller::survey::Heard;
use crate::controller::tally::Carrier;
use std::sync::Arc;

fn time(second: i64) -> Time {
    Time(k8s_openapi::jiff::Timestamp::from_second(second).unwrap())
}

fn applied() -> Applied {
    Applied {
        config: Ok(()),
        rbac: Ok(()),
    }
}

fn taken() -> apply::Error {
    apply::Error::Foreign {
        kind: "Role".to_owned(),
        name: "logship-sidecar".to_owned(),
    }
}

fn gathered() -> Gathered {
    Gathered {
        namespace: "shop".to_owned(),
        counts: PodCounts {
            matched: 3,
            injected: 2,
            outdated: 1,
            missed: 1,
            ..PodCounts::default()
        },
        accounts: vec!["logship-sidecar".to_owned()],
        skips: vec![Skip {
            pod: "web-1".to_owned(),
            reason: "HostNetwork".to_owned(),
            message: "use another".to_owned(),
        }],
        ..Gathered::default()
    }
}

fn sinks() -> Vec<Sink> {
    serde_json::from_value(serde_json::json!([{"name": "out", "stdout": {}}, {"name": "hub", "stdout": {}}]))
        .unwrap()
}

fn sources() -> Vec<agent::Source> {
    serde_json::from_value(serde_json::json!([
        {"name": "written", "files": {"directory": "/var/log/app", "pattern": "log$"}},
        {"name": "output", "containerOutput": {"spill": {"maxBytes": 8 << 20}}},
    ]))
    .unwrap()
}

fn told(
    previous: &LogShippingStatus,
    outcome: Outcome<'_>,
    gathered: &Gathered,
    now: i64,
) -> LogShippingStatus {
    let sources = sources();
    let subject = Subject {
        name: "shop",
        generation: Some(7),
        sinks: &sinks(),
        sources: matches!(outcome, Outcome::Applied(_)).then_some(sources.as_slice()),
    };
    status(previous, subject, outcome, gathered, &time(now))
}

fn next(previous: &LogShippingStatus, outcome: Outcome<'_>, now: i64) -> LogShippingStatus {
    told(previous, outcome, &gathered(), now)
}

fn conditions(status: &LogShippingStatus) -> Vec<(&str, &str, &str, i64)> {
    let row = |c: &'_ Condition| c.last_transition_time.0.as_second();
    status
        .conditions
        .iter()
        .map(|c| (c.type_.as_str(), c.status.as_str(), c.reason.as_str(), row(c)))
        .collect()
}

#[test]
fn applied_objects_make_every_condition_true() {
    let status = next(&LogShippingStatus::default(), Outcome::Applied(&applied()), 1);
    assert_eq!(
        conditions(&status),
        [
            ("Ready", "True", "Applied", 1),
            ("Valid", "True", "Valid", 1),
            ("RbacReady", "True", "Applied", 1),
            ("ConfigReady", "True", "Applied", 1),
            ("Compatible", "True", "NoConflict", 1),
            ("Applied", "True", "NoPods", 1),
        ]
    );
    assert_eq!(
        status.conditions[0].message,
        "pods that are not shipped: 1 of 3, for example web-1: use another"
    );
    assert_eq!(status.observed_generation, Some(7));
    assert_eq!(status.pods, gathered().counts);
    assert_eq!(status.service_accounts, ["logship-sidecar"]);
    assert_eq!(status.sinks, "out, hub");
    let bound = SpillBound {
        source: "output".to_owned(),
        max_bytes: "8Mi".to_owned(),
    };
    assert_eq!(status.spills, [bound]);
}

#[test]
fn a_resource_without_pods_says_why_and_is_ready() {
    let message = |injection: Option<&str>| {
        let gathered = Gathered {
            namespace: "shop".to_owned(),
            injection: injection.map(str::to_owned),
            ..Gathered::default()
        };
        let (none, applied) = (LogShippingStatus::default(), applied());
        let status = told(&none, Outcome::Applied(&applied), &gathered, 1);
        assert_eq!(status.conditions[0].status, "True");
        status.conditions[0].message.clone()
    };
    assert_eq!(
        message(Some("enabled")),
        "no pod matches spec.selector in namespace shop"
    );
    assert_eq!(
        message(None),
        "namespace shop has no label logship.dev/injection: kubectl label namespace shop logship.dev/injection=enabled"
    );
}

#[test]
fn the_same_outcome_later_gives_the_same_status() {
    let first = next(&LogShippingStatus::default(), Outcome::Applied(&applied()), 1);
    assert_eq!(next(&first, Outcome::Applied(&applied()), 2), first);
}

#[test]
fn only_a_condition_whose_status_changes_gets_a_new_time() {
    let first = next(&LogShippingStatus::default(), Outcome::Applied(&applied()), 1);
    let failed = Applied {
        rbac: Err(taken()),
        ..applied()
    };
    let second = next(&first, Outcome::Applied(&failed), 2);
    assert_eq!(
        conditions(&second),
        [
            ("Ready", "False", "NameTaken", 2),
            ("Valid", "True", "Valid", 1),
            ("RbacReady", "False", "NameTaken", 2),
            ("ConfigReady", "True", "Applied", 1),
            ("Compatible", "True", "NoConflict", 1),
            ("Applied", "True", "NoPods", 1),
        ]
    );
    assert!(
        second.conditions[2]
            .message
            .contains("Role logship-sidecar exists"),
        "{second:?}"
    );
}

#[test]
fn an_invalid_spec_is_told_and_leaves_what_was_applied_before() {
    let first = next(&LogShippingStatus::default(), Outcome::Applied(&applied()), 1);
    let violation = Violation {
        field: "spec.sidecar.drain".to_owned(),
        value: "ten".to_owned(),
        remedy: "write 10s".to_owned(),
    };
    let second = next(&first, Outcome::Invalid(&[violation]), 2);
    assert_eq!(
        conditions(&second),
        [
            ("Ready", "False", "InvalidSpec", 2),
            ("Valid", "False", "InvalidSpec", 2),
            ("RbacReady", "True", "Applied", 1),
            ("ConfigReady", "True", "Applied", 1),
            ("Compatible", "True", "NoConflict", 1),
            ("Applied", "False", "InvalidSpec", 2),
        ]
    );
    assert_eq!(
        second.conditions[1].message,
        "spec.sidecar.drain is \"ten\": write 10s"
    );
    assert_eq!(second.spills, first.spills, "pods go on with what they have");
}

#[test]
fn a_malformed_resource_is_told() {
    let status = next(
        &LogShippingStatus::default(),
        Outcome::Malformed("missing field"),
        1,
    );
    assert_eq!(
        conditions(&status),
        [
            ("Ready", "False", "Malformed", 1),
            ("Valid", "False", "Malformed", 1)
        ]
    );
}

#[test]
fn a_skip_keeps_its_time_until_its_reason_changes() {
    let first = next(&LogShippingStatus::default(), Outcome::Applied(&applied()), 1);
    assert_eq!(first.recent_skips[0].pod, "shop/web-1");
    let second = next(&first, Outcome::Applied(&applied()), 2);
    assert_eq!(second.recent_skips[0].last_seen, time(1));

    let mut changed = gathered();
    changed.skips[0].reason = "Conflict".to_owned();
    let third = told(&second, Outcome::Applied(&applied()), &changed, 3);
    assert_eq!(
        (
            third.recent_skips[0].reason.as_str(),
            &third.recent_skips[0].last_seen
        ),
        ("Conflict", &time(3))
    );
}

#[test]
fn a_conflict_is_a_condition_of_its_own_and_leaves_the_resource_ready() {
    let mut conflicting = gathered();
    conflicting.conflicts = ["web-2", "web-1"]
        .map(|pod| Conflict {
            pod: pod.to_owned(),
            message: "this one is left out".to_owned(),
        })
        .to_vec();
    let none = LogShippingStatus::default();
    let status = told(&none, Outcome::Applied(&applied()), &conflicting, 1);
    let conditions = conditions(&status);
    assert_eq!(conditions[0], ("Ready", "True", "Applied", 1));
    assert_eq!(conditions[4], ("Compatible", "False", "Conflict", 1));
    assert_eq!(
        status.conditions[4].message,
        "pods in which not every LogShipping can be served: 2, for example web-2: this one is left out"
    );
}

#[test]
fn what_sidecars_run_is_counted_and_told() {
    let runs = |generation: i64| {
        let report = serde_json::from_value(serde_json::json!({"appliedGenerations": {"shop": generation}}));
        Heard::Report(Arc::new(report.unwrap()))
    };
    let carrier = |pod: &str, heard: Heard| Carrier {
        pod: pod.to_owned(),
        is_outdated: false,
        heard,
    };
    let during = Gathered {
        carriers: vec![carrier("web-0", runs(7)), carrier("web-1", runs(6))],
        ..gathered()
    };
    let none = LogShippingStatus::default();
    let first = told(&none, Outcome::Applied(&applied()), &during, 1);
    assert_eq!(conditions(&first)[5], ("Applied", "Unknown", "Pending", 1));
    let generations = |status: &LogShippingStatus| -> Vec<(i64, i32)> {
        let counts = status.generations.iter();
        counts.map(|count| (count.generation, count.pods)).collect()
    };
    assert_eq!(
        (first.pods.current, generations(&first)),
        (1, vec![(7, 1), (6, 1)])
    );
    assert_eq!(first.pods.injected, 2, "the census is kept");

    let asked_anew = Gathered {
        carriers: vec![carrier("web-0", runs(7)), carrier("web-1", Heard::NotAsked)],
        ..gathered()
    };
    let second = told(&first, Outcome::Applied(&applied()), &asked_anew, 2);
    assert_eq!(second, first, "nothing is known yet that is new");

    let after = Gathered {
        carriers: vec![carrier("web-0", runs(7)), carrier("web-1", runs(7))],
        ..gathered()
    };
    let third = told(&second, Outcome::Applied(&applied()), &after, 3);
    assert_eq!(conditions(&third)[5], ("Applied", "True", "Applied", 3));
    assert_eq!((third.pods.current, generations(&third)), (2, vec![(7, 2)]));
}
