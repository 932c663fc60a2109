//! Elasticsearch's and OpenSearch's `_bulk`: for each record an action and a document, a line each. The index is in the URL, and the
//! action is `create`, the only one that data streams take.
//!
//! The document follows the Elastic Common Schema: `@timestamp`, `message`, `log.level`, `kubernetes.namespace`,
//! `kubernetes.pod.name`, `kubernetes.node.name`, `container.name`; with the names of OpenTelemetry where it has none:
//! `log.iostream`, `log.file.name`; ours are `labels.source`, `labels.resource` and `logship.*`.
//! Fields stand beside them under their own names. One whose name, up to the first dot, is one of ours or begins with an
//! underscore (names like `_id` are the server's) is put under `fields.`, so that unique names stay unique: a document with a name twice is refused.
//!
//! Numbers that no field type of the server holds without being told are texts, because they would be refused: integers beyond
//! 64 bits with sign, and `1e400`.
//!
//! There is no `_id`: none can be derived from the record alone, so a repetition after an answer that was lost makes a duplicate.

use super::escape;
use super::streams::{join, split};
use super::{Common, Encode, json};
use crate::record::time::rfc3339;
use crate::record::{Labels, Record, Severity, Value};
use serde_json::{Map, Value as Tree};

/// The action, and the document up to its time.
const HEAD: &[u8] = b"{\"create\":{}}\n{\"@timestamp\":\"";

/// The encoder.
#[derive(Debug, Clone, Copy)]
pub struct Elasticsearch;

impl Encode for Elasticsearch {
    /// The end of each document, and what goes into its `log`.
    fn prepare(&self, labels: &Labels) -> Common {
        let (mut document, mut log) = (Map::new(), Map::new());
        for (name, value) in labels.iter() {
            match name {
                "file" => set(&mut log, "file.name", value),
                "namespace" => set(&mut document, "kubernetes.namespace", value),
                "pod" => set(&mut document, "kubernetes.pod.name", value),
                "node" => set(&mut document, "kubernetes.node.name", value),
                "container" => set(&mut document, "container.name", value),
                ours => set(&mut document, &format!("labels.{ours}"), value),
            }
        }
        let end = format!(",{}}}\n", members(document));
        let inside_log = if log.is_empty() {
            String::new()
        } else {
            members(log) + ","
        };
        join(end.as_bytes(), inside_log.as_bytes())
    }

    fn append(&self, common: &[u8], record: &Record<'_>, out: &mut Vec<u8>) {
        let (end, inside_log) = split(common);
        out.extend_from_slice(HEAD);
        out.extend_from_slice(&rfc3339(record.time));
        out.extend_from_slice(b"\",\"message\":");
        escape::text(&record.body, out);
        object(b",\"log\":{", out, |out| {
            if let Some(severity) = record.severity {
                member(b"\"level\":\"", level(severity), out);
            }
            if let Some(stream) = record.stream {
                member(b"\"iostream\":\"", stream.name(), out);
            }
            out.extend_from_slice(inside_log);
        });
        object(b",\"logship\":{", out, |out| {
            if let Some(original_bytes) = record.original_bytes {
                out.extend_from_slice(b"\"truncated\":true,\"original_bytes\":");
                json::number(original_bytes, out);
                out.push(b',');
            }
            if record.parse_failed {
                out.extend_from_slice(b"\"parse_failed\":true,");
            }
        });
        for (name, value) in record.fields.iter() {
            out.extend_from_slice(if is_ours(name) { b",\"fields." } else { b",\"" });
            escape::contents(name.as_bytes(), out);
            out.extend_from_slice(b"\":");
            match value {
                Value::Uint(value) => escape::text(value.to_string().as_bytes(), out),
                Value::Number(text) => escape::text(text.as_bytes(), out),
                value => json::value(value, out),
            }
        }
        out.extend_from_slice(end);
    }

    /// The document without its action.
    fn line<'a>(&self, encoded: &'a [u8]) -> &'a [u8] {
        let (_, document) = encoded.split_at(memchr::memchr(b'\n', encoded).map_or(0, |end| end + 1));
        document.strip_suffix(b"\n").unwrap_or(document)
    }
}

/// Whether a field of this name could stand where the server or we put something else.
fn is_ours(name: &str) -> bool {
    let first = name.split_once('.').map_or(name, |(first, _)| first);
    name.starts_with('_')
        || matches!(
            first,
            "@timestamp" | "message" | "log" | "logship" | "kubernetes" | "container" | "labels" | "fields"
        )
}

/// As the schema's examples write it.
fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Trace => "trace",
        Severity::Debug => "debug",
        Severity::Info => "info",
        Severity::Warn => "warn",
        Severity::Error => "error",
        Severity::Fatal => "fatal",
    }
}

/// Appends an object with the members that `write` appends, each with a comma behind it; without members it is left out.
fn object(head: &[u8], out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(head);
    write(out);
    match out.last_mut() {
        Some(last) if *last == b',' => *last = b'}',
        _ => out.truncate(start),
    }
}

fn member(head: &[u8], value: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(head);
    out.extend_from_slice(value.as_bytes());
    out.extend_from_slice(b"\",");
}

/// Puts a value into objects in objects.
fn set(object: &mut Map<String, Tree>, path: &str, value: &str) {
    match path.split_once('.') {
        None => {
            object.insert(path.to_owned(), value.into());
        }
        Some((first, rest)) => {
            let inner = object.entry(first).or_insert_with(|| Map::new().into());
            if let Tree::Object(inner) = inner {
                set(inner, rest, value);
            }
        }
    }
}

/// The members of an object without its braces.
fn members(object: Map<String, Tree>) -> String {
    let text = Tree::Object(object).to_string();
    text[1..text.len() - 1].to_owned()
}

#[cfg(test)]
mod tests;
