//! Sinks: a pure encoder and a pure verdict for all, and a transport for each kind.

pub mod encode;
pub mod file;
pub mod http;
pub mod stdout;
pub mod verdict;

use self::verdict::Verdict;
use crate::config::{Sink, SinkKind};
use crate::io::net::{self, HttpClient, http_client};
use bytes::Bytes;
use std::path::Path;
use tokio::sync::mpsc;

/// The transport of one sink.
#[derive(Debug)]
pub enum Transport {
    /// To our standard output.
    Stdout,
    /// To the end of a file.
    File(file::FileTransport),
    /// To an HTTP endpoint.
    Http(Box<http::HttpTransport>),
}

impl Transport {
    /// The transport for a sink. Connects to nothing yet; the client is made only where a sink needs it.
    pub fn new(
        sink: &Sink,
        client: &mut Option<HttpClient>,
        bundle: Option<&Path>,
    ) -> Result<Self, net::Error> {
        Ok(match &sink.kind {
            SinkKind::Stdout(_) => Self::Stdout,
            SinkKind::File { path, .. } => Self::File(file::FileTransport::new(path.clone())),
            SinkKind::Http(http) => {
                let client = match client {
                    Some(client) => client.clone(),
                    None => client.insert(http_client(bundle)?).clone(),
                };
                Self::Http(Box::new(http::HttpTransport::new(http.clone(), client)))
            }
        })
    }

    async fn send(&mut self, body: Bytes) -> Verdict {
        match self {
            Self::Stdout => stdout::send(body).await,
            Self::File(file) => file.send(body).await,
            Self::Http(http) => http.send(body).await,
        }
    }
}

/// Sends what comes, one batch after the other, and tells what became of each. Ends when the pipeline does.
pub async fn run(
    mut transport: Transport,
    mut batches: mpsc::Receiver<Bytes>,
    verdicts: mpsc::Sender<Verdict>,
) {
    while let Some(body) = batches.recv().await {
        let verdict = transport.send(body).await;
        if verdicts.send(verdict).await.is_err() {
            return;
        }
    }
}

/// The verdict for a write to something local.
fn written(result: Result<std::io::Result<()>, tokio::task::JoinError>) -> Verdict {
    let error = match result {
        Ok(Ok(())) => return Verdict::Delivered,
        Ok(Err(error)) => error.to_string(),
        Err(error) => error.to_string(),
    };
    Verdict::Retry { after: None, error }
}
