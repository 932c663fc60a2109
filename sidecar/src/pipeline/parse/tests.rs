//! What holds for every format.

use super::*;
use crate::record::{Severity, Stream, Value};
use proptest::prelude::*;

/// When the records of tests were read: 2026-01-02T03:04:05Z.
pub const OBSERVED: i64 = 1_767_323_045_000_000_000;
const PATTERN: &str = r"^(?P<word>\w+) (?P<rest>.*)|(?P<number>\d+)$";
const FORMATS: [ParseFormat; 7] = [
    ParseFormat::Json,
    ParseFormat::Logfmt,
    ParseFormat::NginxCombined,
    ParseFormat::ApacheCommon,
    ParseFormat::Syslog,
    ParseFormat::Cri,
    ParseFormat::Regex,
];

pub fn parser(format: ParseFormat) -> Parser {
    let pattern = (format == ParseFormat::Regex).then(|| PATTERN.to_owned());
    Parser::compile(&ParseStep { format, pattern }).unwrap()
}

/// The record of a body after the step.
pub fn run(format: ParseFormat, body: &[u8]) -> Record<'_> {
    let mut record = Record::new(OBSERVED, body);
    parser(format).run(&mut record, &mut Memory::default());
    record
}

/// Checks that a body has the format and these fields in any order, and none else.
pub fn check(format: ParseFormat, body: &[u8], expected: &[(&str, Value<'_>)]) {
    let record = run(format, body);
    assert!(!record.parse_failed, "{}", body.escape_ascii());
    for (name, value) in expected {
        assert_eq!(
            record.fields.get(name),
            Some(value),
            "{name} in {}",
            body.escape_ascii()
        );
    }
    let names: Vec<_> = record.fields.iter().map(|(name, _)| name).collect();
    assert_eq!(
        names.len(),
        expected.len(),
        "{names:?} in {}",
        body.escape_ascii()
    );
}

/// Checks that a body does not have the format and leaves no trace in its record.
pub fn check_fails(format: ParseFormat, body: &[u8]) {
    let record = run(format, body);
    let untouched = Record {
        parse_failed: true,
        ..Record::new(OBSERVED, body)
    };
    assert_eq!(record, untouched, "{}", body.escape_ascii());
}

/// What lines are made of.
const PIECES: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    "\"",
    "\\",
    ":",
    ",",
    "=",
    " ",
    "<34>",
    "1 ",
    "-",
    "- ",
    "\\u12",
    "\\ud83d",
    "\\x16",
    "1e9",
    "0",
    "null",
    "a",
    "key",
    "\"k\":",
    "\u{fc}",
    "2016-10-06T00:17:09.6Z ",
    "stdout ",
    "F ",
    "Oct 11 22:14:15 ",
    "[06/Oct/2016:00:17:09 +0000] \"",
    "GET / HTTP/1.1",
    "\" 200 12",
    " \"-\" \"-\"",
    "[id n=\"v\"]",
];

/// Lines of pieces of all formats, which have more chances than random bytes to be understood.
fn any_line() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        9 => proptest::sample::select(PIECES).prop_map(|piece| piece.as_bytes().to_vec()),
        1 => proptest::collection::vec(any::<u8>(), 0..4),
    ];
    proptest::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

#[test]
fn unusable_steps_are_refused_with_what_would_be_right() {
    let compile = |format, pattern: Option<&str>| {
        let pattern = pattern.map(str::to_owned);
        Parser::compile(&ParseStep { format, pattern }).map(drop)
    };
    let check = |pattern, expected: &str| {
        let error = compile(ParseFormat::Regex, pattern).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    };
    check(None, "needs a pattern");
    check(Some("^[a-z]+ (.*)$"), "(?P<name>...)");
    check(Some("(?P<a>"), "unclosed group");
    check(Some(r"(?P<a>a)\1"), "backreferences");
    check(Some(r"(?P<a>(\w{1000}){1000})"), "larger than 2097152 bytes");
    assert!(matches!(
        compile(ParseFormat::Json, Some("(?P<a>.)")),
        Err(Error::Pattern)
    ));
    assert!(compile(ParseFormat::Json, None).is_ok());
}

