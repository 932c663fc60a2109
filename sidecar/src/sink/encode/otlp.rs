//! OTLP's `ExportLogsServiceRequest` as protobuf, for HTTP and gRPC alike:
//! <https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/logs/v1/logs.proto>.
//!
//! The resource is the container that wrote: `k8s.*.name`, `service.name`, ours as `logship.source` and `logship.resource` (the
//! `LogShipping`), and the fixed attributes of the sink, which win. `service.name`, without which receivers file everything under
//! "unknown", is the container, else the pod, else the source: of what is known here the most stable that people recognise.
//! `log.file.name` and `log.iostream` are attributes of the record, as the conventions ask.
//!
//! Attributes keep their types as far as there are such: an integer beyond 64 bits with sign, a number that no double holds, arrays
//! and objects are texts, as they were written. What is not UTF-8 is sent as bytes. Names of fields are sent as they are; those that
//! begin with `logship.` or `log.` can collide with ours, and a receiver decides which one it keeps.

use super::checked::Checked;
use super::protobuf::{
    Fields, SHORT, bytes, bytes_key, field_bytes, fixed64_key, nested, prefix, short, varint, varint_bytes,
    varint_key,
};
use super::streams::{Group, groups, join, split};
use super::{Batch, Common, Encode};
use crate::record::time::Nanos;
use crate::record::{Labels, Record, Stream, Value};
use ::bytes::Bytes;
use logship_crd::agent_config::OtlpSink;
use std::collections::BTreeMap;

/// `ExportLogsServiceRequest.resource_logs`.
const RESOURCE_LOGS: u8 = bytes_key(1);
/// `ResourceLogs.resource` and `scope_logs`.
const RESOURCE: u8 = bytes_key(1);
const SCOPE_LOGS: u8 = bytes_key(2);
/// `Resource.attributes`.
const RESOURCE_ATTRIBUTES: u8 = bytes_key(1);
/// `ScopeLogs.scope` and `log_records`.
const SCOPE: u8 = bytes_key(1);
const LOG_RECORDS: u8 = bytes_key(2);
/// `InstrumentationScope.name` and `version`.
const SCOPE_NAME: u8 = bytes_key(1);
const SCOPE_VERSION: u8 = bytes_key(2);
/// Those of `LogRecord`.
const TIME: u8 = fixed64_key(1);
const SEVERITY_NUMBER: u8 = varint_key(2);
const SEVERITY_TEXT: u8 = bytes_key(3);
const BODY: u8 = bytes_key(5);
const ATTRIBUTES: u8 = bytes_key(6);
const OBSERVED_TIME: u8 = fixed64_key(11);
/// `KeyValue.key` and `value`.
const KEY: u8 = bytes_key(1);
const VALUE: u8 = bytes_key(2);
/// The kinds of `AnyValue`.
const STRING: u8 = bytes_key(1);
const BOOL: u8 = varint_key(2);
const INT: u8 = varint_key(3);
const DOUBLE: u8 = fixed64_key(4);
const BYTES: u8 = bytes_key(7);

/// The encoder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Otlp {
    attributes: BTreeMap<String, String>,
    /// `ScopeLogs.scope`, ready-made.
    scope: Vec<u8>,
}

impl Otlp {
    /// The encoder for this sink.
    pub fn new(sink: &OtlpSink) -> Self {
        let mut scope = Vec::new();
        nested::<1>(SCOPE, &mut scope, |out| {
            bytes(SCOPE_NAME, b"logship", out);
            bytes(SCOPE_VERSION, env!("CARGO_PKG_VERSION").as_bytes(), out);
        });
        Self {
            attributes: sink.resource.clone(),
            scope,
        }
    }

    /// Bytes of the content of a `ScopeLogs`, and of the `ResourceLogs` around it.
    fn nested_bytes(&self, group: &Group<'_>) -> (usize, usize) {
        let scope_logs = self.scope.len() + group.records_bytes();
        (scope_logs, group.around.len() + field_bytes(scope_logs))
    }
}

