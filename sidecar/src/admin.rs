//! `/healthz`, `/metrics`, `/status` and `/configuration`, the small part of the status that the operator asks for. While the port is taken
//! the process goes on without them; it says so once, and takes the port when it is free.

use crate::metrics;
use crate::roster::{self, Roster};
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use logship_crd::names;
use serde::Serialize;
use std::convert::Infallible;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// More connections at once wait.
const CONNECTIONS_MAX: usize = 8;
/// A connection that takes longer is closed.
const CONNECTION_TIME_MAX: Duration = Duration::from_secs(10);

/// The containers of a pod share their ports: one that has ours may end. (Who declares it in its `ports` is left it: then the operator
/// starts us without an administration.)
const RETRY_INTERVAL: Duration = Duration::from_secs(2);

/// Serves for ever, once it has the port. Nothing else depends on it.
pub async fn run(port: u16, roster: watch::Receiver<Roster>) {
    let listener = take(port).await;
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if connections.len() < CONNECTIONS_MAX => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(serve(TokioIo::new(stream), roster.clone()));
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection to the administration port failed");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Waits for the port.
async fn take(port: u16) -> TcpListener {
    let mut is_said = false;
    loop {
        match bind(port).await {
            Ok(listener) => {
                if is_said {
                    tracing::info!(port, "the administration port can be used now");
                }
                return listener;
            }
            Err(error) => {
                if !std::mem::replace(&mut is_said, true) {
                    tracing::warn!(port, %error, "the administration port cannot be used, going on without it and trying again");
                }
            }
        }
        tokio::time::sleep(RETRY_INTERVAL).await;
    }
}

/// Both families, or version 4 alone where the node has no version 6.
async fn bind(port: u16) -> std::io::Result<TcpListener> {
    match TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)).await {
        Ok(listener) => Ok(listener),
        Err(_) => TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await,
    }
}

async fn serve(stream: TokioIo<tokio::net::TcpStream>, roster: watch::Receiver<Roster>) {
    let service = service_fn(|request: Request<Incoming>| {
        let roster = &roster;
        async move { Ok::<_, Infallible>(answer(request.uri().path(), roster).await) }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .keep_alive(false)
        .timer(TokioTimer::new())
        .max_buf_size(16 << 10)
        .serve_connection(stream, service);
    // A client that breaks off is its own affair.
    let _ = tokio::time::timeout(CONNECTION_TIME_MAX, connection).await;
}

fn json(value: &impl Serialize) -> (StatusCode, &'static str, String) {
    match serde_json::to_string(value) {
        Ok(text) => (StatusCode::OK, "application/json", text),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, "text/plain", error.to_string()),
    }
}

async fn answer(path: &str, roster: &watch::Receiver<Roster>) -> Response<Full<Bytes>> {
    let (status, kind, body) = match path {
        "/healthz" => (StatusCode::OK, "text/plain", "ok\n".to_owned()),
        "/metrics" => (
            StatusCode::OK,
            "text/plain; version=0.0.4",
            metrics::render(&roster::ask(roster).await),
        ),
        "/status" => json(&roster::ask(roster).await.status()),
        names::CONFIGURATION_PATH => json(&roster::ask(roster).await.configuration()),
        _ => (
            StatusCode::NOT_FOUND,
            "text/plain",
            "try /healthz, /metrics, /status or /configuration\n".to_owned(),
        ),
    };
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static(kind));
    response
}
