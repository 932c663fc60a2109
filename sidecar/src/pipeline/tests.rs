mod exponential;
mod redact;

use super::*;
use crate::config::Mistake;
use crate::pipeline::alert::Alert;
use crate::record::{Record, Severity, Value};
use logship_crd::agent_config::Step;
use proptest::prelude::*;
use serde_json::{Value as Json, json};
use std::borrow::Cow;
use std::time::Duration;

fn names() -> (Vec<String>, Vec<String>) {
    (
        vec!["access".to_owned(), "error".to_owned()],
        vec!["out".to_owned(), "loki".to_owned()],
    )
}

fn compile(steps: Json) -> Result<Steps, Vec<String>> {
    let steps: Vec<Step> = serde_json::from_value(steps).unwrap();
    let (sources, sinks) = names();
    let names = Names {
        sources: &sources,
        sinks: &sinks,
    };
    let mut mistakes: Vec<Mistake> = Vec::new();
    let compiled = Steps::compile(&steps, &names, "shop.json: ", &mut mistakes);
    assert_eq!(compiled.is_some(), mistakes.is_empty(), "{mistakes:?}");
    compiled.ok_or_else(|| mistakes.iter().map(ToString::to_string).collect())
}

fn labels() -> Labels {
    Labels {
        source: "access".to_owned(),
        pod: Some("shop-1".to_owned()),
        ..Labels::default()
    }
}

/// A run of steps on records of the first source, whose time stands still.
struct Bench {
    run: Run,
    labels: Labels,
    alerts: Vec<Alert>,
}

impl Bench {
    fn new(steps: Json) -> Self {
        let steps = compile(steps).unwrap_or_else(|mistakes| panic!("{mistakes:?}"));
        Self {
            run: Run::new(&steps, 7),
            labels: labels(),
            alerts: Vec::new(),
        }
    }

    fn apply_from(&mut self, source: usize, now: Duration, record: &mut Record<'_>) -> Outcome {
        let origin = Origin {
            source,
            labels: &self.labels,
        };
        self.run
            .apply(now, origin, record, &mut |alert| self.alerts.push(alert))
    }

    fn apply(&mut self, record: &mut Record<'_>) -> Outcome {
        self.apply_from(0, Duration::ZERO, record)
    }

    fn counts(&self) -> Vec<(u64, u64)> {
        self.run
            .counts()
            .map(|counts| (counts.affected, counts.undefined))
            .collect()
    }
}

fn record(body: &[u8]) -> Record<'_> {
    Record::new(1_000_000_000, body)
}

fn with<'a>(mut record: Record<'a>, fields: &[(&'a str, Value<'a>)]) -> Record<'a> {
    for (name, value) in fields {
        assert!(record.fields.set(*name, value.clone()));
    }
    record
}

fn status(status: i64) -> Record<'static> {
    with(record(b"GET /"), &[("status", Value::Int(status))])
}