impl Encode for Otlp {
    /// Around the records their resource, inside each the name of its file.
    fn prepare(&self, labels: &Labels) -> Common {
        let mut around = Vec::new();
        nested::<2>(RESOURCE, &mut around, |out| {
            for (name, value) in &resource(labels, &self.attributes) {
                text_attribute(RESOURCE_ATTRIBUTES, name, value, out);
            }
        });
        let mut inside = Vec::new();
        if let Some(file) = &labels.file {
            text_attribute(ATTRIBUTES, "log.file.name", file, &mut inside);
        }
        join(&around, &inside)
    }

    fn append(&self, common: &[u8], record: &Record<'_>, out: &mut Vec<u8>) {
        let (_, inside) = split(common);
        nested::<2>(LOG_RECORDS, out, |out| {
            out.extend_from_slice(&times(record));
            if let Some(severity) = record.severity {
                out.extend_from_slice(&[SEVERITY_NUMBER, severity.number()]);
                bytes(SEVERITY_TEXT, severity.name().as_bytes(), out);
            }
            let checked = Checked::new(&record.body);
            let length = record.body.len();
            let kind = text_or_bytes(checked.is_text());
            prefix(BODY, field_bytes(length), out);
            bytes(kind, &record.body, out);
            out.extend_from_slice(inside);
            marks(record, out);
            for (name, value) in record.fields.iter() {
                attribute(name, value, checked, out);
            }
        });
    }

    fn wrap(&self, batch: &Batch) -> Bytes {
        let groups = groups(batch);
        let group_bytes = |group| field_bytes(self.nested_bytes(group).1);
        let mut out = Vec::with_capacity(groups.iter().map(group_bytes).sum());
        for group in &groups {
            let (scope_logs, resource_logs) = self.nested_bytes(group);
            prefix(RESOURCE_LOGS, resource_logs, &mut out);
            out.extend_from_slice(group.around);
            prefix(SCOPE_LOGS, scope_logs, &mut out);
            out.extend_from_slice(&self.scope);
            for piece in &group.pieces {
                out.extend_from_slice(piece);
            }
        }
        out.into()
    }

    fn line<'a>(&self, encoded: &'a [u8]) -> &'a [u8] {
        let body = Fields(Fields(Fields(encoded).first(2)).first(5));
        match body.first(1) {
            [] => body.first(7),
            text => text,
        }
    }
}

/// The attributes of the resource by name.
fn resource<'a>(labels: &'a Labels, fixed: &'a BTreeMap<String, String>) -> BTreeMap<&'a str, &'a str> {
    let service = labels
        .container
        .as_ref()
        .or(labels.pod.as_ref())
        .unwrap_or(&labels.source);
    let ours = labels.iter().filter_map(|(name, value)| {
        let name = match name {
            "source" => "logship.source",
            "resource" => "logship.resource",
            "namespace" => "k8s.namespace.name",
            "pod" => "k8s.pod.name",
            "container" => "k8s.container.name",
            "node" => "k8s.node.name",
            _ => return None,
        };
        Some((name, value))
    });
    let fixed = fixed.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    std::iter::once(("service.name", service.as_str()))
        .chain(ours)
        .chain(fixed)
        .collect()
}

/// Both times; those before 1970 cannot be told and become 0, which means unknown.
#[inline]
fn times(record: &Record<'_>) -> [u8; 18] {
    let bytes = |time: Nanos| u64::try_from(time).unwrap_or_default().to_le_bytes();
    let mut times = [0; 18];
    times[0] = TIME;
    times[1..9].copy_from_slice(&bytes(record.time));
    times[9] = OBSERVED_TIME;
    times[10..].copy_from_slice(&bytes(record.observed));
    times
}

