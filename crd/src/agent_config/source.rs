//! Sources of the document.

use super::one_of::one_of;
use serde::{Deserialize, Serialize};

/// A named source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", try_from = "SourceDocument")]
pub struct Source {
    /// Unique among the sources of the resource.
    pub name: String,
    /// What kind, with its settings.
    #[serde(flatten)]
    pub kind: SourceKind,
}

/// Kinds of sources.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum SourceKind {
    /// Files of a directory.
    Files(FilesSource),
    /// Standard output and standard error of containers, through the Kubernetes API.
    ContainerOutput(ContainerOutputSource),
}

one_of! {
    /// A source as it is read: a kind stands beside the name, and anything else is a mistake.
    SourceDocument => Source {
        /// Unique among the sources of the resource.
        name: String,
    } SourceKind {
        /// Files of a directory.
        files: Files(FilesSource),
        /// Standard output and standard error of containers, through the Kubernetes API.
        container_output: ContainerOutput(ContainerOutputSource),
    }
}

/// Files of one directory (not recursive) whose base name matches a pattern.
///
/// A file that has several names which match (hard links, symbolic links, a rotated name) is read once. Sources do not know of
/// each other: a file that two sources ask for is read by each, and its records carry the name of the source that read them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FilesSource {
    /// The directory as the application sees it; in a pod, [`crate::names::ENV_DIRECTORIES`] says where the sidecar sees it.
    pub directory: String,
    /// Regular expression on the base name, unanchored.
    pub pattern: String,
    /// Milliseconds between two scans of the directory; changes are noticed at once where the kernel tells of them.
    #[serde(default = "default_scan_interval_ms")]
    pub scan_interval_ms: u64,
    /// Where to start in a file that was there before the first start.
    #[serde(default)]
    pub start_at: StartAt,
    /// How records lie in the file.
    #[serde(default)]
    pub framing: Framing,
    /// How lines are joined to records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub multiline: Option<Multiline>,
}

fn default_scan_interval_ms() -> u64 {
    10_000
}

/// Where to start in a file that has no checkpoint and was there at the first start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum StartAt {
    /// From the first byte.
    #[default]
    Beginning,
    /// Behind the last byte.
    End,
}

/// How records lie in a file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum Framing {
    /// One a line; UTF-16 is recognised by its byte order mark.
    #[default]
    Lines,
    /// The kubelet's format: time, stream, `P` or `F`, content; pieces are joined.
    Cri,
    /// Docker's json-file: one object a line with `log`, `stream` and `time`; pieces are joined.
    DockerJson,
}

/// Lines that belong to one record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Multiline {
    /// Regular expression that finds the first line of a record; either this or [`Multiline::end`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<String>,
    /// Regular expression that finds the last line of a record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<String>,
    /// A record has at most so many lines; the next line begins another.
    #[serde(default = "default_lines_max")]
    pub max_lines: u32,
    /// Milliseconds without a further line after which the record is complete.
    #[serde(default = "default_multiline_timeout_ms")]
    pub timeout_ms: u64,
}

fn default_lines_max() -> u32 {
    10_000
}

fn default_multiline_timeout_ms() -> u64 {
    2_000
}

/// Output of containers of the own pod.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ContainerOutputSource {
    /// Names of containers; empty: the default container of the pod.
    #[serde(default)]
    pub containers: Vec<String>,
    /// What is kept on the state volume while sinks take nothing.
    #[serde(default)]
    pub spill: Spill,
}

/// Bytes of a state volume that nothing is planned for: for checkpoints, which are written beside the old ones, and for what blocks are
/// larger than what is in them.
pub const RESERVED_BYTES: u64 = 1 << 20;

/// Output that sinks do not take is kept on the state volume, because the kubelet rotates the files that the API serves. Without a
/// state directory nothing is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Spill {
    /// Bytes of all its files together, for all containers of the source; beyond it reading waits. 0: nothing is kept. Counter:
    /// `logship_spill_full_total`.
    pub max_bytes: u64,
}

impl Default for Spill {
    fn default() -> Self {
        Self { max_bytes: 16 << 20 }
    }
}