#[test]
fn every_mistake_is_reported_with_its_place_and_remedy() {
    let steps = json!([
        {"drop": {"when": "status =="}},
        {"sources": ["access", "acess"], "keep": {"when": "upper(x) == 'Y'"}},
        {"sample": {"rate": 1.5, "when": "x ="}},
        {"rateLimit": {"perSecond": 0, "burst": 0}},
        {"redact": {"pattern": "a(", "replacement": ""}},
        {"redact": {"pattern": "a*", "replacement": ""}},
        {"redact": {"pattern": "(?P<user>a)", "replacement": "${user} $1a"}},
        {"set": {"fields": {"a": "=1 +", "b": [1], "c": null, "d": "fine"}, "when": "fields"}},
        {"alert": {"name": "", "when": "true", "to": ["stderr", "lokii"]}},
        {"alert": {"name": "a", "when": "'x'", "to": []}},
        {"count": {"name": "5xx-total", "labels": ["a.b", "a_b"], "when": "1"}},
        {"count": {"name": "logship_records_total"}},
        {"count": {"name": "twice_total"}},
        {"count": {"name": "twice_total"}},
        {"parse": {"format": "regex"}},
        {"parse": {"format": "regex", "pattern": "ab("}},
    ]);
    let mistakes = compile(steps).unwrap_err();
    let expected = [
        ("pipeline[0].drop.when", "status =="),
        ("pipeline[1].sources", "no such source"),
        ("pipeline[1].keep.when", "no function upper of 1 arguments"),
        ("pipeline[2].sample.when", "line 1 column"),
        ("pipeline[2].sample.rate", "not from 0 to 1"),
        ("pipeline[3].rateLimit.perSecond", "keeps no record"),
        ("pipeline[3].rateLimit.burst", "keeps no record"),
        ("pipeline[4].redact.pattern", "unclosed group at column 2"),
        ("pipeline[5].redact.pattern", "matches nothing at all"),
        ("pipeline[6].redact.replacement", "no group 1a"),
        ("pipeline[7].set.when", "'fields' alone is no value"),
        ("pipeline[7].set.fields[a]", "line 1 column"),
        ("pipeline[7].set.fields[b]", "not a value"),
        ("pipeline[7].set.fields[c]", "not a value"),
        ("pipeline[8].alert.name", "empty"),
        ("pipeline[8].alert.to", "no such sink"),
        (
            "pipeline[9].alert.when",
            "a text stands where a truth value is needed",
        ),
        ("pipeline[9].alert.to", "tells nobody"),
        ("pipeline[10].count.when", "a number stands"),
        ("pipeline[10].count.name", "not the name of a metric"),
        ("pipeline[10].count.labels", "the same label as another"),
        ("pipeline[11].count.name", "the sidecar's own"),
        ("pipeline[13].count.name", "used twice"),
        ("pipeline[14].parse.pattern", "needs a pattern"),
        ("pipeline[15].parse.pattern", "unclosed group at column 3"),
    ];
    assert_eq!(mistakes.len(), expected.len(), "{mistakes:#?}");
    for (mistake, (place, problem)) in mistakes.iter().zip(expected) {
        assert!(
            mistake.starts_with(&format!("shop.json: {place} is ")) && mistake.contains(problem),
            "{mistake}"
        );
    }
}

#[test]
fn the_first_mistake_reads_like_help() {
    let mistakes = compile(json!([{"drop": {"when": "a == 1 && b.trim() == ''"}}])).unwrap_err();
    assert_eq!(
        mistakes[0],
        "shop.json: pipeline[0].drop.when is \"a == 1 && b.trim() == ''\": there is no function trim of 0 arguments here; there are \
         has, size, int, double, contains, startsWith, endsWith and matches at line 1 column 13; write a condition in CEL, for \
         example status_code >= 500 or !has(fields.user)"
    );
}

#[test]
fn steps_run_in_order_until_one_drops() {
    let mut bench = Bench::new(json!([
        {"set": {"fields": {"level": "high"}, "when": "status >= 500"}},
        {"keep": {"when": "level == 'high'"}},
        {"remove": {"fields": ["level", "absent"]}},
        {"count": {"name": "kept_total"}},
    ]));
    assert_eq!(bench.apply(&mut status(200)), Outcome::Drop);
    let mut kept = status(503);
    assert_eq!(bench.apply(&mut kept), Outcome::Keep);
    assert_eq!(kept, status(503));
    // The condition of keep has no value where the field is not there: dropped, and counted as both.
    assert_eq!(bench.counts(), [(1, 0), (1, 1), (1, 0), (1, 0)]);
}

#[test]
fn step_is_about_the_sources_that_it_names() {
    let mut bench = Bench::new(json!([{"sources": ["error"], "drop": {"when": "true"}}]));
    assert_eq!(
        bench.apply_from(0, Duration::ZERO, &mut record(b"")),
        Outcome::Keep
    );
    assert_eq!(
        bench.apply_from(1, Duration::ZERO, &mut record(b"")),
        Outcome::Drop
    );
    assert_eq!(
        bench.apply_from(9, Duration::ZERO, &mut record(b"")),
        Outcome::Keep
    );
}

