use super::*;

const ME: &str = "logship-0";

fn lease(holder: Option<&str>, version: &str, renewed: &str) -> Lease {
    Lease {
        metadata: ObjectMeta {
            resource_version: Some(version.to_owned()),
            ..ObjectMeta::default()
        },
        spec: Some(LeaseSpec {
            holder_identity: holder.map(str::to_owned),
            lease_duration_seconds: Some(15),
            lease_transitions: Some(3),
            renew_time: Some(MicroTime(renewed.parse().unwrap())),
            ..LeaseSpec::default()
        }),
    }
}

const NOON: &str = "2030-01-01T12:00:00Z";

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn a_candidate_takes_what_is_free_or_expired_and_respects_the_rest() {
    let view = |holder: Option<&str>| LeaseView::observe(seconds(100), &lease(holder, "1", NOON), None);
    let check = |now: u64, view: Option<LeaseView>, expected: Step| {
        assert_eq!(
            decide(seconds(now), view.as_ref(), ME),
            expected,
            "at {now}: {view:?}"
        );
    };
    check(100, None, Step::Create);
    check(100, Some(view(None)), Step::Take);
    check(100, Some(view(Some(""))), Step::Take);
    check(100, Some(view(Some(ME))), Step::Renew);
    check(1000, Some(view(Some(ME))), Step::Renew);
    check(100, Some(view(Some("logship-1"))), Step::Wait);
    check(114, Some(view(Some("logship-1"))), Step::Wait);
    check(115, Some(view(Some("logship-1"))), Step::Take);
}

#[test]
fn expiry_counts_from_the_last_change_seen_whatever_the_holders_clock_says() {
    for renewed in ["1990-01-01T00:00:00Z", NOON, "2090-01-01T00:00:00Z"] {
        let first = LeaseView::observe(seconds(100), &lease(Some("logship-1"), "1", renewed), None);
        let unchanged = LeaseView::observe(
            seconds(110),
            &lease(Some("logship-1"), "1", renewed),
            Some(&first),
        );
        assert_eq!(unchanged.seen_at, seconds(100));
        assert_eq!(
            decide(seconds(114), Some(&unchanged), ME),
            Step::Wait,
            "{renewed}"
        );
        assert_eq!(
            decide(seconds(115), Some(&unchanged), ME),
            Step::Take,
            "{renewed}"
        );
        let renewed_since = LeaseView::observe(
            seconds(112),
            &lease(Some("logship-1"), "2", renewed),
            Some(&unchanged),
        );
        assert_eq!(
            decide(seconds(115), Some(&renewed_since), ME),
            Step::Wait,
            "{renewed}"
        );
    }
}

#[test]
fn a_lease_without_a_duration_gets_ours() {
    let mut bare = lease(Some("logship-1"), "1", NOON);
    bare.spec.as_mut().unwrap().lease_duration_seconds = None;
    assert_eq!(
        LeaseView::observe(seconds(0), &bare, None).duration,
        LEASE_DURATION
    );
}

#[test]
fn taking_counts_a_transition_and_renewing_does_not() {
    let now: Timestamp = "2030-01-01T12:00:30Z".parse().unwrap();
    let spec = |step, from: Option<Lease>| written(now, from, step, ME).spec.unwrap();
    let taken = spec(Step::Take, Some(lease(Some("logship-1"), "1", NOON)));
    assert_eq!(
        (
            taken.holder_identity.as_deref(),
            taken.lease_transitions,
            taken.acquire_time.is_some()
        ),
        (Some(ME), Some(4), true)
    );
    let renewed = spec(Step::Renew, Some(lease(Some(ME), "1", NOON)));
    assert_eq!((renewed.lease_transitions, renewed.acquire_time), (Some(3), None));
    assert_eq!(renewed.renew_time, Some(MicroTime(now)));
    let created = spec(Step::Create, None);
    assert_eq!(
        (created.lease_transitions, created.lease_duration_seconds),
        (Some(0), Some(15))
    );
}

#[test]
fn a_write_keeps_the_resource_version_that_was_read() {
    let written = written(
        Timestamp::UNIX_EPOCH,
        Some(lease(None, "7", NOON)),
        Step::Take,
        ME,
    );
    assert_eq!(written.metadata.resource_version.as_deref(), Some("7"));
}
