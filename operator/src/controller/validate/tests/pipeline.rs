//! Steps: what becomes of each kind, and what is refused.

use super::{check, spec};
use crate::controller::validate::validate;
use serde_json::{Value, json};

fn with(steps: &Value) -> impl FnOnce(&mut Value) + use<> {
    let steps = steps.clone();
    move |spec| spec["pipeline"] = steps
}

#[test]
fn every_kind_of_step_reaches_the_document_as_it_is() {
    let steps = json!([
        {"sources": ["access"], "parse": {"format": "nginxCombined"}},
        {"parse": {"format": "regex", "pattern": "^(?P<user>\\S+)"}},
        {"severity": {"field": "level"}},
        {"redact": {"pattern": "pin=\\d+", "replacement": "pin=***", "fields": ["body"]}},
        {"drop": {"when": "path == '/healthz'"}},
        {"keep": {"when": "true"}},
        {"sample": {"rate": 0.25, "when": "severity == 'DEBUG'"}},
        {"rateLimit": {"perSecond": 10, "burst": 20, "when": "true"}},
        {"set": {"fields": {"team": "shop", "shard": 7, "big": 18_446_744_073_709_551_615_u64, "test": true, "ms": "=d * 2"}, "when": "true"}},
        {"remove": {"fields": ["password"]}},
        {"alert": {"name": "HTTP_5XX", "when": "status >= 500", "to": ["stderr", "archive"]}},
        {"count": {"name": "requests_total", "labels": ["method", "_method"], "when": "true"}},
    ]);
    let valid = validate(&spec(with(&steps))).unwrap();
    assert_eq!(serde_json::to_value(valid.pipeline).unwrap(), steps);
}

#[test]
fn a_step_has_exactly_one_kind() {
    check(
        with(&json!([{}, {"severity": {}, "drop": {"when": "true"}}])),
        &[
            ("spec.pipeline[0]", "", "exactly one kind"),
            ("spec.pipeline[1]", "more than one kind", "exactly one kind"),
        ],
    );
}

#[test]
fn names_of_sources_and_sinks_must_exist() {
    check(
        with(&json!([
            {"sources": ["access", "acces"], "severity": {}},
            {"alert": {"name": "A", "when": "true", "to": ["stdout", "hub"]}},
        ])),
        &[
            ("spec.pipeline[0].sources[1]", "acces", "access, out"),
            ("spec.pipeline[1].alert.to[0]", "stdout", "archive, hub, out"),
        ],
    );
}

#[test]
fn an_alert_to_stderr_is_not_one_to_a_sink_of_that_name() {
    check(
        |spec| {
            spec["sinks"][0]["name"] = json!("stderr");
            spec["pipeline"] = json!([{"alert": {"name": "A", "when": "true"}}]);
        },
        &[("spec.pipeline[0].alert.to[0]", "stderr", "rename the sink")],
    );
}

#[test]
fn expressions_must_compile_within_their_bound() {
    check(
        with(
            &json!([{"redact": {"pattern": "("}}, {"parse": {"format": "regex", "pattern": "(?P<a>\\w{200}){9}"}}]),
        ),
        &[
            ("spec.pipeline[0].redact.pattern", "(", "unclosed group"),
            (
                "spec.pipeline[1].parse.pattern",
                "(?P<a>\\w{200}){9}",
                "size limit",
            ),
        ],
    );
}

#[test]
fn a_redaction_matches_something() {
    check(
        with(&json!([{"redact": {"pattern": "\\d*"}}])),
        &[(
            "spec.pipeline[0].redact.pattern",
            "\\d*",
            "at least one character",
        )],
    );
}

#[test]
fn only_the_format_regex_has_a_pattern_and_it_names_groups() {
    let parse = |step: Value| with(&json!([{ "parse": step }]));
    let field = "spec.pipeline[0].parse.pattern";
    check(
        parse(json!({"format": "regex"})),
        &[(field, "", "write the regular expression")],
    );
    check(
        parse(json!({"format": "json", "pattern": "a"})),
        &[(field, "a", "leave it out")],
    );
    check(
        parse(json!({"format": "regex", "pattern": "(a)"})),
        &[(field, "(a)", "?P<name>")],
    );
}

#[test]
fn fields_are_set_to_texts_numbers_and_truth_values() {
    let long = "x".repeat(5000);
    check(
        with(&json!([{"set": {"fields": {"": 1, "a": null, "b": [1], "c": "= ", "d": long}}}])),
        &[
            ("spec.pipeline[0].set.fields", "", "1 to 256 bytes"),
            ("spec.pipeline[0].set.fields[a]", "null", "a text, a number"),
            ("spec.pipeline[0].set.fields[b]", "[1]", "a text, a number"),
            ("spec.pipeline[0].set.fields[c]", "= ", "an expression in CEL"),
            (
                "spec.pipeline[0].set.fields[d]",
                "5000 bytes long",
                "at most 4096",
            ),
        ],
    );
}

#[test]
fn metrics_and_their_labels_are_told_apart() {
    check(
        with(&json!([
            {"count": {"name": "a_total", "labels": ["x-y", "x.y", "__"]}},
            {"count": {"name": "a_total"}},
        ])),
        &[
            ("spec.pipeline[1].count.name", "a_total", "a name of its own"),
            (
                "spec.pipeline[0].count.labels[1]",
                "x.y",
                "the same label as \"x-y\"",
            ),
            ("spec.pipeline[0].count.labels[2]", "__", "a letter or a digit"),
        ],
    );
}
