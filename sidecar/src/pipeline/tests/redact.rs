use super::*;

#[test]
fn redact_replaces_in_the_body_and_every_text() {
    let mut bench =
        Bench::new(json!([{"redact": {"pattern": "(?i)(token=)[a-z0-9]+", "replacement": "${1}***"}}]));
    let fields: [(&str, Value<'_>); 5] = [
        ("query", Value::Text(Cow::Borrowed(b"x\xff&TOKEN=abc&token=1"))),
        (
            "nested",
            Value::Json(Cow::Borrowed(
                "{\"token=k\":[\"\\u0074oken=a\\\"\",1,\"\\\\\"],\n\"b\":\"token=\\ud800\"}",
            )),
        ),
        ("number", Value::Int(5)),
        ("clean", Value::text("nothing")),
        ("token=name", Value::Null),
    ];
    let mut dirty = with(record(b"GET /?token=secret1 \xfe"), &fields);
    assert_eq!(bench.apply(&mut dirty), Outcome::Keep);
    assert_eq!(dirty.body.as_ref(), b"GET /?token=*** \xfe");
    assert_eq!(
        dirty.fields.get("query"),
        Some(&Value::Text(Cow::Borrowed(b"x\xff&TOKEN=***&token=***")))
    );
    let nested = "{\"token=***\":[\"token=***\\\"\",1,\"\\\\\"],\n\"b\":\"token=\\ud800\"}";
    assert_eq!(
        dirty.fields.get("nested"),
        Some(&Value::Json(Cow::Borrowed(nested)))
    );
    for (name, value) in &fields[2..] {
        assert_eq!(dirty.fields.get(name), Some(value));
    }
    assert_eq!(bench.counts(), [(1, 0)]);
}

#[test]
fn record_without_a_match_is_not_copied() {
    let mut bench = Bench::new(json!([{"redact": {"pattern": "secret"}}]));
    let mut clean = with(record(b"GET /"), &[("a", Value::text("b"))]);
    let _ = bench.apply(&mut clean);
    assert!(matches!(clean.body, Cow::Borrowed(_)));
    assert!(matches!(
        clean.fields.get("a"),
        Some(Value::Text(Cow::Borrowed(_)))
    ));
    assert_eq!(bench.counts(), [(0, 0)]);
}

#[test]
fn redact_of_named_fields_leaves_the_others_and_finds_numbers() {
    let mut bench = Bench::new(
        json!([{"redact": {"pattern": "[0-9]{4}$", "replacement": "$$", "fields": ["card", "body"]}}]),
    );
    let fields = [
        ("card", Value::Int(4_111_111_111_111_111)),
        ("other", Value::text("1234")),
    ];
    let mut dirty = with(record(b"9876"), &fields);
    let _ = bench.apply(&mut dirty);
    assert_eq!(dirty.body.as_ref(), b"$");
    assert_eq!(dirty.fields.get("card"), Some(&Value::text("411111111111$")));
    assert_eq!(dirty.fields.get("other"), Some(&Value::text("1234")));
    let mut only = Bench::new(json!([{"redact": {"pattern": "[0-9]", "fields": ["card"]}}]));
    let mut dirty = with(record(b"9876"), &[("card", Value::Float(1.5))]);
    let _ = only.apply(&mut dirty);
    assert_eq!(dirty.body.as_ref(), b"9876");
    assert_eq!(dirty.fields.get("card"), Some(&Value::text(".")));
}

#[test]
fn redaction_cannot_blow_a_record_up() {
    for replacement in ["x".repeat(1000), "${0}x".repeat(8)] {
        let step = json!([{"redact": {"pattern": "a", "replacement": replacement}}]);
        let mut bench = Bench::new(step);
        let body = "a".repeat(200_000);
        let nested = format!("[{}\"a\"]", "\"a\",".repeat(200_000));
        let mut record = with(
            record(body.as_bytes()),
            &[("nested", Value::Json(Cow::Borrowed(&nested)))],
        );
        let _ = bench.apply(&mut record);
        assert_eq!(record.body.len(), 1 << 20);
        assert!(record.body[..100].contains(&b'x'));
        assert_eq!(record.original_bytes, Some(200_000));
        assert_eq!(record.fields.get("nested"), Some(&Value::Null));
    }
}
