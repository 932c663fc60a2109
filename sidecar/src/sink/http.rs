//! An HTTP endpoint: POST with newline-delimited JSON; any 2xx is the acknowledgement.

use super::answer::Answer;
use super::verdict::{self, Verdict};
use crate::config::Http;
use crate::io::net::HttpClient;
use bytes::Bytes;
use flate2::write::GzEncoder;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Collected, Full, Limited};
use hyper::body::Incoming;
use logship_crd::agent_config::Compression;
use std::error::Error as _;
use std::io::Write;
use std::time::Duration;

/// More of an answer's body is not read; then the connection is not used again.
const ANSWER_BYTES_MAX: usize = 64 << 10;
/// Nor is it waited for longer.
const ANSWER_BODY_TIME_MAX: Duration = Duration::from_secs(1);

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
        match tokio::time::timeout(self.settings.timeout, self.client.request(request)).await {
            Ok(Ok(answer)) => judge(answer).await,
            Ok(Err(error)) => failed(&error),
            Err(_) => Verdict::Retry {
                after: None,
                error: format!("no answer within {:?}", self.settings.timeout),
            },
        }
    }
}

fn failed(error: &hyper_util::client::legacy::Error) -> Verdict {
    let cause = error
        .source()
        .map(|cause| format!(": {cause}"))
        .unwrap_or_default();
    Verdict::Retry {
        after: None,
        error: format!("{error}{cause}"),
    }
}

/// The status is the answer; the body is read for people, and so that the connection can be used again.
async fn judge(answer: Response<Incoming>) -> Verdict {
    let (head, body) = answer.into_parts();
    let body = Limited::new(body, ANSWER_BYTES_MAX).collect();
    let body = tokio::time::timeout(ANSWER_BODY_TIME_MAX, body).await;
    let body = body.ok().and_then(Result::ok).map(Collected::to_bytes);
    verdict::http::verdict(&Answer {
        status: head.status.as_u16(),
        headers: head.headers,
        complete: body.is_some(),
        body: body.unwrap_or_default(),
    })
}

fn request(
    settings: &Http,
    body: Bytes,
) -> Result<Request<Full<Bytes>>, Box<dyn std::error::Error + Send + Sync>> {
    let (body, encoding) = match settings.compression {
        Compression::None => (body, None),
        // The configuration refuses zstd here.
        Compression::Gzip | Compression::Zstd => (gzip(&body)?, Some(HeaderValue::from_static("gzip"))),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::net::http_client;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn batch_is_delivered_although_the_body_of_the_answer_never_comes() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let settings = Http {
            url: format!("http://{}/", listener.local_addr().unwrap())
                .parse()
                .unwrap(),
            headers: http::HeaderMap::new(),
            compression: Compression::None,
            timeout: Duration::from_millis(500),
        };
        let receiver = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.read(&mut [0; 4096]).await.unwrap();
            stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n")
                .await
                .unwrap();
            std::future::pending::<Verdict>().await
        };
        let transport = HttpTransport::new(settings, http_client(None).unwrap());
        let verdict = tokio::select! {
            verdict = transport.send(Bytes::from_static(b"{}\n")) => verdict,
            verdict = receiver => verdict,
        };
        assert_eq!(verdict, Verdict::Delivered);
    }
}
