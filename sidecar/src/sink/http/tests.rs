mod renewal;

use super::*;
use crate::config::{Auth, Tls};
use crate::sink::compress::Codec;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

fn endpoint(url: &str) -> Endpoint {
    Endpoint {
        url: url.parse().unwrap(),
        headers: HeaderMap::new(),
        codec: Codec::Identity,
        timeout: Duration::from_secs(5),
        auth: None,
        tls: Tls::default(),
        dialect: Dialect::Ndjson,
    }
}

fn transport(endpoint: Endpoint) -> HttpTransport {
    HttpTransport::new(endpoint, None, Clock::start())
}

async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    (listener, url)
}

/// Answers one connection after the other with these bytes, then closes it; gives out the requests.
async fn answers(listener: &TcpListener, answers: &[&[u8]]) -> Vec<String> {
    let mut requests = Vec::new();
    for answer in answers {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = vec![0; 4096];
        let count = stream.read(&mut request).await.unwrap();
        requests.push(String::from_utf8_lossy(&request[..count]).into_owned());
        stream.write_all(answer).await.unwrap();
    }
    requests
}

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

#[tokio::test]
async fn batch_is_delivered_although_the_body_of_the_answer_never_comes() {
    let (listener, url) = listen().await;
    let receiver = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.read(&mut [0; 4096]).await.unwrap();
        let head = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n";
        stream.write_all(head).await.unwrap();
        std::future::pending::<Verdict>().await
    };
    let transport = transport(endpoint(&url));
    let verdict = tokio::select! {
        verdict = transport.send(Bytes::from_static(b"{}\n"), 1) => verdict,
        verdict = receiver => verdict,
    };
    assert_eq!(verdict, Verdict::Delivered);
}

#[tokio::test]
async fn broken_and_silent_connections_are_repeated() {
    let (listener, url) = listen().await;
    let silent = Endpoint {
        timeout: Duration::from_millis(50),
        ..endpoint(&url)
    };
    let silent = transport(silent).send(Bytes::from_static(b"{}\n"), 1).await;
    assert!(matches!(silent, Verdict::Retry { error, .. } if error.contains("no answer within")));
    listener.accept().await.unwrap();
    let transport = transport(endpoint(&url));
    let torn: &[&[u8]] = &[b"HTTP/1.1 2"];
    let (verdict, _) = tokio::join!(
        transport.send(Bytes::from_static(b"{}\n"), 1),
        answers(&listener, torn)
    );
    assert!(matches!(verdict, Verdict::Retry { .. }), "{verdict:?}");
}

#[tokio::test]
async fn credentials_are_read_from_files_and_a_new_token_is_used() {
    let directory = tempfile::tempdir().unwrap();
    let token = directory.path().join("token");
    std::fs::write(&token, "first\n").unwrap();
    let (listener, url) = listen().await;
    let transport = transport(Endpoint {
        auth: Some(Auth::Bearer(token.clone())),
        ..endpoint(&url)
    });
    let mut seen = Vec::new();
    for expected in ["Bearer first", "Bearer second"] {
        // Files are looked at once a second, so the second token may take some requests.
        let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
        loop {
            let body = Bytes::from_static(b"{}\n");
            let (verdict, requests) = tokio::join!(transport.send(body, 1), answers(&listener, &[OK]));
            assert_eq!(verdict, Verdict::Delivered);
            if requests[0].contains(expected) {
                seen.push(expected);
                break;
            }
            assert!(tokio::time::Instant::now() < deadline);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        std::fs::write(&token, "second\n").unwrap();
    }
    assert_eq!(seen.len(), 2);
}

#[tokio::test]
async fn missing_credentials_are_said_and_the_batch_waits() {
    let auth = Auth::Basic {
        username: "/missing/username".into(),
        password: "/missing/password".into(),
    };
    let transport = transport(Endpoint {
        auth: Some(auth),
        ..endpoint("http://127.0.0.1:9/")
    });
    let verdict = transport.send(Bytes::from_static(b"{}\n"), 1).await;
    assert!(matches!(verdict, Verdict::Retry { error, .. } if error.contains("/missing/username")));
}
