use super::*;
use crate::record::{Severity, Stream};
use proptest::prelude::*;
use std::borrow::Cow;
use std::collections::HashMap;

fn labels() -> Labels {
    Labels {
        source: "access".to_owned(),
        pod: Some("shop-1".to_owned()),
        ..Labels::default()
    }
}

fn record() -> Record<'static> {
    let mut record = Record::new(0, b"GET /cart \xff failed");
    record.severity = Some(Severity::Error);
    record.stream = Some(Stream::Stderr);
    for (name, value) in [
        ("status", Value::Int(503)),
        ("path", Value::text("/cart")),
        ("took", Value::Float(0.25)),
        ("big", Value::Uint(u64::MAX)),
        ("huge", Value::Number(Cow::Borrowed("1e400"))),
        ("ok", Value::Bool(false)),
        ("nothing", Value::Null),
        ("tags", Value::Json(Cow::Borrowed("[1,2]"))),
        ("http.method", Value::text("GET")),
        ("odd name", Value::text("x")),
        ("umlaut", Value::text("\u{e4}\u{f6}")),
        ("raw", Value::Text(Cow::Borrowed(b"a\xff\xfeb"))),
        ("written", Value::text("17")),
        ("body", Value::text("a field")),
    ] {
        assert!(record.fields.set(name, value));
    }
    record
}

