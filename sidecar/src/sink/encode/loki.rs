//! Loki's `PushRequest` as protobuf, before its compression:
//! <https://github.com/grafana/loki/blob/main/pkg/push/push.proto>.
//!
//! The labels of a stream are few and of few values: namespace, pod, container, source, and the fixed ones of the sink. All else is
//! structured metadata of the record. A stream's records are sent together, in the order in which they were read.
//!
//! Loki's names are letters, digits and underscores; every other character becomes an underscore, so that `a.b` and `a-b` arrive
//! under one name. A field with a name that we give ourselves arrives as `field_<name>`. A null is not sent, because there are
//! only texts. A field that has the name of one of the stream's labels is sent; Loki shows it as `<name>_extracted`.

use super::checked::Checked;
use super::protobuf::{
    Fields, SHORT, bytes, bytes_key, field_bytes, nested, prefix, replaced, short, text, varint, varint_key,
};
use super::streams::{groups, join, split};
use super::{Batch, Common, Encode, json};
use crate::record::time::{Nanos, SECOND};
use crate::record::{Labels, Record, Stream, Value};
use ::bytes::Bytes;
use logship_crd::agent_config::LokiSink;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// `PushRequest.streams`.
const STREAMS: u8 = bytes_key(1);
/// `StreamAdapter.labels` and `entries`.
const LABELS: u8 = bytes_key(1);
const ENTRIES: u8 = bytes_key(2);
/// `EntryAdapter.timestamp`, `line` and `structuredMetadata`.
const TIMESTAMP: u8 = bytes_key(1);
const LINE: u8 = bytes_key(2);
const METADATA: u8 = bytes_key(3);
/// `LabelPairAdapter.name` and `value`.
const NAME: u8 = bytes_key(1);
const VALUE: u8 = bytes_key(2);

/// The encoder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loki {
    labels: BTreeMap<String, String>,
    has_metadata: bool,
}

impl Loki {
    /// The encoder for this sink.
    pub fn new(sink: &LokiSink) -> Self {
        Self {
            labels: sink.labels.clone(),
            has_metadata: sink.structured_metadata,
        }
    }

    /// The labels by name; the sink's own win. Without empty ones, which mean nothing to Loki.
    fn stream_labels(&self, labels: &Labels) -> BTreeMap<String, String> {
        let ours = labels.iter().filter(|(name, _)| is_stream_label(name));
        let mut named: BTreeMap<String, String> = ours
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        named.extend(
            self.labels
                .iter()
                .map(|(name, value)| (valid_name(name).into_owned(), value.clone())),
        );
        named.retain(|_, value| !value.is_empty());
        named
    }
}

impl Encode for Loki {
    /// Around the records the text of the stream's labels, inside each what else the stream has.
    fn prepare(&self, labels: &Labels) -> Common {
        let mut around = Vec::new();
        bytes(
            LABELS,
            labels_text(&self.stream_labels(labels)).as_bytes(),
            &mut around,
        );
        let mut inside = Vec::new();
        if self.has_metadata {
            for (name, value) in labels.iter().filter(|(name, _)| !is_stream_label(name)) {
                pair(name, value.as_bytes(), &mut inside);
            }
        }
        join(&around, &inside)
    }

    fn append(&self, common: &[u8], record: &Record<'_>, out: &mut Vec<u8>) {
        let (_, inside) = split(common);
        nested::<2>(ENTRIES, out, |out| {
            nested::<1>(TIMESTAMP, out, |out| timestamp(record.time, out));
            let checked = Checked::new(&record.body);
            text(LINE, &record.body, checked.is_text(), out);
            if self.has_metadata {
                out.extend_from_slice(inside);
                marks(record, out);
                for (name, value) in record.fields.iter() {
                    field(name, value, checked, out);
                }
            }
        });
    }

    fn wrap(&self, batch: &Batch) -> Bytes {
        let groups = groups(batch);
        let stream_bytes = |group: &super::streams::Group<'_>| group.around.len() + group.records_bytes();
        let request_bytes = groups.iter().map(|group| field_bytes(stream_bytes(group))).sum();
        let mut out = Vec::with_capacity(request_bytes);
        for group in &groups {
            prefix(STREAMS, stream_bytes(group), &mut out);
            out.extend_from_slice(group.around);
            for piece in &group.pieces {
                out.extend_from_slice(piece);
            }
        }
        out.into()
    }

    fn line<'a>(&self, encoded: &'a [u8]) -> &'a [u8] {
        Fields(Fields(encoded).first(2)).first(2)
    }
}

fn is_stream_label(name: &str) -> bool {
    matches!(name, "namespace" | "pod" | "container" | "source")
}

