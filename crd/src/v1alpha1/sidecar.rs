//! The injected container, as a `LogShipping` asks for it.

use crate::types::DURATION_PATTERN;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The injected container.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SidecarSpec {
    /// Resource requests and limits. Requests and a memory limit are always set.
    #[serde(default)]
    pub resources: ResourceRequirements,
    /// Whether the sidecar is a native one (an init container with restartPolicy Always). `Auto`: where every node allows it.
    #[serde(default)]
    pub native: Native,
    /// What is done about the pod's ServiceAccount when a source reads the Kubernetes API.
    #[serde(default)]
    pub service_account: ServiceAccountPolicy,
    /// Place of a native sidecar among the init containers. `Last` is for meshes whose proxy must be up first.
    #[serde(default)]
    pub position: Position,
    /// Where checkpoints live.
    #[serde(default)]
    pub state: State,
    /// The longest time that the sidecar takes to send what is left when the pod stops, for example `10s`.
    #[serde(default = "SidecarSpec::default_drain")]
    #[schemars(length(max = 16), regex(pattern = DURATION_PATTERN))]
    #[x_kube(validation = Rule::new("duration(self) <= duration('10m')").message("drain: must be at most 10m"))]
    pub drain: String,
}

impl SidecarSpec {
    fn default_drain() -> String {
        "10s".to_owned()
    }
}

impl Default for SidecarSpec {
    fn default() -> Self {
        Self {
            resources: ResourceRequirements::default(),
            native: Native::default(),
            service_account: ServiceAccountPolicy::default(),
            position: Position::default(),
            state: State::default(),
            drain: Self::default_drain(),
        }
    }
}

/// Resource requests and limits, by name (`cpu`, `memory`, `ephemeral-storage`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResourceRequirements {
    /// What the scheduler reserves.
    #[serde(default = "ResourceRequirements::default_requests")]
    #[schemars(extend("maxProperties" = 3, "additionalProperties" = {"type": "string", "maxLength": 32}))]
    #[x_kube(validation = Rule::new("self.all(k, k in ['cpu', 'memory', 'ephemeral-storage'] && isQuantity(self[k]) && !quantity(self[k]).isLessThan(quantity('0')))").message("resources.requests: cpu, memory or ephemeral-storage, each a Kubernetes quantity such as 5m or 16Mi"))]
    pub requests: BTreeMap<String, String>,
    /// What the sidecar may use at most. Without a `memory` limit, 64Mi is set.
    #[serde(default = "ResourceRequirements::default_limits")]
    #[schemars(extend("maxProperties" = 3, "additionalProperties" = {"type": "string", "maxLength": 32}))]
    #[x_kube(validation = Rule::new("self.all(k, k in ['cpu', 'memory', 'ephemeral-storage'] && isQuantity(self[k]) && !quantity(self[k]).isLessThan(quantity('0')))").message("resources.limits: cpu, memory or ephemeral-storage, each a Kubernetes quantity such as 100m or 64Mi"))]
    pub limits: BTreeMap<String, String>,
}

impl ResourceRequirements {
    fn default_requests() -> BTreeMap<String, String> {
        BTreeMap::from([
            ("cpu".to_owned(), "5m".to_owned()),
            ("memory".to_owned(), "16Mi".to_owned()),
        ])
    }

    fn default_limits() -> BTreeMap<String, String> {
        BTreeMap::from([("memory".to_owned(), "64Mi".to_owned())])
    }
}

impl Default for ResourceRequirements {
    fn default() -> Self {
        Self {
            requests: Self::default_requests(),
            limits: Self::default_limits(),
        }
    }
}

/// Whether the sidecar is a native one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Native {
    /// Native where the kubelet of every node is 1.29 or newer, classic otherwise.
    #[default]
    Auto,
    /// Native, whatever the nodes are.
    Always,
    /// A classic container.
    Never,
}

/// What is done about the pod's ServiceAccount when a source reads the Kubernetes API.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ServiceAccountPolicy {
    /// The application gains no right. A pod that runs as `default` gets the account `logship-sidecar`, with the token in the
    /// sidecar only; a pod with an account of its own keeps it, and its sidecar gets a short-lived token of `logship-sidecar`.
    #[default]
    Inject,
    /// The pod keeps its account, and that account is bound to the Role: the application can read logs, too.
    Bind,
    /// Nothing is touched; the user grants the rights.
    Keep,
}

/// Place of a native sidecar among the init containers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Position {
    /// Before all others: it sees their logs, and it stops last.
    #[default]
    First,
    /// After all others.
    Last,
}

/// Where checkpoints live: at most one kind; an emptyDir of 64Mi when none is given.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!(has(self.emptyDir) && has(self.persistentVolumeClaim))").message("state: at most one kind is allowed: emptyDir or persistentVolumeClaim"))]
pub struct State {
    /// A volume that lives as long as the pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub empty_dir: Option<EmptyDirState>,
    /// A volume that outlives the pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub persistent_volume_claim: Option<PersistentVolumeClaimState>,
}

/// A volume that lives as long as the pod.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct EmptyDirState {
    /// Its greatest size, for example `64Mi`; `0`: no limit. The kubelet evicts a pod that uses more, so the sidecar keeps less. A pod that
    /// several resources select has one volume, with room for what all of them say.
    #[serde(default = "EmptyDirState::default_size_limit")]
    #[schemars(length(max = 32))]
    #[x_kube(validation = Rule::new("isQuantity(self) && (quantity(self).compareTo(quantity('0')) == 0 || quantity(self).compareTo(quantity('1Mi')) >= 0)").message("sizeLimit: must be 0 or a Kubernetes quantity of at least 1Mi such as 64Mi"))]
    pub size_limit: String,
}

impl EmptyDirState {
    fn default_size_limit() -> String {
        "64Mi".to_owned()
    }
}

impl Default for EmptyDirState {
    fn default() -> Self {
        Self {
            size_limit: Self::default_size_limit(),
        }
    }
}

/// A volume that outlives the pod.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PersistentVolumeClaimState {
    /// Name of a PersistentVolumeClaim in this namespace.
    #[schemars(length(min = 1, max = 253))]
    pub claim_name: String,
}
