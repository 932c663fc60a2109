//! Sinks: a pure encoder and a pure verdict for all, and a transport for each kind.

pub mod answer;
pub mod compress;
pub mod dead_letter;
pub mod encode;
pub mod file;
pub mod grpc;
pub mod http;
pub mod stdout;
pub mod verdict;

use self::encode::{Batch, Encode};
use self::verdict::Verdict;
use crate::config::{Endpoint, SinkKind};
use crate::engine::batch::BatchId;
use crate::io::clock::{self, Clock};
use crate::io::room::Room;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use std::path::PathBuf;
use std::sync::Arc;
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
    /// The transport for a sink, with the room on the state volume, where there is one. Connects to nothing yet.
    pub fn new(kind: &SinkKind, clock: Clock, bundle: Option<PathBuf>, room: Option<Arc<Room>>) -> Self {
        match kind {
            SinkKind::Stdout => Self::Stdout,
            SinkKind::File(settings) => Self::File(file::FileTransport::new(settings.clone(), room)),
            SinkKind::Http(endpoint) => {
                let transport = http::HttpTransport::new(Endpoint::clone(endpoint), bundle, clock);
                Self::Http(Box::new(transport))
            }
        }
    }

    /// Sends a body with so many records.
    pub async fn send(&self, body: Bytes, records: usize) -> Verdict {
        match self {
            Self::Stdout => stdout::send(body).await,
            Self::File(file) => file.send(clock::wall(), body).await,
            Self::Http(http) => http.send(body, records).await,
        }
    }
}

/// A batch with its number, on its way to a transport.
pub type Numbered = (BatchId, Batch);

/// Sends what comes and tells what became of each. How many batches are on their way at once is the engine's affair. Ends when the
/// pipeline does.
pub async fn run(
    transport: Transport,
    encoder: Arc<dyn Encode>,
    mut batches: mpsc::Receiver<Numbered>,
    verdicts: mpsc::Sender<(BatchId, Verdict)>,
) {
    let mut sending = FuturesUnordered::new();
    loop {
        tokio::select! {
            batch = batches.recv() => {
                let Some((id, batch)) = batch else { return };
                let (body, records) = (encoder.wrap(&batch), batch.records());
                let transport = &transport;
                sending.push(async move { (id, transport.send(body, records).await) });
            }
            Some(settled) = sending.next() => {
                if verdicts.send(settled).await.is_err() {
                    return;
                }
            }
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
