//! Sinks of a `LogShipping`: what all kinds have in common. The kinds are in [`file`] and [`server`].

mod file;
mod server;

pub use file::{FileSink, Fsync, Rotation, StdoutFormat, StdoutSink, Summary};
pub use server::{Compression, ElasticsearchSink, HttpSink, LokiSink, OtlpProtocol, OtlpSink};

use super::Endpoint;
use crate::types::DURATION_PATTERN;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A named sink of exactly one kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("[has(self.stdout), has(self.file), has(self.http), has(self.loki), has(self.otlp), has(self.elasticsearch)].filter(x, x).size() == 1").message("exactly one kind is required: stdout, file, http, loki, otlp or elasticsearch"))]
pub struct Sink {
    /// Name, unique in this resource: in metrics and in the status.
    #[schemars(
        length(min = 1, max = 40),
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
    )]
    pub name: String,
    /// A condition in CEL over the record, for example `severity == "ERROR"`: only the records for which it is true go to this
    /// sink. Without it, all do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    pub when: Option<String>,
    /// Standard output of the sidecar.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdout: Option<StdoutSink>,
    /// A file on the sidecar's state volume.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<FileSink>,
    /// An HTTP endpoint that takes newline-delimited JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<HttpSink>,
    /// Grafana Loki, by its push API; `/loki/api/v1/push` is added to a URL without a path. The labels of a stream are namespace,
    /// pod, container and source, and those named here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loki: Option<LokiSink>,
    /// A receiver of the OpenTelemetry protocol, for example an OpenTelemetry Collector. Over HTTP, `/v1/logs` is added to a URL
    /// without a path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub otlp: Option<OtlpSink>,
    /// Elasticsearch or OpenSearch, by `_bulk` with `create`, which data streams and indices take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub elasticsearch: Option<ElasticsearchSink>,
    /// How records are gathered before they are sent.
    #[serde(default)]
    pub batch: BatchSpec,
    /// How long failures are repeated.
    #[serde(default)]
    pub retry: RetrySpec,
    /// What happens to this sink's records while it takes none.
    #[serde(default)]
    pub when_full: WhenFull,
}

impl Sink {
    /// Where it sends, for the kinds that speak HTTP.
    pub fn endpoint(&self) -> Option<&Endpoint> {
        let Self {
            name: _,
            when: _,
            stdout: _,
            file: _,
            http,
            loki,
            otlp,
            elasticsearch,
            batch: _,
            retry: _,
            when_full: _,
        } = self;
        let http = http.as_ref().map(|http| &http.endpoint);
        let loki = loki.as_ref().map(|loki| &loki.endpoint);
        let otlp = otlp.as_ref().map(|otlp| &otlp.endpoint);
        let elasticsearch = elasticsearch
            .as_ref()
            .map(|elasticsearch| &elasticsearch.endpoint);
        http.or(loki).or(otlp).or(elasticsearch)
    }
}

/// When a batch is sent: when either bound is reached.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct BatchSpec {
    /// Bytes of encoded records before compression, for example `1Mi`.
    #[serde(default = "BatchSpec::default_max_bytes")]
    #[schemars(length(max = 16), regex(pattern = r"^[0-9]+(Ki|Mi)?$"))]
    #[x_kube(validation = Rule::new("quantity(self).compareTo(quantity('1Ki')) >= 0 && quantity(self).compareTo(quantity('16Mi')) <= 0").message("batch.maxBytes: must be between 1Ki and 16Mi"))]
    pub max_bytes: String,
    /// Age of the oldest record, for example `200ms`.
    #[serde(default = "BatchSpec::default_max_age")]
    #[schemars(length(max = 16), regex(pattern = DURATION_PATTERN))]
    #[x_kube(validation = Rule::new("duration(self) >= duration('1ms') && duration(self) <= duration('5m')").message("batch.maxAge: must be between 1ms and 5m"))]
    pub max_age: String,
    /// Batches that are on their way at once. With more than one, a batch that is repeated may arrive after its successor.
    /// Sinks `stdout` and `file` always have one.
    #[serde(default = "BatchSpec::default_in_flight")]
    #[schemars(range(min = 1, max = 32), extend("format" = "int32"))]
    pub in_flight: u32,
}

impl BatchSpec {
    fn default_max_bytes() -> String {
        "1Mi".to_owned()
    }

    fn default_max_age() -> String {
        "200ms".to_owned()
    }

    fn default_in_flight() -> u32 {
        1
    }
}

impl Default for BatchSpec {
    fn default() -> Self {
        Self {
            max_bytes: Self::default_max_bytes(),
            max_age: Self::default_max_age(),
            in_flight: Self::default_in_flight(),
        }
    }
}

/// How long failures are repeated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RetrySpec {
    /// Age at which a batch that cannot be sent is given up to the dead-letter file, for example `1h`. `0s`: never, so that a
    /// sink that is down for long loses nothing while the log files are there. Counter: `logship_given_up_records_total`.
    #[serde(default = "RetrySpec::default_max_age")]
    #[schemars(length(max = 16), regex(pattern = DURATION_PATTERN))]
    #[x_kube(validation = Rule::new("duration(self) <= duration('168h')").message("retry.maxAge: must be at most 168h; 0s is for ever"))]
    pub max_age: String,
}

impl RetrySpec {
    fn default_max_age() -> String {
        "0s".to_owned()
    }
}

impl Default for RetrySpec {
    fn default() -> Self {
        Self {
            max_age: Self::default_max_age(),
        }
    }
}

/// What happens to a sink's records while it takes none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum WhenFull {
    /// Reading stops until it does, for every sink of the resource: nothing is lost while the log files are there.
    #[default]
    Block,
    /// They are dropped and counted; the other sinks go on.
    Drop,
}
