//! The other end of each run: takes everything, acknowledges it as the protocol says, and keeps it undecoded for later.
//!
//! It does as little as possible while the clock runs, so that it is never what is measured.

use crate::arrived::decoded;
use anyhow::{Context, Result};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use memchr::{memchr_iter, memrchr};
use std::io;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::Instant;

/// No shipper sends a larger body.
const BODY_BYTES_MAX: usize = 64 << 20;
/// How much is read from a plain connection at once.
const READ_BYTES: usize = 256 << 10;

/// What the sink understands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wire {
    /// Requests: OTLP, Loki, Elasticsearch bulk, or any other body; each is acknowledged.
    Http,
    /// Lines over TCP; nothing is acknowledged.
    Lines,
}

/// One request's body, or whole lines of a connection.
#[derive(Debug)]
pub struct Payload {
    /// When the last of it arrived.
    pub at: Instant,
    /// Its `Content-Encoding`.
    pub encoding: String,
    /// As it arrived.
    pub bytes: Bytes,
}

/// A running sink; it ends with its handle.
#[derive(Debug)]
pub struct Sink {
    /// Of the loopback address.
    pub port: u16,
    taken: Taken,
    _server: JoinSet<io::Result<()>>,
}

/// What arrived since the last look.
#[derive(Debug, Clone, Default)]
struct Taken(Arc<Mutex<Vec<Payload>>>);

impl Sink {
    /// Starts one on a free port.
    ///
    /// # Errors
    /// When there is none.
    pub async fn start(wire: Wire) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .context("failed to listen")?;
        let port = listener.local_addr()?.port();
        let taken = Taken::default();
        let mut server = JoinSet::new();
        match wire {
            Wire::Http => {
                let limit = DefaultBodyLimit::max(BODY_BYTES_MAX);
                let router = Router::new()
                    .fallback(take)
                    .layer(limit)
                    .with_state(taken.clone());
                server.spawn(async move { axum::serve(listener, router).await });
            }
            Wire::Lines => {
                server.spawn(take_connections(listener, taken.clone()));
            }
        }
        Ok(Self {
            port,
            taken,
            _server: server,
        })
    }

    /// What arrived since the last call.
    pub fn payloads(&self) -> Vec<Payload> {
        std::mem::take(&mut *self.taken.lock())
    }

    /// How long nothing has arrived; none when nothing is there to be taken.
    pub fn quiet(&self) -> Option<Duration> {
        self.taken.lock().last().map(|payload| payload.at.elapsed())
    }
}

impl Taken {
    fn lock(&self) -> MutexGuard<'_, Vec<Payload>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, encoding: String, bytes: Bytes) {
        self.lock().push(Payload {
            at: Instant::now(),
            encoding,
            bytes,
        });
    }
}

