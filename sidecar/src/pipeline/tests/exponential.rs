//! Expressions that take backtracking matchers exponential or quadratic time, in every step that has expressions: these tests would
//! not end.

use super::*;

/// They match neither `aaa…b` nor any part of it that ends it.
const PATTERNS: [&str; 5] = [
    "(a+)+$",
    "^(a|a)+$",
    "([a-z]+)*!",
    "(a?){50}a{50}c$",
    "^(.*)(.*)(.*)=$",
];

fn body() -> Vec<u8> {
    [&vec![b'a'; 50_000][..], b"b"].concat()
}

#[test]
fn redaction_by_an_expression_known_for_exponential_time_ends() {
    let body = body();
    for pattern in PATTERNS {
        let mut bench = Bench::new(json!([{"redact": {"pattern": pattern, "replacement": "x"}}]));
        let mut record = record(&body);
        assert_eq!(bench.apply(&mut record), Outcome::Keep);
        assert_eq!(
            (&*record.body, bench.counts()),
            (&body[..], vec![(0, 0)]),
            "{pattern}"
        );
    }
}

#[test]
fn condition_by_an_expression_known_for_exponential_time_ends() {
    let body = body();
    for pattern in PATTERNS {
        let mut bench = Bench::new(json!([{"drop": {"when": format!("body.matches('{pattern}')")}}]));
        assert_eq!(bench.apply(&mut record(&body)), Outcome::Keep, "{pattern}");
        assert_eq!(bench.counts(), [(0, 0)]);
    }
}
