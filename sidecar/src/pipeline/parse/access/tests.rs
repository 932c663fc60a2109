use crate::pipeline::parse::Memory;
use crate::pipeline::parse::tests::{OBSERVED, check, check_fails, parser, run};
use crate::record::time::parse_rfc3339;
use crate::record::{Record, Value};
use logship_crd::agent_config::ParseFormat::{ApacheCommon, NginxCombined};
use proptest::prelude::*;

const TIME: &str = "06/Oct/2016:02:17:09 +0200";

/// A line whose other columns are `-`.
fn with_request(request: &str) -> String {
    format!("::1 - - [{TIME}] \"{request}\" 400 0 \"-\" \"-\"")
}

fn check_request(request: &str, expected: &[(&str, Value<'_>)]) {
    let fixed = [
        ("remote_addr", Value::text("::1")),
        ("time_local", Value::text(TIME)),
        ("status_code", Value::Int(400)),
        ("body_bytes_sent", Value::Int(0)),
    ];
    check(
        NginxCombined,
        with_request(request).as_bytes(),
        &[&fixed, expected].concat(),
    );
}

#[test]
fn all_columns_of_combined_are_read() {
    let line = format!(
        "2001:db8::7 - anna [{TIME}] \"GET /a?b=c HTTP/1.1\" 304 1234567890123 \"https://x.example/\" \"curl/8.0 (\\x22q\\x22)\" \"10.0.0.1:80, 10.0.0.2:80\" 0.001, 0.002"
    );
    let expected = [
        ("remote_addr", Value::text("2001:db8::7")),
        ("remote_user", Value::text("anna")),
        ("time_local", Value::text(TIME)),
        ("request", Value::text("GET /a?b=c HTTP/1.1")),
        ("method", Value::text("GET")),
        ("path", Value::text("/a?b=c")),
        ("protocol", Value::text("HTTP/1.1")),
        ("status_code", Value::Int(304)),
        ("body_bytes_sent", Value::Int(1_234_567_890_123)),
        ("http_referer", Value::text("https://x.example/")),
        ("http_user_agent", Value::text("curl/8.0 (\"q\")")),
        ("rest", Value::text("\"10.0.0.1:80, 10.0.0.2:80\" 0.001, 0.002")),
    ];
    for format in [NginxCombined, ApacheCommon] {
        check(format, line.as_bytes(), &expected);
        assert_eq!(
            Some(run(format, line.as_bytes()).time),
            parse_rfc3339(b"2016-10-06T00:17:09Z")
        );
    }
}

#[test]
fn odd_requests_are_kept_and_split_only_where_they_are_http() {
    check_request("-", &[]);
    check_request("", &[("request", Value::text(""))]);
    check_request("\\x16\\x03\\x01", &[("request", Value::text("\x16\x03\x01"))]);
    check_request(
        "\\x16\\x03\\x01\\x02\\x00 \\xFC",
        &[("request", Value::Text(b"\x16\x03\x01\x02\x00 \xfc"[..].into()))],
    );
    check_request("get / HTTP/1.1", &[("request", Value::text("get / HTTP/1.1"))]);
    check_request("GET", &[("request", Value::text("GET"))]);
    check_request(
        "GET /",
        &[
            ("request", Value::text("GET /")),
            ("method", Value::text("GET")),
            ("path", Value::text("/")),
        ],
    );
    check_request(
        r#"GET /a b?q=\"x\" HTTP/2.0"#,
        &[
            ("request", Value::text(r#"GET /a b?q="x" HTTP/2.0"#)),
            ("method", Value::text("GET")),
            ("path", Value::text(r#"/a b?q="x""#)),
            ("protocol", Value::text("HTTP/2.0")),
        ],
    );
}

#[test]
fn users_may_have_blanks_brackets_and_escapes() {
    for (user, expected) in [
        ("a b", "a b"),
        ("x [y] z", "x [y] z"),
        (r"q\x22", "q\""),
        ("-", ""),
    ] {
        for format in [NginxCombined, ApacheCommon] {
            let line = format!("1.2.3.4 - {user} [{TIME}] \"-\" 200 1 \"-\" \"-\"");
            let record = run(format, line.as_bytes());
            let expected = (!expected.is_empty()).then(|| Value::text(expected));
            assert_eq!(record.fields.get("remote_user"), expected.as_ref(), "{user}");
        }
    }
}

#[test]
fn apache_common_has_no_agent_and_a_dash_for_no_bytes() {
    let line = format!("host.example id frank [{TIME}] \"HEAD / HTTP/1.0\" 200 -");
    let expected = [
        ("remote_addr", Value::text("host.example")),
        ("remote_logname", Value::text("id")),
        ("remote_user", Value::text("frank")),
        ("time_local", Value::text(TIME)),
        ("request", Value::text("HEAD / HTTP/1.0")),
        ("method", Value::text("HEAD")),
        ("path", Value::text("/")),
        ("protocol", Value::text("HTTP/1.0")),
        ("status_code", Value::Int(200)),
    ];
    check(ApacheCommon, line.as_bytes(), &expected);
    let longer = format!("{line} \"half\" 12");
    check(
        ApacheCommon,
        longer.as_bytes(),
        &[&expected[..], &[("rest", Value::text("\"half\" 12"))]].concat(),
    );
    check_fails(NginxCombined, line.as_bytes());
}

#[test]
fn damaged_lines_fail() {
    let whole = with_request("GET / HTTP/1.1");
    for end in 0..whole.len() {
        check_fails(NginxCombined, &whole.as_bytes()[..end]);
    }
    for (from, to) in [
        ("06/Oct", "31/Sep"),
        ("Oct", "Okt"),
        ("+0200", "*0200"),
        (":02:17", ":24:17"),
        (" 400 ", " 4x0 "),
        (" 400 ", " 40 "),
        ("- - ", "- "),
        ("\" \"-\"", "\" \"-\"x"),
        ("[", "("),
    ] {
        let damaged = whole.replacen(from, to, 1);
        assert_ne!(damaged, whole);
        check_fails(NginxCombined, damaged.as_bytes());
    }
}

fn escaped(text: &[u8]) -> String {
    let escape = |byte: &u8| match byte {
        b'"' | b'\\' | 0..0x20 | 0x7f.. => format!("\\x{byte:02X}"),
        byte => char::from(*byte).to_string(),
    };
    text.iter().map(escape).collect::<Vec<_>>().concat()
}

#[test]
fn remembered_time_changes_no_result() {
    let parser = parser(NginxCombined);
    let mut memory = Memory::default();
    for (time, expected) in [
        (TIME, Some("2016-10-06T00:17:09Z")),
        (TIME, Some("2016-10-06T00:17:09Z")),
        ("06/Oct/2016:02:17:10 +0200", Some("2016-10-06T00:17:10Z")),
        ("06/Oct/2016:02:77:10 +0200", None),
        ("06/Oct/2016:02:77:10 +0200", None),
        ("06/Oct/2016:02:17:10 +0100", Some("2016-10-06T01:17:10Z")),
        (TIME, Some("2016-10-06T00:17:09Z")),
    ] {
        let line = format!("::1 - - [{time}] \"-\" 400 0 \"-\" \"-\"");
        let mut record = Record::new(OBSERVED, line.as_bytes());
        parser.run(&mut record, &mut memory);
        let found = (!record.parse_failed).then_some(record.time);
        assert_eq!(
            found,
            expected.and_then(|text| parse_rfc3339(text.as_bytes())),
            "{time}"
        );
    }
}

proptest! {
    /// What nginx writes is read back, whatever clients send.
    #[test]
    fn columns_are_read_back(
        second in -62_135_596_800i64..253_402_300_799,
        offset in -1439i64..1440,
        request: Vec<u8>,
        referer: Vec<u8>,
        agent: Vec<u8>,
        status in 100i64..1000,
        size in 0i64..=1 << 50,
    ) {
        let time = jiff::Timestamp::from_second(second).unwrap();
        let zone = jiff::tz::Offset::from_seconds(i32::try_from(offset * 60).unwrap()).unwrap();
        let local = zone.to_datetime(time);
        prop_assume!((0..=9999).contains(&local.year()));
        let time_text = format!(
            "{} {}{:02}{:02}",
            local.strftime("%d/%b/%Y:%H:%M:%S"),
            if offset < 0 { '-' } else { '+' },
            offset.abs() / 60,
            offset.abs() % 60,
        );
        let line = format!(
            "::ffff:1.2.3.4 - - [{time_text}] \"{}\" {status} {size} \"{}\" \"{}\"",
            escaped(&request),
            escaped(&referer),
            escaped(&agent),
        );
        let record = run(NginxCombined, line.as_bytes());
        let nanos = i64::try_from(time.as_nanosecond()).ok();
        prop_assert_eq!(record.parse_failed, nanos.is_none(), "{}", line);
        if let Some(nanos) = nanos {
            prop_assert_eq!(record.time, nanos);
            for (name, text) in [("request", request), ("http_referer", referer), ("http_user_agent", agent)] {
                let expected = (text != b"-").then_some(Value::Text(text.into()));
                prop_assert_eq!(record.fields.get(name), expected.as_ref());
            }
            prop_assert_eq!(record.fields.get("status_code"), Some(&Value::Int(status)));
            prop_assert_eq!(record.fields.get("body_bytes_sent"), Some(&Value::Int(size)));
        }
    }
}
