//! Peers of the tests. Real servers that we did not write, each a process on loopback that ends with its handle: [`collector`],
//! [`loki`], [`opensearch`], [`rsyslog`]; our own sidecar as such a process: [`shipper`]. The network between two of them: [`proxy`]. And what a test serves or drives itself: the
//! client that sends real requests, and the HTTP sink that counts.

pub mod client;
pub mod collector;
pub mod loki;
pub mod opensearch;
pub mod process;
pub mod proxy;
pub mod rsyslog;
pub mod shipper;

pub use client::get;

use crate::NODE_ADDRESS;
use anyhow::{Context, Result, ensure};
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::routing::post;
use bytes::Bytes;
use flate2::read::GzDecoder;
use futures::{StreamExt, TryStreamExt, stream};
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use std::io::Read;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Sends the requests of `numbers` to the servers in turn, eight at a time, and waits for every answer.
///
/// # Errors
/// When one is not answered with 200: then the number of log lines could not be known.
pub async fn send_requests(addresses: &[String], port: u16, numbers: Range<usize>) -> Result<()> {
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    stream::iter(numbers)
        .map(|number| {
            let url = format!(
                "http://{}:{port}{}",
                addresses[number % addresses.len()],
                crate::oracle::path(number)
            );
            let client = client.clone();
            async move {
                let response = client
                    .get(url.parse()?)
                    .await
                    .with_context(|| format!("failed to get {url}"))?;
                ensure!(
                    response.status() == StatusCode::OK,
                    "{url} answered {}",
                    response.status()
                );
                response.into_body().collect().await?;
                Ok(())
            }
        })
        .buffer_unordered(8)
        .try_collect()
        .await
}

/// An HTTP sink on the node that keeps all it got: newline-delimited JSON, plain or with gzip.
pub struct HttpSink {
    /// Where pods send to.
    pub url: String,
    taken: Taken,
    // Ends with the sink.
    _server: JoinSet<std::io::Result<()>>,
}

impl HttpSink {
    /// Starts one on a free port.
    ///
    /// # Errors
    /// When the node's address is not there: the test does not run inside the cluster.
    pub async fn start() -> Result<Self> {
        let listener = Self::listener().await?;
        let url = format!("http://{}/logs", listener.local_addr()?);
        Ok(Self::serve(listener, url))
    }

    /// A free port of the node.
    ///
    /// # Errors
    /// As [`HttpSink::start`].
    pub async fn listener() -> Result<TcpListener> {
        TcpListener::bind((NODE_ADDRESS, 0))
            .await
            .context("failed to listen on the node's address")
    }

    /// Serves whoever comes by `listener`, for instance over TLS, and is reached at `url`.
    pub fn serve<L>(listener: L, url: String) -> Self
    where
        L: axum::serve::Listener,
        L::Addr: std::fmt::Debug,
    {
        let taken = Taken::default();
        let router = Router::new().route("/logs", post(take)).with_state(taken.clone());
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, router).await });
        Self {
            url,
            taken,
            _server: server,
        }
    }

    /// From now on nobody gets an answer.
    pub fn hold(&self) {
        self.taken.held.send_replace(true);
    }

    /// Who waits for an answer gets it.
    pub fn release(&self) {
        self.taken.held.send_replace(false);
    }

    /// How many bytes arrived.
    pub fn size(&self) -> usize {
        locked(&self.taken.text).len()
    }

    /// Whether the last lines that arrived have this text among them: a look at all of them takes long when they are many.
    pub fn ends_with(&self, text: &str) -> bool {
        const LOOKED_AT: usize = 64 << 10;
        let received = locked(&self.taken.text);
        let start = received.len().saturating_sub(LOOKED_AT);
        received.as_bytes()[start..]
            .windows(text.len())
            .any(|window| window == text.as_bytes())
    }

    /// All lines that arrived.
    pub fn received(&self) -> String {
        locked(&self.taken.text).clone()
    }

    /// From now on it takes nothing, and says that it may later; or it does again.
    pub fn refuse(&self, refuses: bool) {
        *locked(&self.taken.refuses) = refuses;
    }

    /// From now on takes only what comes with this `Authorization`, and answers 401 to everything else.
    pub fn demand(&self, authorization: &str) {
        *locked(&self.taken.demanded) = Some(authorization.to_owned());
    }

    /// Requests that were answered with 401.
    pub fn refused(&self) -> usize {
        *locked(&self.taken.refused)
    }
}

/// What a sink has taken, and what it takes.
#[derive(Debug, Clone, Default)]
struct Taken {
    text: Arc<Mutex<String>>,
    demanded: Arc<Mutex<Option<String>>>,
    refused: Arc<Mutex<usize>>,
    refuses: Arc<Mutex<bool>>,
    held: Arc<watch::Sender<bool>>,
}

fn locked<T>(value: &Mutex<T>) -> MutexGuard<'_, T> {
    value.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn take(State(taken): State<Taken>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let mut held = taken.held.subscribe();
    if held.wait_for(|held| !held).await.is_err() || *locked(&taken.refuses) {
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    let demanded = locked(&taken.demanded).clone();
    let shown = headers.get(header::AUTHORIZATION);
    if demanded.is_some_and(|demanded| shown.is_none_or(|shown| shown != &demanded)) {
        *locked(&taken.refused) += 1;
        return StatusCode::UNAUTHORIZED;
    }
    let mut text = String::new();
    let read = if headers
        .get(header::CONTENT_ENCODING)
        .is_some_and(|encoding| encoding == "gzip")
    {
        GzDecoder::new(&body[..]).read_to_string(&mut text)
    } else {
        (&body[..]).read_to_string(&mut text)
    };
    if read.is_err() || !text.ends_with('\n') || text.lines().any(|line| !is_object(line)) {
        return StatusCode::BAD_REQUEST;
    }
    locked(&taken.text).push_str(&text);
    StatusCode::NO_CONTENT
}

fn is_object(line: &str) -> bool {
    serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(line).is_ok()
}
