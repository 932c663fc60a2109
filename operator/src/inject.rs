//! Injection: a pure function from (raw pod, resources, settings) to a decision.
//!
//! It works on the raw JSON of the pod, so that fields newer than the compiled API types survive, and answers with explicit
//! `add` operations (and, for the token mounts and the account that D5 of ARCHITECTURE.md names, `replace` and `remove`).

use crate::policies::Policy;
use serde_json::Value;
use std::sync::Arc;

/// Everything that a decision depends on.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// The pod as the API server sent it.
    pub pod: &'a Value,
    /// Namespace of the request: a pod's body may not name it.
    pub namespace: &'a str,
    /// Value of the namespace's `logship.dev/injection` label.
    pub namespace_injection: Option<&'a str>,
    /// The resources of that namespace, ordered by name.
    pub policies: &'a [Arc<Policy>],
    /// What the operator was told by its flags and learned from the nodes.
    pub settings: &'a Settings,
}

/// What does not come from the pod or its resources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Image of the sidecar.
    pub image: String,
    /// `imagePullPolicy` of the sidecar: `Always`, `IfNotPresent` or `Never`.
    pub image_pull_policy: String,
    /// Containers that are never the application, beside the known proxies.
    pub exclude_containers: Vec<String>,
    /// Whether the kubelet of every node runs native sidecars (1.29 or newer).
    pub nodes_run_native: bool,
}

/// What is done about a pod.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// It gets the sidecar.
    Inject {
        /// What to change.
        patch: json_patch::Patch,
        /// Remarks for the person who created the pod, e.g. an unknown annotation.
        warnings: Vec<String>,
    },
    /// It stays as it is.
    Skip {
        /// Why, as a metric label.
        reason: SkipReason,
        /// Why, for a person: names what was found and what to do. Sent as an admission warning unless the pod did not ask.
        message: String,
        /// Further remarks.
        warnings: Vec<String>,
    },
}

/// Why a pod is not injected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SkipReason {
    /// It carries our sidecar already.
    AlreadyInjected,
    /// Its label or its namespace's says so, or neither asks.
    Disabled,
    /// It is a mirror of a static pod.
    StaticPod,
    /// It runs on Windows.
    Windows,
    /// No resource selects it.
    NoMatchingResource,
    /// The objects of the resource were not applied yet.
    ResourceNotReady,
    /// The resource cannot be carried out.
    ResourceInvalid,
    /// It uses the host's network and an API source, without an account that could be used.
    HostNetwork,
    /// The name of a volume, a mount path or a container is taken.
    Conflict,
    /// The log directory lies on a mount of a kind that cannot be shared.
    UnsupportedMount,
    /// The application's container was not found.
    ContainerNotFound,
}
