//! The document that the operator writes (one ConfigMap a resource) and the sidecar reads.
//!
//! It holds no secret, and nothing that depends on a single pod: see [`crate::names::ENV_DIRECTORIES`] for that. Unknown
//! fields are errors: both sides are ours, so an unknown field is a version skew that must be seen, not ignored.

mod one_of;
mod pipeline;
mod sink;
mod source;

pub use pipeline::{
    AlertStep, AlertTarget, CountStep, FieldsStep, ParseFormat, ParseStep, RateLimitStep, RedactStep,
    SampleStep, SetStep, SeverityStep, Step, StepKind, WhenStep,
};
pub use sink::{
    Auth, BasicAuth, Batch, Compression, ElasticsearchSink, FileSink, Format, Fsync, HttpSink, LokiSink,
    OtlpProtocol, OtlpSink, Retry, Rotation, Sink, SinkKind, StdoutSink, SummarySettings, Tls, WhenFull,
};
pub use source::{
    ContainerOutputSource, FilesSource, Framing, Multiline, RESERVED_BYTES, Source, SourceKind, Spill,
    StartAt,
};

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The version of the document that this build writes and the newest it reads.
pub const VERSION: u32 = 1;

/// One resource as the sidecar runs it: an independent pipeline from its sources to its sinks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AgentConfig {
    /// Version of this document's form: [`VERSION`].
    pub version: u32,
    /// Name of the `LogShipping`.
    pub name: String,
    /// `metadata.generation` of the `LogShipping`: what the sidecar reports as applied.
    #[serde(default)]
    pub generation: i64,
    /// Where records come from; at least one.
    pub sources: Vec<Source>,
    /// What is done to each record, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pipeline: Vec<Step>,
    /// Where records go; at least one. Every record goes to each.
    pub sinks: Vec<Sink>,
    /// The longest time in milliseconds that the sidecar takes to send what is left when it is told to stop.
    #[serde(default = "default_drain_ms")]
    pub drain_ms: u64,
    /// What the pipeline may use of the process.
    #[serde(default)]
    pub limits: Limits,
}

impl AgentConfig {
    /// Reads a document's values. An error has the path to what is wrong.
    pub fn read(document: &Value) -> Result<Self, serde_path_to_error::Error<serde_json::Error>> {
        serde_path_to_error::deserialize(document)
    }
}

fn default_drain_ms() -> u64 {
    10_000
}

/// What one pipeline may use; each has a counter for when it is hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Limits {
    /// Longer records are truncated and marked, in bytes. Counter: `logship_truncated_records_total`.
    pub record_bytes: u64,
    /// Encoded bytes of all sinks together that are read but not acknowledged; beyond it reading stops. Counter:
    /// `logship_reading_stops_total`.
    pub in_flight_bytes: u64,
    /// Log files that are open at once, shared evenly among the sources of files, at least one each; more files are read in turns.
    /// Counter: `logship_parked_files_total`.
    pub open_files: u64,
    /// Bytes of the dead-letter file of each sink; beyond it refused records are dropped. Counter:
    /// `logship_lost_dead_letters_total`.
    pub dead_letter_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            record_bytes: 1 << 20,
            in_flight_bytes: 8 << 20,
            open_files: 1000,
            dead_letter_bytes: 8 << 20,
        }
    }
}
