use super::*;
use serde_json::{Value, json};

mod pipeline;
mod sink;
mod storage;

fn spec(change: impl FnOnce(&mut Value)) -> LogShippingSpec {
    let mut spec = json!({
        "selector": {"matchLabels": {"app": "web"}},
        "sources": [
            {"name": "access", "files": {"directory": "/var/log/nginx", "pattern": ".+\\.log", "startAt": "End", "container": "web"}},
            {"name": "out", "containerOutput": {"containers": ["web"]}},
        ],
        "sinks": [
            {"name": "out", "stdout": {"format": "text"}},
            {"name": "archive", "file": {"path": "all.ndjson"}, "batch": {"maxBytes": "64Ki", "maxAge": "1m30s"}},
            {"name": "hub", "http": {"url": "https://hub.example.org/in", "headers": {"x-team": "shop"}, "compression": "none"}},
        ],
    });
    change(&mut spec);
    serde_json::from_value(spec).unwrap()
}

/// Each mistake is reported with its field, the value found there, and a remedy that holds the given words.
fn check(change: impl FnOnce(&mut Value), expected: &[(&str, &str, &str)]) {
    let violations = validate(&spec(change)).unwrap_err();
    let found: Vec<_> = violations
        .iter()
        .map(|v| (v.field.as_str(), v.value.as_str()))
        .collect();
    assert_eq!(
        found,
        expected
            .iter()
            .map(|(field, value, _)| (*field, *value))
            .collect::<Vec<_>>()
    );
    for (violation, (_, _, remedy)) in violations.iter().zip(expected) {
        assert!(violation.remedy.contains(remedy), "{violation}");
    }
}

#[test]
fn a_valid_spec_becomes_the_sidecars_document() {
    let valid = validate(&spec(|_| {})).unwrap();
    let batch = json!({"maxBytes": 1_048_576, "maxAgeMs": 200, "inFlight": 1});
    let sink = |name: &str, batch: &Value, kind: &str, settings: Value| json!({"name": name, "batch": batch, "retry": {"maxAgeMs": 0}, "whenFull": "Block", kind: settings});
    assert_eq!(
        json!({"sources": valid.sources, "pipeline": valid.pipeline, "sinks": valid.sinks, "drainMs": valid.drain_ms}),
        json!({
            "sources": [
                {"name": "access", "files": {"directory": "/var/log/nginx", "pattern": ".+\\.log", "scanIntervalMs": 10_000,
                    "startAt": "End", "framing": "lines"}},
                {"name": "out", "containerOutput": {"containers": ["web"], "spill": {"maxBytes": 16 << 20}}},
            ],
            "pipeline": [],
            "sinks": [
                sink("out", &batch, "stdout", json!({"format": "text"})),
                sink("archive", &json!({"maxBytes": 65_536, "maxAgeMs": 90_000, "inFlight": 1}), "file",
                    json!({"path": "all.ndjson", "format": "json", "fsync": "never"})),
                sink("hub", &batch, "http", json!({"url": "https://hub.example.org/in", "headers": {"x-team": "shop"},
                    "compression": "none", "timeoutMs": 10_000})),
            ],
            "drainMs": 10_000,
        })
    );
}

#[test]
fn what_is_left_out_has_the_defaults_of_the_document() {
    let valid = validate(&spec(|_| {})).unwrap();
    assert_eq!(valid.limits, agent::Limits::default());
    assert_eq!(valid.sinks[0].batch, agent::Batch::default());
    assert_eq!(valid.sinks[0].retry, agent::Retry::default());
    assert_eq!(valid.sinks[0].when_full, agent::WhenFull::default());
}

#[test]
fn limits_become_numbers() {
    let valid = validate(&spec(|spec| {
        spec["limits"] =
            json!({"recordBytes": "64Ki", "inFlightBytes": "1Mi", "openFiles": 7, "deadLetterBytes": "0"});
    }));
    let expected = agent::Limits {
        record_bytes: 65_536,
        in_flight_bytes: 1_048_576,
        open_files: 7,
        dead_letter_bytes: 0,
    };
    assert_eq!(valid.unwrap().limits, expected);
    check(
        |spec| spec["limits"] = json!({"recordBytes": "1MB"}),
        &[("spec.limits.recordBytes", "1MB", "for example 64Mi")],
    );
}

