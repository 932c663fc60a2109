//! Sinks of a `LogShipping`.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A named sink of exactly one kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("[has(self.stdout), has(self.file), has(self.http)].filter(x, x).size() == 1").message("exactly one kind is required: stdout, file or http"))]
pub struct Sink {
    /// Name, unique in this resource: in metrics and in the status.
    #[schemars(
        length(min = 1, max = 40),
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
    )]
    pub name: String,
    /// Standard output of the sidecar.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdout: Option<StdoutSink>,
    /// A file on the sidecar's state volume.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<FileSink>,
    /// An HTTP endpoint that takes newline-delimited JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<HttpSink>,
    /// How records are gathered before they are sent.
    #[serde(default)]
    pub batch: BatchSpec,
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
    #[schemars(length(max = 16), regex(pattern = r"^([0-9]+(ms|s|m|h))+$"))]
    #[x_kube(validation = Rule::new("duration(self) >= duration('1ms') && duration(self) <= duration('5m')").message("batch.maxAge: must be between 1ms and 5m"))]
    pub max_age: String,
}

impl BatchSpec {
    fn default_max_bytes() -> String {
        "1Mi".to_owned()
    }

    fn default_max_age() -> String {
        "200ms".to_owned()
    }
}

impl Default for BatchSpec {
    fn default() -> Self {
        Self {
            max_bytes: Self::default_max_bytes(),
            max_age: Self::default_max_age(),
        }
    }
}

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

/// A file on the sidecar's state volume.
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
}

/// An HTTP endpoint: POST of newline-delimited JSON; any 2xx is the acknowledgement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct HttpSink {
    /// `http://` or `https://` URL.
    #[schemars(length(min = 1, max = 2048))]
    #[x_kube(validation = Rule::new("isURL(self) && url(self).getScheme() in ['http', 'https'] && url(self).getHost() != ''").message("url: must be an absolute http:// or https:// URL"))]
    pub url: String,
    /// Headers sent with each request, at most 16. Secrets do not belong here: names that carry credentials are refused, and so
    /// are those that the sink sets itself.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 16, "additionalProperties" = {"type": "string", "maxLength": 1024}))]
    pub headers: BTreeMap<String, String>,
    /// Compression of the body.
    #[serde(default)]
    pub compression: Compression,
    /// Time until a request without an answer counts as failed, for example `10s`.
    #[serde(default = "HttpSink::default_timeout")]
    #[schemars(length(max = 16), regex(pattern = r"^([0-9]+(ms|s|m|h))+$"))]
    #[x_kube(validation = Rule::new("duration(self) >= duration('100ms') && duration(self) <= duration('5m')").message("timeout: must be between 100ms and 5m"))]
    pub timeout: String,
}

impl HttpSink {
    fn default_timeout() -> String {
        "10s".to_owned()
    }
}

/// Compression of a request's body.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Compression {
    /// `Content-Encoding: gzip`.
    #[default]
    Gzip,
    /// As it is.
    None,
}
