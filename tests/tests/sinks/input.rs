//! The files that are shipped: numbered lines in two forms, and what is known of each by its number.

use serde_json::{Value, json};
use std::fmt::Write;

/// Records of a file.
pub const COUNT: u64 = 4000;

/// Lines of the kubelet, each with an object that has a value of every type.
pub mod objects {
    use super::{COUNT, Value, Write, json};

    /// Nanoseconds since 1970 of 2026-01-02T03:04:05Z.
    const BEGIN: u64 = 1_767_323_045_000_000_000;

    pub fn text() -> String {
        (0..COUNT).fold(String::new(), |mut text, number| {
            let nanos = nanos(number) - BEGIN;
            let stream = stream(number);
            let object = object(number);
            let _ = writeln!(text, "2026-01-02T03:04:05.{nanos:09}Z {stream} F {object}");
            text
        })
    }

    pub fn pipeline() -> Value {
        json!([{"parse": {"format": "json"}}, {"severity": {}}])
    }

    /// The line of the container.
    pub fn object(number: u64) -> String {
        let level = level(number);
        // What the server's mapping does not take.
        let more = if is_odd_one(number) {
            r#","surprise":1"#
        } else {
            ""
        };
        format!(
            r#"{{"n":{number},"level":"{level}","big":9007199254740993,"beyond":18446744073709551615,"ratio":0.25,"ok":true,"nothing":null,"text":"ü \"q\"\n","list":[1,"a"]{more}}}"#
        )
    }

    pub fn nanos(number: u64) -> u64 {
        BEGIN + 123_456 * number + 1
    }

    pub fn time(number: u64) -> String {
        format!("2026-01-02T03:04:05.{:09}Z", nanos(number) - BEGIN)
    }

    pub fn stream(number: u64) -> &'static str {
        ["stdout", "stderr"][usize::from(number.is_multiple_of(3))]
    }

    pub fn level(number: u64) -> &'static str {
        ["debug", "info", "warn", "error"][usize::try_from(number % 4).expect("a small number")]
    }

    /// One in a hundred.
    pub fn is_odd_one(number: u64) -> bool {
        number % 100 == 42
    }
}

/// Lines of nginx.
pub mod requests {
    use super::{COUNT, Value, Write, json};

    pub fn text() -> String {
        (0..COUNT).fold(String::new(), |mut text, number| {
            let _ = writeln!(text, "{}", line(number));
            text
        })
    }

    pub fn pipeline() -> Value {
        json!([{"parse": {"format": "nginxCombined"}}, {"severity": {}}])
    }

    pub fn line(number: u64) -> String {
        let status = status(number);
        format!(
            r#"2001:db8::1 - - [02/Jan/2026:03:04:05 +0000] "GET /n/{number} HTTP/1.1" {status} 512 "-" "curl/8.5 \"x\"""#
        )
    }

    /// The number of a line.
    pub fn number(line: &str) -> Option<u64> {
        let (_, rest) = line.split_once("/n/")?;
        rest.split(' ').next()?.parse().ok()
    }

    pub fn status(number: u64) -> u64 {
        [200, 404, 503][usize::try_from(number % 3).expect("a small number")]
    }

    pub fn level(number: u64) -> &'static str {
        ["INFO", "WARN", "ERROR"][usize::try_from(number % 3).expect("a small number")]
    }
}

/// Every number below [`COUNT`] for which `expected` holds is there exactly once, and no other.
pub fn assert_once_each(mut numbers: Vec<u64>, expected: impl Fn(u64) -> bool) {
    numbers.sort_unstable();
    let expected: Vec<u64> = (0..COUNT).filter(|&number| expected(number)).collect();
    assert!(
        numbers == expected,
        "{} numbers instead of {}",
        numbers.len(),
        expected.len()
    );
}