fn check(text: &str, expected: Result<bool, Undefined>) {
    let when = When::compile(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    assert_eq!(when.evaluate(&record(), &labels()), expected, "{text}");
    assert_eq!(when.matches(&record(), &labels()), expected == Ok(true), "{text}");
}

fn refused(text: &str, expected: &str) {
    let error = When::compile(text).expect_err(text).to_string();
    assert!(error.contains(expected), "{text}: {error}");
}

#[test]
fn conditions_are_true_or_false_as_cel_says() {
    for text in [
        "status == 503 && path == '/cart'",
        "status >= 500.0 && status < 503.5",
        "status == 503u",
        "took * 1000.0 == 250.0",
        "status / 100 == 5 && status % 100 == 3 && -status == -503",
        "severity == 'ERROR' && severity_number >= 17 && stream == 'stderr'",
        "severity in ['ERROR', 'FATAL']",
        "!(severity in [])",
        "source == 'access' && labels.pod == 'shop-1' && labels[\"pod\"].endsWith('-1')",
        "!has(labels.node) && !('node' in labels)",
        "has(fields.status) && !has(fields.absent)",
        "'odd name' in fields && fields['odd name'] == 'x'",
        "has(http.method) && http.method == 'GET' && fields.http.method == 'GET'",
        "body.startsWith('GET') && body.contains('cart') && body.endsWith('failed')",
        "body.matches('^GET /[a-z]+') && matches(path, 'c.rt')",
        "fields.body == 'a field' && body != fields.body",
        "size(umlaut) == 2 && umlaut.size() == 2 && size(raw) == 4",
        "nothing == null && status != null && tags != 'x' && tags == tags",
        "ok ? false : status > 1",
        "big > 9223372036854775807 && huge > 1e308",
        "int(written) + 1 == 18 && double(written) == 17.0 && int(took) == 0",
        "!parse_failed && !truncated",
        "true || 'a' < 'b'",
        "// a comment\n path == \"/cart\"",
    ] {
        check(text, Ok(true));
    }
    for text in ["path == 503", "path in ['/', 503]", "false && absent == 1"] {
        check(text, Ok(false));
    }
}

#[test]
fn what_has_no_value_is_absorbed_only_where_the_other_side_decides() {
    for (text, expected) in [
        ("absent == 1", Err(Undefined)),
        ("absent != 1", Err(Undefined)),
        ("!absent", Err(Undefined)),
        ("absent == 1 || status == 503", Ok(true)),
        ("status == 503 || absent == 1", Ok(true)),
        ("absent == 1 || status == 1", Err(Undefined)),
        ("absent == 1 && status == 1", Ok(false)),
        ("absent == 1 && status == 503", Err(Undefined)),
        ("absent ? true : true", Err(Undefined)),
        ("true ? ok : absent", Ok(false)),
        ("path < 1", Err(Undefined)),
        ("status.startsWith('5')", Err(Undefined)),
        ("status / 0 == 1", Err(Undefined)),
        ("status + 9223372036854775807 > 0", Err(Undefined)),
        ("status * 1.0 > 0.0", Err(Undefined)),
        ("tags < tags", Err(Undefined)),
        ("int(path) == 1", Err(Undefined)),
        ("int(huge) == 1", Err(Undefined)),
        ("status", Err(Undefined)),
        ("ok", Ok(false)),
        ("path && false", Ok(false)),
    ] {
        check(text, expected);
    }
}

#[test]
fn what_is_refused_says_where_and_what_there_is() {
    for (text, expected) in [
        ("status == ", "at line 1 column"),
        ("a == 1 &&\n  b ==== 2", "at line 2 column 7"),
        ("", "at line 1 column"),
        (
            "a == 1 && upper(b) == 'X'",
            "there is no function upper of 1 arguments here; there are has, size",
        ),
        ("a == 1 && upper(b) == 'X'", "at line 1 column 11"),
        ("a == 1 ||\n b.trim() == ''", "at line 2 column 4"),
        ("x == 1 && tags.all(t, t > 1)", "loops are not possible here"),
        ("x == 1 && tags.all(t, t > 1)", "at line 1 column 16"),
        ("[1].map(t, t + 1) == [2]", "loops"),
        (
            "labels.colour == 'x'",
            "there is no label colour; there are source, resource, file",
        ),
        ("fields == 1", "'fields' alone is no value"),
        ("tags[0] == 1", "only fields[\"name\"] and labels[\"name\"]"),
        ("{'a': 1} == x", "objects are not possible"),
        ("x == [1]", "a list stands only to the right of 'in'"),
        ("x in tags", "to the right of 'in' stands a list"),
        ("x in [y]", "a list has only"),
        ("b'x' == y", "bytes are not possible"),
        (
            "body.matches('(')",
            "unclosed group at column 1 of the expression",
        ),
        (
            "x == 1 && body.matches(y)",
            "matches needs a text that stands there at line 1 column 16",
        ),
        ("1", "a number stands where a truth value is needed"),
        ("status + 1", "a number stands where a truth value is needed"),
        ("'a' + 'b' == x", "a text stands where a number is needed"),
        ("!severity", "a text stands where a truth value is needed"),
        ("has(status)", "has()"),
        ("duration('1s') > x", "there is no function duration"),
    ] {
        refused(text, expected);
    }
}

#[test]
fn text_and_depth_are_bounded() {
    refused(
        &format!("x == '{}'", "a".repeat(TEXT_BYTES_MAX)),
        "longer than 4096 bytes",
    );
    refused(
        &format!("1{} == x", " + 1".repeat(100)),
        "nested deeper than 64 levels",
    );
    let many = vec!["path == '/x'"; 200].join(" || ");
    check(&many, Ok(false));
    for repeated in [
        "!", "-", "(", "[", "{", "a.", "a(", "a[", "a?", "a?b:", "a.b(", "has(", "1+", "a in ", "'", "a||",
        "{a:",
    ] {
        for end in ["", "x", "1"] {
            let text = repeated.repeat(TEXT_BYTES_MAX / repeated.len() - 1) + end;
            // Whether it compiles or not: the process goes on.
            let _ = When::compile(&text);
        }
    }
}

#[test]
fn values_are_copied_with_their_type() {
    for (text, expected) in [
        ("status", Ok(Value::Int(503))),
        ("big", Ok(Value::Uint(u64::MAX))),
        ("took * 2.0", Ok(Value::Float(0.5))),
        ("raw", Ok(Value::Text(Cow::Borrowed(b"a\xff\xfeb")))),
        ("tags", Ok(Value::Json(Cow::Borrowed("[1,2]")))),
        ("severity", Ok(Value::text("ERROR"))),
        ("status >= 500 ? 'bad' : 'good'", Ok(Value::text("bad"))),
        ("absent", Err(Undefined)),
        ("1.0 / 0.0", Err(Undefined)),
    ] {
        let expression = Expression::compile(text).unwrap();
        assert_eq!(expression.evaluate(&record(), &labels()), expected, "{text}");
    }
}

/// The record as the crate's interpreter sees it: every name that an expression of ours may have.
fn context(record: &Record<'_>) -> cel::Context<'static, 'static> {
    let value = |value: &Value<'_>| match value {
        Value::Null => cel::Value::Null,
        Value::Bool(value) => cel::Value::Bool(*value),
        Value::Int(value) => cel::Value::Int(*value),
        Value::Uint(value) => cel::Value::UInt(*value),
        Value::Float(value) => cel::Value::Float(*value),
        Value::Text(text) => cel::Value::from(String::from_utf8(text.to_vec()).unwrap()),
        Value::Number(_) | Value::Json(_) => unreachable!("not in the records of these tests"),
    };
    let mut context = cel::Context::default();
    let fields: HashMap<String, cel::Value> = record
        .fields
        .iter()
        .map(|(name, found)| (name.to_owned(), value(found)))
        .collect();
    for (name, value) in &fields {
        context.add_variable_from_value(name.clone(), value.clone());
    }
    context.add_variable_from_value("fields", fields);
    context.add_variable_from_value("body", String::from_utf8(record.body.to_vec()).unwrap());
    context.add_variable_from_value("severity", record.severity.map_or("", Severity::name));
    context.add_variable_from_value(
        "severity_number",
        record.severity.map_or(0, |found| i64::from(found.number())),
    );
    context.add_variable_from_value("stream", record.stream.map_or("", Stream::name));
    context.add_variable_from_value("parse_failed", record.parse_failed);
    let labels: HashMap<String, cel::Value> = labels()
        .iter()
        .map(|(name, value)| (name.to_owned(), cel::Value::from(value.to_owned())))
        .collect();
    context.add_variable_from_value("labels", labels);
    context
}

