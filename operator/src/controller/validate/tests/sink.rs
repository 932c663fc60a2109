//! Sinks: what becomes of each kind, of credentials, and what is refused of any that speaks HTTP.

use super::{check, spec};
use crate::controller::validate::validate;
use serde_json::{Value, json};

/// The last of the sinks, with other settings of its kind.
fn with(kind: &str, settings: &Value) -> impl FnOnce(&mut Value) + use<> {
    let sink = json!({"name": "hub", kind: settings});
    move |spec| spec["sinks"][2] = sink
}

fn document(kind: &str, settings: &Value) -> Value {
    let valid = validate(&spec(with(kind, settings))).unwrap();
    serde_json::to_value(&valid.sinks[2]).unwrap()[kind].clone()
}

#[test]
fn each_kind_of_server_becomes_its_own_in_the_document() {
    assert_eq!(
        document(
            "loki",
            &json!({"url": "http://loki:3100", "tenant": "shop", "labels": {"app": "web"}, "timeout": "1s"})
        ),
        json!({"url": "http://loki:3100", "tenant": "shop", "labels": {"app": "web"}, "structuredMetadata": true, "timeoutMs": 1_000})
    );
    assert_eq!(
        document(
            "otlp",
            &json!({"url": "http://otel:4317", "protocol": "grpc", "compression": "zstd", "resource": {"a.b": "c"}})
        ),
        json!({"url": "http://otel:4317", "protocol": "grpc", "compression": "zstd", "resource": {"a.b": "c"}, "timeoutMs": 10_000})
    );
    assert_eq!(
        document(
            "elasticsearch",
            &json!({"url": "http://es:9200", "index": "logs", "ingestPipeline": "p", "headers": {"x-a": "b"}})
        ),
        json!({"url": "http://es:9200", "index": "logs", "ingestPipeline": "p", "headers": {"x-a": "b"}, "compression": "gzip",
            "timeoutMs": 10_000})
    );
}

#[test]
fn secrets_become_paths_of_files() {
    let settings = json!({
        "url": "https://hub",
        "auth": {"basic": {"secretName": "login"}},
        "tls": {"ca": {"secretName": "ca", "key": "root.pem"}, "certificate": {"secretName": "own"}, "serverName": "hub.example.org"},
    });
    let basic = json!({"basic": {
        "usernameFile": "/etc/logship/secrets/login/username",
        "passwordFile": "/etc/logship/secrets/login/password",
    }});
    let tls = json!({
        "caFile": "/etc/logship/secrets/ca/root.pem",
        "certFile": "/etc/logship/secrets/own/tls.crt",
        "keyFile": "/etc/logship/secrets/own/tls.key",
        "serverName": "hub.example.org",
        "insecureSkipVerify": false,
    });
    for kind in ["http", "loki", "otlp"] {
        let document = document(kind, &settings);
        assert_eq!((&document["auth"], &document["tls"]), (&basic, &tls), "{kind}");
    }
    let bearer = json!({"url": "https://es", "index": "logs", "auth": {"bearer": {"secretName": "login"}}});
    assert_eq!(
        document("elasticsearch", &bearer)["auth"],
        json!({"bearerFile": "/etc/logship/secrets/login/token"})
    );
}

#[test]
fn headers_that_carry_credentials_or_frame_the_request_are_refused_for_every_kind() {
    for kind in ["http", "loki", "otlp", "elasticsearch"] {
        let field = format!("spec.sinks[2].{kind}.headers");
        for name in ["Authorization", "cookie", "Content-Length", "TE"] {
            let settings = json!({"url": "http://hub", "index": "logs", "headers": { name: "secret" }});
            check(with(kind, &settings), &[(&field, name, "leave it out")]);
        }
    }
}

