//! A receiver that answers each request as the test says, and keeps what it was sent.

use crate::server;
use bytes::Bytes;
use flate2::read::GzDecoder;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{HeaderName, HeaderValue};
use hyper::{HeaderMap, Request, Response, StatusCode};
use std::collections::BTreeMap;
use std::io::Read;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Instant;
use tokio_rustls::TlsAcceptor;

/// A request as it arrived.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Requests before it.
    pub number: usize,
    pub headers: HeaderMap,
    /// Without its compression by gzip.
    pub body: Vec<u8>,
    pub at: Instant,
}

/// What the receiver does.
#[derive(Debug, Clone)]
pub enum Reply {
    Answer {
        status: u16,
        headers: Vec<(&'static str, String)>,
        body: Bytes,
    },
    /// An answer of gRPC: a message and, behind it, how the call went.
    Call {
        message: Vec<u8>,
        trailers: Vec<(&'static str, String)>,
    },
    /// It takes what was sent, but nobody hears of it.
    Silence,
}

impl Reply {
    pub fn status(status: u16) -> Self {
        Self::with(status, &[], "")
    }

    pub fn with(status: u16, headers: &[(&'static str, &str)], body: impl Into<Bytes>) -> Self {
        let headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned()));
        Self::Answer {
            status,
            headers: headers.collect(),
            body: body.into(),
        }
    }

    /// A call that went as `code` says, with this message and more about it.
    pub fn call(code: u16, message: Vec<u8>, about: &[(&'static str, &str)]) -> Self {
        let about = about.iter().map(|(name, value)| (*name, (*value).to_owned()));
        Self::Call {
            message,
            trailers: std::iter::once(("grpc-status", code.to_string()))
                .chain(about)
                .collect(),
        }
    }

    fn takes(&self) -> bool {
        match self {
            Self::Answer { status, .. } => (200..300).contains(status),
            Self::Call { trailers, .. } => trailers.contains(&("grpc-status", "0".to_owned())),
            Self::Silence => true,
        }
    }
}

/// Where it listens and what it was sent; it ends with the test's process.
pub struct Scripted {
    pub address: SocketAddr,
    kept: Arc<Mutex<Vec<(Asked, Reply)>>>,
}

impl Scripted {
    pub fn start(script: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        Self::start_with(None, script)
    }

    #[expect(clippy::disallowed_methods, reason = "tests measure in real time")]
    pub fn start_with(
        tls: Option<TlsAcceptor>,
        script: impl Fn(&Asked) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let kept: Arc<Mutex<Vec<(Asked, Reply)>>> = Arc::default();
        let (keeping, script) = (Arc::clone(&kept), Arc::new(script));
        let address = server::start(tls, move |request: Request<Incoming>| {
            let (keeping, script) = (Arc::clone(&keeping), Arc::clone(&script));
            async move {
                let (head, body) = request.into_parts();
                let body = plain(&head.headers, &body.collect().await.unwrap().to_bytes());
                let reply = {
                    let mut kept = keeping.lock().unwrap();
                    let asked = Asked {
                        number: kept.len(),
                        headers: head.headers,
                        body,
                        at: Instant::now(),
                    };
                    let reply = script(&asked);
                    kept.push((asked, reply.clone()));
                    reply
                };
                respond(reply).await
            }
        });
        Self { address, kept }
    }

    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    pub fn requests(&self) -> Vec<Asked> {
        let kept = self.kept.lock().unwrap();
        kept.iter().map(|(asked, _)| asked.clone()).collect()
    }

    pub fn requests_taken(&self) -> Vec<Asked> {
        let kept = self.kept.lock().unwrap();
        let taken = kept.iter().filter(|(_, reply)| reply.takes());
        taken.map(|(asked, _)| asked.clone()).collect()
    }

    /// How often each message was taken.
    pub fn taken(&self) -> BTreeMap<String, usize> {
        let mut taken = BTreeMap::new();
        for asked in self.requests_taken() {
            for message in messages(&asked.body) {
                *taken.entry(message).or_default() += 1;
            }
        }
        taken
    }
}

/// The messages of the lines that have one: of NDJSON and of bulk requests.
pub fn messages(body: &[u8]) -> Vec<String> {
    let message = |line| {
        let line: serde_json::Value = serde_json::from_slice(line).ok()?;
        line["message"].as_str().map(str::to_owned)
    };
    body.split(|&byte| byte == b'\n').filter_map(message).collect()
}

fn plain(headers: &HeaderMap, body: &[u8]) -> Vec<u8> {
    if headers
        .get("content-encoding")
        .is_none_or(|encoding| encoding != "gzip")
    {
        return body.to_vec();
    }
    let mut plain = Vec::new();
    GzDecoder::new(body).read_to_end(&mut plain).unwrap();
    plain
}

async fn respond(reply: Reply) -> Response<server::Body> {
    match reply {
        Reply::Answer {
            status,
            headers,
            body,
        } => {
            let mut response = Response::new(Full::new(body).boxed_unsync());
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            response.headers_mut().extend(parsed(headers));
            response
        }
        Reply::Call { message, trailers } => {
            let length = u32::try_from(message.len()).unwrap().to_be_bytes();
            let frame = [&[0], &length[..], &message].concat();
            let trailers = parsed(trailers).collect();
            let body = Full::from(frame).with_trailers(async { Some(Ok(trailers)) });
            Response::new(body.boxed_unsync())
        }
        Reply::Silence => std::future::pending().await,
    }
}

fn parsed(headers: Vec<(&'static str, String)>) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
    headers
        .into_iter()
        .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()))
}
