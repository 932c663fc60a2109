use super::*;
use crate::record::Stream;
use crate::sink::encode::testing::{any_record, labels};
use proptest::prelude::*;
use serde_json::json;

fn encoded(labels: &Labels, record: &Record<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    Elasticsearch.append(&Elasticsearch.prepare(labels), record, &mut out);
    out
}

fn check(labels: &Labels, record: &Record<'_>, expected: &Tree) {
    let encoded = encoded(labels, record);
    let document = encoded.strip_prefix(b"{\"create\":{}}\n").unwrap();
    assert_eq!(&serde_json::from_slice::<Tree>(document).unwrap(), expected);
    assert_eq!(
        Elasticsearch.line(&encoded),
        document.strip_suffix(b"\n").unwrap()
    );
}

#[test]
fn document_follows_the_common_schema() {
    let record = Record {
        time: 1_767_323_045_000_000_006,
        stream: Some(Stream::Stderr),
        severity: Some(Severity::Warn),
        original_bytes: Some(9),
        parse_failed: true,
        ..Record::new(0, b"a\xff")
    };
    check(
        &labels(),
        &record,
        &json!({
            "@timestamp": "2026-01-02T03:04:05.000000006Z",
            "message": "a\u{fffd}",
            "log": {"level": "warn", "iostream": "stderr", "file": {"name": "f"}},
            "logship": {"truncated": true, "original_bytes": 9, "parse_failed": true},
            "kubernetes": {"namespace": "n", "pod": {"name": "p"}, "node": {"name": "o"}},
            "container": {"name": "c"},
            "labels": {"source": "s", "resource": "r"},
        }),
    );
}

#[test]
fn what_is_not_known_is_left_out() {
    check(
        &Labels::default(),
        &Record::new(0, b""),
        &json!({"@timestamp": "1970-01-01T00:00:00.000000000Z", "message": "", "labels": {"source": ""}}),
    );
}

#[test]
fn fields_keep_their_types_unless_the_server_would_refuse_them() {
    let mut record = Record::new(0, b"");
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
    let encoded = encoded(&Labels::default(), &record);
    let expected = br#","n":null,"t":true,"i":-9007199254740993,"u":"18446744073709551615","f":0.5,"x":"1e400","s":"a\"b","j":[1, {}],"labels":"#;
    assert!(
        encoded.windows(expected.len()).any(|window| window == expected),
        "{}",
        encoded.escape_ascii()
    );
}

#[test]
fn fields_never_stand_where_we_or_the_server_put_something() {
    for (name, expected) in [
        ("user", "user"),
        ("user.name", "user.name"),
        ("messages", "messages"),
        ("message", "fields.message"),
        ("message.text", "fields.message.text"),
        ("log.level", "fields.log.level"),
        ("@timestamp", "fields.@timestamp"),
        ("labels", "fields.labels"),
        ("_id", "fields._id"),
        ("fields.message", "fields.fields.message"),
        ("a\"\n", "a\"\n"),
    ] {
        let mut record = Record::new(0, b"");
        record.fields.set(name, Value::Int(1));
        let encoded = encoded(&labels(), &record);
        let document: Tree = serde_json::from_slice(Elasticsearch.line(&encoded)).unwrap();
        assert_eq!(document[expected], json!(1), "{name}");
    }
}

/// The names of an object's members; one that occurs twice is found twice.
struct Names(Vec<String>);

impl<'de> serde::Deserialize<'de> for Names {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Names;
            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("an object")
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Names, A::Error> {
                let mut names = Vec::new();
                while let Some((name, serde::de::IgnoredAny)) = map.next_entry()? {
                    names.push(name);
                }
                Ok(Names(names))
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}

proptest! {
    /// Every record is two lines, the second a document with unique names that holds the text and the fields.
    #[test]
    fn records_are_read_as_they_were_written(record in any_record()) {
        let encoded = encoded(&labels(), &record);
        prop_assert_eq!(encoded.split(|byte| *byte == b'\n').count(), 3);
        let line = Elasticsearch.line(&encoded);
        let document: Tree = serde_json::from_slice(line).unwrap();
        let mut names = serde_json::from_slice::<Names>(line).unwrap().0;
        names.sort();
        let count = names.len();
        names.dedup();
        prop_assert_eq!(names.len(), count);
        prop_assert_eq!(&document["message"], &json!(String::from_utf8_lossy(&record.body)));
        prop_assert_eq!(&document["@timestamp"], &json!(std::str::from_utf8(&rfc3339(record.time)).unwrap()));
        for (name, value) in record.fields.iter() {
            let expected = match value {
                Value::Null => Tree::Null,
                Value::Bool(value) => json!(value),
                Value::Int(value) => json!(value),
                Value::Uint(value) => json!(value.to_string()),
                // Read by the same reader, which is not exact to the last bit.
                Value::Float(value) => serde_json::from_str(&json!(value).to_string()).unwrap(),
                Value::Number(text) => json!(text),
                Value::Text(bytes) => json!(String::from_utf8_lossy(bytes)),
                Value::Json(text) => serde_json::from_str(text).unwrap(),
            };
            let found = document.get(name).filter(|_| !is_ours(name));
            prop_assert_eq!(found.unwrap_or_else(|| &document[&format!("fields.{name}")]), &expected);
        }
    }
}
