//! Records and labels for the tests of encoders.

use crate::record::{Labels, Record, Severity, Stream, Value};
use proptest::prelude::*;

/// Labels with each member set to its first letter, the node to `o`.
pub fn labels() -> Labels {
    let text = |text: &str| Some(text.to_owned());
    Labels {
        source: "s".to_owned(),
        resource: text("r"),
        file: text("f"),
        namespace: text("n"),
        pod: text("p"),
        container: text("c"),
        node: text("o"),
    }
}

/// Any record, with short and long texts, valid and invalid, and names that are ours.
pub fn any_record() -> impl Strategy<Value = Record<'static>> {
    let stream = proptest::option::of(prop_oneof![Just(Stream::Stdout), Just(Stream::Stderr)]);
    let severity = proptest::option::of(prop_oneof![
        Just(Severity::Trace),
        Just(Severity::Warn),
        Just(Severity::Fatal)
    ]);
    let known = (
        any::<i64>(),
        any::<i64>(),
        stream,
        severity,
        any::<Option<u64>>(),
        any::<bool>(),
    );
    let fields = proptest::collection::vec((any_name(), any_value()), 0..8);
    (known, any_text(), fields).prop_map(|(known, body, fields)| {
        let (time, observed, stream, severity, original_bytes, parse_failed) = known;
        let mut record = Record {
            time,
            observed,
            stream,
            severity,
            body: body.into(),
            original_bytes,
            parse_failed,
            ..Record::new(0, b"")
        };
        for (name, value) in fields {
            record.fields.set(name, value);
        }
        record
    })
}

fn any_name() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z]{1,3}",
        "(message|severity|log|fields|_id)(\\.[a-z])?",
        "\\PC{0,5}"
    ]
}

fn any_text() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => "[ -~]{0,300}".prop_map(String::into_bytes),
        2 => "\\PC{0,100}".prop_map(String::into_bytes),
        2 => proptest::collection::vec(any::<u8>(), 0..200),
        1 => (16_000usize..17_000).prop_map(|length| vec![b'x'; length]),
    ]
}

fn any_value() -> impl Strategy<Value = Value<'static>> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        (1u64 << 63..).prop_map(Value::Uint),
        any::<f64>()
            .prop_filter("finite", |value| value.is_finite())
            .prop_map(Value::Float),
        Just(Value::Number("1e400".into())),
        any_text().prop_map(|text| Value::Text(text.into())),
        Just(Value::Json("[1,{\"a\":null}]".into())),
    ]
}
