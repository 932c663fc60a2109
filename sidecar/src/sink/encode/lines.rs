//! Forms of one line a record are read back: what a reader decodes is what was encoded.

use super::testing::{any_record, labels};
use super::{Encode, Json, Text};
use crate::record::time::rfc3339;
use crate::record::{Record, Severity, Stream, Value};
use proptest::prelude::*;
use serde_json::{Value as Tree, json};

fn encoded(form: &dyn Encode, records: &[Record<'_>]) -> Vec<u8> {
    let common = form.prepare(&labels());
    let mut out = Vec::new();
    for record in records {
        form.append(&common, record, &mut out);
    }
    out
}

/// As a reader sees a value.
fn tree(value: &Value<'_>) -> Tree {
    match value {
        Value::Null => Tree::Null,
        Value::Bool(value) => json!(value),
        Value::Int(value) => json!(value),
        Value::Uint(value) => json!(value),
        // Read by the same reader, which is not exact to the last bit.
        Value::Float(value) => serde_json::from_str(&json!(value).to_string()).unwrap(),
        Value::Number(text) | Value::Json(text) => serde_json::from_str(text).unwrap(),
        Value::Text(text) => json!(String::from_utf8_lossy(text)),
    }
}

/// The object of a record: what is not known is left out.
fn object(record: &Record<'_>) -> Tree {
    let time = rfc3339(record.time);
    let mut object = json!({
        "timestamp": std::str::from_utf8(&time).unwrap(),
        "message": String::from_utf8_lossy(&record.body),
        "resource": "r", "source": "s", "file": "f", "namespace": "n", "pod": "p", "container": "c", "node": "o",
    });
    let mut set = |name: &str, value: Option<Tree>| {
        if let Some(value) = value {
            object[name] = value;
        }
    };
    set("stream", record.stream.map(Stream::name).map(Tree::from));
    set("severity", record.severity.map(Severity::name).map(Tree::from));
    set("parseFailed", record.parse_failed.then_some(Tree::Bool(true)));
    set("truncated", record.original_bytes.map(|_| Tree::Bool(true)));
    set("originalBytes", record.original_bytes.map(Tree::from));
    let fields = record
        .fields
        .iter()
        .map(|(name, value)| (name.to_owned(), tree(value)));
    let fields: serde_json::Map<_, _> = fields.collect();
    set("fields", (!fields.is_empty()).then_some(Tree::Object(fields)));
    object
}

/// The reader of these tests has no room for 1e400.
fn readable(mut record: Record<'static>) -> Record<'static> {
    for (_, value) in record.fields.iter_mut() {
        if matches!(value, Value::Number(_)) {
            *value = Value::Null;
        }
    }
    record
}

proptest! {
    /// Each line of JSON is one object with everything that is known of its record, and nothing else.
    #[test]
    fn objects_are_read_as_they_were_written(records in proptest::collection::vec(any_record().prop_map(readable), 1..4)) {
        let out = encoded(&Json, &records);
        let lines = out.split_inclusive(|byte| *byte == b'\n');
        let found: Vec<Tree> = lines.map(|line| serde_json::from_slice(line).unwrap()).collect();
        let expected: Vec<Tree> = records.iter().map(object).collect();
        prop_assert_eq!(found, expected);
    }

    /// Lines of text are the bodies, byte for byte, as far as they have no line breaks of their own.
    #[test]
    fn bodies_are_read_as_they_were_written(bodies in proptest::collection::vec(proptest::collection::vec(any::<u8>().prop_filter("a line", |byte| *byte != b'\n'), 0..50), 1..5)) {
        let records: Vec<_> = bodies.iter().map(|body| Record::new(0, body)).collect();
        let out = encoded(&Text, &records);
        let found: Vec<&[u8]> = out.strip_suffix(b"\n").unwrap().split(|byte| *byte == b'\n').collect();
        prop_assert_eq!(found, bodies);
    }
}
