//! A real HTTP receiver of NDJSON that counts what it accepted and can be told to fail.

use crate::tls;
use bytes::Bytes;
use flate2::read::GzDecoder;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::io::Read;
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

#[derive(Default)]
struct State {
    accepted: Vec<String>,
    statuses: VecDeque<u16>,
    poison: Option<&'static str>,
    requests: usize,
}

/// Where it listens and what it has taken; it ends with the test's process.
pub struct Receiver {
    pub url: String,
    state: Arc<Mutex<State>>,
}

impl Receiver {
    /// The first requests are answered with `statuses`, a request that holds `poison` with 400, all others are accepted.
    pub fn start(statuses: &[u16], poison: Option<&'static str>) -> Self {
        Self::start_on("http", statuses, poison, None)
    }

    /// Accepts everything over TLS, and tells the certificate of the authority that vouches for it.
    pub fn start_tls() -> (Self, String) {
        let (acceptor, authority) = tls::acceptor("127.0.0.1");
        (Self::start_on("https", &[], None, Some(acceptor)), authority)
    }

    fn start_on(
        scheme: &str,
        statuses: &[u16],
        poison: Option<&'static str>,
        tls: Option<TlsAcceptor>,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("{scheme}://{}/logs", listener.local_addr().unwrap());
        let state = State {
            statuses: statuses.iter().copied().collect(),
            poison,
            ..State::default()
        };
        let state = Arc::new(Mutex::new(state));
        let served = Arc::clone(&state);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(serve(listener, tls, served));
        });
        Self { url, state }
    }

    pub fn messages(&self) -> Vec<String> {
        let message = |line: &String| {
            serde_json::from_str::<serde_json::Value>(line).unwrap()["message"]
                .as_str()
                .unwrap()
                .to_owned()
        };
        self.accepted().iter().map(message).collect()
    }

    pub fn accepted(&self) -> Vec<String> {
        self.state.lock().unwrap().accepted.clone()
    }

    pub fn requests(&self) -> usize {
        self.state.lock().unwrap().requests
    }
}

async fn serve(listener: TcpListener, tls: Option<TlsAcceptor>, state: Arc<Mutex<State>>) {
    listener.set_nonblocking(true).unwrap();
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (state, tls) = (Arc::clone(&state), tls.clone());
        connections.spawn(async move {
            match tls {
                None => serve_connection(stream, state).await,
                Some(tls) => {
                    // Who does not trust us breaks off.
                    if let Ok(stream) = tls.accept(stream).await {
                        serve_connection(stream, state).await;
                    }
                }
            }
        });
    }
}

async fn serve_connection(stream: impl AsyncRead + AsyncWrite + Unpin, state: Arc<Mutex<State>>) {
    let service = service_fn(|request| answer(request, Arc::clone(&state)));
    let _ = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

async fn answer(
    request: Request<Incoming>,
    state: Arc<Mutex<State>>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let gzip = request
        .headers()
        .get("content-encoding")
        .is_some_and(|encoding| encoding == "gzip");
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let mut text = String::new();
    if gzip {
        GzDecoder::new(&body[..]).read_to_string(&mut text).unwrap();
    } else {
        text.push_str(std::str::from_utf8(&body).unwrap());
    }
    let mut state = state.lock().unwrap();
    state.requests += 1;
    let poisoned = state.poison.is_some_and(|poison| text.contains(poison));
    let status = state
        .statuses
        .pop_front()
        .unwrap_or(if poisoned { 400 } else { 204 });
    if status < 300 {
        state.accepted.extend(text.lines().map(str::to_owned));
    }
    let mut response = Response::new(Full::new(Bytes::new()));
    *response.status_mut() = hyper::StatusCode::from_u16(status).unwrap();
    Ok(response)
}