#[test]
fn framing_and_joined_lines_reach_the_document() {
    let valid = validate(&spec(|spec| {
        spec["sources"][0]["files"]["framing"] = json!("cri");
        spec["sources"][0]["files"]["multiline"] = json!({"start": "^\\d", "timeout": "1s"});
    }))
    .unwrap();
    let source = serde_json::to_value(&valid.sources[0]).unwrap();
    assert_eq!(source["files"]["framing"], "cri");
    assert_eq!(
        source["files"]["multiline"],
        json!({"start": "^\\d", "maxLines": 10_000, "timeoutMs": 1_000})
    );
}

#[test]
fn joined_lines_need_one_expression_that_compiles() {
    let multiline =
        |multiline: Value| move |spec: &mut Value| spec["sources"][0]["files"]["multiline"] = multiline;
    let field = "spec.sources[0].files.multiline";
    check(
        multiline(json!({})),
        &[(field, "", "exactly one of start and end")],
    );
    check(
        multiline(json!({"start": "a", "end": "b"})),
        &[(field, "start and end", "exactly one of start and end")],
    );
    check(
        multiline(json!({"end": "(", "timeout": "1"})),
        &[
            (&format!("{field}.end"), "(", "unclosed group"),
            (&format!("{field}.timeout"), "1", "for example 500ms"),
        ],
    );
}

#[test]
fn the_samples_are_valid() {
    for sample in [
        include_str!("../../../../config/samples/files.yaml"),
        include_str!("../../../../config/samples/output.yaml"),
        include_str!("../../../../config/samples/loki.yaml"),
        include_str!("../../../../config/samples/otlp.yaml"),
        include_str!("../../../../config/samples/elasticsearch.yaml"),
    ] {
        let sample: Value = serde_saphyr::from_str(sample).unwrap();
        let spec: LogShippingSpec = serde_json::from_value(sample["spec"].clone()).unwrap();
        let outcome = validate(&spec).map_err(|violations| violations_text(&violations));
        assert!(outcome.is_ok(), "{}: {outcome:?}", sample["metadata"]["name"]);
    }
}

#[test]
fn an_empty_selector_means_every_pod() {
    let valid = validate(&spec(|spec| spec["selector"] = json!({}))).unwrap();
    assert!(valid.selector.selects_all());
}

#[test]
fn patterns_must_compile() {
    check(
        |spec| spec["sources"][0]["files"]["pattern"] = json!("("),
        &[("spec.sources[0].files.pattern", "(", "unclosed group")],
    );
    check(
        |spec| spec["sources"][0]["files"]["pattern"] = json!("(a{1000}){1000}"),
        &[("spec.sources[0].files.pattern", "(a{1000}){1000}", "size limit")],
    );
}

#[test]
fn durations_and_sizes_must_parse() {
    check(
        |spec| {
            spec["sources"][0]["files"]["scanInterval"] = json!("10");
            spec["sinks"][1]["batch"] = json!({"maxBytes": "1MB", "maxAge": "soon"});
            spec["sinks"][2]["http"]["timeout"] = json!("");
            spec["sidecar"] = json!({"drain": "10 s"});
        },
        &[
            ("spec.sources[0].files.scanInterval", "10", "for example 500ms"),
            ("spec.sinks[1].batch.maxBytes", "1MB", "for example 64Mi"),
            ("spec.sinks[1].batch.maxAge", "soon", "for example 500ms"),
            ("spec.sinks[2].http.timeout", "", "for example 500ms"),
            ("spec.sidecar.drain", "10 s", "for example 500ms"),
        ],
    );
}

