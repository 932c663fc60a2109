//! A receiver that writes down which message came by which way, in order, and how many connections were made.

use crate::server;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::{HeaderMap, Request, Response, StatusCode};
use serde_json::Value;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// One record as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The path of the URL that it was sent to.
    pub way: String,
    pub message: String,
    /// The field that tells which configuration it went through.
    pub version: String,
    pub authorization: String,
}

#[derive(Default)]
struct Kept {
    entries: Mutex<Vec<Entry>>,
    connections: AtomicUsize,
    is_closed: AtomicBool,
}

/// A copy is made for each connection, and counted.
struct Connection(Arc<Kept>);

impl Clone for Connection {
    fn clone(&self) -> Self {
        self.0.connections.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(&self.0))
    }
}

impl Connection {
    fn kept(&self) -> Arc<Kept> {
        Arc::clone(&self.0)
    }
}

/// Where it listens and what came; it ends with the test's process.
pub struct Book {
    address: SocketAddr,
    kept: Arc<Kept>,
}

impl Book {
    pub fn start() -> Self {
        let kept = Arc::new(Kept::default());
        let connection = Connection(Arc::clone(&kept));
        let address = server::start(None, move |request| answer(request, connection.kept()));
        Self { address, kept }
    }

    pub fn url(&self, way: &str) -> String {
        format!("http://{}/{way}", self.address)
    }

    /// From now on nothing is taken (503), or everything again.
    pub fn close(&self, closed: bool) {
        self.kept.is_closed.store(closed, Ordering::Relaxed);
    }

    pub fn connections(&self) -> usize {
        self.kept.connections.load(Ordering::Relaxed)
    }

    pub fn entries(&self) -> Vec<Entry> {
        self.kept.entries.lock().unwrap().clone()
    }

    pub fn count(&self) -> usize {
        self.kept.entries.lock().unwrap().len()
    }

    /// What came by this way, in order.
    pub fn messages(&self, way: &str) -> Vec<String> {
        let came = self.entries().into_iter().filter(|entry| entry.way == way);
        came.map(|entry| entry.message).collect()
    }

    /// The versions in the order in which they came, each named once.
    pub fn versions(&self) -> Vec<String> {
        let mut versions: Vec<_> = self.entries().into_iter().map(|entry| entry.version).collect();
        versions.dedup();
        versions
    }
}

async fn answer(request: Request<Incoming>, kept: Arc<Kept>) -> Response<server::Body> {
    let mut response = Response::new(Empty::<Bytes>::new().boxed_unsync());
    let (head, body) = request.into_parts();
    match body.collect().await {
        Ok(body) if !kept.is_closed.load(Ordering::Relaxed) => {
            let body = body.to_bytes();
            let came = body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
            let came = came.map(|line| entry(&head.uri.path()[1..], &head.headers, line));
            kept.entries.lock().unwrap().extend(came);
        }
        _ => *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE,
    }
    response
}

fn entry(way: &str, headers: &HeaderMap, line: &[u8]) -> Entry {
    let record: Value = serde_json::from_slice(line).unwrap();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let authorization = headers
        .get("authorization")
        .map(|value| value.to_str().unwrap().to_owned());
    Entry {
        way: way.to_owned(),
        message: text(&record["message"]),
        version: text(&record["fields"]["version"]),
        authorization: authorization.unwrap_or_default(),
    }
}
