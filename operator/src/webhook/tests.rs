//! The webhook as the API server meets it: over TLS on loopback, with certificates that it has to trust.

use super::ca::{Authority, SETTLE};
use super::tls::{Certificates, Signer, server_config};
use super::trust::Published;
use super::*;
use crate::server::Server;
use axum::body::Body;
use base64::Engine as _;
use futures::stream;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::runtime::watcher::Event;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::pin::pin;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::client::TlsStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

const HOST: &str = "logship-webhook.logship-system.svc";

/// The namespace `shop` asks for injection; its one resource selects `app: nginx` and is ready.
fn policies() -> Policies {
    fn list<T: DeserializeOwned>(apply: impl Fn(Event<T>), object: Value) {
        apply(Event::Init);
        apply(Event::InitApply(serde_json::from_value(object).unwrap()));
        apply(Event::InitDone);
    }
    let policies = Policies::default();
    let labels = json!({names::INJECTION_LABEL: names::INJECTION_ENABLED});
    let shop = json!({"metadata": {"name": "shop", "labels": labels}});
    list(|event| policies.apply_namespace(event), shop);
    list(
        |event| policies.apply_node(event),
        json!({"metadata": {"name": "node-1"}}),
    );
    list(|event| policies.apply_shipping(event), shipping("True"));
    policies
}

