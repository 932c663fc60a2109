//! Wiring: what runs, and how it stops.
//!
//! Every task is in one `JoinSet` under a name. The first that ends before it was asked to stops the process. On SIGTERM
//! the replica stops being ready and gives the lease back, serves on while it is taken out of its Service, then finishes
//! what is in flight.

use crate::admin::{self, Health};
use crate::args::Args;
use crate::controller;
use crate::lease::Candidate;
use crate::metrics::Metrics;
use crate::policies::{self, Policies};
use crate::server::Server;
use crate::webhook::authority::{self, Places};
use crate::webhook::tls::{self, Certificates, Signer};
use crate::webhook::trust::{self, Trust};
use crate::webhook::{self, Webhook};
use anyhow::{Context as _, bail};
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use std::collections::HashMap;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::{Id, JoinError, JoinSet};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

/// How long the tasks have to end once the grace is over.
const STOP_DEADLINE: Duration = Duration::from_secs(10);

/// The two steps of a stop.
#[derive(Debug, Clone, Default)]
struct Stop {
    /// Not ready any more; leadership ends.
    asked: CancellationToken,
    /// Serving ends.
    serving: CancellationToken,
}

/// Runs the operator until it is asked to stop or a task fails.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let client = Client::try_default()
        .await
        .context("failed to configure the Kubernetes client")?;
    let stop = Stop::default();
    let mut tasks = Tasks::default();
    start(&mut tasks, &args, client, &stop).await?;
    tracing::info!(namespace = args.namespace, pod = args.pod_name, "started");

    tokio::select! {
        ended = tasks.next() => bail!("{ended} ended before it was asked to"),
        asked = asked_to_stop() => asked.context("failed to listen for signals")?,
    }
    tracing::info!("stopping");
    stop.asked.cancel();
    tokio::time::sleep(args.shutdown_grace).await;
    stop.serving.cancel();
    tokio::time::timeout(STOP_DEADLINE, tasks.finish())
        .await
        .context("a task did not stop in time")
}

async fn start(tasks: &mut Tasks, args: &Args, client: Client, stop: &Stop) -> anyhow::Result<()> {
    let metrics = Arc::new(Metrics::default());
    let policies = Arc::new(Policies::default());
    let certificates = Arc::new(Certificates::default());
    let (trust, secret, published) = Trust::channels();
    let places = Places {
        namespace: args.namespace.clone(),
        secret: args.ca_secret.clone(),
        configuration: args.webhook_config.clone(),
    };

    tasks.until(
        &stop.serving,
        "index",
        policies::watch(client.clone(), policies.clone()),
    );
    let secrets = Api::<Secret>::namespaced(client.clone(), &args.namespace);
    tasks.until(
        &stop.serving,
        "authority watch",
        trust::follow(secrets, args.ca_secret.clone(), secret),
    );
    let configurations = Api::<MutatingWebhookConfiguration>::all(client.clone());
    tasks.until(
        &stop.serving,
        "webhook configuration watch",
        trust::follow(configurations, args.webhook_config.clone(), published),
    );
    let signer = Signer::new(certificates.clone(), args.webhook_names());
    tasks.until(
        &stop.serving,
        "certificate",
        signer.run(trust.clone(), metrics.clone()),
    );
    let health = Health {
        policies: policies.clone(),
        certificates: certificates.clone(),
        published: trust.published.clone(),
        stopping: stop.asked.clone(),
        metrics: metrics.clone(),
    };
    tasks.start("administration", {
        let server = Server {
            listener: listen(args.admin_port).await?,
            tls: None,
            router: admin::router(Arc::new(health)),
            metrics: metrics.clone(),
        };
        server.run(stop.serving.clone())
    });
    tasks.start("webhook", {
        let config = tls::server_config(certificates).context("failed to configure TLS")?;
        let webhook = Webhook::new(policies.clone(), args.injection(), metrics.clone());
        let server = Server {
            listener: listen(args.webhook_port).await?,
            tls: Some(TlsAcceptor::from(Arc::new(config))),
            router: webhook::router(Arc::new(webhook)),
            metrics: metrics.clone(),
        };
        server.run(stop.serving.clone())
    });
    let settings = Arc::new(args.injection());
    let excluded = Arc::new(args.excluded_namespaces());
    let candidate = Candidate::new(
        client.clone(),
        &args.namespace,
        args.lease.clone(),
        args.pod_name.clone(),
    );
    let asked = stop.asked.clone();
    tasks.start("leadership", async move {
        let work = || {
            let controller = controller::run(
                client.clone(),
                policies.clone(),
                settings.clone(),
                excluded.clone(),
                metrics.clone(),
                asked.clone().cancelled_owned(),
            );
            Box::pin(leader_work(
                client.clone(),
                controller,
                places.clone(),
                trust.clone(),
            ))
        };
        let leading = |leading: bool| {
            metrics.leader.set(leading.into());
        };
        if let Some(ended) = candidate.run(asked.clone(), leading, work).await {
            tracing::error!(task = ended, "a task of the leader ended");
        }
    });
    Ok(())
}

/// What only one replica may do. Returns the name of what ended, which nothing does by itself.
async fn leader_work(
    client: Client,
    controller: impl Future<Output = Result<(), controller::Ended>>,
    places: Places,
    trust: Trust,
) -> &'static str {
    tokio::select! {
        ended = controller => {
            if let Err(error) = ended {
                tracing::error!(%error, "the controller ended");
            }
            "controller"
        }
        () = authority::maintain(client, places, trust) => "authority",
    }
}

/// Listens for IPv6 and IPv4 alike, or for IPv4 alone where the kernel has no IPv6.
async fn listen(port: u16) -> anyhow::Result<TcpListener> {
    let both = [
        SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)),
        SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)),
    ];
    TcpListener::bind(&both[..])
        .await
        .with_context(|| format!("failed to listen on port {port}"))
}

async fn asked_to_stop() -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

/// Every task of the process, by name.
#[derive(Default)]
struct Tasks {
    set: JoinSet<()>,
    names: HashMap<Id, &'static str>,
}

impl Tasks {
    /// Starts a task that ends by itself when it is asked to.
    fn start(&mut self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        self.names.insert(self.set.spawn(task).id(), name);
    }

    /// Starts a task that is dropped at `stop`.
    fn until(
        &mut self,
        stop: &CancellationToken,
        name: &'static str,
        task: impl Future<Output = ()> + Send + 'static,
    ) {
        let stop = stop.clone();
        self.start(name, async move {
            stop.run_until_cancelled(task).await;
        });
    }

    /// The name of the next task that ends.
    async fn next(&mut self) -> &'static str {
        let ended = self.set.join_next_with_id().await;
        let id = ended.map(|ended| ended.map_or_else(|error: JoinError| error.id(), |(id, ())| id));
        id.and_then(|id| self.names.get(&id).copied())
            .unwrap_or("the last task")
    }

    /// Returns when all have ended.
    async fn finish(&mut self) {
        while self.set.join_next().await.is_some() {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::{pending, ready};

    #[tokio::test]
    async fn the_first_task_that_ends_is_named() {
        let mut tasks = Tasks::default();
        tasks.start("steady", pending());
        tasks.start("brittle", ready(()));
        assert_eq!(tasks.next().await, "brittle");
    }

    #[tokio::test]
    async fn an_endless_task_ends_at_its_stop() {
        let mut tasks = Tasks::default();
        let stop = CancellationToken::new();
        tasks.until(&stop, "endless", pending());
        stop.cancel();
        tasks.finish().await;
    }
}
