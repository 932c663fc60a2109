//! The rules between the parts, as ARCHITECTURE.md lists them: what can be read off the source is checked here.

use std::fs;
use std::path::{Path, PathBuf};

/// What a pure module may not name: time, randomness (a seeded generator is a value) and settings are parameters there.
const IMPURE: [&str; 14] = [
    "tokio",
    "async fn",
    "std::fs",
    "std::net",
    "std::env",
    "std::process",
    "Instant::now",
    "SystemTime::now",
    "Timestamp::now",
    "kube::Client",
    "fastrand::f64",
    "fastrand::u64",
    "Rng::new",
    "rustix",
];

/// Files and folders (with all below) that are pure.
const PURE: [&str; 38] = [
    "crd/src",
    "operator/src/inject.rs",
    "operator/src/inject",
    "operator/src/controller/build.rs",
    "operator/src/controller/census.rs",
    "operator/src/controller/status.rs",
    "operator/src/controller/survey/answer.rs",
    "operator/src/controller/survey/roll.rs",
    "operator/src/controller/tally.rs",
    "operator/src/controller/validate.rs",
    "operator/src/controller/validate",
    "operator/src/webhook/ca.rs",
    "operator/src/webhook/review.rs",
    "operator/src/webhook/verdict.rs",
    "sidecar/src/config.rs",
    "sidecar/src/config",
    "sidecar/src/display.rs",
    "sidecar/src/engine.rs",
    "sidecar/src/engine",
    "sidecar/src/metrics",
    "sidecar/src/metrics.rs",
    "sidecar/src/pipeline.rs",
    "sidecar/src/pipeline",
    "sidecar/src/record.rs",
    "sidecar/src/record",
    "sidecar/src/sink/answer.rs",
    "sidecar/src/sink/compress.rs",
    "sidecar/src/sink/compress",
    "sidecar/src/sink/dead_letter.rs",
    "sidecar/src/sink/encode.rs",
    "sidecar/src/sink/encode",
    "sidecar/src/sink/grpc.rs",
    "sidecar/src/sink/verdict.rs",
    "sidecar/src/source/container_output/api/refusal.rs",
    "sidecar/src/source/container_output/api/request.rs",
    "sidecar/src/sink/verdict",
    "sidecar/src/source/container_output/patience.rs",
    "sidecar/src/source/container_output/pod.rs",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The Rust files at `path` or below, without unit tests that have a file of their own.
fn sources(path: &Path) -> Vec<PathBuf> {
    if path.is_file() {
        return vec![path.to_owned()];
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        let path = entry.path();
        let is_test = path.ends_with("tests.rs") || path.ends_with("tests");
        if !is_test && (path.is_dir() || path.extension().is_some_and(|extension| extension == "rs")) {
            found.extend(sources(&path));
        }
    }
    found
}

/// The lines of a file that count: neither comments nor its unit tests, which stand at the end.
fn code(path: &Path) -> Vec<(usize, String)> {
    let text = fs::read_to_string(path).expect("a source file can be read");
    text.lines()
        .enumerate()
        .take_while(|(_, line)| !line.starts_with("#[cfg(test)]"))
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
        .map(|(number, line)| (number + 1, line.to_owned()))
        .collect()
}

fn violations(paths: &[PathBuf], forbidden: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for path in paths {
        for (number, line) in code(path) {
            for word in forbidden.iter().filter(|word| line.contains(**word)) {
                found.push(format!(
                    "{}:{number} names {word}: {}",
                    path.display(),
                    line.trim()
                ));
            }
        }
    }
    found
}

#[test]
fn pure_modules_name_no_io_clock_or_runtime() {
    for place in PURE {
        let files = sources(&root().join(place));
        assert!(!files.is_empty(), "{place} is listed as pure and is not there");
        let found = violations(&files, &IMPURE);
        assert!(found.is_empty(), "{}", found.join("\n"));
    }
}

#[test]
fn the_contract_depends_on_no_client_and_no_runtime() {
    let manifest = fs::read_to_string(root().join("crd/Cargo.toml")).expect("the manifest can be read");
    for forbidden in ["tokio", "\"client\"", "hyper", "axum"] {
        assert!(!manifest.contains(forbidden), "crd/Cargo.toml names {forbidden}");
    }
}

#[test]
fn the_webhook_reads_the_index_and_never_the_api() {
    let files = [
        vec![root().join("operator/src/webhook.rs")],
        sources(&root().join("operator/src/webhook/verdict.rs")),
    ];
    let found = violations(&files.concat(), &["Api::", "kube::Client", "Client::"]);
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn no_task_is_detached() {
    let files: Vec<PathBuf> = ["operator/src", "sidecar/src"]
        .iter()
        .flat_map(|part| sources(&root().join(part)))
        .collect();
    let found = violations(&files, &["tokio::spawn", "thread::spawn"]);
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn names_that_kubernetes_sees_stand_in_one_place() {
    let files: Vec<PathBuf> = ["operator/src", "sidecar/src"]
        .iter()
        .flat_map(|part| sources(&root().join(part)))
        .collect();
    let found = violations(
        &files,
        &["\"logship.dev/", "\"logship-sidecar", "\"logship-config"],
    );
    assert!(found.is_empty(), "{}", found.join("\n"));
}