/// A resource whose objects are there, or not.
fn shipping(applied: &str) -> Value {
    let condition = |name: &str| json!({"type": name, "status": applied, "reason": "Applied", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"});
    json!({
        "apiVersion": "logship.dev/v1alpha1",
        "kind": "LogShipping",
        "metadata": {"namespace": "shop", "name": "access", "generation": 1},
        "spec": {
            "selector": {"matchLabels": {"app": "nginx"}},
            "sources": [{"name": "access", "files": {"directory": "/var/log/nginx", "pattern": ".log"}}],
            "sinks": [{"name": "out", "stdout": {}}],
        },
        "status": {"conditions": [condition("RbacReady"), condition("ConfigReady")]},
    })
}

fn settings() -> Settings {
    Settings {
        image: "logship:test".to_owned(),
        image_pull_policy: "IfNotPresent".to_owned(),
        exclude_containers: vec![],
        nodes_run_native: false,
    }
}

fn webhook() -> Arc<Webhook> {
    Arc::new(Webhook::new(Arc::new(policies()), settings(), Arc::default()))
}

/// A served webhook and the certificates it serves with.
struct Fixture {
    webhook: Arc<Webhook>,
    signer: Signer,
    address: SocketAddr,
    stop: CancellationToken,
    server: JoinHandle<()>,
}

impl Fixture {
    async fn start() -> Self {
        let webhook = webhook();
        let certificates = Arc::new(Certificates::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let tls = TlsAcceptor::from(Arc::new(server_config(certificates.clone()).unwrap()));
        let server = Server {
            listener,
            tls: Some(tls),
            router: router(webhook.clone()),
            metrics: webhook.metrics.clone(),
        };
        let stop = CancellationToken::new();
        #[expect(clippy::disallowed_methods, reason = "the test ends with the handle")]
        let server = tokio::spawn(server.run(stop.clone()));
        let signer = Signer::new(certificates, vec![HOST.to_owned()]);
        Self {
            webhook,
            signer,
            address,
            stop,
            server,
        }
    }

    /// Starts with a certificate that `authority` signed.
    async fn trusted(authority: &Authority) -> Self {
        let mut fixture = Self::start().await;
        assert!(fixture.look(Timestamp::now(), authority, None));
        fixture
    }

    /// Lets the signer look at an authority in the Secret and another one's bundle in the configuration.
    fn look(&mut self, now: Timestamp, authority: &Authority, published: Option<&Authority>) -> bool {
        let secret = Secret {
            data: Some(authority.to_data()),
            ..Secret::default()
        };
        let bundle = |authority: &Authority| authority.bundle().into_bytes();
        let published = published.map(|published| Published {
            entries: vec![("pods".to_owned(), bundle(published))],
        });
        self.signer
            .look(now, &secret, published.as_ref())
            .unwrap()
            .is_some()
    }

    /// A connection of a client that trusts `authority` alone.
    async fn connect(&self, authority: &Authority) -> std::io::Result<TlsStream<TcpStream>> {
        self.connect_with(authority, &[b"http/1.1"]).await
    }

    async fn connect_with(
        &self,
        authority: &Authority,
        alpn: &[&[u8]],
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(authority.certificate().clone()).unwrap();
        let mut config =
            ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_root_certificates(roots)
                .with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
        let tcp = TcpStream::connect(self.address).await?;
        TlsConnector::from(Arc::new(config))
            .connect(ServerName::try_from(HOST).unwrap(), tcp)
            .await
    }

    async fn post(&self, authority: &Authority, path: &str, body: &[u8]) -> (u16, String) {
        let mut connection = self.connect(authority).await.unwrap();
        exchange(&mut connection, path, body).await
    }
}

/// One request on an open connection, and its answer: status and body.
async fn exchange(connection: &mut TlsStream<TcpStream>, path: &str, body: &[u8]) -> (u16, String) {
    connection
        .write_all(head(path, body.len(), "").as_bytes())
        .await
        .unwrap();
    connection.write_all(body).await.unwrap();
    answer(connection).await
}

fn head(path: &str, length: usize, more: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nhost: {HOST}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n{more}\r\n"
    )
}

async fn answer(connection: &mut TlsStream<TcpStream>) -> (u16, String) {
    let head = read_head(connection).await;
    let length = head
        .to_lowercase()
        .split_once("content-length: ")
        .and_then(|(_, rest)| {
            rest.split_once("\r\n")
                .and_then(|(length, _)| length.parse::<usize>().ok())
        });
    let mut body = vec![0; length.unwrap()];
    connection.read_exact(&mut body).await.unwrap();
    (head[9..12].parse().unwrap(), String::from_utf8(body).unwrap())
}

async fn read_head(connection: &mut TlsStream<TcpStream>) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(connection.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

fn authority() -> Authority {
    Authority::generate(Timestamp::now(), None).unwrap()
}

/// A review of a new pod, with fields in the envelope and in the pod that no compiled type knows.
fn review(app: &str) -> Value {
    json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "fieldOfTheFuture": true,
        "request": {
            "uid": "0c9a8d74-9cb7-44dd-b98e-09fd62def2f4",
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "namespace": "shop",
            "operation": "CREATE",
            "userInfo": {"username": "system:serviceaccount:kube-system:replicaset-controller"},
            "dryRun": true,
            "oldObject": null,
            "object": {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"generateName": "web-", "labels": {"app": app}},
                "spec": {"containers": [{"name": "web", "image": "nginx", "fieldOfTheFuture": {"x": 1}}]},
            },
        },
    })
}

fn bytes(review: &Value) -> Vec<u8> {
    serde_json::to_vec(review).unwrap()
}