/// `{name="value",…}` in the syntax of selectors.
fn labels_text(labels: &BTreeMap<String, String>) -> String {
    let pair = |(name, value): (&String, &String)| {
        let value = value
            .replace('\\', r"\\")
            .replace('"', "\\\"")
            .replace('\n', r"\n");
        format!("{name}=\"{value}\"")
    };
    let pairs: Vec<String> = labels.iter().map(pair).collect();
    format!("{{{}}}", pairs.join(","))
}

/// `google.protobuf.Timestamp`.
#[inline]
fn timestamp(time: Nanos, out: &mut Vec<u8>) {
    out.push(varint_key(1));
    varint(time.div_euclid(SECOND).cast_unsigned(), out);
    out.push(varint_key(2));
    varint(time.rem_euclid(SECOND).cast_unsigned(), out);
}

/// What we know about a record besides its line.
fn marks(record: &Record<'_>, out: &mut Vec<u8>) {
    match record.stream {
        None => {}
        // The most frequent pairs by far, ready-made.
        Some(Stream::Stdout) => out.extend_from_slice(b"\x1a\x10\x0a\x06stream\x12\x06stdout"),
        Some(Stream::Stderr) => out.extend_from_slice(b"\x1a\x10\x0a\x06stream\x12\x06stderr"),
    }
    if let Some(severity) = record.severity {
        pair("severity", severity.name().as_bytes(), out);
    }
    if let Some(original_bytes) = record.original_bytes {
        pair("truncated", b"true", out);
        pair("original_bytes", original_bytes.to_string().as_bytes(), out);
    }
    if record.parse_failed {
        pair("parse_failed", b"true", out);
    }
}

/// Whether we give this name ourselves.
fn is_ours(name: &str) -> bool {
    matches!(
        name,
        "file"
            | "node"
            | "original_bytes"
            | "parse_failed"
            | "resource"
            | "severity"
            | "stream"
            | "truncated"
    )
}

fn field(name: &str, value: &Value<'_>, body: Checked<'_>, out: &mut Vec<u8>) {
    match value {
        Value::Null => {}
        _ if is_ours(name) => metadata(&format!("field_{name}"), value, body, out),
        _ => metadata(name, value, body, out),
    }
}

/// Appends a pair of a field with a valid form of its name.
fn metadata(name: &str, value: &Value<'_>, body: Checked<'_>, out: &mut Vec<u8>) {
    match value {
        Value::Text(content) if body.knows(content) => pair(name, content, out),
        value => nested::<1>(METADATA, out, |out| {
            bytes(NAME, valid_name(name).as_bytes(), out);
            nested::<1>(VALUE, out, |out| match value {
                Value::Text(content) => replaced(content, out),
                value => json::value(value, out),
            });
        }),
    }
}

/// Appends a pair of a name, made valid, and a text, which is UTF-8.
#[inline]
fn pair(name: &str, content: &[u8], out: &mut Vec<u8>) {
    let name = valid_name(name);
    // Two keys with their lengths are inside the first.
    let short_bytes = 4 + name.len() + content.len();
    if short_bytes < SHORT {
        out.extend_from_slice(&[METADATA, short(short_bytes), NAME, short(name.len())]);
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(&[VALUE, short(content.len())]);
        out.extend_from_slice(content);
    } else {
        prefix(
            METADATA,
            field_bytes(name.len()) + field_bytes(content.len()),
            out,
        );
        bytes(NAME, name.as_bytes(), out);
        bytes(VALUE, content, out);
    }
}

/// By byte, whether a name may have it.
const IN_NAMES: [bool; 256] = {
    let mut valid = [false; 256];
    let mut byte = 0u8;
    while byte < 128 {
        valid[byte as usize] = byte.is_ascii_alphanumeric() || byte == b'_';
        byte += 1;
    }
    valid
};

fn is_valid(name: &str) -> bool {
    let first = name.bytes().next();
    first.is_some_and(|first| !first.is_ascii_digit()) && name.bytes().all(|byte| IN_NAMES[usize::from(byte)])
}

/// The name with an underscore for what it may not have, and before what it may not begin with.
#[inline]
fn valid_name(name: &str) -> Cow<'_, str> {
    if is_valid(name) {
        Cow::Borrowed(name)
    } else {
        Cow::Owned(made_valid(name))
    }
}

fn made_valid(name: &str) -> String {
    let valid = |letter: char| {
        if letter.is_ascii_alphanumeric() {
            letter
        } else {
            '_'
        }
    };
    let name: String = name.chars().map(valid).collect();
    let needs_first = name.chars().next().is_none_or(|first| first.is_ascii_digit());
    if needs_first { format!("_{name}") } else { name }
}

#[cfg(test)]
mod tests;
