use super::*;
use crate::record::Severity;
use crate::sink::encode::Gathered;
use crate::sink::encode::testing::{any_record, labels};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use proptest::prelude::*;
use prost::Message;

fn otlp(fixed: &[(&str, &str)]) -> Otlp {
    let fixed = fixed
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let sink = serde_json::from_str::<OtlpSink>(r#"{"url":"http://collector:4318"}"#).unwrap();
    Otlp::new(&OtlpSink {
        resource: fixed.collect(),
        ..sink
    })
}

fn batch(otlp: &Otlp, streams: &[Labels], records: &[(usize, Record<'_>)]) -> Batch {
    let commons: Vec<Common> = streams.iter().map(|labels| otlp.prepare(labels)).collect();
    let mut gathered = Gathered::default();
    for (stream, record) in records {
        otlp.append(&commons[*stream], record, &mut gathered.body);
        gathered.close_record(&commons[*stream]);
    }
    gathered.seal().unwrap()
}

fn decoded(otlp: &Otlp, batch: &Batch) -> ExportLogsServiceRequest {
    ExportLogsServiceRequest::decode(otlp.wrap(batch)).unwrap()
}

fn pairs(attributes: &[KeyValue]) -> Vec<(&str, Option<Any>)> {
    let pair = |pair: &'_ KeyValue| pair.value.clone().and_then(|value| value.value);
    attributes
        .iter()
        .map(|found| (found.key.as_str(), pair(found)))
        .collect()
}

fn string(text: &str) -> Any {
    Any::StringValue(text.to_owned())
}

fn check_resource(fixed: &[(&str, &str)], labels: &Labels, expected: &[(&str, &str)]) {
    let otlp = otlp(fixed);
    let batch = batch(&otlp, std::slice::from_ref(labels), &[(0, Record::new(0, b"a"))]);
    let request = decoded(&otlp, &batch);
    let resource = request.resource_logs[0].resource.clone().unwrap();
    let expected: Vec<_> = expected
        .iter()
        .map(|(name, value)| (*name, Some(string(value))))
        .collect();
    assert_eq!(pairs(&resource.attributes), expected);
}

#[test]
fn resource_is_the_container_and_the_fixed_attributes_win() {
    check_resource(
        &[("service.name", "shop"), ("team", "x")],
        &labels(),
        &[
            ("k8s.container.name", "c"),
            ("k8s.namespace.name", "n"),
            ("k8s.node.name", "o"),
            ("k8s.pod.name", "p"),
            ("logship.resource", "r"),
            ("logship.source", "s"),
            ("service.name", "shop"),
            ("team", "x"),
        ],
    );
}

#[test]
fn service_is_container_else_pod_else_source() {
    let source = Labels {
        source: "s".to_owned(),
        ..Labels::default()
    };
    check_resource(&[], &source, &[("logship.source", "s"), ("service.name", "s")]);
    let pod = Labels {
        pod: Some("p".to_owned()),
        ..source
    };
    let expected = [
        ("k8s.pod.name", "p"),
        ("logship.source", "s"),
        ("service.name", "p"),
    ];
    check_resource(&[], &pod, &expected);
}

#[test]
fn records_of_a_container_are_gathered_and_keep_their_file() {
    let other_file = Labels {
        file: Some("g".to_owned()),
        ..labels()
    };
    let otlp = otlp(&[]);
    let records = [(0, "a"), (1, "b"), (2, "c"), (0, "d")]
        .map(|(stream, line)| (stream, Record::new(0, line.as_bytes())));
    let batch = batch(&otlp, &[labels(), Labels::default(), other_file], &records);
    let request = decoded(&otlp, &batch);
    let content = |record: &LogRecord| {
        format!(
            "{:?} {:?}",
            record.body.clone().unwrap().value,
            pairs(&record.attributes)
        )
    };
    let found: Vec<Vec<String>> = request
        .resource_logs
        .iter()
        .map(|resource| {
            let scope = resource.scope_logs[0].scope.clone().unwrap();
            assert_eq!(
                (scope.name.as_str(), scope.version.as_str()),
                ("logship", env!("CARGO_PKG_VERSION"))
            );
            resource.scope_logs[0].log_records.iter().map(content).collect()
        })
        .collect();
    let with_file = |body: &str, file: &str| {
        format!(
            "{:?} {:?}",
            Some(string(body)),
            [("log.file.name", Some(string(file)))]
        )
    };
    let expected = vec![
        vec![with_file("a", "f"), with_file("c", "g"), with_file("d", "f")],
        vec![format!("{:?} []", Some(string("b")))],
    ];
    assert_eq!(found, expected);
}

#[test]
fn record_keeps_times_severity_marks_and_types() {
    let mut record = Record {
        time: 7,
        stream: Some(Stream::Stderr),
        severity: Some(Severity::Warn),
        original_bytes: Some(9),
        parse_failed: true,
        ..Record::new(8, b"\xff")
    };
    for (name, value) in [
        ("n", Value::Null),
        ("t", Value::Bool(true)),
        ("i", Value::Int(-9_007_199_254_740_993)),
        ("u", Value::Uint(u64::MAX)),
        ("f", Value::Float(0.5)),
        ("x", Value::Number("1e400".into())),
        ("s", Value::text("a")),
        ("b", Value::Text(b"\xff".as_slice().into())),
        ("j", Value::Json("[1]".into())),
    ] {
        record.fields.set(name, value);
    }
    let otlp = otlp(&[]);
    let batch = batch(&otlp, &[Labels::default()], &[(0, record)]);
    let request = decoded(&otlp, &batch);
    let found = &request.resource_logs[0].scope_logs[0].log_records[0];
    assert_eq!((found.time_unix_nano, found.observed_time_unix_nano), (7, 8));
    assert_eq!(
        (found.severity_number, found.severity_text.as_str()),
        (13, "WARN")
    );
    assert_eq!(
        found.body,
        Some(AnyValue {
            value: Some(Any::BytesValue(vec![0xff]))
        })
    );
    let expected = [
        ("log.iostream", Some(string("stderr"))),
        ("logship.truncated", Some(Any::BoolValue(true))),
        ("logship.original_bytes", Some(Any::IntValue(9))),
        ("logship.parse_failed", Some(Any::BoolValue(true))),
        ("n", None),
        ("t", Some(Any::BoolValue(true))),
        ("i", Some(Any::IntValue(-9_007_199_254_740_993))),
        ("u", Some(string("18446744073709551615"))),
        ("f", Some(Any::DoubleValue(0.5))),
        ("x", Some(string("1e400"))),
        ("s", Some(string("a"))),
        ("b", Some(Any::BytesValue(vec![0xff]))),
        ("j", Some(string("[1]"))),
    ];
    assert_eq!(pairs(&found.attributes), expected);
    assert_eq!(otlp.line(batch.encoded().next().unwrap()), b"\xff");
}

/// The value that a receiver is to see.
fn expected_value(value: &Value<'_>) -> Option<Any> {
    match value {
        Value::Null => None,
        Value::Bool(value) => Some(Any::BoolValue(*value)),
        Value::Int(value) => Some(Any::IntValue(*value)),
        Value::Uint(value) => Some(string(&value.to_string())),
        Value::Float(value) => Some(Any::DoubleValue(*value)),
        Value::Number(text) | Value::Json(text) => Some(string(text)),
        Value::Text(bytes) => Some(expected_text(bytes)),
    }
}

fn expected_text(bytes: &[u8]) -> Any {
    match std::str::from_utf8(bytes) {
        Ok(text) => string(text),
        Err(_) => Any::BytesValue(bytes.to_vec()),
    }
}

/// The records of each resource, of several requests one after the other.
fn by_resource(otlp: &Otlp, batches: &[Batch]) -> BTreeMap<String, Vec<LogRecord>> {
    let mut records: BTreeMap<String, Vec<LogRecord>> = BTreeMap::new();
    for resource_logs in batches
        .iter()
        .flat_map(|batch| decoded(otlp, batch).resource_logs)
    {
        let scope_logs = resource_logs.scope_logs.into_iter();
        let found = scope_logs.flat_map(|scope_logs| scope_logs.log_records);
        records
            .entry(format!("{:?}", resource_logs.resource))
            .or_default()
            .extend(found);
    }
    records
}

/// Lengths of one byte are written apart from longer ones.
#[test]
fn attributes_of_all_lengths_are_written_as_the_library_does() {
    for name_bytes in [1, 20, 100, 116, 117, 118, 119, 120, 121, 122, 127, 128, 300] {
        for text_bytes in (0..3).chain(90..130).chain([16_383, 16_384]) {
            let (name, text) = ("n".repeat(name_bytes), "t".repeat(text_bytes));
            let mut record = Record::new(0, b"");
            for (number, value) in [
                Value::text(&text),
                Value::Int(-1),
                Value::Bool(true),
                Value::Float(0.5),
            ]
            .into_iter()
            .enumerate()
            {
                record.fields.set(format!("{number}{}", &name[1..]), value);
            }
            let mut out = Vec::new();
            for (name, value) in record.fields.iter() {
                attribute(name, value, Checked::new(&record.body), &mut out);
            }
            let read = LogRecord::decode(out.as_slice()).unwrap();
            assert_eq!(read.attributes.len(), 4);
            assert_eq!(
                read.attributes[0].value.clone().unwrap().value,
                Some(string(&text))
            );
            assert_eq!(read.encode_to_vec(), out, "{name_bytes} {text_bytes}");
        }
    }
}

proptest! {
    /// What is split arrives as what is whole.
    #[test]
    fn halves_of_a_batch_are_the_whole(records in proptest::collection::vec((0usize..3, any_record()), 2..20), cut in 1usize..20) {
        let otlp = otlp(&[]);
        let streams = ["a", "b", "c"].map(|source| Labels { source: source.to_owned(), ..Labels::default() });
        let batch = batch(&otlp, &streams, &records);
        let cut = cut.min(records.len() - 1);
        let halves = [batch.slice(0, cut), batch.slice(cut, records.len())];
        prop_assert_eq!(by_resource(&otlp, &halves), by_resource(&otlp, &[batch]));
    }

    /// A receiver reads the records that were written, in the order of their stream, byte for byte as its own library writes them.
    #[test]
    fn records_are_read_as_they_were_written(records in proptest::collection::vec((0usize..3, any_record()), 1..20)) {
        let otlp = otlp(&[]);
        let streams = ["a", "b", "c"].map(|source| Labels { source: source.to_owned(), ..Labels::default() });
        let batch = batch(&otlp, &streams, &records);
        let request = decoded(&otlp, &batch);
        for resource_logs in &request.resource_logs {
            let attributes = resource_logs.resource.clone().unwrap().attributes;
            let source = pairs(&attributes)[0].1.clone();
            let number = streams.iter().position(|labels| source == Some(string(&labels.source))).unwrap();
            let written: Vec<&Record<'_>> = records.iter().filter(|(stream, _)| *stream == number).map(|(_, record)| record).collect();
            let found = &resource_logs.scope_logs[0].log_records;
            prop_assert_eq!(found.len(), written.len());
            for (found, record) in found.iter().zip(written) {
                prop_assert_eq!(found.time_unix_nano, u64::try_from(record.time).unwrap_or_default());
                prop_assert_eq!(found.observed_time_unix_nano, u64::try_from(record.observed).unwrap_or_default());
                prop_assert_eq!(found.severity_number, record.severity.map_or(0, |severity| i32::from(severity.number())));
                prop_assert_eq!(found.body.clone().unwrap().value, Some(expected_text(&record.body)));
                let fields: Vec<_> = record.fields.iter().map(|(name, value)| (name, expected_value(value))).collect();
                let found = pairs(&found.attributes);
                prop_assert_eq!(&found[found.len() - fields.len()..], &fields);
            }
        }
        for (encoded, (_, record)) in batch.encoded().zip(&records) {
            prop_assert_eq!(otlp.line(encoded), &*record.body);
        }
    }
}
