//! HTTP over TCP, with or without TLS: the one accept loop of webhook and administration.
//!
//! Everything is bounded: open connections and their streams, the time for a handshake and for a request's head, a connection's age and
//! the time that is left to it once it is told to end. Stopping refuses new connections and finishes what is in flight.

use crate::metrics::Metrics;
use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

const CONNECTIONS_MAX: usize = 512;
/// Requests at once on one connection of HTTP/2.
const STREAMS_MAX: u32 = 32;
const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(5);
const HEAD_DEADLINE: Duration = Duration::from_secs(30);
/// A connection is asked to end at this age, so that silent ones cannot occupy every slot.
const CONNECTION_AGE_MAX: Duration = Duration::from_secs(300);
const DRAIN_DEADLINE: Duration = Duration::from_secs(5);
/// Accepting fails when descriptors run out; trying again at once would only burn the processor.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(100);

/// A server that is ready to run.
pub struct Server {
    /// Where connections come from.
    pub listener: TcpListener,
    /// How they are secured, if they are.
    pub tls: Option<TlsAcceptor>,
    /// Who answers.
    pub router: Router,
    /// Where full slots are counted.
    pub metrics: Arc<Metrics>,
}

impl Server {
    /// Serves until `stop`, then until the requests in flight are answered.
    pub async fn run(self, stop: CancellationToken) {
        let Self {
            listener,
            tls,
            router,
            metrics,
        } = self;
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                Some(ended) = connections.join_next() => report(ended),
                accepted = listener.accept(), if connections.len() < CONNECTIONS_MAX => match accepted {
                    Ok((stream, _)) => {
                        connections.spawn(connection(stream, tls.clone(), router.clone(), stop.clone()));
                        if connections.len() == CONNECTIONS_MAX {
                            metrics.connections_full.inc();
                        }
                    }
                    Err(error) => {
                        tracing::warn!(%error, "failed to accept a connection");
                        tokio::time::sleep(ACCEPT_BACKOFF).await;
                    }
                },
            }
        }
        drop(listener);
        while let Some(ended) = connections.join_next().await {
            report(ended);
        }
    }
}

fn report(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a connection's task failed");
    }
}

async fn connection(stream: TcpStream, tls: Option<TlsAcceptor>, router: Router, stop: CancellationToken) {
    let Some(tls) = tls else {
        return drive(stream, router, stop).await;
    };
    match timeout(HANDSHAKE_DEADLINE, tls.accept(stream)).await {
        Ok(Ok(stream)) => drive(stream, router, stop).await,
        Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
        Err(_) => tracing::debug!("a TLS handshake took too long"),
    }
}

async fn drive<S>(stream: S, router: Router, stop: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_DEADLINE);
    builder.http2().max_concurrent_streams(STREAMS_MAX);
    let service = TowerToHyperService::new(router);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        ended = connection.as_mut() => {
            if let Err(error) = ended {
                tracing::debug!(error, "a connection broke");
            }
            return;
        }
        () = stop.cancelled() => {}
        () = tokio::time::sleep(CONNECTION_AGE_MAX) => {}
    }
    connection.as_mut().graceful_shutdown();
    if timeout(DRAIN_DEADLINE, connection).await.is_err() {
        tracing::debug!("a connection was cut because it did not end in time");
    }
}
