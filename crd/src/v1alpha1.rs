//! `LogShipping` v1alpha1: the types behind the CustomResourceDefinition.
//!
//! A doc comment on a field is what `kubectl explain` prints. What a schema can check is checked by the schema (bounds,
//! patterns, CEL rules); the rest is checked by the operator, which reports it in the conditions.

mod endpoint;
mod limits;
mod pipeline;
mod sidecar;
mod sink;
mod source;
mod status;

pub use endpoint::{
    Auth, BasicAuth, BearerAuth, CertificateAuthority, ClientCertificate, Endpoint, SecretKey, Tls,
};
pub use limits::LimitsSpec;
pub use pipeline::{
    AlertStep, CountStep, ParseFormat, ParseStep, RateLimitStep, RedactStep, RemoveStep, SampleStep, SetStep,
    SeverityStep, Step, WhenStep,
};
pub use sidecar::{
    EmptyDirState, Native, PersistentVolumeClaimState, Position, ResourceRequirements, ServiceAccountPolicy,
    SidecarSpec, State,
};
pub use sink::{
    BatchSpec, Compression, ElasticsearchSink, FileSink, Fsync, HttpSink, LokiSink, OtlpProtocol, OtlpSink,
    RetrySpec, Rotation, Sink, StdoutFormat, StdoutSink, Summary, WhenFull,
};
pub use source::{
    ContainerOutputSource, FilesSource, Framing, Multiline, Source, Spill, StartAt, VolumeReference,
};
pub use status::{
    ConditionType, GenerationCount, LogShippingStatus, PodCounts, RecentSkip, Refusal, SpillBound,
};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Ships the logs of the pods that it selects in its own namespace, without a change to their manifests.
#[derive(CustomResource, KubeSchema, Debug, Clone, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "logship.dev",
    version = "v1alpha1",
    kind = "LogShipping",
    plural = "logshippings",
    shortname = "lsh",
    category = "logging",
    namespaced,
    status = "LogShippingStatus",
    derive = "PartialEq",
    doc = "LogShipping ships the logs of the pods that it selects in its own namespace, without a change to their manifests.",
    validation = Rule::new("size(self.metadata.name) <= 63").message("metadata.name: must have at most 63 characters, because names of objects and paths are made from it"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].status"),
    printcolumn(name = "Matched", type_ = "integer", json_path = ".status.pods.matched"),
    printcolumn(name = "Injected", type_ = "integer", json_path = ".status.pods.injected"),
    printcolumn(name = "Current", type_ = "integer", json_path = ".status.pods.current"),
    printcolumn(name = "Outdated", type_ = "integer", json_path = ".status.pods.outdated"),
    printcolumn(name = "Sinks", type_ = "string", json_path = ".status.sinks"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.pipeline) || self.pipeline.all(step, !has(step.sources) || step.sources.all(name, self.sources.exists(source, source.name == name)))").message("spec.pipeline: sources of a step must be names of spec.sources"))]
#[x_kube(validation = Rule::new("!has(self.pipeline) || self.pipeline.all(step, !has(step.alert) || step.alert.to.all(name, name == 'stderr' || self.sinks.exists(sink, sink.name == name)))").message("spec.pipeline: alert.to must be stderr or names of spec.sinks"))]
pub struct LogShippingSpec {
    /// Which pods of this namespace are shipped, by their labels. `{}` selects every pod that opted in (by its own label or
    /// its namespace's). An absent selector is invalid.
    pub selector: LabelSelector,

    /// Where records come from.
    #[schemars(length(min = 1, max = 16))]
    #[x_kube(validation = Rule::new("self.all(s, self.exists_one(t, t.name == s.name))").message("spec.sources: each name must be unique"))]
    pub sources: Vec<Source>,

    /// What is done to each record, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub pipeline: Vec<Step>,

    /// Where records go; each record goes to every sink whose `when` is true of it.
    #[schemars(length(min = 1, max = 16))]
    #[x_kube(validation = Rule::new("self.all(s, self.exists_one(t, t.name == s.name))").message("spec.sinks: each name must be unique"))]
    pub sinks: Vec<Sink>,

    /// What this resource may use in each pod.
    #[serde(default)]
    pub limits: LimitsSpec,

    /// The injected container.
    #[serde(default)]
    pub sidecar: SidecarSpec,
}

impl LogShippingSpec {
    /// Whether a source of this resource talks to the Kubernetes API, so that its pods need a token.
    pub fn needs_api(&self) -> bool {
        self.sources
            .iter()
            .any(|source| source.container_output.is_some())
    }

    /// The keys of Secrets that its sinks refer to.
    pub fn secret_keys(&self) -> BTreeSet<SecretKey<'_>> {
        let endpoints = self.sinks.iter().filter_map(Sink::endpoint);
        endpoints.flat_map(Endpoint::secret_keys).collect()
    }
}
