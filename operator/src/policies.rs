//! The in-memory index that the webhook reads: resources by namespace, labels of namespaces, and what the nodes allow.
//!
//! It promises that a read never waits for the network: [`watch`] replaces values under a lock that is held for no longer
//! than that takes, readers take a snapshot. Every replica fills its own index; what only the leader knows (whether the
//! objects of a resource were applied) is read from the status of the resource.

use crate::controller::validate::{validate, violations_text};
use crate::index::Index;
use futures::{Stream, StreamExt};
use k8s_openapi::api::core::v1::{Namespace, Node};
use k8s_openapi::jiff::Timestamp;
use kube::api::PartialObjectMeta;
use kube::core::DeserializeGuard;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, ResourceExt};
use logship_crd::names;
use logship_crd::v1alpha1::{ConditionType, LogShipping, LogShippingSpec};
use std::pin::pin;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use tokio::sync::futures::Notified;
use tokio::sync::{Notify, SetOnce};

/// A `LogShipping` that may be malformed.
pub type Guarded = DeserializeGuard<LogShipping>;

/// A `LogShipping` as the webhook sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// Name of the resource.
    pub name: String,
    /// When it was created. Of two that cannot be had in one pod, the older is.
    pub created: Option<Timestamp>,
    /// What it asks for.
    pub spec: LogShippingSpec,
    /// Whether pods can be injected because of it.
    pub readiness: Readiness,
}

impl Policy {
    /// Less of an older one; of equally old ones, of the first by name.
    pub fn seniority(&self) -> (Option<Timestamp>, &str) {
        (self.created, &self.name)
    }
}

/// Whether pods can be injected because of a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Readiness {
    /// Its objects were applied for this generation of its spec, or for an older one that needs the same objects.
    Ready,
    /// Its objects were not applied yet.
    Pending,
    /// It cannot be carried out; the text names field, value and remedy.
    Invalid(String),
}

/// The index.
#[derive(Debug, Default)]
pub struct Policies {
    state: RwLock<State>,
    filled: SetOnce<()>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    policies: Index<Policy>,
    /// Values of the injection label.
    namespaces: Index<String>,
    /// Whether the kubelet runs native sidecars.
    nodes: Index<bool>,
}

impl Policies {
    /// The value of the namespace's injection label, and its resources ordered by name.
    pub fn snapshot(&self, namespace: &str) -> (Option<String>, Vec<Arc<Policy>>) {
        let state = self.read();
        let injection = state
            .namespaces
            .get("", namespace)
            .map(|value| String::clone(value));
        (injection, state.policies.namespace(namespace))
    }

    /// Whether the kubelet of every node is 1.29 or newer. Without a node nothing is known: `false`.
    pub fn nodes_run_native(&self) -> bool {
        let nodes = self.read().nodes.namespace("");
        !nodes.is_empty() && nodes.iter().all(|native| **native)
    }

    /// Whether resources, namespaces and nodes were all listed once.
    pub fn is_filled(&self) -> bool {
        self.filled.initialized()
    }

    /// Ends at the next change after this call.
    pub fn changed(&self) -> Notified<'_> {
        self.changed.notified()
    }

    /// Applies an event of the resources. A malformed one is left out.
    pub fn apply_shipping(&self, event: Event<Guarded>) {
        self.update(|state| state.policies.apply(event, policy));
    }

    /// Applies an event of the namespaces.
    pub fn apply_namespace(&self, event: Event<PartialObjectMeta<Namespace>>) {
        let injection =
            |namespace: PartialObjectMeta<Namespace>| namespace.labels().get(names::INJECTION_LABEL).cloned();
        self.update(|state| state.namespaces.apply(event, injection));
    }

    /// Applies an event of the nodes.
    pub fn apply_node(&self, event: Event<Node>) {
        self.update(|state| state.nodes.apply(event, |node| Some(runs_native(&node))));
    }

    fn update(&self, change: impl FnOnce(&mut State) -> Vec<String>) {
        let mut state = self.write();
        change(&mut state);
        if state.policies.is_filled() && state.namespaces.is_filled() && state.nodes.is_filled() {
            // Fails when it was set before, which is as good.
            let _ = self.filled.set(());
        }
        drop(state);
        self.changed.notify_waiters();
    }

    // A writer that panicked leaves whole values behind: each is replaced in one assignment.
    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Fills the index and keeps it current. Errors of a watch are logged and retried with backoff.
///
/// It returns only when a watch ends, which none does by itself.
pub async fn watch(client: Client, policies: Arc<Policies>) {
    let shippings =
        pin!(watcher(Api::<Guarded>::all(client.clone()), watcher::Config::default()).default_backoff());
    let namespaces = Api::<PartialObjectMeta<Namespace>>::all(client.clone());
    let namespaces = pin!(watcher(namespaces, watcher::Config::default()).default_backoff());
    let nodes = pin!(watcher(Api::<Node>::all(client), watcher::Config::default()).default_backoff());
    tokio::select! {
        () = drain("LogShippings", shippings, |event| policies.apply_shipping(event)) => {}
        () = drain("Namespaces", namespaces, |event| policies.apply_namespace(event)) => {}
        () = drain("Nodes", nodes, |event| policies.apply_node(event)) => {}
    }
}

async fn drain<T>(what: &str, mut events: impl Stream<Item = watcher::Result<T>> + Unpin, apply: impl Fn(T)) {
    while let Some(event) = events.next().await {
        match event {
            Ok(event) => apply(event),
            Err(error) => tracing::warn!(what, %error, "watch failed, retrying"),
        }
    }
}

fn policy(shipping: Guarded) -> Option<Policy> {
    match shipping.0 {
        Ok(shipping) => {
            let readiness = readiness(&shipping);
            Some(Policy {
                name: shipping.name_any(),
                created: shipping.creation_timestamp().map(|time| time.0),
                spec: shipping.spec,
                readiness,
            })
        }
        Err(invalid) => {
            let (namespace, name) = (invalid.metadata.namespace, invalid.metadata.name);
            tracing::warn!(
                ?namespace,
                ?name,
                error = invalid.error,
                "left out a malformed LogShipping"
            );
            None
        }
    }
}

/// What the resource itself says about its readiness.
pub fn readiness(shipping: &LogShipping) -> Readiness {
    if let Err(violations) = validate(&shipping.spec) {
        return Readiness::Invalid(violations_text(&violations));
    }
    let conditions = shipping.status.iter().flat_map(|status| &status.conditions);
    let is_true = |wanted: ConditionType| {
        conditions
            .clone()
            .any(|condition| condition.type_ == wanted.name() && condition.status == "True")
    };
    if is_true(ConditionType::RbacReady) && is_true(ConditionType::ConfigReady) {
        Readiness::Ready
    } else {
        Readiness::Pending
    }
}

/// Native sidecars are on by default since 1.29 (KEP-753). Versions look like `v1.29.3-eks-1234`.
fn runs_native(node: &Node) -> bool {
    let info = node.status.as_ref().and_then(|status| status.node_info.as_ref());
    let version = info
        .map(|info| info.kubelet_version.trim_start_matches('v'))
        .unwrap_or_default();
    let mut numbers = version
        .split(['.', '-', '+'])
        .map_while(|part| part.parse::<u32>().ok());
    matches!((numbers.next(), numbers.next()), (Some(major), Some(minor)) if (major, minor) >= (1, 29))
}

#[cfg(test)]
mod tests;