#[test]
fn fields_borrow_from_a_borrowed_body() {
    let record = run(ParseFormat::Json, br#"{"name":"text","nested":[1]}"#);
    for (name, value) in record.fields {
        assert!(matches!(name, Cow::Borrowed(_)));
        assert!(matches!(
            value,
            Value::Text(Cow::Borrowed(_)) | Value::Json(Cow::Borrowed(_))
        ));
    }
}

#[test]
fn fields_of_earlier_steps_stay_unless_the_name_is_the_same() {
    let fields = |body| {
        let mut record = Record::new(OBSERVED, body);
        record.fields.set("a", Value::Int(1));
        record.fields.set("b", Value::Int(2));
        parser(ParseFormat::Json).run(&mut record, &mut Memory::default());
        record
            .fields
            .into_iter()
            .map(|(name, value)| (name.into_owned(), value))
            .collect::<Vec<_>>()
    };
    let (a, b) = (("a".to_owned(), Value::Int(1)), ("b".to_owned(), Value::Int(2)));
    assert_eq!(
        fields(br#"{"a":3,"c":4}"#),
        [
            ("a".to_owned(), Value::Int(3)),
            b.clone(),
            ("c".to_owned(), Value::Int(4))
        ]
    );
    assert_eq!(fields(br#"{"a":3,"c":4"#), [a, b]);
}

#[test]
fn more_fields_than_a_record_has_are_not_kept() {
    let pairs: Vec<_> = (0..1000).map(|number| format!("k{number}=v")).collect();
    let body = pairs.join(" ");
    let record = run(ParseFormat::Logfmt, body.as_bytes());
    assert!(!record.parse_failed);
    assert_eq!(record.fields.len(), crate::record::FIELDS_MAX);
}

#[test]
fn content_of_an_owned_body_takes_its_place() {
    let mut record = Record::new(OBSERVED, b"");
    record.body = Cow::Owned(b"2016-10-06T00:17:09Z stderr P text".to_vec());
    parser(ParseFormat::Cri).run(&mut record, &mut Memory::default());
    assert_eq!(
        (&*record.body, record.stream),
        (&b"text"[..], Some(Stream::Stderr))
    );
    assert_eq!(record.fields.get("logtag"), Some(&Value::text("P")));
}

#[test]
fn named_groups_become_fields() {
    let check_pattern = |pattern: &str, body: &[u8], expected: Option<&[(&str, &[u8])]>| {
        let step = ParseStep {
            format: ParseFormat::Regex,
            pattern: Some(pattern.to_owned()),
        };
        let mut record = Record::new(OBSERVED, body);
        Parser::compile(&step)
            .unwrap()
            .run(&mut record, &mut Memory::default());
        let found: Vec<_> = record
            .fields
            .iter()
            .map(|(name, value)| (name, value.clone()))
            .collect();
        let expected_fields: Vec<_> = expected
            .unwrap_or_default()
            .iter()
            .map(|(name, text)| (*name, Value::Text(Cow::Borrowed(*text))))
            .collect();
        assert_eq!(
            (record.parse_failed, found),
            (expected.is_none(), expected_fields)
        );
    };
    check_pattern(
        r"^(?P<user>\S+) (\d+) (?P<rest>.*)$",
        b"anna 12 x y",
        Some(&[("user", b"anna"), ("rest", b"x y")]),
    );
    check_pattern(r"(?<a>a)|(?<b>b)", b"b", Some(&[("b", b"b")]));
    check_pattern(r"(?<a>a)", b"xyz", None);
    check_pattern(
        r"(?-u)(?<bytes>[\x80-\xff]+)",
        b"x\xff\xfe",
        Some(&[("bytes", b"\xff\xfe")]),
    );
}

/// Expressions that take backtracking matchers exponential or quadratic time: this test would not end.
#[test]
fn expressions_known_for_exponential_time_end() {
    let mut body = vec![b'a'; 50_000];
    body.push(b'b');
    for pattern in [
        "(?P<x>(a+)+)$",
        "^(?P<x>(a|a)*)$",
        "(?P<x>([a-z]+)*)!",
        "(?P<x>(a?){50}a{50})c$",
        "^(?P<x>(.*)(.*)(.*))=$",
    ] {
        let step = ParseStep {
            format: ParseFormat::Regex,
            pattern: Some(pattern.to_owned()),
        };
        let mut record = Record::new(OBSERVED, &body);
        Parser::compile(&step)
            .unwrap()
            .run(&mut record, &mut Memory::default());
        assert!(record.parse_failed, "{pattern}");
    }
}

proptest! {
    /// No bytes make a parser panic; an owned body gives what a borrowed one gives; a failure leaves the record as it was.
    #[test]
    fn any_bytes_are_survived(
        line in prop_oneof![any_line(), any::<Vec<u8>>()],
        observed: i64,
    ) {
        for format in FORMATS {
            let mut borrowed = Record::new(observed, &line);
            borrowed.severity = Some(Severity::Warn);
            let before = borrowed.clone();
            parser(format).run(&mut borrowed, &mut Memory::default());
            let mut owned = Record { body: Cow::Owned(line.clone()), ..before.clone() };
            parser(format).run(&mut owned, &mut Memory::default());
            prop_assert_eq!(&borrowed, &owned);
            if borrowed.parse_failed {
                prop_assert_eq!(borrowed, Record { parse_failed: true, ..before });
            }
        }
    }
}