/// What we know about a record besides its body.
fn marks(record: &Record<'_>, out: &mut Vec<u8>) {
    match record.stream {
        None => {}
        // The most frequent attributes by far, ready-made.
        Some(Stream::Stdout) => {
            out.extend_from_slice(b"\x32\x18\x0a\x0clog.iostream\x12\x08\x0a\x06stdout");
        }
        Some(Stream::Stderr) => {
            out.extend_from_slice(b"\x32\x18\x0a\x0clog.iostream\x12\x08\x0a\x06stderr");
        }
    }
    let checked = Checked::new(&[]);
    if let Some(original_bytes) = record.original_bytes {
        attribute("logship.truncated", &Value::Bool(true), checked, out);
        attribute("logship.original_bytes", &integer(original_bytes), checked, out);
    }
    if record.parse_failed {
        attribute("logship.parse_failed", &Value::Bool(true), checked, out);
    }
}

fn integer(value: u64) -> Value<'static> {
    i64::try_from(value).map_or(Value::Uint(value), Value::Int)
}

/// Appends a field as an attribute of the record.
#[inline]
fn attribute(name: &str, value: &Value<'_>, body: Checked<'_>, out: &mut Vec<u8>) {
    match value {
        // An empty `AnyValue` is null.
        Value::Null => key_value(name, 0, out),
        Value::Bool(value) => {
            key_value(name, 2, out);
            out.extend_from_slice(&[BOOL, u8::from(*value)]);
        }
        Value::Int(value) => {
            let value = value.cast_unsigned();
            key_value(name, 1 + varint_bytes(value), out);
            out.push(INT);
            varint(value, out);
        }
        Value::Float(value) => {
            key_value(name, 9, out);
            out.push(DOUBLE);
            out.extend_from_slice(&value.to_le_bytes());
        }
        Value::Uint(value) => text_attribute(ATTRIBUTES, name, &value.to_string(), out),
        Value::Number(text) | Value::Json(text) => text_attribute(ATTRIBUTES, name, text, out),
        Value::Text(content) => {
            let kind = text_or_bytes(body.knows(content));
            bytes_attribute(ATTRIBUTES, name, kind, content, out);
        }
    }
}

/// Appends a `KeyValue` with a text.
fn text_attribute(key: u8, name: &str, value: &str, out: &mut Vec<u8>) {
    bytes_attribute(key, name, STRING, value.as_bytes(), out);
}

/// Appends a `KeyValue` with a text or bytes.
#[inline]
fn bytes_attribute(key: u8, name: &str, kind: u8, content: &[u8], out: &mut Vec<u8>) {
    // Three keys with their lengths are inside the first.
    let short_bytes = 6 + name.len() + content.len();
    if short_bytes < SHORT {
        out.extend_from_slice(&[key, short(short_bytes), KEY, short(name.len())]);
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(&[VALUE, short(2 + content.len()), kind, short(content.len())]);
        out.extend_from_slice(content);
    } else {
        let value_bytes = field_bytes(content.len());
        prefix(key, field_bytes(name.len()) + field_bytes(value_bytes), out);
        bytes(KEY, name.as_bytes(), out);
        prefix(VALUE, value_bytes, out);
        bytes(kind, content, out);
    }
}

/// Appends an attribute of a record up to its `AnyValue`, whose content follows and is short.
#[inline]
fn key_value(name: &str, value_bytes: usize, out: &mut Vec<u8>) {
    let short_bytes = 4 + name.len() + value_bytes;
    if short_bytes < SHORT {
        out.extend_from_slice(&[ATTRIBUTES, short(short_bytes), KEY, short(name.len())]);
        out.extend_from_slice(name.as_bytes());
    } else {
        prefix(
            ATTRIBUTES,
            field_bytes(name.len()) + field_bytes(value_bytes),
            out,
        );
        bytes(KEY, name.as_bytes(), out);
    }
    out.extend_from_slice(&[VALUE, short(value_bytes)]);
}

/// Which `AnyValue` bytes become.
#[inline]
fn text_or_bytes(is_text: bool) -> u8 {
    if is_text { STRING } else { BYTES }
}

#[cfg(test)]
mod tests;
