use crate::pipeline::parse::Memory;
use crate::pipeline::parse::tests::{OBSERVED, check, check_fails, parser, run};
use crate::record::time::{Nanos, parse_rfc3339, rfc3339};
use crate::record::{Record, Severity, Value};
use logship_crd::agent_config::ParseFormat::Syslog;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn time(text: &str) -> Nanos {
    parse_rfc3339(text.as_bytes()).unwrap()
}

fn texts<'a>(fields: &[(&'static str, &'a str)]) -> Vec<(&'static str, Value<'a>)> {
    fields
        .iter()
        .map(|(name, text)| (*name, Value::text(text)))
        .collect()
}

#[test]
fn rfc3164_is_read_in_its_variants() {
    let with_priority = [("facility", "auth"), ("severity", "crit")];
    for (line, fields) in [
        (
            "<34>Oct 11 22:14:15 mymachine su: 'su root' failed",
            &[
                ("hostname", "mymachine"),
                ("app_name", "su"),
                ("message", "'su root' failed"),
            ][..],
        ),
        (
            "<34>Oct  1 22:14:15 fe80::1 app.x/y[12-3]: a: b",
            &[
                ("hostname", "fe80::1"),
                ("app_name", "app.x/y"),
                ("proc_id", "12-3"),
                ("message", "a: b"),
            ],
        ),
        (
            "<34>Oct 11 22:14:15 cron[1]: x",
            &[("app_name", "cron"), ("proc_id", "1"), ("message", "x")],
        ),
        (
            "<34>Oct 11 22:14:15 host no tag here",
            &[("hostname", "host"), ("message", "no tag here")],
        ),
        (
            "<34>Oct 11 22:14:15 host app:",
            &[("hostname", "host"), ("app_name", "app"), ("message", "")],
        ),
        (
            "<34>2003-10-11T22:14:15.003+02:00 host app: x",
            &[("hostname", "host"), ("app_name", "app"), ("message", "x")],
        ),
        ("<34>text alone", &[("message", "text alone")]),
        ("<34>", &[("message", "")]),
    ] {
        check(
            Syslog,
            line.as_bytes(),
            &texts(&[&with_priority, fields].concat()),
        );
    }
    check(
        Syslog,
        b"Oct 11 22:14:15 host app: x",
        &texts(&[("hostname", "host"), ("app_name", "app"), ("message", "x")]),
    );
}

#[test]
fn year_is_the_one_that_brings_the_date_nearest() {
    for (date, observed, expected) in [
        ("Dec 31 23:59:59", "2026-01-01T00:00:01Z", "2025-12-31T23:59:59Z"),
        ("Jan  1 00:00:01", "2025-12-31T23:59:59Z", "2026-01-01T00:00:01Z"),
        ("Jun 15 12:00:00", "2026-01-02T00:00:00Z", "2026-06-15T12:00:00Z"),
        ("Jul 15 12:00:00", "2026-01-02T00:00:00Z", "2025-07-15T12:00:00Z"),
        ("Feb 29 12:00:00", "2026-03-01T00:00:00Z", "2024-02-29T12:00:00Z"),
        ("Feb 29 12:00:00", "1900-03-01T00:00:00Z", "1896-02-29T12:00:00Z"),
    ] {
        let line = format!("<13>{date} host app: x");
        let mut record = Record::new(time(observed), line.as_bytes());
        parser(Syslog).run(&mut record, &mut Memory::default());
        assert_eq!(record.time, time(expected), "{date}");
    }
}

