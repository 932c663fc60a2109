//! What the operator reports about a `LogShipping`.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the operator reports.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LogShippingStatus {
    /// The generation of the spec that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Ready, Valid, RbacReady, ConfigReady, Compatible, Applied.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// Pods of this namespace, counted.
    #[serde(default)]
    pub pods: PodCounts,
    /// How many pods run which generation of the spec, the newest first; at most ten.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub generations: Vec<GenerationCount>,
    /// Pods whose sidecar refuses the configuration and goes on with the one before, by name; at most ten.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refusals: Vec<Refusal>,
    /// What the sidecar of each pod keeps of container output while sinks take nothing, at most.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub spills: Vec<SpillBound>,
    /// ServiceAccounts that may read logs because of this resource.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub service_accounts: Vec<String>,
    /// Names of the sinks, for `kubectl get`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub sinks: String,
    /// The newest decisions not to inject a pod that this resource selects; at most ten.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recent_skips: Vec<RecentSkip>,
}

/// Pods, counted. Pods that have ended do not count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PodCounts {
    /// Selected, and opted in by their own label or their namespace's.
    #[serde(default)]
    pub matched: i32,
    /// Matched, with a sidecar that serves this resource.
    #[serde(default)]
    pub injected: i32,
    /// Injected, and their sidecars run the generation that this status speaks of.
    #[serde(default)]
    pub current: i32,
    /// Injected, but what their sidecars run is not known: they have not started yet, or do not answer the operator.
    #[serde(default)]
    pub unknown: i32,
    /// Injected, but not as they would be today.
    #[serde(default)]
    pub outdated: i32,
    /// Matched, without a sidecar, or with one that serves other resources and not this one.
    #[serde(default)]
    pub missed: i32,
}

/// Pods that run one generation of the spec.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GenerationCount {
    /// The generation.
    pub generation: i64,
    /// How many pods.
    pub pods: i32,
}

/// The bound of one source's spill in each pod; what of it is used is in the sidecar's `/status` and metrics.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SpillBound {
    /// Name of the source.
    pub source: String,
    /// As `containerOutput.spill.maxBytes` says it, or as it comes out of the room on the state volume; 0: nothing is kept.
    pub max_bytes: String,
}

/// A pod whose sidecar refuses a configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Refusal {
    /// Its name.
    pub pod: String,
    /// The generation that it refuses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<i64>,
    /// Why, in the sidecar's words: document, line, column and what would be right.
    pub message: String,
}

/// A decision not to inject.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RecentSkip {
    /// Pod, or the `generateName` of one that has no name yet.
    pub pod: String,
    /// Why, as one word.
    pub reason: String,
    /// How often.
    pub count: i32,
    /// When it was last seen.
    pub last_seen: Time,
}

/// Conditions that the operator sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConditionType {
    /// Pods are injected: Valid, RbacReady and ConfigReady are true.
    Ready,
    /// The spec is one that can be carried out.
    Valid,
    /// ServiceAccount, Role and RoleBinding were applied.
    RbacReady,
    /// The ConfigMap was applied.
    ConfigReady,
    /// No pod had to choose between this resource and another one.
    Compatible,
    /// Every sidecar runs the newest generation.
    Applied,
}

impl ConditionType {
    /// The `type` of the condition.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ready => "Ready",
            Self::Valid => "Valid",
            Self::RbacReady => "RbacReady",
            Self::ConfigReady => "ConfigReady",
            Self::Compatible => "Compatible",
            Self::Applied => "Applied",
        }
    }
}
