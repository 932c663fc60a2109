use crate::pipeline::parse::tests::{check, check_fails, run};
use crate::record::Value;
use crate::record::time::parse_rfc3339;
use logship_crd::agent_config::ParseFormat::Logfmt;
use proptest::prelude::*;
use std::borrow::Cow;

#[test]
fn pairs_flags_and_quotes_are_read() {
    check(
        Logfmt,
        br#" level=info msg="a \"b\" \u00e9\n"  url=http://x/?a=b&c="d" empty= none="" flag  n=007 "#,
        &[
            ("level", Value::text("info")),
            ("msg", Value::text("a \"b\" é\n")),
            ("url", Value::text("http://x/?a=b&c=\"d\"")),
            ("empty", Value::text("")),
            ("none", Value::text("")),
            ("flag", Value::Bool(true)),
            ("n", Value::text("007")),
        ],
    );
    check(
        Logfmt,
        b"a=1\tb=2 a=3",
        &[("a", Value::text("3")), ("b", Value::text("2"))],
    );
    check(
        Logfmt,
        b"k\xff=\xfe",
        &[("k\u{fffd}", Value::Text(Cow::Borrowed(b"\xfe")))],
    );
}

#[test]
fn what_has_no_pair_or_an_open_quote_fails() {
    for body in [
        "",
        " ",
        "plain words",
        "=value",
        "a=1 =2",
        "a=\"open",
        "a=\"x\"y",
        "a=\"x\\\"",
        "a=1 b\"c\"=2",
        "\"a\"=1",
    ] {
        check_fails(Logfmt, body.as_bytes());
    }
}

#[test]
fn usual_names_of_the_time_set_it() {
    let record = run(Logfmt, b"ts=2020-01-02T03:04:05.6Z a=b");
    assert_eq!(Some(record.time), parse_rfc3339(b"2020-01-02T03:04:05.6Z"));
}

proptest! {
    /// Rendered pairs come back.
    #[test]
    fn pairs_are_read_back(pairs in proptest::collection::btree_map("[^\\x00-\\x20=\"]{1,9}", any::<String>(), 1..9)) {
        let render = |(name, value): (&String, &String)| {
            format!("{name}=\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
        };
        let line = pairs.iter().map(render).collect::<Vec<_>>().join(" ");
        let record = run(Logfmt, line.as_bytes());
        let found: Vec<_> = record.fields.iter().map(|(name, value)| (name.to_owned(), value.clone())).collect();
        let expected: Vec<_> = pairs.iter().map(|(name, value)| (name.clone(), Value::text(value))).collect();
        prop_assert_eq!(found, expected);
    }
}
