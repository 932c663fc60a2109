use super::*;
use http::{Request, Response, StatusCode};
use jiff::SignedDuration;
use kube::client::Body;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

/// A request as the API server got it: method, path with query, body.
type Seen = (String, String, Value);

/// Lets the leader look once, and returns what it asked an API server that answers everything with `status`.
async fn requests(status: StatusCode, secret: Observed<Secret>, published: Observed<Published>) -> Vec<Seen> {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = seen.clone();
    let server = tower::service_fn(move |request: Request<Body>| {
        let log = log.clone();
        async move {
            let (head, body) = request.into_parts();
            let body = serde_json::from_slice(&body.collect_bytes().await.unwrap()).unwrap();
            log.lock()
                .unwrap()
                .push((head.method.to_string(), head.uri.to_string(), body));
            let answer = match status {
                StatusCode::OK => json!({"metadata": {}}),
                _ => {
                    json!({"kind": "Status", "status": "Failure", "code": status.as_u16(), "reason": "Conflict"})
                }
            };
            let response = Response::builder()
                .status(status)
                .body(Body::from(serde_json::to_vec(&answer).unwrap()));
            Ok::<_, Infallible>(response.unwrap())
        }
    });
    let places = Places {
        namespace: "logship-system".to_owned(),
        secret: "logship-ca".to_owned(),
        configuration: "logship".to_owned(),
    };
    step(
        &Client::new(server, "logship-system"),
        &places,
        &secret,
        &published,
    )
    .await
    .unwrap();
    let seen = seen.lock().unwrap();
    seen.clone()
}

fn aged(days: i64) -> Authority {
    Authority::generate(Timestamp::now() - SignedDuration::from_hours(24 * days), None).unwrap()
}

fn secret(authority: &Authority) -> Observed<Secret> {
    let metadata = ObjectMeta {
        resource_version: Some("7".to_owned()),
        name: Some("logship-ca".to_owned()),
        ..Default::default()
    };
    Observed::Present(Secret {
        metadata,
        data: Some(authority.to_data()),
        ..Secret::default()
    })
}

fn published(bundles: [&str; 2]) -> Observed<Published> {
    let [enabled, required] = bundles.map(|bundle| bundle.as_bytes().to_vec());
    Observed::Present(Published {
        entries: vec![("enabled".to_owned(), enabled), ("required".to_owned(), required)],
    })
}

fn read_back(body: &Value) -> Authority {
    Authority::from_secret(&serde_json::from_value(body.clone()).unwrap()).unwrap()
}

#[tokio::test]
async fn does_nothing_until_the_secret_was_looked_for() {
    assert!(
        requests(StatusCode::OK, Observed::Unknown, published(["", ""]))
            .await
            .is_empty()
    );
}

#[tokio::test]
async fn creates_a_missing_secret_and_publishes_nothing_before_it_is_read_back() {
    let seen = requests(StatusCode::OK, Observed::Absent, published(["", ""])).await;
    let [(method, path, body)] = &seen[..] else {
        panic!("{seen:?}")
    };
    assert_eq!(method, "POST");
    assert!(
        path.starts_with("/api/v1/namespaces/logship-system/secrets?"),
        "{path}"
    );
    assert_eq!(ca::plan(Timestamp::now(), Some(&read_back(body))), CaAction::Keep);
}

#[tokio::test]
async fn rotates_an_ending_authority_and_keeps_it_trusted() {
    let old = aged(300);
    let seen = requests(
        StatusCode::OK,
        secret(&old),
        published([&old.bundle(), &old.bundle()]),
    )
    .await;
    let [(method, path, body)] = &seen[..] else {
        panic!("{seen:?}")
    };
    assert_eq!(
        (method.as_str(), path.split('?').next()),
        (
            "PUT",
            Some("/api/v1/namespaces/logship-system/secrets/logship-ca")
        )
    );
    assert_eq!(body["metadata"]["resourceVersion"], "7");
    let new = read_back(body);
    assert_ne!(new.certificate(), old.certificate());
    assert!(new.bundle().ends_with(&old.bundle()));
}

#[tokio::test]
async fn replaces_a_secret_that_is_not_usable() {
    let garbage = Observed::Present(Secret::default());
    let seen = requests(StatusCode::OK, garbage, Observed::Unknown).await;
    assert_eq!(seen.len(), 1);
    assert_eq!(read_back(&seen[0].2).to_data()[ca::PREVIOUS_KEY].0, b"");
}

#[tokio::test]
async fn leaves_a_secret_to_whoever_wrote_it_first() {
    assert_eq!(
        requests(StatusCode::CONFLICT, Observed::Absent, Observed::Unknown)
            .await
            .len(),
        1
    );
    assert_eq!(
        requests(StatusCode::CONFLICT, secret(&aged(300)), Observed::Unknown)
            .await
            .len(),
        1
    );
}

#[tokio::test]
async fn applies_only_the_bundles_and_only_when_one_differs() {
    let authority = aged(1);
    let bundle = authority.bundle();
    assert!(
        requests(StatusCode::OK, secret(&authority), published([&bundle, &bundle]))
            .await
            .is_empty()
    );
    assert!(
        requests(StatusCode::OK, secret(&authority), Observed::Absent)
            .await
            .is_empty()
    );

    let seen = requests(
        StatusCode::OK,
        secret(&authority),
        published([&bundle, "drifted"]),
    )
    .await;
    let [(method, path, body)] = &seen[..] else {
        panic!("{seen:?}")
    };
    assert_eq!(method, "PATCH");
    assert!(path.contains("/mutatingwebhookconfigurations/logship?"), "{path}");
    assert!(
        path.contains("force=true") && path.contains("fieldManager=logship-operator-ca"),
        "{path}"
    );
    let encoded = &body["webhooks"][0]["clientConfig"]["caBundle"];
    assert_eq!(
        body["webhooks"],
        json!([
            {"name": "enabled", "clientConfig": {"caBundle": encoded}},
            {"name": "required", "clientConfig": {"caBundle": encoded}},
        ])
    );
}
