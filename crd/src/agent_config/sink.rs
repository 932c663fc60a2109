//! Sinks of the document.

use super::one_of::one_of;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A named sink.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", try_from = "SinkDocument")]
pub struct Sink {
    /// Unique among the sinks of the resource.
    pub name: String,
    /// CEL: the records that this sink gets; none: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    /// How records are gathered before they are sent.
    #[serde(default)]
    pub batch: Batch,
    /// How long failures are repeated.
    #[serde(default)]
    pub retry: Retry,
    /// What happens to records while the sink takes none.
    #[serde(default)]
    pub when_full: WhenFull,
    /// What kind, with its settings.
    #[serde(flatten)]
    pub kind: SinkKind,
}

/// When a batch is sent: when either bound is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Batch {
    /// Bytes of encoded records, before compression.
    pub max_bytes: u64,
    /// Age of the oldest record in milliseconds.
    pub max_age_ms: u64,
    /// Batches that are on their way at once. With more than one, a repeated batch may arrive after its successor.
    pub in_flight: u32,
}

impl Default for Batch {
    fn default() -> Self {
        Self {
            max_bytes: 1 << 20,
            max_age_ms: 200,
            in_flight: 1,
        }
    }
}

/// How long failures are repeated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Retry {
    /// Milliseconds after which a batch that cannot be sent is given up to the dead-letter file; 0: never. Counter:
    /// `logship_given_up_records_total`.
    pub max_age_ms: u64,
}

/// What happens to records while a sink takes none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum WhenFull {
    /// Reading stops until it does: nothing is lost while the files are there.
    #[default]
    Block,
    /// This sink's records are dropped and counted; the other sinks go on.
    Drop,
}

/// Kinds of sinks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum SinkKind {
    /// Standard output of the sidecar.
    Stdout(StdoutSink),
    /// A file on the state volume.
    File(FileSink),
    /// An HTTP endpoint that takes NDJSON.
    Http(HttpSink),
    /// Grafana Loki.
    Loki(LokiSink),
    /// A receiver of the OpenTelemetry protocol.
    Otlp(OtlpSink),
    /// Elasticsearch or OpenSearch.
    Elasticsearch(ElasticsearchSink),
}

one_of! {
    /// A sink as it is read: a kind stands beside the settings that all kinds have, and anything else is a mistake.
    SinkDocument => Sink {
        /// Unique among the sinks of the resource.
        name: String,
        /// CEL: the records that this sink gets; none: all.
        #[serde(default)]
        when: Option<String>,
        /// How records are gathered before they are sent.
        #[serde(default)]
        batch: Batch,
        /// How long failures are repeated.
        #[serde(default)]
        retry: Retry,
        /// What happens to records while the sink takes none.
        #[serde(default)]
        when_full: WhenFull,
    } SinkKind {
        /// Standard output of the sidecar.
        stdout: Stdout(StdoutSink),
        /// A file on the state volume.
        file: File(FileSink),
        /// An HTTP endpoint that takes NDJSON.
        http: Http(HttpSink),
        /// Grafana Loki.
        loki: Loki(LokiSink),
        /// A receiver of the OpenTelemetry protocol.
        otlp: Otlp(OtlpSink),
        /// Elasticsearch or OpenSearch.
        elasticsearch: Elasticsearch(ElasticsearchSink),
    }
}

/// Standard output of the sidecar.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StdoutSink {
    /// Form of a record.
    #[serde(default)]
    pub format: Format,
}

/// A file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FileSink {
    /// Path; relative paths lie on the state volume.
    pub path: String,
    /// Form of a record.
    #[serde(default)]
    pub format: Format,
    /// When the file is renamed and a new one begun; none: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotation: Option<Rotation>,
    /// When it is made durable.
    #[serde(default)]
    pub fsync: Fsync,
    /// Instead of the records, one line for each interval with counts by severity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<SummarySettings>,
}

/// Counts instead of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SummarySettings {
    /// Milliseconds that one line covers.
    pub interval_ms: u64,
}

/// When a file is renamed and a new one begun: when either bound is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rotation {
    /// Bytes; 0: no bound.
    #[serde(default)]
    pub max_bytes: u64,
    /// Milliseconds; 0: no bound.
    #[serde(default)]
    pub max_age_ms: u64,
    /// Renamed files that are kept: `path.1` is the youngest.
    #[serde(default = "default_keep")]
    pub keep: u32,
}

fn default_keep() -> u32 {
    5
}

