//! Steps of a `LogShipping`: what is done to each record between its source and the sinks.
//!
//! What a schema can say about a step is said here. The operator compiles the regular expressions and checks the names. Texts in
//! CEL are read by the sidecar alone, which has the compiler for them.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// One step of exactly one kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("[has(self.parse), has(self.severity), has(self.redact), has(self.drop), has(self.keep), has(self.sample), has(self.rateLimit), has(self.set), has(self.remove), has(self.alert), has(self.count)].filter(x, x).size() == 1").message("exactly one kind is required: parse, severity, redact, drop, keep, sample, rateLimit, set, remove, alert or count"))]
pub struct Step {
    /// Names of sources whose records take this step. Without it, all do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 40)))]
    pub sources: Vec<String>,
    /// Extracts fields from the body. A record that does not have the format is kept, marked with `parse_failed` and counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parse: Option<ParseStep>,
    /// Finds out how bad the record is: by a field with a level, else by an HTTP status (below 400 INFO, below 500 WARN, else
    /// ERROR), else by the first word of the body that is a level.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<SeverityStep>,
    /// Replaces what a regular expression finds, in the body and in texts of fields.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redact: Option<RedactStep>,
    /// Drops the records for which a condition is true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drop: Option<WhenStep>,
    /// Drops the records for which a condition is not true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep: Option<WhenStep>,
    /// Keeps a share of the records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sample: Option<SampleStep>,
    /// Keeps at most so many records a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_limit: Option<RateLimitStep>,
    /// Sets fields.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set: Option<SetStep>,
    /// Removes fields.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remove: Option<RemoveStep>,
    /// Tells somebody of a record, which itself goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alert: Option<AlertStep>,
    /// Counts records into a metric at `/metrics` of the sidecar.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<CountStep>,
}

/// Extracts fields from the body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("(self.format == 'regex') == has(self.pattern)").message("parse: format regex needs a pattern, and the other formats take none"))]
pub struct ParseStep {
    /// What the body should be: `json` (one object), `logfmt`, `nginxCombined`, `apacheCommon` (also combined), `syslog` (RFC 3164
    /// or RFC 5424), `cri` (a line of the kubelet's files) or `regex`.
    pub format: ParseFormat,
    /// For format `regex`: the regular expression, whose named groups become fields, for example
    /// `^(?P<client>\S+) (?P<status>\d+)$`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    pub pattern: Option<String>,
}

/// What a body can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ParseFormat {
    /// One JSON object; its members become fields.
    Json,
    /// `key=value key="quoted value"`.
    Logfmt,
    /// Nginx's predefined `combined`.
    NginxCombined,
    /// Apache's `common`, or `combined`.
    ApacheCommon,
    /// RFC 3164 or RFC 5424.
    Syslog,
    /// One line of the kubelet's format.
    Cri,
    /// By a regular expression.
    Regex,
}

/// Finds out how bad a record is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SeverityStep {
    /// The field that holds the level. Without it, the usual names are looked for, such as `level` and `severity`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub field: Option<String>,
}

/// Replaces what a regular expression finds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RedactStep {
    /// Regular expression, for example `pin=\d+`.
    #[schemars(length(min = 1, max = 4096))]
    pub pattern: String,
    /// What is put in its place; `$1` and `${name}` are groups of the expression, `$$` is a dollar.
    #[serde(default)]
    #[schemars(length(max = 1024))]
    pub replacement: String,
    /// Only in these fields, `body` for the body. Without it, in the body and in every text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(min = 1, max = 256)))]
    pub fields: Vec<String>,
}

/// A condition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WhenStep {
    /// Condition in CEL over the record, for example `path == "/healthz"`. Names are fields, and `body`, `severity`, `source`,
    /// `stream`, `labels.pod`, ….
    #[schemars(length(min = 1, max = 4096))]
    pub when: String,
}

/// Keeps a share of the records.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SampleStep {
    /// The share that is kept, from 0 to 1, for example `0.1`.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub rate: f64,
    /// Condition in CEL: only these records are sampled, all others are kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    pub when: Option<String>,
}

/// Keeps at most so many records a second.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RateLimitStep {
    /// Records a second, in each pod.
    #[schemars(range(min = 1, max = 10_000_000), extend("format" = "int32"))]
    pub per_second: u32,
    /// Records at once after a pause. Without it, as many as in one second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10_000_000), extend("format" = "int32"))]
    pub burst: Option<u32>,
    /// Condition in CEL: only these records are limited, all others are kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    pub when: Option<String>,
}

/// Sets fields. The schema cannot look into values of several types, so names and values are checked by the operator.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SetStep {
    /// Texts, numbers and truth values by the name of the field, 1 to 32. A text that begins with `=` is an expression in CEL,
    /// for example `=duration * 1000.0`.
    #[schemars(extend("minProperties" = 1, "maxProperties" = 32, "additionalProperties" = {"x-kubernetes-preserve-unknown-fields": true}))]
    pub fields: BTreeMap<String, Value>,
    /// Condition in CEL: only in these records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    pub when: Option<String>,
}

/// Removes fields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RemoveStep {
    /// Names of fields.
    #[schemars(length(min = 1, max = 32), inner(length(min = 1, max = 256)))]
    pub fields: Vec<String>,
}

/// Tells somebody of a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AlertStep {
    /// Name of the alert, for example `HTTP_5XX_ERROR`.
    #[schemars(length(min = 1, max = 100))]
    pub name: String,
    /// Condition in CEL: the records that are told of, for example `status_code >= 500`.
    #[schemars(length(min = 1, max = 4096))]
    pub when: String,
    /// Whom: `stderr` of the sidecar, which gets at most 100 at once and 10 a second and is told how many were left out, and names of
    /// sinks, which get all.
    #[serde(default = "AlertStep::default_to")]
    #[schemars(length(min = 1, max = 17), inner(length(min = 1, max = 40)))]
    pub to: Vec<String>,
}

impl AlertStep {
    /// The target that is no sink.
    pub const STDERR: &str = "stderr";

    fn default_to() -> Vec<String> {
        vec![Self::STDERR.to_owned()]
    }
}

/// Counts records into a metric.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct CountStep {
    /// Name of the counter, unique in this resource, for example `http_requests_total`.
    #[schemars(length(min = 1, max = 200), regex(pattern = r"^[a-zA-Z_:][a-zA-Z0-9_:]*$"))]
    #[x_kube(validation = Rule::new("!self.startsWith('logship_')").message("count.name: names that begin with logship_ are the sidecar's own; choose another"))]
    pub name: String,
    /// Names of fields whose values become labels. More than 200 combinations of values are counted together as `other`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 256)))]
    pub labels: Vec<String>,
    /// Condition in CEL: the records that are counted. Without it, all are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    pub when: Option<String>,
}
