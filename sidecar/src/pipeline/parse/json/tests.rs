use super::DEPTH_MAX;
use crate::pipeline::parse::tests::{OBSERVED, check, check_fails, run};
use crate::record::time::parse_rfc3339;
use crate::record::{Record, Value};
use logship_crd::agent_config::ParseFormat::Json;
use proptest::prelude::*;
use std::borrow::Cow;

fn number(text: &str) -> Value<'_> {
    Value::Number(Cow::Borrowed(text))
}

fn json(text: &str) -> Value<'_> {
    Value::Json(Cow::Borrowed(text))
}

#[test]
fn numbers_keep_type_and_value() {
    for (text, expected) in [
        ("0", Value::Int(0)),
        ("-1", Value::Int(-1)),
        ("9007199254740993", Value::Int(9_007_199_254_740_993)),
        ("9223372036854775807", Value::Int(i64::MAX)),
        ("-9223372036854775808", Value::Int(i64::MIN)),
        ("9223372036854775808", Value::Uint(1 << 63)),
        ("18446744073709551615", Value::Uint(u64::MAX)),
        ("18446744073709551616", number("18446744073709551616")),
        ("-9223372036854775809", number("-9223372036854775809")),
        (
            "123456789012345678901234567890",
            number("123456789012345678901234567890"),
        ),
        ("1e400", number("1e400")),
        ("-1E+400", number("-1E+400")),
        ("1e-400", number("1e-400")),
        ("0e999", Value::Float(0.0)),
        ("-0", Value::Float(-0.0)),
        ("1.0", Value::Float(1.0)),
        ("0.1", Value::Float(0.1)),
        ("1e3", Value::Float(1000.0)),
        ("-2.5E-1", Value::Float(-0.25)),
        (
            "18446744073709551616.5",
            Value::Float(18_446_744_073_709_551_616.0),
        ),
    ] {
        check(Json, format!("{{\"n\":{text}}}").as_bytes(), &[("n", expected)]);
    }
}

