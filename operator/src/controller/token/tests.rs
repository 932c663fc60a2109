use super::*;
use serde_json::json;

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn wanted(owners: &[&str]) -> ObjectMeta {
    let owner = |uid: &&str| json!({"apiVersion": "logship.dev/v1alpha1", "kind": "LogShipping", "name": "a", "uid": uid});
    let owners: Vec<_> = owners.iter().map(owner).collect();
    serde_json::from_value(json!({"name": "logship-sidecar-token", "ownerReferences": owners})).unwrap()
}

#[test]
fn a_token_is_renewed_when_a_third_of_its_life_has_passed() {
    let granted = time("2026-01-01T00:00:00Z");
    let expiry = time("2026-01-02T00:00:00Z");
    let secret = secret(wanted(&["1"]), "t0k3n".to_owned(), expiry, "uid", granted);
    assert_eq!(token(&secret), Some(&b"t0k3n"[..]));
    let check = |now, expected| {
        assert_eq!(
            is_fresh(&secret, &wanted(&["1"]), "uid", time(now)),
            expected,
            "{now}"
        );
    };
    check("2026-01-01T07:59:59Z", true);
    check("2026-01-01T08:00:00Z", false);
}

#[test]
fn a_token_is_replaced_when_the_account_or_the_owners_change() {
    let now = time("2026-01-01T00:00:00Z");
    let expiry = time("2026-01-02T00:00:00Z");
    let secret = secret(wanted(&["1", "2"]), String::new(), expiry, "uid", now);
    let check = |owners: &[&str], uid: &str, expected: bool| {
        assert_eq!(
            is_fresh(&secret, &wanted(owners), uid, now),
            expected,
            "{owners:?} {uid}"
        );
    };
    check(&["2", "1"], "uid", true);
    check(&["1"], "uid", false);
    check(&["1", "2", "3"], "uid", false);
    check(&["1", "2"], "new-uid", false);
    let bare = Secret {
        metadata: wanted(&["1", "2"]),
        ..Secret::default()
    };
    assert!(
        !is_fresh(&bare, &wanted(&["1", "2"]), "uid", now),
        "a Secret without our annotations"
    );
}

#[test]
fn a_token_that_somebody_overwrote_or_took_away_is_replaced() {
    let now = time("2026-01-01T00:00:00Z");
    let expiry = time("2026-01-02T00:00:00Z");
    let mut secret = secret(wanted(&["1"]), "t0k3n".to_owned(), expiry, "uid", now);
    assert!(is_fresh(&secret, &wanted(&["1"]), "uid", now));
    for data in [
        Some(BTreeMap::from([(
            TOKEN_KEY.to_owned(),
            ByteString(b"other".to_vec()),
        )])),
        None,
    ] {
        secret.data = data;
        assert!(!is_fresh(&secret, &wanted(&["1"]), "uid", now), "{secret:?}");
    }
}
