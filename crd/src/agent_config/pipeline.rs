//! Steps of the document's pipeline.

use super::one_of::one_of;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One step. Steps are run in order on each record of the sources that they name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", try_from = "StepDocument")]
pub struct Step {
    /// Names of sources; empty: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<String>,
    /// What kind, with its settings.
    #[serde(flatten)]
    pub kind: StepKind,
}

/// Kinds of steps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum StepKind {
    /// Extracts fields from the body. A record that does not have the format is kept, marked and counted.
    Parse(ParseStep),
    /// Finds out how bad the record is.
    Severity(SeverityStep),
    /// Replaces what an expression finds, in the body and in texts of fields.
    Redact(RedactStep),
    /// Drops the records for which the expression is true.
    Drop(WhenStep),
    /// Drops the records for which the expression is not true.
    Keep(WhenStep),
    /// Keeps a share of the records.
    Sample(SampleStep),
    /// Keeps at most so many records a second.
    RateLimit(RateLimitStep),
    /// Sets fields.
    Set(SetStep),
    /// Removes fields.
    Remove(FieldsStep),
    /// Tells somebody of a record.
    Alert(AlertStep),
    /// Counts records into a metric.
    Count(CountStep),
}

one_of! {
    /// A step as it is read: a kind stands beside the sources, and anything else is a mistake.
    StepDocument => Step {
        /// Names of sources; empty: all.
        #[serde(default)]
        sources: Vec<String>,
    } StepKind {
        /// Extracts fields from the body. A record that does not have the format is kept, marked and counted.
        parse: Parse(ParseStep),
        /// Finds out how bad the record is.
        severity: Severity(SeverityStep),
        /// Replaces what an expression finds, in the body and in texts of fields.
        redact: Redact(RedactStep),
        /// Drops the records for which the expression is true.
        drop: Drop(WhenStep),
        /// Drops the records for which the expression is not true.
        keep: Keep(WhenStep),
        /// Keeps a share of the records.
        sample: Sample(SampleStep),
        /// Keeps at most so many records a second.
        rate_limit: RateLimit(RateLimitStep),
        /// Sets fields.
        set: Set(SetStep),
        /// Removes fields.
        remove: Remove(FieldsStep),
        /// Tells somebody of a record.
        alert: Alert(AlertStep),
        /// Counts records into a metric.
        count: Count(CountStep),
    }
}

/// Extracts fields from the body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ParseStep {
    /// What the body should be.
    pub format: ParseFormat,
    /// For [`ParseFormat::Regex`]: the expression; its named groups become fields.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
}

/// What a body can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum ParseFormat {
    /// One JSON object; its members become fields.
    Json,
    /// `key=value key="quoted value"`.
    Logfmt,
    /// Nginx's predefined `combined`.
    NginxCombined,
    /// Apache's `common`, or `combined` where the two last columns are there.
    ApacheCommon,
    /// RFC 3164 or RFC 5424, whichever it is.
    Syslog,
    /// One line of the kubelet's format.
    Cri,
    /// By a regular expression.
    Regex,
}

/// Finds out how bad a record is: by a level field, an HTTP status, or the first word of the body that is a level.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SeverityStep {
    /// The field that holds the level; none: the usual names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
}

/// Replaces what an expression finds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RedactStep {
    /// Regular expression.
    pub pattern: String,
    /// What is put in its place; `$1` and `${name}` are groups.
    #[serde(default)]
    pub replacement: String,
    /// Only these fields, `body` for the body; empty: the body and every text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<String>,
}

/// A condition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WhenStep {
    /// CEL over the record.
    pub when: String,
}

/// Keeps a share of the records.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SampleStep {
    /// The share, 0 to 1.
    pub rate: f64,
    /// CEL: only these records are sampled, the others are kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
}

/// Keeps at most so many records a second.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RateLimitStep {
    /// Records a second.
    pub per_second: u32,
    /// Records at once after a pause; none: one second's worth.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub burst: Option<u32>,
    /// CEL: only these records are limited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
}

/// Sets fields to texts, numbers or truth values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SetStep {
    /// Values by name of the field. A text that begins with `=` is CEL.
    pub fields: BTreeMap<String, serde_json::Value>,
    /// CEL: only in these records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
}

/// Names of fields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FieldsStep {
    /// Names of fields.
    pub fields: Vec<String>,
}

/// Tells somebody of a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AlertStep {
    /// Name of the alert.
    pub name: String,
    /// CEL: the records that are told of.
    pub when: String,
    /// Whom.
    #[serde(default = "stderr")]
    pub to: Vec<AlertTarget>,
}

fn stderr() -> Vec<AlertTarget> {
    vec![AlertTarget::Stderr]
}

/// Whom an alert goes to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum AlertTarget {
    /// Our standard error: at most 100 at once and 10 a second; how many were left out is counted and said.
    Stderr,
    /// A sink of this resource.
    #[serde(untagged)]
    Sink(String),
}

/// Counts records into a metric.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CountStep {
    /// Name of the counter at `/metrics`.
    pub name: String,
    /// Fields whose values become labels; more than 200 combinations are counted together as `other`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// CEL: the records that are counted; none: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
}
