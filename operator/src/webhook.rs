//! The mutating admission webhook: pods in, patches out.
//!
//! It reads the in-memory index and never calls the API server, writes nothing, and refuses no pod: what it cannot carry
//! out is admitted with a warning and counted. A request that cannot even be answered gets an HTTP error, upon which the
//! API server applies the failure policy of the entry; so does a panic, which ends the process.

pub mod authority;
pub mod ca;
pub mod review;
pub mod tls;
pub mod trust;
pub mod verdict;

use crate::inject::{Decision, Input, Settings, SkipReason, inject};
use crate::metrics::{Metrics, ReviewResult};
use crate::policies::Policies;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, FromRequest as _, Request, State};
use axum::response::{IntoResponse as _, Response};
use axum::{Json, Router, routing};
use http::StatusCode;
use logship_crd::names;
use review::Malformed;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout_at};

/// Largest review. The API server takes objects of at most 3 MiB; the rest is for the envelope.
const BODY_BYTES_MAX: usize = 4 << 20;
/// How long a body may take to arrive: shorter than the 5 s that the API server waits.
const BODY_DEADLINE: Duration = Duration::from_secs(2);

/// How long a pod waits for the objects of its resource. Resource and workload are often applied in one breath, and the objects
/// follow within a second; with [`BODY_DEADLINE`] it stays below the 5 s that the API server waits.
const PENDING_PATIENCE: Duration = Duration::from_secs(2);

/// How long a pod waits for a label or a resource that the index may not know yet.
const LAG_PATIENCE: Duration = Duration::from_millis(500);
/// Reviews that are read and decided at once: anybody in the cluster can send one, and each may be large.
const TURNS: usize = 16;
/// Pods that wait for the index at once; others are decided by what is known.
const WAITING_MAX: usize = 32;

/// What the handler needs.
#[derive(Debug)]
pub struct Webhook {
    /// The index.
    policies: Arc<Policies>,
    /// What the operator was told by its flags; what the nodes allow is taken from the index.
    settings: Settings,
    /// Where answers are counted.
    metrics: Arc<Metrics>,
    turns: Semaphore,
    waiting: Semaphore,
}

/// The webhook's only route.
pub fn router(webhook: Arc<Webhook>) -> Router {
    Router::new()
        .route(names::MUTATE_PATH, routing::post(mutate))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(webhook)
}

async fn mutate(State(webhook): State<Arc<Webhook>>, request: Request) -> Response {
    let started = Instant::now();
    let answer = webhook.serve(request).await;
    webhook
        .metrics
        .admission_duration
        .observe(started.elapsed().as_secs_f64());
    match answer {
        Ok(answer) => Json(answer.into_review()).into_response(),
        Err(response) => {
            tracing::warn!(status = response.status().as_u16(), "refused a request");
            webhook.metrics.count_review(ReviewResult::Error);
            response
        }
    }
}

impl Webhook {
    /// A handler that takes its share of memory and no more.
    pub fn new(policies: Arc<Policies>, settings: Settings, metrics: Arc<Metrics>) -> Self {
        Self {
            policies,
            settings,
            metrics,
            turns: Semaphore::new(TURNS),
            waiting: Semaphore::new(WAITING_MAX),
        }
    }

