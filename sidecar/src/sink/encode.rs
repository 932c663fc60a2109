//! Records to bytes. Pure.
//!
//! What is the same for every record of a stream is encoded once, when the stream is opened, and copied.

use crate::record::Stream;
use logship_crd::agent_config::Format;
use serde::Serialize;

/// One record on its way to the sinks.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    /// RFC 3339: when it was written where the source knows, else when it was read.
    pub timestamp: &'a str,
    /// Its bytes.
    pub body: &'a [u8],
    /// The length that it had before it was truncated.
    pub original_bytes: Option<u64>,
    /// Of which of a container's outputs it is.
    pub stream: Option<Stream>,
}

/// What a stream's records have in common.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Labels {
    /// Name of the source.
    pub source: String,
    /// Name of the `LogShipping`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    /// Base name of the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Namespace of the pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Name of the pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod: Option<String>,
    /// Name of the container.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// Name of the node.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
}

/// [`Labels`], encoded: the end of each JSON record of the stream.
#[derive(Debug, Clone)]
pub struct Context(Vec<u8>);

impl Context {
    /// Encodes what the stream's records have in common.
    ///
    /// # Panics
    /// Never: a struct of texts always serialises.
    pub fn new(labels: &Labels) -> Self {
        let object = serde_json::to_vec(labels).expect("a struct of texts always serialises");
        let mut suffix = vec![b','];
        suffix.extend_from_slice(&object[1..]);
        suffix.push(b'\n');
        Self(suffix)
    }
}

/// Appends one record to `out`, its final newline included.
pub fn encode(format: Format, context: &Context, record: Record<'_>, out: &mut Vec<u8>) {
    match format {
        Format::Text => {
            out.extend_from_slice(record.body);
            out.push(b'\n');
        }
        Format::Json => encode_json(context, record, out),
    }
}

fn encode_json(context: &Context, record: Record<'_>, out: &mut Vec<u8>) {
    const INFALLIBLE: &str = "writing a text to a vector cannot fail";
    out.extend_from_slice(b"{\"timestamp\":");
    serde_json::to_writer(&mut *out, record.timestamp).expect(INFALLIBLE);
    out.extend_from_slice(b",\"message\":");
    serde_json::to_writer(&mut *out, &String::from_utf8_lossy(record.body)).expect(INFALLIBLE);
    if let Some(original_bytes) = record.original_bytes {
        out.extend_from_slice(b",\"truncated\":true,\"originalBytes\":");
        out.extend_from_slice(original_bytes.to_string().as_bytes());
    }
    if let Some(stream) = record.stream {
        out.extend_from_slice(b",\"stream\":\"");
        out.extend_from_slice(stream.name().as_bytes());
        out.push(b'"');
    }
    out.extend_from_slice(&context.0);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(format: Format, body: &[u8], original_bytes: Option<u64>, expected: &str) {
        let labels = Labels {
            source: "s".to_owned(),
            pod: Some("p\"1".to_owned()),
            ..Labels::default()
        };
        let record = Record {
            timestamp: "2026-01-02T03:04:05.000000006Z",
            body,
            original_bytes,
            stream: None,
        };
        let mut out = Vec::new();
        encode(format, &Context::new(&labels), record, &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn text_is_the_bytes_and_a_newline() {
        check(Format::Text, b"a \"b\"\t", None, "a \"b\"\t\n");
    }

    #[test]
    fn json_is_one_line_with_the_streams_labels_and_replaces_what_is_no_text() {
        check(
            Format::Json,
            b"a\"\xff\n\0",
            None,
            "{\"timestamp\":\"2026-01-02T03:04:05.000000006Z\",\"message\":\"a\\\"\u{fffd}\\n\\u0000\",\"source\":\"s\",\"pod\":\"p\\\"1\"}\n",
        );
    }

    #[test]
    fn truncation_is_marked_with_the_original_length() {
        check(
            Format::Json,
            b"abc",
            Some(9),
            "{\"timestamp\":\"2026-01-02T03:04:05.000000006Z\",\"message\":\"abc\",\"truncated\":true,\"originalBytes\":9,\"source\":\"s\",\"pod\":\"p\\\"1\"}\n",
        );
    }
}