#[test]
fn drop_without_a_value_keeps_and_counts() {
    let mut bench = Bench::new(json!([{"drop": {"when": "status >= 500"}}]));
    assert_eq!(bench.apply(&mut record(b"")), Outcome::Keep);
    assert_eq!(bench.apply(&mut status(500)), Outcome::Drop);
    assert_eq!(bench.counts(), [(1, 1)]);
}

#[test]
fn failed_parse_keeps_the_record_marks_and_counts_it_once_a_parser() {
    // A body that no parser of JSON takes.
    let mut bench = Bench::new(json!([{"parse": {"format": "json"}}, {"parse": {"format": "json"}}]));
    let mut odd = record(b"{\"a\":");
    assert_eq!(bench.apply(&mut odd), Outcome::Keep);
    assert!(odd.parse_failed);
    assert_eq!(odd.body.as_ref(), b"{\"a\":");
    assert_eq!(bench.counts(), [(1, 0), (1, 0)]);
}

#[test]
fn sample_keeps_its_share_the_same_with_one_seed() {
    let kept = |rate: f64, seed: u64| -> Vec<bool> {
        let steps = compile(json!([{"sample": {"rate": rate, "when": "status < 500"}}])).unwrap();
        let mut run = Run::new(&steps, seed);
        let labels = labels();
        let origin = Origin {
            source: 0,
            labels: &labels,
        };
        let mut keeps =
            |code| run.apply(Duration::ZERO, origin, &mut status(code), &mut |_| {}) == Outcome::Keep;
        assert!(keeps(500));
        (0..10_000).map(|_| keeps(200)).collect()
    };
    assert_eq!(kept(0.1, 1), kept(0.1, 1));
    assert_ne!(kept(0.1, 1), kept(0.1, 2));
    let share = kept(0.1, 3).iter().filter(|keep| **keep).count();
    assert!((850..1150).contains(&share), "{share}");
    assert!(kept(1.0, 4).iter().all(|keep| *keep));
    assert!(!kept(0.0, 5).iter().any(|keep| *keep));
}

#[test]
fn rate_limit_lets_a_burst_and_then_the_rate_pass() {
    let mut bench = Bench::new(json!([{"rateLimit": {"perSecond": 10, "burst": 3, "when": "status < 500"}}]));
    let mut kept = |milliseconds, code| {
        bench.apply_from(0, Duration::from_millis(milliseconds), &mut status(code)) == Outcome::Keep
    };
    let burst: Vec<bool> = (0..5).map(|_| kept(0, 200)).collect();
    assert_eq!(burst, [true, true, true, false, false]);
    assert!(kept(0, 500), "not limited");
    assert!(!kept(99, 200));
    assert!(kept(100, 200));
    assert!(!kept(50, 200), "the clock went back");
    assert!(!kept(199, 200));
    assert!(kept(200, 200));
    assert_eq!(bench.counts(), [(5, 0)]);
}

#[test]
fn set_keeps_types_and_sees_the_record_as_it_was() {
    let mut bench = Bench::new(json!([{"set": {"fields": {
        "a": "text", "b": 5, "c": 18_446_744_073_709_551_615_u64, "d": 0.5, "e": true,
        "f": "=status", "g": "=f", "h": "=status / 100 == 5", "i": "=labels.pod", "status": 1,
    }}}]));
    let mut changed = with(status(503), &[("f", Value::text("before"))]);
    let _ = bench.apply(&mut changed);
    for (name, value) in [
        ("a", Value::text("text")),
        ("b", Value::Int(5)),
        ("c", Value::Uint(u64::MAX)),
        ("d", Value::Float(0.5)),
        ("e", Value::Bool(true)),
        ("f", Value::Int(503)),
        ("g", Value::text("before")),
        ("h", Value::Bool(true)),
        ("i", Value::text("shop-1")),
        ("status", Value::Int(1)),
    ] {
        assert_eq!(changed.fields.get(name), Some(&value), "{name}");
    }
    assert_eq!(bench.counts(), [(1, 0)]);
}

