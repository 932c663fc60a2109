//! One JSON object a line: time, message, severity, fields, and the labels of the stream at its end.

use super::escape::{one_line, text};
use super::{Common, Encode};
use crate::record::time::rfc3339;
use crate::record::{Fields, Labels, Record, Value};

/// The encoder.
#[derive(Debug, Clone, Copy)]
pub struct Json;

impl Encode for Json {
    /// The end of each object of the stream.
    ///
    /// # Panics
    /// Never: a struct of texts always serialises.
    fn prepare(&self, labels: &Labels) -> Common {
        let object = serde_json::to_vec(labels).expect("a struct of texts always serialises");
        let mut suffix = vec![b','];
        suffix.extend_from_slice(&object[1..]);
        suffix.push(b'\n');
        suffix.into()
    }

    fn append(&self, common: &[u8], record: &Record<'_>, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"timestamp\":\"");
        out.extend_from_slice(&rfc3339(record.time));
        out.extend_from_slice(b"\",\"message\":");
        text(&record.body, out);
        if let Some(stream) = record.stream {
            out.extend_from_slice(b",\"stream\":\"");
            out.extend_from_slice(stream.name().as_bytes());
            out.push(b'"');
        }
        if let Some(severity) = record.severity {
            out.extend_from_slice(b",\"severity\":\"");
            out.extend_from_slice(severity.name().as_bytes());
            out.push(b'"');
        }
        if let Some(original_bytes) = record.original_bytes {
            out.extend_from_slice(b",\"truncated\":true,\"originalBytes\":");
            number(original_bytes, out);
        }
        if record.parse_failed {
            out.extend_from_slice(b",\"parseFailed\":true");
        }
        if !record.fields.is_empty() {
            out.extend_from_slice(b",\"fields\":");
            object(&record.fields, out);
        }
        out.extend_from_slice(common);
    }
}

/// Appends fields, at least one, as an object.
pub fn object(fields: &Fields<'_>, out: &mut Vec<u8>) {
    let mut separator = b'{';
    for (name, value) in fields.iter() {
        out.push(separator);
        separator = b',';
        text(name.as_bytes(), out);
        out.push(b':');
        self::value(value, out);
    }
    out.push(b'}');
}

/// Appends a value as JSON.
pub fn value(value: &Value<'_>, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Int(value) => number(value, out),
        Value::Uint(value) => number(value, out),
        Value::Float(value) => number(value, out),
        Value::Number(digits) => out.extend_from_slice(digits.as_bytes()),
        Value::Json(json) => one_line(json, out),
        Value::Text(bytes) => text(bytes, out),
    }
}

/// Appends a number; without allocation, and in the shortest form that is read back as it was.
pub fn number(value: impl serde::Serialize, out: &mut Vec<u8>) {
    serde_json::to_writer(out, &value).expect("writing a number to a vector cannot fail");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Severity, Stream};
    use proptest::prelude::*;

    const TIME: i64 = 1_767_323_045_000_000_006;

    fn check(record: &Record<'_>, expected: &str) {
        let labels = Labels {
            source: "s".to_owned(),
            pod: Some("p\"1".to_owned()),
            ..Labels::default()
        };
        let mut out = Vec::new();
        Json.append(&Json.prepare(&labels), record, &mut out);
        let head = "{\"timestamp\":\"2026-01-02T03:04:05.000000006Z\",";
        let expected = format!("{head}{expected},\"source\":\"s\",\"pod\":\"p\\\"1\"}}\n");
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn object_is_one_line_and_replaces_what_is_no_text() {
        check(
            &Record::new(TIME, b"a\"\xff\n\0"),
            "\"message\":\"a\\\"\u{fffd}\\n\\u0000\"",
        );
    }

    #[test]
    fn truncation_is_marked_with_the_original_length() {
        let record = Record {
            original_bytes: Some(9),
            ..Record::new(TIME, b"abc")
        };
        check(
            &record,
            "\"message\":\"abc\",\"truncated\":true,\"originalBytes\":9",
        );
    }

    #[test]
    fn fields_keep_their_types() {
        let mut record = Record {
            stream: Some(Stream::Stderr),
            severity: Some(Severity::Warn),
            parse_failed: true,
            ..Record::new(TIME, b"m")
        };
        for (name, value) in [
            ("n", Value::Null),
            ("t", Value::Bool(true)),
            ("i", Value::Int(-9_007_199_254_740_993)),
            ("u", Value::Uint(u64::MAX)),
            ("f", Value::Float(0.5)),
            ("x", Value::Number("1e400".into())),
            ("s", Value::text("a\"b")),
            ("j", Value::Json("[1,\n{}]".into())),
        ] {
            record.fields.set(name, value);
        }
        check(
            &record,
            "\"message\":\"m\",\"stream\":\"stderr\",\"severity\":\"WARN\",\"parseFailed\":true,\"fields\":{\"n\":null,\"t\":true,\"i\":-9007199254740993,\"u\":18446744073709551615,\"f\":0.5,\"x\":1e400,\"s\":\"a\\\"b\",\"j\":[1, {}]}",
        );
    }

    proptest! {
        /// Whatever the bytes are, the line is one JSON object, and its message is the text.
        #[test]
        fn any_bytes_make_one_line(bytes in proptest::collection::vec(any::<u8>(), 0..100), time in any::<i64>()) {
            let mut out = Vec::new();
            Json.append(&Json.prepare(&Labels::default()), &Record::new(time, &bytes), &mut out);
            prop_assert_eq!(out.iter().position(|&byte| byte == b'\n'), Some(out.len() - 1));
            let object: serde_json::Value = serde_json::from_slice(&out).unwrap();
            prop_assert_eq!(object["message"].as_str().unwrap(), String::from_utf8_lossy(&bytes));
        }
    }
}
