//! One HTTP request and its whole answer.

use anyhow::{Context, Result, ensure};
use axum::http::{Method, Request, StatusCode, header};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

/// Sends one request over a connection of its own.
///
/// # Errors
/// When there is no answer, whatever it would have been.
pub async fn send(
    method: Method,
    url: &str,
    content_type: &str,
    body: impl Into<Bytes>,
) -> Result<(StatusCode, String)> {
    let request = Request::builder()
        .method(method)
        .uri(url)
        .header(header::CONTENT_TYPE, content_type)
        .body(Full::new(body.into()))?;
    let client = Client::builder(TokioExecutor::new()).build_http();
    let response = client
        .request(request)
        .await
        .with_context(|| format!("failed to reach {url}"))?;
    let status = response.status();
    let body = response.into_body().collect().await?.to_bytes();
    Ok((status, String::from_utf8_lossy(&body).into_owned()))
}

/// POST to `url`; status and body of the answer.
///
/// # Errors
/// When there is no answer.
pub async fn post(url: &str, content_type: &str, body: impl Into<Bytes>) -> Result<(StatusCode, String)> {
    send(Method::POST, url, content_type, body).await
}

/// GET of `url`; the body of the answer.
///
/// # Errors
/// When there is no answer, or one that is not 200.
pub async fn get(url: &str) -> Result<String> {
    let (status, body) = send(Method::GET, url, "text/plain", Bytes::new()).await?;
    ensure!(status == StatusCode::OK, "{url} answered {status}: {body}");
    Ok(body)
}
