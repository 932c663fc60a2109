use super::*;
use crate::controller::apply;
use logship_crd::v1alpha1::PodCounts;

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

fn next(previous: &LogShippingStatus, outcome: Outcome<'_>, now: i64) -> LogShippingStatus {
    status(previous, Some(7), outcome, &sinks(), &gathered(), &time(now))
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
        let status = status(
            &none,
            Some(7),
            Outcome::Applied(&applied),
            &[],
            &gathered,
            &time(1),
        );
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
        ]
    );
    assert_eq!(
        second.conditions[1].message,
        "spec.sidecar.drain is \"ten\": write 10s"
    );
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
    let third = status(
        &second,
        Some(7),
        Outcome::Applied(&applied()),
        &sinks(),
        &changed,
        &time(3),
    );
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
    let status = status(
        &LogShippingStatus::default(),
        Some(7),
        Outcome::Applied(&applied()),
        &sinks(),
        &conflicting,
        &time(1),
    );
    let conditions = conditions(&status);
    assert_eq!(conditions[0], ("Ready", "True", "Applied", 1));
    assert_eq!(conditions[4], ("Compatible", "False", "Conflict", 1));
    assert_eq!(
        status.conditions[4].message,
        "pods in which not every LogShipping can be served: 2, for example web-2: this one is left out"
    );
}
