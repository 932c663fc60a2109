//! An HTTP endpoint: one POST a batch, and its answer.

mod credentials;

use self::credentials::{Authorization, Credentials};
use super::answer::Answer;
use super::grpc;
use super::verdict::{self, Verdict};
use crate::config::{Dialect, Endpoint};
use crate::engine::Tick;
use crate::io::clock::Clock;
use crate::io::net::{ClientSettings, Clients, HttpClient};
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderName, HeaderValue, TE};
use http::{HeaderMap, Method, Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// More of an answer's body is not read; then the connection is not used again.
const ANSWER_BYTES_MAX: usize = 64 << 10;
/// Elasticsearch answers for each record of a batch.
const BULK_ANSWER_BYTES_MAX: usize = 16 << 20;
/// Where the status is the answer, its body is not waited for longer.
const ANSWER_BODY_TIME_MAX: Duration = Duration::from_secs(1);
/// What goes wrong beside the batches is said no more often.
const SAID_INTERVAL: Duration = Duration::from_secs(60);

/// The endpoint. Several requests may be on their way at once.
#[derive(Debug)]
pub struct HttpTransport {
    endpoint: Endpoint,
    clock: Clock,
    changing: Mutex<Changing>,
}

/// What changes with files.
#[derive(Debug)]
struct Changing {
    clients: Clients,
    credentials: Option<Credentials>,
    /// When it is said again that new certificates cannot be used.
    say_at: Tick,
}

impl HttpTransport {
    /// Connects to nothing yet. `bundle`: certificates of the authorities that are trusted by default.
    pub fn new(endpoint: Endpoint, bundle: Option<PathBuf>, clock: Clock) -> Self {
        let settings = ClientSettings {
            tls: endpoint.tls.clone(),
            bundle,
            https: endpoint.url.scheme_str() == Some("https"),
            http2_only: endpoint.dialect == Dialect::OtlpGrpc,
        };
        let credentials = endpoint.auth.clone().map(Credentials::new);
        Self {
            endpoint,
            clock,
            changing: Mutex::new(Changing {
                clients: Clients::new(settings),
                credentials,
                say_at: Tick::ZERO,
            }),
        }
    }

    /// Posts a body with so many records.
    pub async fn send(&self, body: Bytes, records: usize) -> Verdict {
        let (client, authorization) = match self.prepare() {
            Ok(prepared) => prepared,
            Err(error) => return retry(error),
        };
        let header = authorization
            .as_ref()
            .map(|authorization| authorization.header.clone());
        let request = match request(&self.endpoint, header, body) {
            Ok(request) => request,
            Err(error) => return retry(format!("failed to build the request: {error}")),
        };
        let exchange = async {
            let answer = client.request(request).await.map_err(|error| explain(&error))?;
            Ok(self.read(answer).await)
        };
        let verdict = match tokio::time::timeout(self.endpoint.timeout, exchange).await {
            Ok(Ok(answer)) => verdict::judge(self.endpoint.dialect, &answer, records),
            Ok(Err(error)) => retry(error),
            Err(_) => retry(format!("no answer within {:?}", self.endpoint.timeout)),
        };
        match authorization {
            Some(authorization) => verdict.with_words(|words| authorization.hide(words)),
            None => verdict,
        }
    }

    /// The client and the credentials of this moment.
    fn prepare(&self) -> Result<(HttpClient, Option<Arc<Authorization>>), String> {
        let mut changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let changing = &mut *changing;
        let now = self.clock.now();
        let (client, trouble) = changing.clients.client(now);
        let trouble = trouble.map(|error| describe(&error));
        if let (Some(error), true) = (&trouble, client.is_some() && now >= changing.say_at) {
            changing.say_at = now + SAID_INTERVAL;
            tracing::warn!(
                error,
                "the new certificates cannot be used, going on with the old ones"
            );
        }
        let client = client.ok_or_else(|| trouble.unwrap_or_default())?;
        let credentials = changing.credentials.as_mut();
        let authorization = credentials.map(|credentials| credentials.authorization(now));
        Ok((client, authorization.transpose()?))
    }

    /// Where the status is the answer, the body is read only so that the connection can be used again.
    async fn read(&self, answer: Response<Incoming>) -> Answer {
        let (head, body) = answer.into_parts();
        let is_answer = matches!(
            self.endpoint.dialect,
            Dialect::Elasticsearch | Dialect::OtlpHttp | Dialect::OtlpGrpc
        );
        let bytes_max = if self.endpoint.dialect == Dialect::Elasticsearch {
            BULK_ANSWER_BYTES_MAX
        } else {
            ANSWER_BYTES_MAX
        };
        let body = Limited::new(body, bytes_max).collect();
        let collected = if is_answer {
            body.await.ok()
        } else {
            let body = tokio::time::timeout(ANSWER_BODY_TIME_MAX, body).await;
            body.ok().and_then(Result::ok)
        };
        let mut headers = head.headers;
        let complete = collected.is_some();
        let body = collected.map(|collected| {
            headers.extend(collected.trailers().cloned().unwrap_or_default());
            collected.to_bytes()
        });
        Answer {
            status: head.status.as_u16(),
            headers,
            body: body.unwrap_or_default(),
            complete,
        }
    }
}

fn request(
    endpoint: &Endpoint,
    authorization: Option<HeaderValue>,
    body: Bytes,
) -> Result<Request<Full<Bytes>>, Box<dyn std::error::Error + Send + Sync>> {
    let body = endpoint.codec.compress(body)?;
    let mut headers = HeaderMap::new();
    let encoding = endpoint.codec.name().map(HeaderValue::from_static);
    let body = if endpoint.dialect == Dialect::OtlpGrpc {
        headers.insert(TE, HeaderValue::from_static("trailers"));
        let is_compressed = encoding.is_some();
        headers.extend(encoding.map(|encoding| (HeaderName::from_static("grpc-encoding"), encoding)));
        grpc::frame(&body, is_compressed)
    } else {
        headers.extend(encoding.map(|encoding| (CONTENT_ENCODING, encoding)));
        body
    };
    let content_type = match endpoint.dialect {
        Dialect::Ndjson | Dialect::Elasticsearch => "application/x-ndjson",
        Dialect::Loki | Dialect::OtlpHttp => "application/x-protobuf",
        Dialect::OtlpGrpc => "application/grpc",
    };
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.extend(authorization.map(|authorization| (AUTHORIZATION, authorization)));
    let mut request = Request::builder()
        .method(Method::POST)
        .uri(&endpoint.url)
        .body(Full::new(body))?;
    request.headers_mut().extend(endpoint.headers.clone());
    request.headers_mut().extend(headers);
    Ok(request)
}

fn retry(error: String) -> Verdict {
    Verdict::Retry { after: None, error }
}

fn explain(error: &hyper_util::client::legacy::Error) -> String {
    describe(error)
}

/// An error with its causes.
fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests;
