//! An HTTP endpoint: one POST a batch, and its answer.

use super::answer::Answer;
use super::grpc;
use super::verdict::{self, Verdict};
use crate::config::{Auth, Dialect, Endpoint};
use crate::io::clock::Clock;
use crate::io::net::{ClientSettings, Clients, HttpClient};
use crate::io::secret::Watched;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderName, HeaderValue, TE};
use http::{HeaderMap, Method, Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// More of an answer's body is not read; then the connection is not used again.
const ANSWER_BYTES_MAX: usize = 64 << 10;
/// Elasticsearch answers for each record of a batch.
const BULK_ANSWER_BYTES_MAX: usize = 16 << 20;
/// Where the status is the answer, its body is not waited for longer.
const ANSWER_BODY_TIME_MAX: Duration = Duration::from_secs(1);

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
    credentials: Option<Watched>,
    authorization: Option<HeaderValue>,
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
        let credentials = endpoint.auth.as_ref().map(|auth| {
            Watched::new(match auth {
                Auth::Basic { username, password } => vec![username.clone(), password.clone()],
                Auth::Bearer(token) => vec![token.clone()],
            })
        });
        Self {
            endpoint,
            clock,
            changing: Mutex::new(Changing {
                clients: Clients::new(settings),
                credentials,
                authorization: None,
            }),
        }
    }

    /// Posts a body with so many records.
    pub async fn send(&self, body: Bytes, records: usize) -> Verdict {
        let prepared = self.prepare();
        let (client, authorization) = match prepared {
            Ok(prepared) => prepared,
            Err(error) => return retry(error),
        };
        let request = match request(&self.endpoint, authorization, body) {
            Ok(request) => request,
            Err(error) => return retry(format!("failed to build the request: {error}")),
        };
        let exchange = async {
            let answer = client.request(request).await.map_err(|error| explain(&error))?;
            Ok(self.read(answer).await)
        };
        match tokio::time::timeout(self.endpoint.timeout, exchange).await {
            Ok(Ok(answer)) => verdict::judge(self.endpoint.dialect, &answer, records),
            Ok(Err(error)) => retry(error),
            Err(_) => retry(format!("no answer within {:?}", self.endpoint.timeout)),
        }
    }

    /// The client and the credentials of this moment.
    fn prepare(&self) -> Result<(HttpClient, Option<HeaderValue>), String> {
        let mut changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.now();
        let (client, trouble) = changing.clients.client(now);
        let trouble = trouble.map(|error| describe(&error));
        if let (Some(error), true) = (&trouble, client.is_some()) {
            tracing::warn!(
                error,
                "the new certificates cannot be used, going on with the old ones"
            );
        }
        let client = client.ok_or_else(|| trouble.unwrap_or_default())?;
        changing.authorize(now, self.endpoint.auth.as_ref())?;
        Ok((client, changing.authorization.clone()))
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

impl Changing {
    fn authorize(&mut self, now: Duration, auth: Option<&Auth>) -> Result<(), String> {
        let (Some(credentials), Some(auth)) = (&mut self.credentials, auth) else {
            return Ok(());
        };
        let contents = match credentials.changed(now) {
            Ok(None) => return Ok(()),
            Ok(Some(contents)) => contents,
            // A Secret may be away for a moment; what was valid may still be.
            Err(_) if self.authorization.is_some() => return Ok(()),
            Err(error) => return Err(describe(&error)),
        };
        let value = authorization(auth, contents)
            .ok_or("failed to use the credentials: they must be visible ASCII characters")?;
        self.authorization = Some(value);
        Ok(())
    }
}

fn authorization(auth: &Auth, contents: &[Vec<u8>]) -> Option<HeaderValue> {
    let text = |index: usize| contents.get(index).map(|text| text.trim_ascii());
    let value = match auth {
        Auth::Basic { .. } => {
            let pair = [text(0)?, b":", text(1)?].concat();
            format!("Basic {}", BASE64.encode(pair)).into_bytes()
        }
        Auth::Bearer(_) => [b"Bearer ", text(0)?].concat(),
    };
    let mut value = HeaderValue::from_bytes(&value).ok()?;
    value.set_sensitive(true);
    Some(value)
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
