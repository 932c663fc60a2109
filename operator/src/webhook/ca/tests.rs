use super::*;

fn day(day: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_hours(24 * (20_000 + day))
}

fn secret(authority: &Authority) -> Secret {
    Secret {
        data: Some(authority.to_data()),
        ..Secret::default()
    }
}

#[test]
fn an_authority_is_rotated_in_its_last_third_and_replaced_when_unusable() {
    let authority = Authority::generate(day(0), None).unwrap();
    let check = |now, authority: Option<&Authority>, expected: CaAction| {
        assert_eq!(plan(now, authority), expected, "at {now}");
    };
    check(day(0), None, CaAction::Create);
    check(day(0), Some(&authority), CaAction::Keep);
    check(day(243), Some(&authority), CaAction::Keep);
    check(day(244), Some(&authority), CaAction::Rotate);
    check(day(364), Some(&authority), CaAction::Rotate);
    check(day(365), Some(&authority), CaAction::Create);
    // A clock that is late does not make a young authority unusable.
    check(day(-1), Some(&authority), CaAction::Keep);
}

#[test]
fn an_authority_survives_the_secret() {
    let first = Authority::generate(day(0), None).unwrap();
    let second = Authority::generate(day(250), Some(&first)).unwrap();
    let read = Authority::from_secret(&secret(&second)).unwrap();
    assert_eq!(read.bundle(), second.bundle());
    assert_eq!(read.certificate(), second.certificate());
    assert_eq!(read.validity, second.validity);
    assert_eq!(plan(day(251), Some(&read)), CaAction::Keep);
}

#[test]
fn a_bundle_holds_the_authority_and_the_one_before() {
    let first = Authority::generate(day(0), None).unwrap();
    let second = Authority::generate(day(250), Some(&first)).unwrap();
    let third = Authority::generate(day(500), Some(&second)).unwrap();
    let in_bundle = certificates(third.bundle().as_bytes());
    assert_eq!(
        in_bundle,
        [third.certificate().clone(), second.certificate().clone()]
    );
}

#[test]
fn a_secret_that_is_not_an_authority_is_refused_with_the_reason() {
    let authority = Authority::generate(day(0), None).unwrap();
    let other = Authority::generate(day(0), None).unwrap();
    let check = |key: &str, value: Option<&[u8]>, expected: &str| {
        let mut secret = secret(&authority);
        let data = secret.data.as_mut().unwrap();
        match value {
            Some(value) => data.insert(key.to_owned(), ByteString(value.to_vec())),
            None => data.remove(key),
        };
        let error = Authority::from_secret(&secret)
            .map(|_| ())
            .unwrap_err()
            .to_string();
        assert!(error.contains(expected), "{error} does not contain {expected}");
    };
    check(CERTIFICATE_KEY, None, "no ca.crt");
    check(PRIVATE_KEY, None, "no ca.key");
    check(
        CERTIFICATE_KEY,
        Some(b"\xff\x00garbage"),
        "ca.crt is not a certificate",
    );
    check(PRIVATE_KEY, Some(b"garbage"), "ca.key is not a private key");
    check(PRIVATE_KEY, Some(&other.to_data()[PRIVATE_KEY].0), "not a pair");
}

#[test]
fn a_leaf_lasts_a_week_but_not_longer_than_its_authority() {
    let authority = Authority::generate(day(0), None).unwrap();
    let names = ["logship-webhook.logship-system.svc".to_owned()];
    assert_eq!(
        authority.sign(day(10), &names).unwrap().validity.not_after,
        day(17)
    );
    assert_eq!(
        authority.sign(day(360), &names).unwrap().validity.not_after,
        day(365)
    );
}

#[test]
fn a_leaf_is_replaced_when_it_ages_and_a_new_authority_signs_once_it_is_published() {
    let names = ["logship-webhook.logship-system.svc".to_owned()];
    let first = Authority::generate(day(0), None).unwrap();
    let second = Authority::generate(day(1), Some(&first)).unwrap();
    let leaf = first.sign(day(0), &names).unwrap();
    let view = |published_since, leaf_trusted| LeafView {
        leaf: Some(&leaf),
        published_since,
        leaf_trusted,
    };
    let check = |now, authority: &Authority, view: LeafView<'_>, expected: bool, case: &str| {
        assert_eq!(plan_leaf(now, authority, view), expected, "{case}");
    };
    let none = LeafView {
        leaf: None,
        published_since: None,
        leaf_trusted: false,
    };
    check(day(0), &first, none, true, "nothing is served yet");
    check(day(4), &first, view(None, true), false, "young");
    check(day(5), &first, view(None, true), true, "in its last third");
    check(
        day(1),
        &second,
        view(None, true),
        false,
        "the new authority is not published",
    );
    check(
        day(1),
        &second,
        view(Some(day(1)), true),
        false,
        "published only now",
    );
    check(
        day(1) + SETTLE,
        &second,
        view(Some(day(1)), true),
        true,
        "published for long enough",
    );
    check(
        day(1),
        &second,
        view(Some(day(1)), false),
        true,
        "nobody trusts the old leaf any more",
    );
    check(
        day(7),
        &second,
        view(None, true),
        true,
        "the old leaf has expired",
    );
}
