//! What the reconciler knows about the namespaces and pods of the cluster: a few fields of each, kept by two watches.

use crate::index::Index;
use crate::inject::{LeftOut, read_left_out};
use futures::StreamExt;
use k8s_openapi::api::core::v1::{ContainerStatus, Namespace, Pod, PodStatus};
use k8s_openapi::jiff::Timestamp;
use kube::api::PartialObjectMeta;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, ResourceExt};
use logship_crd::names;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{SetOnce, mpsc};
use tokio::time::{MissedTickBehavior, interval};

/// A namespace is told to have changed at most once in this time, however many of its pods come and go.
const QUIET: Duration = Duration::from_secs(2);

type NamespaceMetadata = PartialObjectMeta<Namespace>;

/// A pod that has not ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PodSummary {
    pub name: String,
    pub labels: BTreeMap<String, String>,
    /// The hash of the plan that was injected, if the sidecar is there.
    pub injected: Option<String>,
    /// Where the sidecar can be asked, while it runs.
    pub address: Option<IpAddr>,
    /// Resources that were left out when it was.
    pub left_out: Vec<LeftOut>,
    /// Its ServiceAccount.
    pub account: String,
    pub created: Option<Timestamp>,
}

/// Namespaces and pods.
#[derive(Debug, Default)]
pub(super) struct Cluster {
    state: Mutex<State>,
    filled: SetOnce<()>,
}

#[derive(Debug, Default)]
struct State {
    /// Values of the injection label, of every namespace.
    injection: Index<Option<String>>,
    pods: Index<PodSummary>,
}

impl Cluster {
    /// The injection label of a namespace, and its pods that have not ended, ordered by name.
    pub(super) fn namespace(&self, name: &str) -> (Option<String>, Vec<Arc<PodSummary>>) {
        let state = self.lock();
        let injection = state
            .injection
            .get("", name)
            .and_then(|value| Option::clone(value));
        (injection, state.pods.namespace(name))
    }

    /// Returns when namespaces and pods were listed once.
    pub(super) async fn filled(&self) {
        self.filled.wait().await;
    }

    /// Returns the namespaces in which something may have changed.
    fn apply_pod(&self, event: Event<Pod>) -> Vec<String> {
        let mut state = self.lock();
        let changed = state.pods.apply(event, summary);
        self.note_filled(&state);
        changed
    }

    /// Returns the namespaces whose label may have changed.
    fn apply_namespace(&self, event: Event<NamespaceMetadata>) -> Vec<String> {
        let touched = match &event {
            Event::Apply(namespace) | Event::Delete(namespace) => Some(namespace.name_any()),
            Event::Init | Event::InitApply(_) | Event::InitDone => None,
        };
        let mut state = self.lock();
        let label =
            |namespace: NamespaceMetadata| Some(namespace.labels().get(names::INJECTION_LABEL).cloned());
        let changed = state.injection.apply(event, label);
        self.note_filled(&state);
        match touched {
            _ if changed.is_empty() => Vec::new(),
            Some(name) => vec![name],
            None => state.injection.names(""),
        }
    }

    fn note_filled(&self, state: &State) {
        if state.injection.is_filled() && state.pods.is_filled() {
            // Fails when it was set before, which is as good.
            let _ = self.filled.set(());
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps `cluster` current and sends the namespaces in which something changed. Errors of a watch are logged and retried with
/// backoff; it returns only when a watch ends or nobody listens.
pub(super) async fn watch(client: Client, cluster: Arc<Cluster>, sender: mpsc::Sender<String>) {
    let namespaces = Api::<NamespaceMetadata>::all(client.clone());
    let mut namespaces = pin!(watcher(namespaces, watcher::Config::default()).default_backoff());
    let mut pods = pin!(watcher(Api::<Pod>::all(client), watcher::Config::default()).default_backoff());
    let mut tick = interval(QUIET);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut changed = BTreeSet::new();
    loop {
        let result = tokio::select! {
            Some(event) = pods.next() => event.map(|event| cluster.apply_pod(event)),
            Some(event) = namespaces.next() => event.map(|event| cluster.apply_namespace(event)),
            _ = tick.tick(), if !changed.is_empty() => {
                for namespace in std::mem::take(&mut changed) {
                    if sender.send(namespace).await.is_err() {
                        return;
                    }
                }
                continue;
            }
            else => return,
        };
        match result {
            Ok(names) => changed.extend(names),
            Err(error) => tracing::warn!(what = "Pods and Namespaces", %error, "watch failed, retrying"),
        }
    }
}

fn summary(pod: Pod) -> Option<PodSummary> {
    let status = pod.status.unwrap_or_default();
    if matches!(status.phase.as_deref(), Some("Succeeded" | "Failed")) {
        return None;
    }
    let spec = pod.spec.unwrap_or_default();
    let has_sidecar = spec
        .init_containers
        .iter()
        .flatten()
        .chain(&spec.containers)
        .any(|container| container.name == names::SIDECAR_CONTAINER);
    let mut metadata = pod.metadata;
    let annotations = metadata.annotations.get_or_insert_default();
    let hash = annotations.remove(names::INJECTED_ANNOTATION);
    let left_out = annotations.get(names::LEFT_OUT_ANNOTATION);
    Some(PodSummary {
        address: address(&status),
        left_out: read_left_out(left_out.filter(|_| has_sidecar).map(String::as_str)),
        injected: hash.filter(|_| has_sidecar),
        account: spec.service_account_name.unwrap_or_else(|| "default".to_owned()),
        created: metadata.creation_timestamp.as_ref().map(|time| time.0),
        labels: std::mem::take(metadata.labels.get_or_insert_default()),
        name: metadata.name.unwrap_or_default(),
    })
}

/// The pod's address, once its sidecar runs.
fn address(status: &PodStatus) -> Option<IpAddr> {
    let containers = status
        .init_container_statuses
        .iter()
        .chain(&status.container_statuses)
        .flatten();
    let runs = |container: &ContainerStatus| {
        container.name == names::SIDECAR_CONTAINER
            && container
                .state
                .as_ref()
                .is_some_and(|state| state.running.is_some())
    };
    let is_running = containers.into_iter().any(runs);
    status.pod_ip.as_ref().filter(|_| is_running)?.parse().ok()
}

#[cfg(test)]
mod tests;