#[test]
fn selectors_follow_the_rules_of_the_api_server() {
    let expressions = |expressions: Value| {
        move |spec: &mut Value| spec["selector"] = json!({"matchExpressions": expressions})
    };
    check(
        expressions(json!([{"key": "app", "operator": "In"}])),
        &[(
            "spec.selector.matchExpressions[0].values",
            "[]",
            "at least one value",
        )],
    );
    check(
        expressions(json!([{"key": "app", "operator": "NotIn", "values": []}])),
        &[(
            "spec.selector.matchExpressions[0].values",
            "[]",
            "at least one value",
        )],
    );
    check(
        expressions(json!([{"key": "app", "operator": "Exists", "values": ["a", "b"]}])),
        &[(
            "spec.selector.matchExpressions[0].values",
            "[a, b]",
            "takes no values",
        )],
    );
    check(
        expressions(json!([{"key": "app", "operator": "Gt", "values": ["1"]}])),
        &[("spec.selector.matchExpressions[0].operator", "Gt", "DoesNotExist")],
    );
    for key in ["", "-app", "a b", "/app", "Example.org/app", "a/b/c"] {
        check(
            expressions(json!([{"key": key, "operator": "Exists"}])),
            &[("spec.selector.matchExpressions[0].key", key, "label key")],
        );
    }
    check(
        |spec| spec["selector"] = json!({"matchLabels": {"app": "a b"}}),
        &[("spec.selector.matchLabels[app]", "a b", "label value")],
    );
    let good = json!([
        {"key": "app.kubernetes.io/name", "operator": "In", "values": ["web", ""]},
        {"key": "tier", "operator": "DoesNotExist"},
    ]);
    assert!(validate(&spec(expressions(good))).is_ok());
}

#[test]
fn each_source_and_sink_has_exactly_one_kind() {
    check(
        |spec| {
            spec["sources"][0] = json!({"name": "none"});
            spec["sources"][1]["files"] = json!({"directory": "/log", "pattern": "."});
            spec["sinks"][0]["file"] = json!({"path": "all"});
        },
        &[
            ("spec.sources[0]", "none", "exactly one kind"),
            ("spec.sources[1]", "out", "exactly one kind"),
            ("spec.sinks[0]", "out", "exactly one kind"),
        ],
    );
}

#[test]
fn names_urls_and_headers_must_be_usable() {
    check(
        |spec| {
            spec["sources"][0]["files"]["container"] = json!("Web");
            spec["sources"][1]["containerOutput"]["containers"] = json!(["web", "-proxy"]);
            spec["sinks"][2]["http"]["url"] = json!("ftp://hub");
            spec["sinks"][2]["http"]["headers"] = json!({"x-team": "a\nb"});
        },
        &[
            ("spec.sources[0].files.container", "Web", "name of a container"),
            (
                "spec.sources[1].containerOutput.containers[1]",
                "-proxy",
                "name of a container",
            ),
            ("spec.sinks[2].http.url", "ftp://hub", "http:// or https://"),
            ("spec.sinks[2].http.headers[x-team]", "a\nb", "visible ASCII"),
        ],
    );
}

#[test]
fn the_text_of_all_mistakes_names_field_value_and_remedy_of_each() {
    let violations = validate(&spec(|spec| {
        spec["sidecar"] = json!({"drain": "ten"});
        spec["sinks"][2]["http"]["url"] = json!("hub");
    }))
    .unwrap_err();
    assert_eq!(
        violations_text(&violations),
        "spec.sinks[2].http.url is \"hub\": write an absolute http:// or https:// URL; \
         spec.sidecar.drain is \"ten\": write a number and a unit, for example 500ms, 10s, 5m or 1h"
    );
}

#[test]
fn nothing_is_right_in_an_excluded_namespace() {
    let excluded = BTreeSet::from(["kube-system".to_owned()]);
    let validated = |namespace| validate_in(namespace, &excluded, &spec(|_| {}));
    assert!(validated("shop").is_ok());
    let text = violations_text(&validated("kube-system").unwrap_err());
    assert!(
        text.contains("\"kube-system\": the namespace is excluded"),
        "{text}"
    );
}