fn one_of(texts: &'static [&'static str]) -> impl Strategy<Value = String> {
    proptest::sample::select(texts).prop_map(str::to_owned)
}

/// Expressions of what we support; most have a value for most records, some have none.
fn expression() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        4 => one_of(&["a", "b", "c", "fields.a", "fields['b']", "d", "absent"]),
        2 => one_of(&["body", "severity", "severity_number", "stream", "parse_failed", "labels.pod", "labels.node"]),
        3 => one_of(&["0", "1", "-3", "500", "9223372036854775807", "2u", "1.5", "-0.0", "'x'", "'ERROR'", "''", "'\u{e4}'", "null", "true", "false"]),
        1 => one_of(&["has(fields.a)", "has(fields.absent)", "'b' in fields", "'node' in labels"]),
    ];
    leaf.prop_recursive(5, 40, 3, |inner| {
        let pair = (inner.clone(), inner.clone());
        prop_oneof![
            4 => (pair.clone(), one_of(&["==", "!=", "<", "<=", ">", ">=", "&&", "||", "&&", "||"]))
                .prop_map(|((one, two), operator)| format!("({one}) {operator} ({two})")),
            // What joins texts elsewhere has no value here, so numbers alone are added.
            1 => pair.clone().prop_map(|(one, two)| format!("int({one}) + int({two})")),
            2 => (pair, one_of(&["-", "*", "/", "%"])).prop_map(|((one, two), operator)| format!("({one}) {operator} ({two})")),
            2 => inner.clone().prop_map(|inner| format!("!({inner})")),
            1 => inner.clone().prop_map(|inner| format!("-({inner})")),
            1 => inner.clone().prop_map(|inner| format!("size({inner})")),
            1 => (inner.clone(), one_of(&["contains('x')", "startsWith('')", "endsWith('b')", "matches('^[a-x]+$')"]))
                .prop_map(|(inner, call)| format!("({inner}).{call}")),
            1 => inner.clone().prop_map(|inner| format!("({inner}) in [1, 'x', true, 2.0, null]")),
            1 => (inner.clone(), inner.clone(), inner)
                .prop_map(|(condition, then, otherwise)| format!("({condition}) ? ({then}) : ({otherwise})")),
        ]
    })
}

fn field() -> impl Strategy<Value = Value<'static>> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        (-5i64..600).prop_map(Value::Int),
        Just(Value::Int(i64::MIN)),
        (0u32..600).prop_map(|half| Value::Float(f64::from(half) / 2.0 - 5.0)),
        "[a-x\u{e4}]{0,4}".prop_map(|text| Value::Text(Cow::Owned(text.into_bytes()))),
    ]
}