#[test]
fn what_cannot_be_set_is_counted_and_the_rest_is_set() {
    let mut bench = Bench::new(json!([{"set": {"fields": {"a": "=absent", "b": 1}}}]));
    let mut changed = record(b"");
    let _ = bench.apply(&mut changed);
    assert_eq!(
        (changed.fields.get("a"), changed.fields.get("b")),
        (None, Some(&Value::Int(1)))
    );
    let mut full = record(b"");
    let names: Vec<String> = (0..crate::record::FIELDS_MAX)
        .map(|number| number.to_string())
        .collect();
    for name in &names {
        full.fields.set(name.as_str(), Value::Null);
    }
    let mut bench = Bench::new(json!([{"set": {"fields": {"b": 1, "7": 7}}}]));
    let _ = bench.apply(&mut full);
    assert_eq!(
        (full.fields.get("7"), full.fields.len()),
        (Some(&Value::Int(7)), names.len())
    );
    assert_eq!(bench.counts(), [(0, 1)]);
}

#[test]
fn alert_is_one_line_of_json_to_whom_the_document_says() {
    let mut bench = Bench::new(json!([
        {"alert": {"name": "down \"now\"", "when": "status >= 500", "to": ["loki", "stderr", "loki"]}},
        {"alert": {"name": "always", "when": "true"}},
        {"drop": {"when": "true"}},
    ]));
    let mut bad = with(
        record(b"a\xff\n\"b\""),
        &[
            ("status", Value::Int(503)),
            ("took", Value::Float(2.0)),
            ("huge", Value::Number(Cow::Borrowed("1e400"))),
            ("tags", Value::Json(Cow::Borrowed("[1,\n 2]"))),
            ("text", Value::Text(Cow::Borrowed(b"\xff"))),
            ("none", Value::Null),
            ("yes", Value::Bool(true)),
        ],
    );
    bad.severity = Some(Severity::Error);
    assert_eq!(bench.apply(&mut bad), Outcome::Drop);
    let [first, second] = bench.alerts.as_slice() else {
        panic!("{:?}", bench.alerts)
    };
    assert_eq!(
        String::from_utf8(first.json.clone()).unwrap(),
        "{\"alert\":\"down \\\"now\\\"\",\"timestamp\":\"1970-01-01T00:00:01.000000000Z\",\"details\":{\"severity\":\"ERROR\",\
         \"body\":\"a\u{fffd}\\n\\\"b\\\"\",\"labels\":{\"source\":\"access\",\"pod\":\"shop-1\"},\"fields\":{\"status\":503,\"took\":2.0,\
         \"huge\":1e400,\"tags\":[1,  2],\"text\":\"\u{fffd}\",\"none\":null,\"yes\":true}}}"
    );
    assert_eq!(
        (first.targets.stderr, first.targets.sinks.to_vec()),
        (true, vec![1])
    );
    assert_eq!(
        (second.targets.stderr, second.targets.sinks.to_vec()),
        (true, vec![])
    );
    assert_eq!(second.name.as_ref(), "always");
    assert_eq!(bench.counts(), [(1, 0), (1, 0), (1, 0)]);
}

#[test]
fn count_has_a_value_for_each_combination_of_labels() {
    let mut bench = Bench::new(json!([
        {"count": {"name": "requests_total", "labels": ["status", "http.method", "severity"], "when": "status > 0"}},
        {"count": {"name": "all_total"}},
    ]));
    let metrics = |bench: &Bench| -> Vec<(String, u64)> {
        let metrics = bench.run.metrics().map(|metric| {
            let labels: Vec<String> = metric
                .labels
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            (format!("{}{{{}}}", metric.name, labels.join(",")), metric.value)
        });
        metrics.collect()
    };
    assert_eq!(metrics(&bench), [("all_total{}".to_owned(), 0)]);
    let _ = bench.apply(&mut with(status(200), &[("http.method", Value::text("GET"))]));
    let _ = bench.apply(&mut with(status(200), &[("http.method", Value::text("GET"))]));
    let _ = bench.apply(&mut with(
        status(503),
        &[("http.method", Value::Text(Cow::Borrowed(b"P\xff\0")))],
    ));
    let _ = bench.apply(&mut record(b""));
    assert_eq!(
        metrics(&bench),
        [
            (
                "requests_total{status=200,http_method=GET,severity=}".to_owned(),
                2
            ),
            (
                "requests_total{status=503,http_method=P\u{fffd},severity=}".to_owned(),
                1
            ),
            ("all_total{}".to_owned(), 4),
        ]
    );
}

