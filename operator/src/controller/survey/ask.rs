//! One question to one sidecar: a request over a connection of its own, with a bound on its time and on its answer.

use super::answer::{Silence, read};
use super::roll::Question;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use logship_crd::names::CONFIGURATION_PATH;
use logship_crd::report::{REPORT_BYTES_MAX, Report};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// For the connection, and again for the answer: both are in one cluster.
const DEADLINE: Duration = Duration::from_secs(2);

/// Asks the sidecar at `port` of the pod's address.
pub(super) async fn ask(question: &Question, port: u16) -> Result<Report, Silence> {
    let address = SocketAddr::new(question.address, port);
    let stream = timeout(DEADLINE, TcpStream::connect(address))
        .await
        .ok()
        .and_then(Result::ok)
        .ok_or(Silence::Unreachable)?;
    let body = timeout(DEADLINE, get(stream, address))
        .await
        .ok()
        .flatten()
        .ok_or(Silence::NoReport)?;
    read(&body, &question.pod)
}

/// The body of a whole answer with status 200. Redirects lead nowhere.
async fn get(stream: TcpStream, address: SocketAddr) -> Option<Bytes> {
    let request = Request::get(CONFIGURATION_PATH)
        .header(header::HOST, address.to_string())
        .header(header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .ok()?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.ok()?;
    let exchange = async move {
        let response = sender.send_request(request).await.ok()?;
        if response.status() != StatusCode::OK {
            return None;
        }
        let body = Limited::new(response.into_body(), REPORT_BYTES_MAX);
        Some(body.collect().await.ok()?.to_bytes())
    };
    // The connection ends with the exchange, which holds its sender.
    let (body, _) = tokio::join!(exchange, connection);
    body
}

#[cfg(test)]
mod tests {
    use super::*;
    use logship_crd::report::PodName;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    fn question() -> Question {
        Question {
            pod: PodName {
                namespace: "shop".to_owned(),
                name: "web-0".to_owned(),
            },
            address: [127, 0, 0, 1].into(),
        }
    }

    /// Asks somebody who answers with `answer` whatever he is asked, and then `stays` or not. With what he was asked.
    async fn asked(answer: Vec<u8>, stays: bool) -> (Result<Report, Silence>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let serve = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 1024];
            let length = stream.read(&mut request).await.unwrap();
            // Who gives up reading is his own affair.
            let _ = stream.write_all(&answer).await;
            let stream = stays.then_some(stream);
            (String::from_utf8_lossy(&request[..length]).into_owned(), stream)
        };
        let question = question();
        let (heard, (request, _stream)) = tokio::join!(ask(&question, port), serve);
        (heard, request)
    }

    fn ok(body: &str) -> Vec<u8> {
        format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes()
    }

    const REPORT: &str = r#"{"pod": {"namespace": "shop", "name": "web-0"}, "appliedGenerations": {"a": 2}}"#;

    #[tokio::test]
    async fn report_is_asked_for_with_one_plain_request() {
        let (heard, request) = asked(ok(REPORT), true).await;
        assert_eq!(heard.unwrap().applied_generations["a"], 2);
        assert!(
            request.starts_with("GET /configuration HTTP/1.1\r\n"),
            "{request}"
        );
    }

    #[tokio::test]
    async fn what_is_no_report_is_none() {
        let redirect = b"HTTP/1.1 302 Found\r\nlocation: http://other/\r\ncontent-length: 0\r\n\r\n".to_vec();
        let endless = ok(&format!("{REPORT}{}", " ".repeat(REPORT_BYTES_MAX)));
        let broken = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{".to_vec();
        for answer in [ok("{"), redirect, endless, broken, b"ssh\n".to_vec(), Vec::new()] {
            let text = String::from_utf8_lossy(&answer[..answer.len().min(60)]).into_owned();
            assert_eq!(asked(answer, false).await.0, Err(Silence::NoReport), "{text}");
        }
    }

    #[tokio::test]
    async fn who_does_not_listen_is_unreachable() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        assert_eq!(ask(&question(), port).await, Err(Silence::Unreachable));
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_the_connection_and_says_nothing_is_given_up() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        assert_eq!(ask(&question(), port).await, Err(Silence::NoReport));
    }
}
