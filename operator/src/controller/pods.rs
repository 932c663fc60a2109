//! What the reconciler knows about the pods of the cluster: a few fields of each, kept by one watch.

use crate::index::Index;
use futures::StreamExt;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::jiff::Timestamp;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client};
use logship_crd::names;
use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{SetOnce, mpsc};
use tokio::time::{MissedTickBehavior, interval};

/// A namespace is told to have changed at most once in this time, however many of its pods come and go.
const QUIET: Duration = Duration::from_secs(2);

/// A pod that has not ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PodSummary {
    pub name: String,
    pub labels: BTreeMap<String, String>,
    /// The hash of the plan that was injected, if the sidecar is there.
    pub injected: Option<String>,
    /// Its ServiceAccount.
    pub account: String,
    pub created: Option<Timestamp>,
}

/// The pods of the cluster.
#[derive(Debug, Default)]
pub(super) struct Pods {
    index: Mutex<Index<PodSummary>>,
    filled: SetOnce<()>,
}

impl Pods {
    /// The pods of one namespace that have not ended, ordered by name.
    pub(super) fn namespace(&self, namespace: &str) -> Vec<Arc<PodSummary>> {
        self.lock().namespace(namespace)
    }

    /// Returns when the pods were listed once.
    pub(super) async fn filled(&self) {
        self.filled.wait().await;
    }

    fn apply(&self, event: Event<Pod>) -> Vec<String> {
        let mut index = self.lock();
        let changed = index.apply(event, summary);
        if index.is_filled() {
            // Fails when it was set before, which is as good.
            let _ = self.filled.set(());
        }
        changed
    }

    fn lock(&self) -> MutexGuard<'_, Index<PodSummary>> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps `pods` current and sends the namespaces in which something changed. Errors of the watch are logged and retried with
/// backoff; it returns only when the watch ends or nobody listens.
pub(super) async fn watch(client: Client, pods: Arc<Pods>, changes: mpsc::Sender<String>) {
    let mut events = pin!(watcher(Api::<Pod>::all(client), watcher::Config::default()).default_backoff());
    let mut tick = interval(QUIET);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut changed = BTreeSet::new();
    loop {
        tokio::select! {
            event = events.next() => match event {
                Some(Ok(event)) => changed.extend(pods.apply(event)),
                Some(Err(error)) => tracing::warn!(what = "Pods", %error, "watch failed, retrying"),
                None => return,
            },
            _ = tick.tick(), if !changed.is_empty() => {
                for namespace in std::mem::take(&mut changed) {
                    if changes.send(namespace).await.is_err() {
                        return;
                    }
                }
            }
        }
    }
}

fn summary(pod: Pod) -> Option<PodSummary> {
    let phase = pod.status.and_then(|status| status.phase).unwrap_or_default();
    if matches!(phase.as_str(), "Succeeded" | "Failed") {
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
    let hash = metadata
        .annotations
        .get_or_insert_default()
        .remove(names::INJECTED_ANNOTATION);
    Some(PodSummary {
        injected: hash.filter(|_| has_sidecar),
        account: spec.service_account_name.unwrap_or_else(|| "default".to_owned()),
        created: metadata.creation_timestamp.as_ref().map(|time| time.0),
        labels: std::mem::take(metadata.labels.get_or_insert_default()),
        name: metadata.name.unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests;