#[tokio::test]
async fn answers_a_review_with_a_patch_or_a_reason() {
    let authority = authority();
    let fixture = Fixture::trusted(&authority).await;

    let (status, body) = fixture
        .post(&authority, names::MUTATE_PATH, &bytes(&review("nginx")))
        .await;
    let answer: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(status, 200);
    assert_eq!(answer["apiVersion"], "admission.k8s.io/v1");
    assert_eq!(answer["kind"], "AdmissionReview");
    assert_eq!(answer["response"]["uid"], "0c9a8d74-9cb7-44dd-b98e-09fd62def2f4");
    assert_eq!(answer["response"]["allowed"], true);
    let patch = answer["response"]["patch"].as_str().unwrap();
    let patch = base64::engine::general_purpose::STANDARD.decode(patch).unwrap();
    let patch: json_patch::Patch = serde_json::from_slice(&patch).unwrap();
    let mut pod = review("nginx")["request"]["object"].clone();
    json_patch::patch(&mut pod, &patch).unwrap();
    assert!(pod["metadata"]["annotations"][names::INJECTED_ANNOTATION].is_string());
    assert_eq!(pod["spec"]["containers"][0]["fieldOfTheFuture"]["x"], 1);

    let (status, body) = fixture
        .post(&authority, names::MUTATE_PATH, &bytes(&review("other")))
        .await;
    let answer: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &answer["response"]["allowed"]), (200, &json!(true)));
    assert!(answer["response"]["patch"].is_null());
    assert_eq!(
        answer["response"]["auditAnnotations"]["reason"],
        "NoMatchingResource"
    );
    assert_eq!(answer["response"]["warnings"].as_array().unwrap().len(), 1);

    let metrics = fixture.webhook.metrics.text();
    for line in [
        "logship_admission_reviews_total{result=\"injected\"} 1",
        "logship_admission_reviews_total{result=\"skipped\"} 1",
        "logship_admission_skips_total{reason=\"NoMatchingResource\"} 1",
        "logship_admission_duration_seconds_count 2",
    ] {
        assert!(metrics.contains(line), "{metrics} does not contain {line}");
    }
}

#[tokio::test]
async fn a_review_that_cannot_be_carried_out_is_admitted_with_a_warning_and_counted() {
    let authority = authority();
    let fixture = Fixture::trusted(&authority).await;
    let changed = |pointer: &str, value: Value| {
        let mut review = review("nginx");
        *review.pointer_mut(pointer).unwrap() = value;
        review
    };
    let cases = [
        changed("/apiVersion", json!("admission.k8s.io/v1beta1")),
        changed("/request/resource", json!("pods")),
        changed("/request/resource/resource", json!("deployments")),
        changed("/request/operation", json!("UPDATE")),
        changed("/request/object", Value::Null),
        changed("/request/object", json!("garbage")),
    ];
    for review in &cases {
        let (status, body) = fixture.post(&authority, names::MUTATE_PATH, &bytes(review)).await;
        assert_eq!(status, 200, "{review}");
        let answer: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(answer["response"]["uid"], review["request"]["uid"]);
        assert_eq!(answer["response"]["allowed"], true, "{review}");
        assert!(answer["response"]["patch"].is_null(), "{review}");
        assert_eq!(
            answer["response"]["warnings"].as_array().unwrap().len(),
            1,
            "{review}"
        );
    }
    let counted = format!(
        "logship_admission_reviews_total{{result=\"error\"}} {}",
        cases.len()
    );
    assert!(fixture.webhook.metrics.text().contains(&counted));
}

/// The webhook's index, with the resource as it is before and after its objects were applied.
fn apply(webhook: &Webhook, applied: &str) {
    let shipping = serde_json::from_value(shipping(applied)).unwrap();
    webhook.policies.apply_shipping(Event::Apply(shipping));
}

