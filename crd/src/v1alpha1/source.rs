//! Sources of a `LogShipping`.

use crate::types::{DURATION_PATTERN, SIZE_PATTERN};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A named source of exactly one kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("[has(self.files), has(self.containerOutput)].filter(x, x).size() == 1").message("exactly one kind is required: files or containerOutput"))]
pub struct Source {
    /// Name, unique in this resource: in metrics, in the status and in the records.
    #[schemars(
        length(min = 1, max = 40),
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
    )]
    pub name: String,
    /// Log files of a directory inside the application's container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<FilesSource>,
    /// Standard output and standard error of containers, read through the Kubernetes API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container_output: Option<ContainerOutputSource>,
}

/// Log files of a directory inside the application's container.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct FilesSource {
    /// Absolute path of the directory inside the application's container, for example `/var/log/nginx`. Not recursive.
    #[schemars(length(min = 2, max = 512), regex(pattern = r"^/[^:]*$"))]
    #[x_kube(validation = Rule::new("!self.contains('/../') && !self.endsWith('/..') && !self.contains('//')").message("directory: must be an absolute path without '..' and without empty parts"))]
    pub directory: String,
    /// Regular expression on the base name of a file, unanchored, for example `.+\.log`.
    #[schemars(length(min = 1, max = 512))]
    pub pattern: String,
    /// Time between two scans of the directory, for example `10s`; changes are noticed at once where the kernel tells of them.
    #[serde(default = "FilesSource::default_scan_interval")]
    #[schemars(length(max = 16), regex(pattern = DURATION_PATTERN))]
    #[x_kube(validation = Rule::new("duration(self) >= duration('100ms') && duration(self) <= duration('1h')").message("scanInterval: must be between 100ms and 1h"))]
    pub scan_interval: String,
    /// The container that writes the files. Default: the annotation `logship.dev/container` of the pod, then
    /// `kubectl.kubernetes.io/default-container`, then the first container that is no known proxy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub container: Option<String>,
    /// A volume of the pod on which the directory lies. Default: the volume that the container has mounted there, else an
    /// emptyDir made for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume: Option<VolumeReference>,
    /// Where to start in a file that was there before the first start.
    #[serde(default)]
    pub start_at: StartAt,
    /// How records lie in the files: `lines`, `cri` (the kubelet's files of containers) or `dockerJson` (docker's json-file).
    #[serde(default)]
    pub framing: Framing,
    /// How lines are joined to one record, for example those of a stack trace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub multiline: Option<Multiline>,
}

impl FilesSource {
    fn default_scan_interval() -> String {
        "10s".to_owned()
    }
}

/// A volume of the pod.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VolumeReference {
    /// Name of the volume in the pod.
    #[schemars(length(min = 1, max = 63))]
    pub name: String,
}

/// Where to start in a file that was there before the first start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum StartAt {
    /// From the first byte.
    #[default]
    Beginning,
    /// Behind the last byte.
    End,
}

/// How records lie in a file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Framing {
    /// One a line; UTF-16 is recognised by its byte order mark.
    #[default]
    Lines,
    /// The kubelet's format: time, stream, `P` or `F`, content; pieces are joined.
    Cri,
    /// Docker's json-file: one object a line; pieces are joined.
    DockerJson,
}

/// Lines that belong to one record: found by its first line or by its last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.start) != has(self.end)").message("multiline: exactly one is required: start or end"))]
pub struct Multiline {
    /// Regular expression that finds the first line of a record, for example `^\d{4}-`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    pub start: Option<String>,
    /// Regular expression that finds the last line of a record, for example `;$`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    pub end: Option<String>,
    /// A record has at most so many lines; the next line begins another.
    #[serde(default = "Multiline::default_max_lines")]
    #[schemars(range(min = 1, max = 1_000_000), extend("format" = "int32"))]
    pub max_lines: u32,
    /// Time without a further line after which a record is complete, for example `2s`.
    #[serde(default = "Multiline::default_timeout")]
    #[schemars(length(max = 16), regex(pattern = DURATION_PATTERN))]
    #[x_kube(validation = Rule::new("duration(self) >= duration('10ms') && duration(self) <= duration('5m')").message("multiline.timeout: must be between 10ms and 5m"))]
    pub timeout: String,
}

impl Multiline {
    fn default_max_lines() -> u32 {
        10_000
    }

    fn default_timeout() -> String {
        "2s".to_owned()
    }
}

/// Standard output and standard error of containers, read through the Kubernetes API.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ContainerOutputSource {
    /// Names of containers. Default: the annotation `logship.dev/container` of the pod, then
    /// `kubectl.kubernetes.io/default-container`, then the first container that is no known proxy.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub containers: Vec<String>,
    /// What is kept on the state volume while sinks take nothing. Default: as much as the state volume has room for beside the
    /// dead-letter files, at most `16Mi`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spill: Option<Spill>,
}

/// Output that sinks do not take is kept on the state volume, because the kubelet rotates the files that the API serves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Spill {
    /// Bytes for all containers of this source, for example `16Mi`; beyond it, reading waits for the sinks. `0` keeps nothing. With the
    /// dead-letter files it must fit into `sidecar.state.emptyDir.sizeLimit`. Counter: `logship_spill_full_total`.
    #[schemars(length(max = 16), regex(pattern = SIZE_PATTERN))]
    #[x_kube(validation = Rule::new("quantity(self).compareTo(quantity('0')) == 0 || (quantity(self).compareTo(quantity('1Mi')) >= 0 && quantity(self).compareTo(quantity('1Gi')) <= 0)").message("spill.maxBytes: must be 0 or between 1Mi and 1Gi"))]
    pub max_bytes: String,
}