#[test]
fn rfc5424_is_read_with_structured_data() {
    let line = br#"<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog - ID47 [exampleSDID@32473 iut="3" eventSource="App\"l\\i\]c\ation" iut="4"][empty] "#;
    let with_message = [&line[..], b"\xEF\xBB\xBFAn event \xff"].concat();
    let fields = [
        ("facility", Value::text("local4")),
        ("severity", Value::text("notice")),
        ("hostname", Value::text("mymachine.example.com")),
        ("app_name", Value::text("evntslog")),
        ("msg_id", Value::text("ID47")),
        ("sd.exampleSDID@32473.iut", Value::text("4")),
        (
            "sd.exampleSDID@32473.eventSource",
            Value::text(r#"App"l\i]c\ation"#),
        ),
        ("sd.empty", Value::Bool(true)),
        ("message", Value::Text(b"An event \xff"[..].into())),
    ];
    check(Syslog, &with_message, &fields);
    check(Syslog, &line[..line.len() - 1], &fields[..8]);
    let record = run(Syslog, &with_message);
    assert_eq!(
        (record.time, record.severity),
        (time("2003-10-11T22:14:15.003Z"), Some(Severity::Info))
    );
    check(
        Syslog,
        b"<0>1 - - - - - -",
        &texts(&[("facility", "kern"), ("severity", "emerg")]),
    );
    assert_eq!(run(Syslog, b"<0>1 - - - - - -").time, OBSERVED);
}

#[test]
fn priorities_become_severities() {
    use Severity::{Debug, Error, Fatal, Info, Warn};
    let expected = [Fatal, Error, Error, Error, Warn, Info, Info, Debug];
    for priority in 0..192 {
        let line = format!("<{priority}>Oct 11 22:14:15 host app: x");
        assert_eq!(
            run(Syslog, line.as_bytes()).severity,
            Some(expected[priority % 8]),
            "{line}"
        );
    }
}

#[test]
fn what_is_no_syslog_fails() {
    for line in [
        "",
        "text",
        "<192>Oct 11 22:14:15 host app: x",
        "<>Oct 11 22:14:15 host app: x",
        "<1234>x",
        "<3",
        "Oct 32 22:14:15 host app: x",
        "Oct 11 24:14:15 host app: x",
        "<34>1 yesterday host app - - - x",
        "<34>1 - host app - - x",
        "<34>1 - host app - - [id a=\"open] x",
        "<34>1 - host app - - [id a=b] x",
        "<34>1 - host app - - [] x",
        "<34>1 - host app - - [id]x",
        "<34>1 - host app - -",
        "<34>1 -  app - - - x",
    ] {
        check_fails(Syslog, line.as_bytes());
    }
}

proptest! {
    /// A message of RFC 5424 with any values comes back.
    #[test]
    fn rfc5424_is_read_back(
        priority in 0u8..192,
        nanos: i64,
        names in proptest::array::uniform4("[!-,.-~]{1,9}"),
        data in proptest::collection::btree_map("[a-z@0-9]{1,9}", proptest::collection::btree_map("[a-z]{1,9}", any::<String>(), 1..4), 1..4),
        message: Vec<u8>,
    ) {
        prop_assume!(!message.starts_with(b"\xEF\xBB\xBF"));
        let escape = |text: &String| text.replace('\\', "\\\\").replace('"', "\\\"").replace(']', "\\]");
        let mut line = format!("<{priority}>1 {} {} ", String::from_utf8_lossy(&rfc3339(nanos)), names.join(" "));
        for (id, parameters) in &data {
            let render = |(name, value): (&String, &String)| format!(" {name}=\"{}\"", escape(value));
            let parameters: Vec<_> = parameters.iter().map(render).collect();
            line.extend(["[", id, &parameters.concat(), "]"]);
        }
        let line = [line.as_bytes(), b" ", &message].concat();
        let record = run(Syslog, &line);
        prop_assert!(!record.parse_failed);
        prop_assert_eq!(record.time, nanos);
        let mut expected: BTreeMap<_, _> = data
            .iter()
            .flat_map(|(id, parameters)| parameters.iter().map(move |(name, value)| (format!("sd.{id}.{name}"), Value::text(value))))
            .collect();
        for (name, text) in ["hostname", "app_name", "proc_id", "msg_id"].iter().zip(&names) {
            expected.insert((*name).to_owned(), Value::text(text));
        }
        expected.insert("message".to_owned(), Value::Text(message.into()));
        for (name, value) in &expected {
            prop_assert_eq!(record.fields.get(name), Some(value), "{}", name);
        }
        prop_assert_eq!(record.fields.len(), expected.len() + 2);
    }
}