prop_compose! {
    fn a_record()(
        fields in proptest::collection::vec(proptest::option::of(field()), 4),
        body in "[a-x\u{e4}]{0,6}",
        severity in proptest::option::of(proptest::sample::select(vec![Severity::Info, Severity::Error])),
        stream in proptest::option::of(Just(Stream::Stdout)),
        parse_failed in any::<bool>(),
    ) -> Record<'static> {
        let mut record = Record::new(0, b"");
        record.body = Cow::Owned(body.into_bytes());
        record.severity = severity;
        record.stream = stream;
        record.parse_failed = parse_failed;
        for (name, value) in ["a", "b", "c", "d"].into_iter().zip(fields) {
            if let Some(value) = value {
                record.fields.set(name, value);
            }
        }
        record
    }
}

/// A result that both can have: their floats and ours are compared by their bits' meaning, errors are all alike.
fn theirs(result: Result<cel::Value, cel::ExecutionError>) -> Result<Value<'static>, Undefined> {
    Ok(match result.map_err(|_| Undefined)? {
        cel::Value::Null => Value::Null,
        cel::Value::Bool(value) => Value::Bool(value),
        cel::Value::Int(value) => Value::Int(value),
        cel::Value::UInt(value) => i64::try_from(value).map_or(Value::Uint(value), Value::Int),
        cel::Value::Float(value) if value.is_finite() => Value::Float(value),
        cel::Value::Float(_) => return Err(Undefined),
        cel::Value::String(value) => Value::Text(Cow::Owned(value.as_bytes().to_vec())),
        other => panic!("not a value of ours: {other:?}"),
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, max_global_rejects: 200_000, ..ProptestConfig::default() })]

    /// Whatever the expression and the record: our value is the one of the crate's own interpreter, or both have none.
    #[test]
    fn the_value_is_that_of_the_interpreter(text in expression(), record in a_record()) {
        let compiled = Expression::compile(&text);
        prop_assume!(compiled.is_ok());
        let ours = compiled.unwrap().evaluate(&record, &labels());
        let program = cel::Program::compile(&text).unwrap();
        let theirs = theirs(program.execute(&context(&record)));
        prop_assert_eq!(ours, theirs, "{}", text);
    }

    /// No text makes the compiler panic, and whatever compiles has a value or none for whatever bytes.
    #[test]
    fn no_text_and_no_record_panics(text in "[a-c.'\"()\\[\\]{}!&|<>=?:+*/%0-9u \\\\\n-]{0,40}|\\PC{0,40}", body in any::<Vec<u8>>(), value in any::<Vec<u8>>()) {
        if let Ok(expression) = Expression::compile(&text) {
            let mut record = Record::new(0, &body);
            record.fields.set("a", Value::Text(Cow::Owned(value)));
            let _ = expression.evaluate(&record, &labels());
        }
    }
}

/// Not a test but the measurement that the module's text quotes; needs a release build to mean something.
#[test]
#[ignore = "a measurement"]
#[expect(
    clippy::disallowed_methods,
    reason = "measures the time that an evaluation takes"
)]
fn measure_against_the_interpreter() {
    const ROUNDS: u32 = 200_000;
    let record = {
        let mut record = Record::new(0, b"GET /cart failed");
        for (name, value) in [
            ("status", Value::Int(503)),
            ("method", Value::text("GET")),
            ("path", Value::text("/cart")),
        ] {
            record.fields.set(name, value);
        }
        record
    };
    let labels = labels();
    for text in [
        "status >= 500 && !path.startsWith('/healthz')",
        "severity in ['ERROR', 'FATAL'] || status >= 500",
        "body.contains('failed')",
        "body.matches('GET /c[a-z]+ ')",
    ] {
        let when = When::compile(text).unwrap();
        let program = cel::Program::compile(text).unwrap();
        let context = context(&record);
        let start = std::time::Instant::now();
        let mut matched = 0;
        for _ in 0..ROUNDS {
            matched += u32::from(std::hint::black_box(&when).matches(std::hint::black_box(&record), &labels));
        }
        let ours = start.elapsed() / ROUNDS;
        let start = std::time::Instant::now();
        for _ in 0..ROUNDS {
            let result = std::hint::black_box(&program).execute(std::hint::black_box(&context));
            matched -= u32::from(result == Ok(cel::Value::Bool(true)));
        }
        let theirs = start.elapsed() / ROUNDS;
        let start = std::time::Instant::now();
        for _ in 0..ROUNDS / 100 {
            std::hint::black_box(self::context(std::hint::black_box(&record)));
        }
        let built = start.elapsed() / (ROUNDS / 100);
        assert_eq!(matched, 0);
        println!("{text}: {ours:?} here, {theirs:?} there and {built:?} for the variables of a record");
    }
}
