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
use std::sync::{Arc, Mutex};
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
    received: Arc<Mutex<String>>,
    held: watch::Sender<bool>,
    // Ends with the sink.
    _server: JoinSet<std::io::Result<()>>,
}

impl HttpSink {
    /// Starts one on a free port.
    ///
    /// # Errors
    /// When the node's address is not there: the test does not run inside the cluster.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind((NODE_ADDRESS, 0))
            .await
            .context("failed to listen on the node's address")?;
        let url = format!("http://{}/logs", listener.local_addr()?);
        let received = Arc::new(Mutex::new(String::new()));
        let held = watch::Sender::new(false);
        let router = Router::new()
            .route("/logs", post(take))
            .with_state((received.clone(), held.subscribe()));
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, router).await });
        Ok(Self {
            url,
            received,
            held,
            _server: server,
        })
    }

    /// From now on nobody gets an answer.
    pub fn hold(&self) {
        self.held.send_replace(true);
    }

    /// Who waits for an answer gets it.
    pub fn release(&self) {
        self.held.send_replace(false);
    }

    /// How many bytes arrived.
    pub fn size(&self) -> usize {
        self.received
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .len()
    }

    /// Whether the last lines that arrived have this text among them: a look at all of them takes long when they are many.
    pub fn ends_with(&self, text: &str) -> bool {
        const LOOKED_AT: usize = 64 << 10;
        let received = self
            .received
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let start = received.len().saturating_sub(LOOKED_AT);
        received.as_bytes()[start..]
            .windows(text.len())
            .any(|window| window == text.as_bytes())
    }

    /// All lines that arrived.
    pub fn received(&self) -> String {
        self.received
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clone()
    }
}

type Taking = (Arc<Mutex<String>>, watch::Receiver<bool>);

async fn take(State((received, mut held)): State<Taking>, headers: HeaderMap, body: Bytes) -> StatusCode {
    if held.wait_for(|held| !held).await.is_err() {
        return StatusCode::SERVICE_UNAVAILABLE;
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
    received
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
        .push_str(&text);
    StatusCode::NO_CONTENT
}

fn is_object(line: &str) -> bool {
    serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(line).is_ok()
}
