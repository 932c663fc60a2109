//! Sources of a `LogShipping`.

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
    #[schemars(length(max = 16), regex(pattern = r"^([0-9]+(ms|s|m|h))+$"))]
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

/// Standard output and standard error of containers, read through the Kubernetes API.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ContainerOutputSource {
    /// Names of containers. Default: the annotation `logship.dev/container` of the pod, then
    /// `kubectl.kubernetes.io/default-container`, then the first container that is no known proxy.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub containers: Vec<String>,
}
