//! A real HTTP receiver of NDJSON that counts what it accepted and can be told to fail.

use crate::{server, tls};
use bytes::Bytes;
use flate2::read::GzDecoder;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::{Request, Response};
use std::collections::VecDeque;
use std::io::Read;
use std::sync::{Arc, Mutex};
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
        let state = State {
            statuses: statuses.iter().copied().collect(),
            poison,
            ..State::default()
        };
        let state = Arc::new(Mutex::new(state));
        let served = Arc::clone(&state);
        let address = server::start(tls, move |request| answer(request, Arc::clone(&served)));
        Self {
            url: format!("{scheme}://{address}/logs"),
            state,
        }
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

async fn answer(request: Request<Incoming>, state: Arc<Mutex<State>>) -> Response<server::Body> {
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
    let mut response = Response::new(Empty::<Bytes>::new().boxed_unsync());
    *response.status_mut() = hyper::StatusCode::from_u16(status).unwrap();
    response
}
