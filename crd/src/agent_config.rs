//! The document that the operator writes (one ConfigMap a resource) and the sidecar reads.
//!
//! It holds no secret, and nothing that depends on a single pod: see [`crate::names::ENV_DIRECTORIES`] for that. Unknown
//! fields are errors: both sides are ours, so an unknown field is a version skew that must be seen, not ignored.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The version of the document that this build writes and the newest it reads.
pub const VERSION: u32 = 1;

/// One resource as the sidecar runs it: an independent pipeline from its sources to its sinks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AgentConfig {
    /// Version of this document's form: [`VERSION`].
    pub version: u32,
    /// Name of the `LogShipping`.
    pub name: String,
    /// `metadata.generation` of the `LogShipping`: what the sidecar reports as applied.
    pub generation: i64,
    /// Where records come from; at least one.
    pub sources: Vec<Source>,
    /// Where records go; at least one. Every record goes to each.
    pub sinks: Vec<Sink>,
    /// The longest time in milliseconds that the sidecar takes to send what is left when it is told to stop.
    pub drain_ms: u64,
}

/// A named source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Source {
    /// Unique among the sources of the resource.
    pub name: String,
    /// What kind, with its settings.
    #[serde(flatten)]
    pub kind: SourceKind,
}

/// Kinds of sources.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SourceKind {
    /// Files of a directory.
    Files(FilesSource),
    /// Standard output and standard error of containers, through the Kubernetes API.
    ContainerOutput(ContainerOutputSource),
}

/// Files of one directory (not recursive) whose base name matches a pattern.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FilesSource {
    /// The directory as the application sees it; in a pod, [`crate::names::ENV_DIRECTORIES`] says where the sidecar sees it.
    pub directory: String,
    /// Regular expression on the base name, unanchored.
    pub pattern: String,
    /// Milliseconds between two scans of the directory; changes are noticed at once where the kernel tells of them.
    pub scan_interval_ms: u64,
    /// Where to start in a file that was there before the first start.
    pub start_at: StartAt,
}

/// Where to start in a file that has no checkpoint and was there at the first start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum StartAt {
    /// From the first byte.
    Beginning,
    /// Behind the last byte.
    End,
}

/// Output of containers of the own pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ContainerOutputSource {
    /// Names of containers; empty: the default container of the pod.
    pub containers: Vec<String>,
}

/// A named sink.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sink {
    /// Unique among the sinks of the resource.
    pub name: String,
    /// How records are gathered before they are sent.
    pub batch: Batch,
    /// What kind, with its settings.
    #[serde(flatten)]
    pub kind: SinkKind,
}

/// When a batch is sent: when either bound is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Batch {
    /// Bytes of encoded records, before compression.
    pub max_bytes: u64,
    /// Age of the oldest record in milliseconds.
    pub max_age_ms: u64,
}

/// Kinds of sinks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SinkKind {
    /// Standard output of the sidecar.
    Stdout(StdoutSink),
    /// A file on the state volume.
    File(FileSink),
    /// An HTTP endpoint that takes NDJSON.
    Http(HttpSink),
}

/// Standard output of the sidecar.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StdoutSink {
    /// Form of a record.
    pub format: Format,
}

/// A file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FileSink {
    /// Path; relative paths lie on the state volume.
    pub path: String,
    /// Form of a record.
    pub format: Format,
}

/// Form of a record in a textual sink.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Format {
    /// The bytes of the record and a newline, nothing else.
    Text,
    /// One JSON object a line.
    Json,
}

/// An HTTP endpoint: POST with newline-delimited JSON; any 2xx is the acknowledgement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HttpSink {
    /// `http://` or `https://` URL.
    pub url: String,
    /// Headers sent with each request; never secrets.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// Compression of the body.
    pub compression: Compression,
    /// Milliseconds until a request without an answer counts as failed.
    pub timeout_ms: u64,
}

/// Compression of a request's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Compression {
    /// As it is.
    None,
    /// `Content-Encoding: gzip`.
    Gzip,
}
