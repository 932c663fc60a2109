//! An HTTP endpoint: POST with newline-delimited JSON; any 2xx is the acknowledgement.

use super::verdict::{Verdict, from_status};
use crate::config::Http;
use crate::io::net::HttpClient;
use bytes::Bytes;
use flate2::write::GzEncoder;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::{Method, Request};
use http_body_util::{BodyExt, Full, Limited};
use logship_crd::agent_config::Compression;
use std::error::Error as _;
use std::io::Write;

/// More of an answer's body is not read; then the connection is not used again.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// The endpoint.
#[derive(Debug)]
pub struct HttpTransport {
    settings: Http,
    client: HttpClient,
}

impl HttpTransport {
    /// Posts with `client`.
    pub fn new(settings: Http, client: HttpClient) -> Self {
        Self { settings, client }
    }

    /// Posts a batch.
    pub async fn send(&self, body: Bytes) -> Verdict {
        let request = match request(&self.settings, body) {
            Ok(request) => request,
            Err(error) => {
                return Verdict::Retry {
                    after: None,
                    error: format!("failed to build the request: {error}"),
                };
            }
        };
        match tokio::time::timeout(self.settings.timeout, self.post(request)).await {
            Ok(verdict) => verdict,
            Err(_) => Verdict::Retry {
                after: None,
                error: format!("no answer within {:?}", self.settings.timeout),
            },
        }
    }

    async fn post(&self, request: Request<Full<Bytes>>) -> Verdict {
        let answer = match self.client.request(request).await {
            Ok(answer) => answer,
            Err(error) => {
                let cause = error
                    .source()
                    .map(|cause| format!(": {cause}"))
                    .unwrap_or_default();
                return Verdict::Retry {
                    after: None,
                    error: format!("{error}{cause}"),
                };
            }
        };
        let (head, body) = answer.into_parts();
        // The status is the answer; the body is read only so that the connection can be used again.
        let _ = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
        let retry_after = head
            .headers
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok());
        from_status(head.status.as_u16(), retry_after)
    }
}

fn request(
    settings: &Http,
    body: Bytes,
) -> Result<Request<Full<Bytes>>, Box<dyn std::error::Error + Send + Sync>> {
    let (body, encoding) = match settings.compression {
        Compression::None => (body, None),
        Compression::Gzip => (gzip(&body)?, Some(HeaderValue::from_static("gzip"))),
    };
    let mut request = Request::builder()
        .method(Method::POST)
        .uri(&settings.url)
        .body(Full::new(body))?;
    let headers = request.headers_mut();
    headers.extend(settings.headers.clone());
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    headers.extend(encoding.map(|encoding| (CONTENT_ENCODING, encoding)));
    Ok(request)
}

fn gzip(body: &[u8]) -> std::io::Result<Bytes> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 8), flate2::Compression::fast());
    encoder.write_all(body)?;
    encoder.finish().map(Bytes::from)
}