#[test]
fn count_is_bounded_in_combinations_and_in_their_length() {
    let mut bench = Bench::new(json!([{"count": {"name": "paths_total", "labels": ["path"]}}]));
    for number in 0..1000 {
        let path = format!("{}{number:04}", "\u{e4}".repeat(60));
        let _ = bench.apply(&mut with(record(b""), &[("path", Value::text(&path))]));
    }
    let long = "\u{20ac}".repeat(1000);
    let mut fresh = Bench::new(json!([{"count": {"name": "paths_total", "labels": ["path"]}}]));
    let _ = fresh.apply(&mut with(record(b""), &[("path", Value::text(&long))]));
    let metrics: Vec<_> = bench.run.metrics().collect();
    assert_eq!(metrics.len(), count::COMBINATIONS_MAX + 1);
    let other = metrics.last().unwrap();
    assert_eq!((other.labels[0].1.as_str(), other.value), (count::OTHER, 800));
    assert_eq!(
        fresh.run.metrics().next().unwrap().labels[0].1,
        "\u{20ac}".repeat(42)
    );
}

fn value() -> impl Strategy<Value = Value<'static>> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        any::<u64>().prop_map(Value::Uint),
        any::<f64>().prop_filter_map("fields are finite", |value| value
            .is_finite()
            .then_some(Value::Float(value))),
        "[0-9]{1,40}(e[0-9]{1,4})?".prop_map(|text| Value::Number(Cow::Owned(text))),
        any::<Vec<u8>>().prop_map(|text| Value::Text(Cow::Owned(text))),
        any::<Vec<String>>().prop_map(|texts| Value::Json(Cow::Owned(json!(texts).to_string()))),
    ]
}

proptest! {
    /// Whatever the bytes: no step panics, an alert is one line of JSON, an array stays JSON, and what is not dropped has
    /// been seen by every step.
    #[test]
    fn no_record_panics(body in any::<Vec<u8>>(), fields in proptest::collection::vec(("[a-d]", value()), 0..6), seed in any::<u64>()) {
        let mut bench = Bench::new(json!([
            {"redact": {"pattern": "[a-f0-9]", "replacement": "<$0>"}},
            {"severity": {}},
            {"set": {"fields": {"a": "=b", "e": "=size(body) * 2", "f": "=double(c) / 3.0"}, "when": "!parse_failed"}},
            {"alert": {"name": "x", "when": "a != b || b == c || d in [1, 'x', 2.5] || true"}},
            {"count": {"name": "x_total", "labels": ["a", "b", "severity"]}},
            {"remove": {"fields": ["b"]}},
            {"rateLimit": {"perSecond": 1}},
            {"sample": {"rate": 0.5}},
            {"keep": {"when": "c < d || c >= d || !(c == d)"}},
        ]));
        let mut record = record(&body);
        for (name, value) in &fields {
            record.fields.set(name.as_str(), value.clone());
        }
        let _ = bench.apply_from(0, Duration::from_nanos(seed), &mut record);
        for (_, value) in record.fields.iter() {
            if let Value::Json(written) = value {
                prop_assert!(serde_json::from_str::<Json>(written).is_ok(), "{}", written);
            }
        }
        prop_assert_eq!(bench.alerts.len(), 1);
        let json = &bench.alerts[0].json;
        prop_assert!(!json.contains(&b'\n'));
        prop_assert!(serde_json::from_slice::<serde_json::value::Value>(json).is_ok() || fields.iter().any(|(_, value)| matches!(value, Value::Number(_))));
        let undefined: u64 = bench.counts().iter().map(|(_, undefined)| undefined).sum();
        prop_assert!(undefined <= 9);
    }
}
