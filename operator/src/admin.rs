//! `/healthz`, `/readyz` and `/metrics`, over plain HTTP.
//!
//! A replica is ready when a review that reaches it is answered as it should be: the index is filled, a certificate is
//! served, and the API server was told to trust it. The body of `/readyz` names what is missing.

use crate::metrics::Metrics;
use crate::policies::Policies;
use crate::webhook::tls::Certificates;
use crate::webhook::trust::{Observed, Published};
use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{StatusCode, header};
use rustls::pki_types::CertificateDer;
use std::sync::Arc;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

const METRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What the answers depend on.
pub struct Health {
    /// The index.
    pub policies: Arc<Policies>,
    /// The served certificate.
    pub certificates: Arc<Certificates>,
    /// What the API server was told to trust.
    pub published: watch::Receiver<Observed<Published>>,
    /// Cancelled when the process is asked to stop.
    pub stopping: CancellationToken,
    /// What is counted.
    pub metrics: Arc<Metrics>,
}

/// The three routes.
pub fn router(health: Arc<Health>) -> Router {
    Router::new()
        .route("/healthz", get("ok\n"))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(health)
}

async fn readyz(State(health): State<Arc<Health>>) -> Response {
    let authority = health.certificates.authority();
    let mut missing = missing(
        health.policies.is_filled(),
        authority.as_ref(),
        &health.published.borrow(),
    );
    if health.stopping.is_cancelled() {
        missing.push("the operator is stopping");
    }
    if missing.is_empty() {
        "ready\n".into_response()
    } else {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            format!("not ready: {}\n", missing.join("; ")),
        )
            .into_response()
    }
}

async fn metrics(State(health): State<Arc<Health>>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, METRICS_TYPE)], health.metrics.text())
}

/// What is missing before reviews can be answered.
fn missing(
    index_filled: bool,
    authority: Option<&CertificateDer<'_>>,
    published: &Observed<Published>,
) -> Vec<&'static str> {
    let index = (!index_filled).then_some("the index is not filled");
    let certificate = authority
        .is_none()
        .then_some("no certificate is served: the Secret holds no authority yet");
    let trust = match (authority, published) {
        (_, Observed::Unknown) => Some("the MutatingWebhookConfiguration was not read yet"),
        (_, Observed::Absent) => Some("the MutatingWebhookConfiguration does not exist"),
        (Some(authority), Observed::Present(published)) if !published.trusts(authority) => {
            Some("the MutatingWebhookConfiguration does not trust the served certificate")
        }
        (_, Observed::Present(_)) => None,
    };
    [index, certificate, trust].into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::webhook::ca::Authority;
    use jiff::Timestamp;

    #[test]
    fn readiness_names_what_is_missing() {
        let ours = Authority::generate(Timestamp::UNIX_EPOCH, None).unwrap();
        let other = Authority::generate(Timestamp::UNIX_EPOCH, None).unwrap();
        let published = |authority: &Authority| {
            Observed::Present(Published {
                entries: vec![("entry".to_owned(), authority.bundle().into_bytes())],
            })
        };
        let check =
            |filled, served: Option<&Authority>, published: &Observed<Published>, expected: &[&str]| {
                let found = missing(filled, served.map(Authority::certificate), published);
                assert_eq!(found.len(), expected.len(), "{found:?}");
                for (found, expected) in found.iter().zip(expected) {
                    assert!(found.contains(expected), "{found} does not contain {expected}");
                }
            };
        check(true, Some(&ours), &published(&ours), &[]);
        check(false, Some(&ours), &published(&ours), &["index"]);
        check(true, None, &published(&ours), &["no certificate"]);
        check(true, Some(&ours), &published(&other), &["does not trust"]);
        check(true, Some(&ours), &Observed::Absent, &["does not exist"]);
        check(
            false,
            None,
            &Observed::Unknown,
            &["index", "no certificate", "not read yet"],
        );
    }
}