/// What a review that arrived is answered.
async fn ask(webhook: &Webhook, review: &Value) -> review::Response {
    let request = Request::post(names::MUTATE_PATH).body(Body::from(bytes(review)));
    webhook.serve(request.unwrap()).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_pod_waits_for_the_objects_of_its_resource() {
    let webhook = webhook();
    apply(&webhook, "False");
    let review = review("nginx");
    let mut answer = pin!(ask(&webhook, &review));
    assert!(futures::poll!(&mut answer).is_pending());
    apply(&webhook, "True");
    assert!(answer.await.patch.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_pod_does_not_wait_for_ever() {
    let webhook = webhook();
    apply(&webhook, "False");
    let started = Instant::now();
    let answer = ask(&webhook, &review("nginx")).await;
    assert_eq!(started.elapsed(), PENDING_PATIENCE);
    assert!(
        answer.patch.is_none() && answer.warnings[0].contains("not ready yet"),
        "{:?}",
        answer.warnings
    );
}

#[tokio::test(start_paused = true)]
async fn a_pod_waits_a_moment_for_a_resource_and_a_label_that_the_index_does_not_know_yet() {
    let webhook = webhook();
    let resource = || serde_json::from_value(shipping("True")).unwrap();
    let namespace = |labels: Value| {
        let namespace = json!({"metadata": {"name": "shop", "labels": labels}});
        Event::Apply(serde_json::from_value(namespace).unwrap())
    };
    let review = review("nginx");
    webhook.policies.apply_shipping(Event::Delete(resource()));
    webhook.policies.apply_namespace(namespace(json!({})));
    let mut answer = pin!(ask(&webhook, &review));
    assert!(futures::poll!(&mut answer).is_pending());
    let label = json!({names::INJECTION_LABEL: names::INJECTION_ENABLED});
    webhook.policies.apply_namespace(namespace(label));
    assert!(futures::poll!(&mut answer).is_pending());
    webhook.policies.apply_shipping(Event::Apply(resource()));
    assert!(answer.await.patch.is_some());

    webhook.policies.apply_shipping(Event::Delete(resource()));
    let started = Instant::now();
    assert!(ask(&webhook, &review).await.patch.is_none());
    assert_eq!(started.elapsed(), LAG_PATIENCE);
}

#[tokio::test]
async fn a_pod_that_comes_before_the_index_is_filled_is_admitted_with_a_warning() {
    let webhook = Webhook::new(Arc::default(), settings(), Arc::default());
    let answer = ask(&webhook, &review("nginx")).await;
    assert!(answer.allowed);
    assert!(
        answer.warnings[0].contains("just started"),
        "{:?}",
        answer.warnings
    );
}

#[tokio::test]
async fn what_cannot_be_answered_gets_an_http_error() {
    let authority = authority();
    let fixture = Fixture::trusted(&authority).await;
    let check = async |path: &str, body: &[u8], expected: u16| {
        let (status, answer) = fixture.post(&authority, path, body).await;
        assert_eq!(status, expected, "{answer}");
    };
    check(names::MUTATE_PATH, b"\x00garbage", 400).await;
    check(names::MUTATE_PATH, b"", 400).await;
    check(names::MUTATE_PATH, b"{\"request\":{}}", 400).await;
    check(names::MUTATE_PATH, &vec![b' '; BODY_BYTES_MAX + 1], 413).await;
    check("/other", b"{}", 404).await;
    let metrics = fixture.webhook.metrics.text();
    assert!(
        metrics.contains("logship_admission_reviews_total{result=\"error\"} 4"),
        "{metrics}"
    );
    // It goes on serving.
    check(names::MUTATE_PATH, &bytes(&review("nginx")), 200).await;
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_arrive_is_given_up() {
    let body = Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>());
    let request = Request::post(names::MUTATE_PATH).body(body).unwrap();
    let response = router(webhook()).oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::REQUEST_TIMEOUT);
}

#[tokio::test(start_paused = true)]
async fn a_review_that_gets_no_turn_in_time_is_refused_and_counted() {
    let webhook = webhook();
    let turns = webhook.turns.acquire_many(16).await.unwrap();
    let request = || {
        let request = Request::post(names::MUTATE_PATH).body(Body::from(bytes(&review("nginx"))));
        router(webhook.clone()).oneshot(request.unwrap())
    };
    assert_eq!(request().await.unwrap().status(), StatusCode::SERVICE_UNAVAILABLE);
    let counted = "logship_admission_reviews_total{result=\"error\"} 1";
    assert!(webhook.metrics.text().contains(counted));
    drop(turns);
    assert_eq!(request().await.unwrap().status(), StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn pods_that_wait_take_no_turn_and_are_bounded() {
    let webhook = webhook();
    apply(&webhook, "False");
    let review = review("nginx");
    let mut waiting: Vec<_> = (0..WAITING_MAX)
        .map(|_| Box::pin(ask(&webhook, &review)))
        .collect();
    for answer in &mut waiting {
        assert!(futures::poll!(answer).is_pending());
    }
    assert_eq!(webhook.turns.available_permits(), TURNS);
    let started = Instant::now();
    assert!(ask(&webhook, &review).await.patch.is_none());
    assert_eq!(started.elapsed(), Duration::ZERO, "one more does not wait");
}

#[tokio::test]
async fn a_client_that_prefers_http_2_gets_it() {
    let authority = authority();
    let fixture = Fixture::trusted(&authority).await;
    let mut connection = fixture
        .connect_with(&authority, &[b"h2", b"http/1.1"])
        .await
        .unwrap();
    assert_eq!(connection.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    // RFC 9113, 3.4: the preface and an empty SETTINGS frame are answered with SETTINGS (type 4).
    connection
        .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0")
        .await
        .unwrap();
    let mut frame = [0; 9];
    connection.read_exact(&mut frame).await.unwrap();
    assert_eq!(frame[3], 4);
    let mut settings = vec![0; usize::from(frame[2])];
    connection.read_exact(&mut settings).await.unwrap();
    let streams_max = [0, 3, 0, 0, 0, 32];
    assert!(
        settings.chunks(6).any(|setting| setting == streams_max),
        "{settings:?}"
    );
}

#[tokio::test]
async fn no_handshake_succeeds_before_there_is_a_certificate() {
    let fixture = Fixture::start().await;
    assert!(fixture.connect(&authority()).await.is_err());
}

#[tokio::test]
async fn two_rotations_change_the_served_certificate_without_cutting_a_connection() {
    let now = Timestamp::now();
    let mut old = authority();
    let mut fixture = Fixture::trusted(&old).await;
    let mut first_connection = fixture.connect(&old).await.unwrap();
    let mut seen: Vec<CertificateDer<'static>> = vec![leaf(&first_connection)];

    for _ in 0..2 {
        let new = Authority::generate(now, Some(&old)).unwrap();
        assert!(
            !fixture.look(now, &new, Some(&old)),
            "the new authority is not published yet"
        );
        assert!(
            !fixture.look(now, &new, Some(&new)),
            "API servers may not have seen it yet"
        );
        assert!(fixture.connect(&old).await.is_ok());
        assert!(fixture.look(now + SETTLE, &new, Some(&new)));

        assert!(
            fixture.connect(&old).await.is_err(),
            "the old authority does not vouch for the new leaf"
        );
        seen.push(leaf(&fixture.connect(&new).await.unwrap()));
        let (status, _) = exchange(
            &mut first_connection,
            names::MUTATE_PATH,
            &bytes(&review("nginx")),
        )
        .await;
        assert_eq!(status, 200, "an open connection goes on");
        old = new;
    }
    assert!(
        seen[0] != seen[1] && seen[1] != seen[2],
        "each rotation brings another leaf"
    );
}

fn leaf(connection: &TlsStream<TcpStream>) -> CertificateDer<'static> {
    connection.get_ref().1.peer_certificates().unwrap()[0].clone()
}

#[tokio::test]
async fn a_stopping_server_finishes_what_is_in_flight() {
    let authority = authority();
    let fixture = Fixture::trusted(&authority).await;
    let mut connection = fixture.connect(&authority).await.unwrap();
    let body = bytes(&review("nginx"));
    let request = head(names::MUTATE_PATH, body.len(), "expect: 100-continue\r\n");
    connection.write_all(request.as_bytes()).await.unwrap();
    // The handler waits for the body from here on.
    assert!(read_head(&mut connection).await.starts_with("HTTP/1.1 100"));

    fixture.stop.cancel();
    connection.write_all(&body).await.unwrap();
    let (status, answer) = answer(&mut connection).await;
    assert_eq!(status, 200, "{answer}");
    fixture.server.await.unwrap();
    assert!(
        TcpStream::connect(fixture.address).await.is_err(),
        "nothing listens any more"
    );
}