#[test]
fn strings_are_decoded_and_bytes_kept() {
    for (text, expected) in [
        (&b"plain"[..], &b"plain"[..]),
        (b"", b""),
        (br#"a\"b\\c\/d\n"#, b"a\"b\\c/d\n"),
        (br"\u00e9\ud83d\ude00", "é😀".as_bytes()),
        (br"\ud83d.\ude00", "\u{fffd}.\u{fffd}".as_bytes()),
        (b"\xff\xfe\x7f", b"\xff\xfe\x7f"),
    ] {
        let body = [b"{\"s\":\"", text, b"\"}"].concat();
        check(Json, &body, &[("s", Value::Text(Cow::Borrowed(expected)))]);
    }
}

#[test]
fn names_are_decoded_and_made_utf8() {
    check(
        Json,
        br#"{"a\u0062":1,"":2}"#,
        &[("ab", Value::Int(1)), ("", Value::Int(2))],
    );
    check(
        Json,
        b"{\"\xff\":\"\xfe\"}",
        &[("\u{fffd}", Value::Text(Cow::Borrowed(b"\xfe")))],
    );
}

#[test]
fn last_of_duplicate_keys_wins() {
    check(
        Json,
        br#"{"a":1,"b":2,"a":"x","\u0061":true}"#,
        &[("a", Value::Bool(true)), ("b", Value::Int(2))],
    );
}

#[test]
fn arrays_and_objects_stay_text_in_one_line() {
    check(
        Json,
        b" {\"a\" : [1, {\"b\":[]}] ,\t\"o\":{ },\"l\":[\r\n1\n],\"n\":null } ",
        &[
            ("a", json("[1, {\"b\":[]}]")),
            ("o", json("{ }")),
            ("l", json("[  1 ]")),
            ("n", Value::Null),
        ],
    );
    check(Json, b"{\"a\":[\"\xff\"]}", &[("a", json("[\"\u{fffd}\"]"))]);
    check(Json, b"{}", &[]);
}

#[test]
fn what_is_no_object_fails() {
    for body in [
        "",
        " ",
        "[]",
        "1",
        "null",
        "{",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{,}",
        "{a:1}",
        "{\"a\":1}x",
        "{\"a\":1}{}",
        "{\"a\":NaN}",
        "{\"a\":Infinity}",
        "{\"a\":01}",
        "{\"a\":-}",
        "{\"a\":+1}",
        "{\"a\":1.}",
        "{\"a\":.5}",
        "{\"a\":1e}",
        "{\"a\":nul}",
        "{\"a\":truex}",
        "{\"a\":\"\n\"}",
        "{\"a\":\"\0\"}",
        "{\"a\":\"\\x41\"}",
        "{\"a\":\"\\u12g4\"}",
        "{\"a\":\"\\u12",
        "{\"a\":\"\\",
        "{\"a\":[1,]}",
        "{\"a\":[1}",
        "{\"a\":{\"b\"]}",
        "{\"a\":{\"b\":1]}",
        "{\"a\":[}",
        "{\"a\":{1:2}}",
        "{\"a\":[\"\t\"]}",
        "{\"a\":{\"b\":1,}}",
        "{\"a\" 1}",
        "{\"a\":[1 2]}",
        "{\"kept\":1,\"a\":",
    ] {
        check_fails(Json, body.as_bytes());
    }
}

#[test]
fn depth_is_bounded_and_ten_thousand_neither_crash_nor_recurse() {
    let nested = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
    assert!(!run(Json, nested(DEPTH_MAX - 1).as_bytes()).parse_failed);
    check_fails(Json, nested(DEPTH_MAX).as_bytes());
    check_fails(Json, nested(10_000).as_bytes());
    let objects = format!("{}1{}", "{\"a\":".repeat(10_000), "}".repeat(10_000));
    check_fails(Json, objects.as_bytes());
    check_fails(Json, &b"{\"a\":".repeat(1_000_000));
}

#[test]
fn usual_names_of_the_time_set_it() {
    let expected = parse_rfc3339(b"2020-01-02T03:04:05.6Z").unwrap();
    for (body, time) in [
        (r#"{"time":"2020-01-02T03:04:05.6Z"}"#, expected),
        (
            r#"{"@timestamp":"2020-01-02T04:04:05.6+01:00","time":"2021-01-02T03:04:05Z"}"#,
            expected,
        ),
        (r#"{"ts":"today","timestamp":"2020-01-02T03:04:05.6Z"}"#, expected),
        (r#"{"when":"2020-01-02T03:04:05.6Z","ts":1}"#, OBSERVED),
    ] {
        let record = run(Json, body.as_bytes());
        assert_eq!(record.time, time, "{body}");
        assert_eq!(
            record.fields.len(),
            body.matches(':').count().min(record.fields.len())
        );
        assert!(!record.fields.is_empty());
    }
}

/// As serde_json sees a field of ours.
fn as_serde(value: &Value<'_>) -> serde_json::Value {
    match value {
        Value::Null => serde_json::Value::Null,
        Value::Bool(value) => (*value).into(),
        Value::Int(value) => (*value).into(),
        Value::Uint(value) => (*value).into(),
        // The library reads floats less exactly than it writes them, hence once more through the library.
        Value::Float(value) => serde_json::from_str(&serde_json::to_string(value).unwrap()).unwrap(),
        Value::Number(text) => panic!("{text} fits f64"),
        Value::Text(text) => std::str::from_utf8(text).unwrap().into(),
        Value::Json(text) => serde_json::from_str(text).unwrap(),
    }
}

fn any_value() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<u64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        any::<String>().prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Into::into),
            proptest::collection::hash_map(any::<String>(), inner, 0..5)
                .prop_map(|members| members.into_iter().collect::<serde_json::Map<_, _>>().into()),
        ]
    })
}

fn check_like_serde(body: &[u8]) -> Result<(), TestCaseError> {
    let library = serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(body).ok();
    let record = run(Json, body);
    if let Some(library) = library {
        prop_assert!(!record.parse_failed, "{}", body.escape_ascii());
        let ours = record
            .fields
            .iter()
            .map(|(name, value)| (name.to_owned(), as_serde(value)));
        prop_assert_eq!(ours.collect::<serde_json::Map<_, _>>(), library);
    } else {
        prop_assert_eq!(
            &record,
            &Record {
                parse_failed: true,
                ..Record::new(OBSERVED, body)
            }
        );
    }
    Ok(())
}

proptest! {
    /// What the library writes is read as the library reads it, with the same types.
    #[test]
    fn objects_are_read_as_by_the_library(
        members in proptest::collection::hash_map(any::<String>(), any_value(), 0..12),
        is_pretty: bool,
    ) {
        let body = if is_pretty { serde_json::to_vec_pretty(&members) } else { serde_json::to_vec(&members) }.unwrap();
        check_like_serde(&body)?;
    }

    /// What is nearly JSON is refused where the library refuses it.
    #[test]
    fn syntax_is_as_strict_as_the_library(
        pieces in proptest::collection::vec(proptest::sample::select(&[
            "{", "}", "[", "]", ",", ":", "\"", "\"a\"", "\"b\":", "1", "-", "0", ".5", "e2", "true", "null", " ", "\\n", "\\u00e9", "\t",
        ][..]), 0..14),
    ) {
        check_like_serde(format!("{{\"k\":{}}}", pieces.concat()).as_bytes())?;
        check_like_serde(pieces.concat().as_bytes())?;
    }
}
