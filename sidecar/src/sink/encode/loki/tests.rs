use super::*;
use crate::record::Severity;
use crate::sink::encode::Gathered;
use crate::sink::encode::testing::{any_record, labels};
use proptest::prelude::*;
use prost::Message;

#[derive(Clone, PartialEq, Message)]
struct PushRequest {
    #[prost(message, repeated, tag = "1")]
    streams: Vec<StreamAdapter>,
}

#[derive(Clone, PartialEq, Message)]
struct StreamAdapter {
    #[prost(string, tag = "1")]
    labels: String,
    #[prost(message, repeated, tag = "2")]
    entries: Vec<EntryAdapter>,
    #[prost(uint64, tag = "3")]
    hash: u64,
}

#[derive(Clone, PartialEq, Message)]
struct EntryAdapter {
    #[prost(message, optional, tag = "1")]
    timestamp: Option<Timestamp>,
    #[prost(string, tag = "2")]
    line: String,
    #[prost(message, repeated, tag = "3")]
    structured_metadata: Vec<LabelPairAdapter>,
}

#[derive(Clone, PartialEq, Message)]
struct Timestamp {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

#[derive(Clone, PartialEq, Message)]
struct LabelPairAdapter {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    value: String,
}

fn loki(labels: &[(&str, &str)], structured_metadata: bool) -> Loki {
    let labels = labels
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Loki {
        labels: labels.collect(),
        has_metadata: structured_metadata,
    }
}

/// The request with one record for each index, of the stream with these labels.
fn request(loki: &Loki, streams: &[Labels], records: &[(usize, Record<'_>)]) -> Batch {
    let commons: Vec<Common> = streams.iter().map(|labels| loki.prepare(labels)).collect();
    let mut gathered = Gathered::default();
    for (stream, record) in records {
        loki.append(&commons[*stream], record, &mut gathered.body);
        gathered.close_record(&commons[*stream]);
    }
    gathered.seal().unwrap()
}

fn decoded(loki: &Loki, batch: &Batch) -> PushRequest {
    PushRequest::decode(loki.wrap(batch)).unwrap()
}

/// The only entry of a request with this record, as line and metadata.
fn entry(loki: &Loki, record: Record<'_>) -> (String, Vec<(String, String)>) {
    let batch = request(loki, &[Labels::default()], &[(0, record)]);
    let mut request = decoded(loki, &batch);
    let entry = request.streams.pop().unwrap().entries.pop().unwrap();
    let pairs = entry.structured_metadata.into_iter();
    (entry.line, pairs.map(|pair| (pair.name, pair.value)).collect())
}

#[test]
fn labels_are_valid_escaped_and_few() {
    for (fixed, expected) in [
        (&[][..], r#"{container="c",namespace="n",pod="p",source="s"}"#),
        (
            &[
                ("app.name", "a\"\\\n"),
                ("1st", "x"),
                ("pod", ""),
                ("source", "t"),
            ],
            r#"{_1st="x",app_name="a\"\\\n",container="c",namespace="n",source="t"}"#,
        ),
    ] {
        let loki = loki(fixed, true);
        let batch = request(&loki, &[labels()], &[(0, Record::new(0, b"a"))]);
        assert_eq!(decoded(&loki, &batch).streams[0].labels, expected);
    }
}

#[test]
fn all_runs_of_a_stream_are_one_stream_whatever_their_file() {
    let other_file = Labels {
        file: Some("g".to_owned()),
        ..labels()
    };
    let loki = loki(&[], true);
    let records = [(0, "a"), (1, "b"), (2, "c"), (0, "d"), (2, "e")];
    let records = records.map(|(stream, line)| (stream, Record::new(0, line.as_bytes())));
    let batch = request(&loki, &[labels(), Labels::default(), other_file], &records);
    let request = decoded(&loki, &batch);
    let lines = |stream: &StreamAdapter| -> String {
        stream.entries.iter().map(|entry| entry.line.as_str()).collect()
    };
    let lines: Vec<String> = request.streams.iter().map(lines).collect();
    assert_eq!(lines, ["acde", "b"]);
    let files = request.streams[0]
        .entries
        .iter()
        .map(|entry| entry.structured_metadata[1].clone());
    let files: Vec<String> = files
        .map(|pair| format!("{}={}", pair.name, pair.value))
        .collect();
    assert_eq!(files, ["file=f", "file=g", "file=f", "file=g"]);
}

#[test]
fn what_is_known_about_a_record_is_metadata() {
    let mut record = Record {
        stream: Some(Stream::Stderr),
        severity: Some(Severity::Warn),
        original_bytes: Some(9),
        parse_failed: true,
        ..Record::new(0, b"\xffa")
    };
    for (name, value) in [
        ("n", Value::Null),
        ("t", Value::Bool(true)),
        ("a.b", Value::Int(-1)),
        ("severity", Value::Uint(u64::MAX)),
        ("0", Value::Float(0.5)),
        ("", Value::Number("1e400".into())),
        ("\u{fc}x", Value::Text(b"x\xff".as_slice().into())),
        ("j", Value::Json("[1]".into())),
    ] {
        record.fields.set(name, value);
    }
    let expected = [
        ("stream", "stderr"),
        ("severity", "WARN"),
        ("truncated", "true"),
        ("original_bytes", "9"),
        ("parse_failed", "true"),
        ("t", "true"),
        ("a_b", "-1"),
        ("field_severity", "18446744073709551615"),
        ("_0", "0.5"),
        ("_", "1e400"),
        ("_x", "x\u{fffd}"),
        ("j", "[1]"),
    ];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let (line, metadata) = entry(&loki(&[], true), record.clone());
    assert_eq!(line, "\u{fffd}a");
    assert_eq!(metadata, expected);
    assert_eq!(entry(&loki(&[], false), record).1, []);
}

#[test]
fn times_before_1970_are_kept() {
    let loki = loki(&[], true);
    let batch = request(&loki, &[labels()], &[(0, Record::new(-1, b""))]);
    let timestamp = decoded(&loki, &batch).streams[0].entries[0]
        .timestamp
        .clone()
        .unwrap();
    assert_eq!((timestamp.seconds, timestamp.nanos), (-1, 999_999_999));
}

/// The entries of each stream, of several requests one after the other.
fn by_stream(loki: &Loki, batches: &[Batch]) -> BTreeMap<String, Vec<EntryAdapter>> {
    let mut entries: BTreeMap<String, Vec<EntryAdapter>> = BTreeMap::new();
    for stream in batches.iter().flat_map(|batch| decoded(loki, batch).streams) {
        entries.entry(stream.labels).or_default().extend(stream.entries);
    }
    entries
}

/// Lengths of one byte are written apart from longer ones.
#[test]
fn pairs_of_all_lengths_are_written_as_the_library_does() {
    for name_bytes in [1, 100, 120, 121, 122, 123, 124, 125, 128, 300] {
        for text_bytes in (1..10).chain(100..130).chain([16_383, 16_384]) {
            let (name, text) = ("n".repeat(name_bytes), "t".repeat(text_bytes));
            let mut out = Vec::new();
            pair(&name, text.as_bytes(), &mut out);
            let read = EntryAdapter::decode(out.as_slice()).unwrap();
            assert_eq!(
                (
                    &read.structured_metadata[0].name,
                    &read.structured_metadata[0].value
                ),
                (&name, &text)
            );
            assert_eq!(read.encode_to_vec(), out, "{name_bytes} {text_bytes}");
        }
    }
}

proptest! {
    /// What is split arrives as what is whole.
    #[test]
    fn halves_of_a_batch_are_the_whole(records in proptest::collection::vec((0usize..3, any_record()), 2..20), cut in 1usize..20) {
        let loki = loki(&[], true);
        let streams = ["a", "b", "c"].map(|source| Labels { source: source.to_owned(), ..Labels::default() });
        let batch = request(&loki, &streams, &records);
        let cut = cut.min(records.len() - 1);
        let halves = [batch.slice(0, cut), batch.slice(cut, records.len())];
        prop_assert_eq!(by_stream(&loki, &halves), by_stream(&loki, &[batch]));
    }

    /// Loki reads the records that were written, in the order of their stream; their lines are found in the encoded records.
    #[test]
    fn records_are_read_as_they_were_written(records in proptest::collection::vec((0usize..3, any_record()), 1..20)) {
        let loki = loki(&[], true);
        let streams = ["a", "b", "c"].map(|source| Labels { source: source.to_owned(), ..Labels::default() });
        let batch = request(&loki, &streams, &records);
        let request = decoded(&loki, &batch);
        for stream in &request.streams {
            let number = streams.iter().position(|labels| stream.labels.contains(&format!("\"{}\"", labels.source))).unwrap();
            let written: Vec<&Record<'_>> = records.iter().filter(|(stream, _)| *stream == number).map(|(_, record)| record).collect();
            prop_assert_eq!(stream.entries.len(), written.len());
            for (entry, record) in stream.entries.iter().zip(written) {
                let timestamp = entry.timestamp.as_ref().unwrap();
                prop_assert_eq!(timestamp.seconds * SECOND + i64::from(timestamp.nanos), record.time);
                prop_assert_eq!(&entry.line, &String::from_utf8_lossy(&record.body));
                let sent = record.fields.iter().filter(|(_, value)| **value != Value::Null);
                for (name, value) in sent {
                    let expected = match value {
                        Value::Text(text) => String::from_utf8_lossy(text).into_owned(),
                        other => { let mut out = Vec::new(); json::value(other, &mut out); String::from_utf8(out).unwrap() }
                    };
                    let found = entry.structured_metadata.iter().any(|pair| pair.name.ends_with(&*valid_name(name)) && pair.value == expected);
                    prop_assert!(found, "{} in {:?}", name, entry);
                }
            }
        }
        for (encoded, (_, record)) in batch.encoded().zip(&records) {
            prop_assert_eq!(String::from_utf8_lossy(loki.line(encoded)), String::from_utf8_lossy(&record.body));
        }
    }
}