async fn take(State(taken): State<Taken>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let header = |name| {
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    };
    let mut encoding = header(header::CONTENT_ENCODING);
    // A push in protobuf is always a snappy block, and no header says so.
    if uri.path() == "/loki/api/v1/push" && header(header::CONTENT_TYPE) == "application/x-protobuf" {
        encoding = "snappy";
    }
    if body.is_empty() {
        // Filebeat asks first whom it talks to.
        let product = [
            ("x-elastic-product", "Elasticsearch"),
            ("content-type", "application/json"),
        ];
        return (product, r#"{"version":{"number":"7.17.0","build_flavor":"oss"}}"#).into_response();
    }
    taken.push(encoding.to_owned(), body.clone());
    match uri.path() {
        // An empty ExportLogsServiceResponse: all was taken.
        "/v1/logs" => [(header::CONTENT_TYPE, "application/x-protobuf")].into_response(),
        path if path.ends_with("/_bulk") => {
            let answer = bulk_answer(encoding, &body);
            let json = [(header::CONTENT_TYPE, "application/json")];
            answer.map_or_else(
                || StatusCode::BAD_REQUEST.into_response(),
                |answer| (json, answer).into_response(),
            )
        }
        _ => StatusCode::NO_CONTENT.into_response(),
    }
}

/// One item for each document, as clients count them; every document has its action on the line before. The only answer for which a
/// body is decoded while the clock runs, on the sink's own core.
fn bulk_answer(encoding: &str, body: &[u8]) -> Option<String> {
    let text = decoded(encoding, body).ok()?;
    let items = vec![r#"{"create":{"status":201}}"#; memchr_iter(b'\n', &text).count() / 2];
    Some(format!(
        r#"{{"took":0,"errors":false,"items":[{}]}}"#,
        items.join(",")
    ))
}

async fn take_connections(listener: TcpListener, taken: Taken) -> io::Result<()> {
    let mut connections = JoinSet::new();
    loop {
        let (connection, _) = listener.accept().await?;
        connections.spawn(take_lines(connection, taken.clone()));
    }
}

/// Cuts what arrives behind the last newline, so that each payload has whole lines.
async fn take_lines(mut connection: TcpStream, taken: Taken) -> io::Result<()> {
    let mut pending = Vec::with_capacity(READ_BYTES);
    while connection.read_buf(&mut pending).await? > 0 {
        if let Some(newline) = memrchr(b'\n', &pending) {
            let rest = pending.split_off(newline + 1);
            taken.push(String::new(), std::mem::replace(&mut pending, rest).into());
            pending.reserve(READ_BYTES);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use logship_tests::peers::client::post;
    use logship_tests::wait::{Look, PATIENCE, wait_for};
    use tokio::io::AsyncWriteExt;

    #[tokio::test]
    async fn answers_as_each_protocol_wants_and_keeps_the_body() {
        let sink = Sink::start(Wire::Http).await.unwrap();
        for (path, expected) in [
            ("/v1/logs", (StatusCode::OK, "")),
            ("/loki/api/v1/push", (StatusCode::NO_CONTENT, "")),
            (
                "/_bulk?filter_path=errors",
                (StatusCode::OK, r#"{"took":0,"errors":false,"items":[]}"#),
            ),
            ("/logs", (StatusCode::NO_CONTENT, "")),
        ] {
            let url = format!("http://127.0.0.1:{}{path}", sink.port);
            let (status, answer) = post(&url, "application/json", path).await.unwrap();
            assert_eq!((status, answer.as_str()), expected, "{path}");
            let payloads = sink.payloads();
            assert_eq!(payloads.len(), 1);
            assert_eq!(payloads[0].bytes, path);
        }
        assert_eq!(sink.quiet(), None);
    }

    #[tokio::test]
    async fn a_line_that_arrives_in_two_parts_is_in_one_payload() {
        let sink = Sink::start(Wire::Lines).await.unwrap();
        let mut connection = TcpStream::connect((Ipv4Addr::LOCALHOST, sink.port))
            .await
            .unwrap();
        connection.write_all(b"one\ntw").await.unwrap();
        let mut received = Vec::new();
        let mut next = async |count: usize| {
            wait_for("lines arrive", PATIENCE, async || {
                received.extend(sink.payloads().into_iter().map(|payload| payload.bytes));
                Ok(if received.len() == count {
                    Look::Done(())
                } else {
                    Look::NotYet(received.len())
                })
            })
            .await
            .unwrap();
        };
        next(1).await;
        connection.write_all(b"o\n").await.unwrap();
        next(2).await;
        assert_eq!(received, ["one\n", "two\n"]);
    }

    #[test]
    fn a_bulk_is_answered_item_by_item() {
        let body = b"{\"create\":{}}\n{\"a\":1}\n{\"create\":{}}\n{\"a\":2}\n";
        let answer: serde_json::Value = serde_json::from_str(&bulk_answer("", body).unwrap()).unwrap();
        assert_eq!(answer["items"].as_array().unwrap().len(), 2);
        assert_eq!(answer["items"][1]["create"]["status"], 201);
        assert_eq!(bulk_answer("gzip", body), None);
    }
}