#[test]
fn headers_of_a_protocol_have_a_field_or_are_its_own() {
    check(
        with(
            "loki",
            &json!({"url": "http://loki", "headers": {"X-Scope-OrgID": "shop"}}),
        ),
        &[("spec.sinks[2].loki.headers", "X-Scope-OrgID", "as tenant")],
    );
    check(
        with(
            "otlp",
            &json!({"url": "http://otel", "headers": {"grpc-timeout": "1S"}}),
        ),
        &[("spec.sinks[2].otlp.headers", "grpc-timeout", "sets it itself")],
    );
}

#[test]
fn credentials_in_a_url_are_refused_and_never_repeated() {
    for url in ["https://me:secret@hub/in", "ftp://me:secret@hub/in"] {
        let violations = validate(&spec(with("http", &json!({"url": url})))).unwrap_err();
        assert_eq!(violations.len(), 1);
        assert_eq!(violations[0].field, "spec.sinks[2].http.url");
        assert!(
            !violations[0].to_string().contains("secret@"),
            "{}",
            violations[0]
        );
    }
}

#[test]
fn credentials_have_exactly_one_kind() {
    let both = json!({"basic": {"secretName": "a"}, "bearer": {"secretName": "a"}});
    for (auth, found) in [(json!({}), ""), (both, "basic and bearer")] {
        check(
            with("otlp", &json!({"url": "https://otel", "auth": auth})),
            &[("spec.sinks[2].otlp.auth", found, "exactly one kind")],
        );
    }
}

#[test]
fn tls_is_for_https() {
    check(
        with(
            "http",
            &json!({"url": "http://hub", "tls": {"ca": {"secretName": "ca"}}}),
        ),
        &[("spec.sinks[2].http.tls", "http://hub", "write https://")],
    );
}

#[test]
fn the_token_of_the_sidecars_is_sent_nowhere() {
    let auth = json!({"bearer": {"secretName": "logship-sidecar-token"}});
    check(
        with("http", &json!({"url": "https://hub", "auth": auth})),
        &[("spec.sinks[2].http", "logship-sidecar-token", "another Secret")],
    );
}

#[test]
fn files_rotate_by_at_least_one_bound() {
    let file = |rotation: Value| json!({"path": "a", "rotation": rotation, "fsync": "batch", "summary": {}});
    let document = document(
        "file",
        &file(json!({"maxBytes": "1Mi", "maxAge": "1h", "keep": 2})),
    );
    assert_eq!(
        document,
        json!({"path": "a", "format": "json", "fsync": "batch", "summary": {"intervalMs": 60_000},
            "rotation": {"maxBytes": 1_048_576, "maxAgeMs": 3_600_000, "keep": 2}})
    );
    for none in [json!({}), json!({"maxBytes": "0"})] {
        check(
            with("file", &file(none)),
            &[("spec.sinks[2].file.rotation", "", "at least one bound")],
        );
    }
}

#[test]
fn each_file_belongs_to_one_sink() {
    check(
        with("file", &json!({"path": "./all.ndjson"})),
        &[(
            "spec.sinks[2].file.path",
            "./all.ndjson",
            "\"archive\" writes to this one",
        )],
    );
}

#[test]
fn conditions_retries_and_bounds_of_a_sink_reach_the_document() {
    let valid = validate(&spec(|spec| {
        spec["sinks"][0]["when"] = json!("severity == 'ERROR'");
        spec["sinks"][0]["retry"] = json!({"maxAge": "1h"});
        spec["sinks"][0]["whenFull"] = json!("Drop");
        spec["sinks"][0]["batch"] = json!({"inFlight": 4});
    }))
    .unwrap();
    assert_eq!(
        serde_json::to_value(&valid.sinks[0]).unwrap(),
        json!({"name": "out", "when": "severity == 'ERROR'", "retry": {"maxAgeMs": 3_600_000}, "whenFull": "Drop",
            "batch": {"maxBytes": 1_048_576, "maxAgeMs": 200, "inFlight": 4}, "stdout": {"format": "text"}})
    );
}