    /// Takes a turn, reads the body and answers; where no answer would be accepted, the error is the HTTP response.
    async fn serve(&self, request: Request) -> Result<review::Response, Response> {
        let deadline = Instant::now() + BODY_DEADLINE;
        let Ok(Ok(turn)) = timeout_at(deadline, self.turns.acquire()).await else {
            return Err((StatusCode::SERVICE_UNAVAILABLE, "too many reviews at once").into_response());
        };
        match timeout_at(deadline, Bytes::from_request(request, &())).await {
            Ok(Ok(body)) => self.answer(body, turn).await,
            Ok(Err(rejection)) => Err(rejection.into_response()),
            Err(_) => Err((StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time").into_response()),
        }
    }

    async fn answer(&self, body: Bytes, turn: SemaphorePermit<'_>) -> Result<review::Response, Response> {
        let parsed = review::parse(&body);
        drop(body);
        let request = match parsed {
            Ok(request) => request,
            Err(error @ Malformed::Unanswerable(_)) => {
                return Err((StatusCode::BAD_REQUEST, error.to_string()).into_response());
            }
            Err(Malformed::Answerable { uid, source }) => {
                tracing::warn!(
                    uid,
                    error = &source as &dyn std::error::Error,
                    "a review cannot be understood"
                );
                return Ok(self.fail(uid, "the operator does not understand the API server's review"));
            }
        };
        if !request.creates_pod() {
            tracing::warn!(
                uid = request.uid,
                "asked about something else than a new pod; check the webhook's rules"
            );
            return Ok(self.fail(
                request.uid,
                "the operator was asked about something else than a new pod",
            ));
        }
        if !self.policies.is_filled() {
            return Ok(self.fail(request.uid, "the operator has just started; create the pod again"));
        }
        let decision = self.decide_when_applied(&request, turn).await;
        self.record(&request, &decision);
        Ok(verdict::respond(request.uid, decision))
    }

    /// Decides, and where the index may not know all yet, again at each of its changes. Who waits has no turn.
    async fn decide_when_applied(&self, request: &review::Request, turn: SemaphorePermit<'_>) -> Decision {
        let started = Instant::now();
        let decision = self.decide(request);
        drop(turn);
        if self.patience(request, &decision).is_zero() {
            return decision;
        }
        let Ok(_place) = self.waiting.try_acquire() else {
            return decision;
        };
        loop {
            // Made before the look, so that no change in between is missed.
            let changed = self.policies.changed();
            let decision = self.decide(request);
            let patience = self.patience(request, &decision);
            if patience.is_zero() || timeout_at(started + patience, changed).await.is_err() {
                return decision;
            }
        }
    }

    /// How long a pod waits for another decision. That the API server asks means that it knows the label of the namespace;
    /// where the index does not, or knows no resource there, it may lag behind.
    fn patience(&self, request: &review::Request, decision: &Decision) -> Duration {
        let Decision::Skip { reason, .. } = decision else {
            return Duration::ZERO;
        };
        let (injection, policies) = self.policies.snapshot(&request.namespace);
        match reason {
            SkipReason::ResourceNotReady => PENDING_PATIENCE,
            SkipReason::Disabled if injection.is_none() => LAG_PATIENCE,
            SkipReason::NoMatchingResource if policies.is_empty() => LAG_PATIENCE,
            _ => Duration::ZERO,
        }
    }

    fn decide(&self, request: &review::Request) -> Decision {
        let (injection, policies) = self.policies.snapshot(&request.namespace);
        let settings = Settings {
            nodes_run_native: self.policies.nodes_run_native(),
            ..self.settings.clone()
        };
        inject(&Input {
            pod: &request.object,
            namespace: &request.namespace,
            namespace_injection: injection.as_deref(),
            policies: &policies,
            settings: &settings,
        })
    }

    fn record(&self, request: &review::Request, decision: &Decision) {
        let review::Request {
            namespace, object, ..
        } = request;
        let metadata = &object["metadata"];
        let pod = metadata["name"]
            .as_str()
            .or(metadata["generateName"].as_str())
            .unwrap_or_default();
        match decision {
            Decision::Inject { .. } => {
                tracing::info!(namespace, pod, "injected");
                self.metrics.count_review(ReviewResult::Injected);
            }
            Decision::Skip { reason, message, .. } => {
                tracing::info!(namespace, pod, reason = reason.reason(), why = message, "skipped");
                self.metrics.count_review(ReviewResult::Skipped);
                self.metrics.count_skip(*reason);
            }
        }
    }

    fn fail(&self, uid: String, failure: &str) -> review::Response {
        self.metrics.count_review(ReviewResult::Error);
        verdict::admit_despite(uid, failure)
    }
}

#[cfg(test)]
mod tests;
