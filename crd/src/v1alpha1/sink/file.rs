//! Sinks that are textual: standard output, and files on the state volume.

use crate::types::{DURATION_PATTERN, SIZE_PATTERN};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Standard output of the sidecar.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StdoutSink {
    /// Form of a record: `json` is one object a line, `text` is the record as it was.
    #[serde(default)]
    pub format: StdoutFormat,
}

/// Form of a record in a textual sink.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum StdoutFormat {
    /// One JSON object a line.
    #[default]
    Json,
    /// The bytes of the record and a newline.
    Text,
}

/// A file on the sidecar's state volume. With the sink's `when` it is an archive of certain records, with `summary` a count of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct FileSink {
    /// Path relative to the state volume, for example `archive/access.ndjson`.
    #[schemars(
        length(min = 1, max = 256),
        regex(pattern = r"^[A-Za-z0-9_][A-Za-z0-9_./-]*$")
    )]
    #[x_kube(validation = Rule::new("!self.contains('..') && !self.endsWith('/')").message("path: must be a relative path to a file, without '..'"))]
    pub path: String,
    /// Form of a record: `json` is one object a line, `text` is the record as it was.
    #[serde(default)]
    pub format: StdoutFormat,
    /// When the file is renamed and a new one begun. Without it, never: the state volume fills up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotation: Option<Rotation>,
    /// When the file is made durable: `never` leaves it to the kernel, `batch` does it before each acknowledgement.
    #[serde(default)]
    pub fsync: Fsync,
    /// Instead of the records, one line for each interval with their counts by severity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<Summary>,
}

/// When a file is renamed and a new one begun: when either bound is reached; at least one is needed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.maxBytes) || has(self.maxAge)").message("rotation: at least one bound is required: maxBytes or maxAge"))]
pub struct Rotation {
    /// Size of the file, for example `16Mi`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16), regex(pattern = SIZE_PATTERN))]
    #[x_kube(validation = Rule::new("quantity(self).compareTo(quantity('4Ki')) >= 0 && quantity(self).compareTo(quantity('1024Gi')) <= 0").message("rotation.maxBytes: must be between 4Ki and 1024Gi"))]
    pub max_bytes: Option<String>,
    /// Age of the file, for example `24h`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16), regex(pattern = DURATION_PATTERN))]
    #[x_kube(validation = Rule::new("duration(self) >= duration('1s') && duration(self) <= duration('8760h')").message("rotation.maxAge: must be between 1s and 8760h"))]
    pub max_age: Option<String>,
    /// Renamed files that are kept: `<path>.1` is the youngest.
    #[serde(default = "Rotation::default_keep")]
    #[schemars(range(min = 0, max = 1000), extend("format" = "int32"))]
    pub keep: u32,
}

impl Rotation {
    fn default_keep() -> u32 {
        5
    }
}

/// When a file is made durable.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Fsync {
    /// By the kernel, in its own time.
    #[default]
    Never,
    /// Before each batch is acknowledged.
    Batch,
}

/// Counts instead of records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// Time that one line covers, for example `1m`.
    #[serde(default = "Summary::default_interval")]
    #[schemars(length(max = 16), regex(pattern = DURATION_PATTERN))]
    #[x_kube(validation = Rule::new("duration(self) >= duration('1s') && duration(self) <= duration('24h')").message("summary.interval: must be between 1s and 24h"))]
    pub interval: String,
}

impl Summary {
    fn default_interval() -> String {
        "1m".to_owned()
    }
}