/// When a file is made durable.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum Fsync {
    /// By the kernel, in its own time: the acknowledgement is the return of write(2).
    #[default]
    Never,
    /// Before each batch is acknowledged.
    Batch,
}

/// Form of a record in a textual sink.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum Format {
    /// The bytes of the record and a newline, nothing else.
    Text,
    /// One JSON object a line.
    #[default]
    Json,
}

/// An HTTP endpoint: POST with newline-delimited JSON; any 2xx is the acknowledgement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HttpSink {
    /// `http://` or `https://` URL.
    pub url: String,
    /// Headers sent with each request; never secrets.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// Compression of the body.
    #[serde(default)]
    pub compression: Compression,
    /// Milliseconds until a request without an answer counts as failed.
    #[serde(default = "default_timeout_ms")]
    pub timeout_ms: u64,
    /// Credentials, as references.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<Auth>,
    /// How the server is known, and we to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
}

fn default_timeout_ms() -> u64 {
    10_000
}

/// Grafana Loki: POST to `/loki/api/v1/push`, protobuf, snappy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LokiSink {
    /// URL of the server, for example `http://loki:3100`; the path of the push API is added unless it has one.
    pub url: String,
    /// `X-Scope-OrgID`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// Labels of the stream besides `namespace`, `pod`, `container` and `source`: fixed values by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Whether fields are sent as structured metadata; otherwise they are not sent.
    #[serde(default = "yes")]
    pub structured_metadata: bool,
    /// Milliseconds until a request without an answer counts as failed.
    #[serde(default = "default_timeout_ms")]
    pub timeout_ms: u64,
    /// Headers sent with each request; never secrets.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// Credentials, as references.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<Auth>,
    /// How the server is known, and we to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
}

fn yes() -> bool {
    true
}

/// A receiver of the OpenTelemetry protocol.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OtlpSink {
    /// URL of the receiver, for example `http://collector:4318`; for HTTP `/v1/logs` is added unless it has a path.
    pub url: String,
    /// How it is spoken.
    #[serde(default)]
    pub protocol: OtlpProtocol,
    /// Compression of the body: gzip, zstd or none.
    #[serde(default)]
    pub compression: Compression,
    /// Milliseconds until a request without an answer counts as failed.
    #[serde(default = "default_timeout_ms")]
    pub timeout_ms: u64,
    /// Headers sent with each request; never secrets.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// Attributes of the resource besides those of the pod: fixed values by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub resource: BTreeMap<String, String>,
    /// Credentials, as references.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<Auth>,
    /// How the server is known, and we to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
}

/// How OTLP is spoken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum OtlpProtocol {
    /// HTTP with protobuf.
    #[default]
    Http,
    /// gRPC.
    Grpc,
}

/// Elasticsearch or OpenSearch: `_bulk` with `create`, for data streams and indices.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ElasticsearchSink {
    /// URL of the server, for example `https://elasticsearch:9200`.
    pub url: String,
    /// Data stream or index.
    pub index: String,
    /// Name of an ingest pipeline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ingest_pipeline: Option<String>,
    /// Compression of the body: gzip or none.
    #[serde(default)]
    pub compression: Compression,
    /// Milliseconds until a request without an answer counts as failed.
    #[serde(default = "default_timeout_ms")]
    pub timeout_ms: u64,
    /// Headers sent with each request; never secrets.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// Credentials, as references.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<Auth>,
    /// How the server is known, and we to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
}

/// Compression of a request's body.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum Compression {
    /// As it is.
    None,
    /// `Content-Encoding: gzip`.
    #[default]
    Gzip,
    /// `Content-Encoding: zstd`.
    Zstd,
}

/// Credentials. Always references to files, which are read again when they change: a document holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum Auth {
    /// `Authorization: Basic`.
    Basic(BasicAuth),
    /// `Authorization: Bearer` with the contents of this file.
    BearerFile(String),
}

/// Name and password.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BasicAuth {
    /// File with the name.
    pub username_file: String,
    /// File with the password.
    pub password_file: String,
}

/// How a server is known, and we to it. Files in PEM, read again when they change.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Tls {
    /// Certificates of the authorities that are trusted instead of the system's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<String>,
    /// Our certificate chain; needs [`Tls::key_file`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cert_file: Option<String>,
    /// Its key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_file: Option<String>,
    /// The name that the server's certificate must have, where it is not the URL's host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_name: Option<String>,
    /// Takes any certificate: whoever sits between reads and changes the records.
    pub insecure_skip_verify: bool,
}
