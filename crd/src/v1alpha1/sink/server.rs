//! Sinks that speak HTTP with a server. Each is an [`Endpoint`] and what its protocol adds.

use crate::v1alpha1::Endpoint;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// An HTTP endpoint: POST of newline-delimited JSON; any 2xx is the acknowledgement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HttpSink {
    /// Where it is.
    #[serde(flatten)]
    pub endpoint: Endpoint,
    /// Compression of the body: `gzip`, `zstd` or `none`.
    #[serde(default)]
    pub compression: Compression,
}

/// Grafana Loki, by its push API: protobuf and snappy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct LokiSink {
    /// Where it is.
    #[serde(flatten)]
    pub endpoint: Endpoint,
    /// The tenant: `X-Scope-OrgID`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 150), regex(pattern = r"^[A-Za-z0-9!_.*'()-]+$"))]
    pub tenant: Option<String>,
    /// Further labels of the stream: fixed values by name, at most 10. Every combination of values is a stream of its own in Loki.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 10, "additionalProperties" = {"type": "string", "minLength": 1, "maxLength": 1024}))]
    #[x_kube(validation = Rule::new("self.all(name, name.size() <= 128 && name.matches('^[a-zA-Z_][a-zA-Z0-9_]*$') && !name.startsWith('__'))").message("loki.labels: names are letters, digits and underscores, do not begin with a digit or two underscores, and have at most 128 characters"))]
    pub labels: BTreeMap<String, String>,
    /// Whether fields are sent as structured metadata (Loki 3, or 2.9 with it switched on); otherwise they are not sent.
    #[serde(default = "LokiSink::default_structured_metadata")]
    pub structured_metadata: bool,
}

impl LokiSink {
    fn default_structured_metadata() -> bool {
        true
    }
}

/// A receiver of the OpenTelemetry protocol. What it refuses as a partial success goes to the dead-letter file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct OtlpSink {
    /// Where it is.
    #[serde(flatten)]
    pub endpoint: Endpoint,
    /// How it is spoken: `http` (protobuf, usually port 4318) or `grpc` (usually port 4317).
    #[serde(default)]
    pub protocol: OtlpProtocol,
    /// Compression of the body: `gzip`, `zstd` or `none`.
    #[serde(default)]
    pub compression: Compression,
    /// Attributes of the OpenTelemetry resource besides those of the pod: fixed values by name, at most 32.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 32, "additionalProperties" = {"type": "string", "maxLength": 1024}))]
    #[x_kube(validation = Rule::new("self.all(name, name.size() > 0 && name.size() <= 128)").message("otlp.resource: names of attributes have 1 to 128 characters"))]
    pub resource: BTreeMap<String, String>,
}

/// How OTLP is spoken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum OtlpProtocol {
    /// HTTP with protobuf.
    #[default]
    Http,
    /// gRPC.
    Grpc,
}

/// Elasticsearch or OpenSearch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ElasticsearchSink {
    /// Where it is.
    #[serde(flatten)]
    pub endpoint: Endpoint,
    /// Data stream or index, for example `logs-shop-default`.
    #[schemars(length(min = 1, max = 255), regex(pattern = r"^[a-z0-9.][a-z0-9._+-]*$"))]
    #[x_kube(validation = Rule::new("!(self in ['.', '..'])").message("elasticsearch.index: must be the name of a data stream or index, such as logs-shop-default"))]
    pub index: String,
    /// Name of an ingest pipeline that the server runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255), regex(pattern = r"^[A-Za-z0-9._-]+$"))]
    pub ingest_pipeline: Option<String>,
    /// Compression of the body: `gzip` or `none`.
    #[serde(default)]
    #[x_kube(validation = Rule::new("self != 'zstd'").message("elasticsearch.compression: must be gzip or none; the bulk API does not know zstd"))]
    pub compression: Compression,
}

/// Compression of a request's body.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Compression {
    /// `Content-Encoding: gzip`.
    #[default]
    Gzip,
    /// `Content-Encoding: zstd`.
    Zstd,
    /// As it is.
    None,
}
