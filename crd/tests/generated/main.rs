//! What is generated from the types is committed, so that people can read and apply it, and may not be stale: the
//! CustomResourceDefinition, a copy of it in the chart, because a chart cannot refer to files outside of it, and the reference page.
//! `UPDATE=1 cargo test -p logship-crd --test generated` writes them.

mod reference;

use kube::CustomResourceExt;
use logship_crd::v1alpha1::LogShipping;
use serde_json::Value;
use std::path::Path;

const HEADER: &str = "# Generated from crd/src/v1alpha1.rs by `UPDATE=1 cargo test -p logship-crd --test generated`; do not edit.\n";

fn check(path: &str, expected: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config").join(path);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, expected).expect("the file can be written");
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == expected,
        "{} is stale: run `UPDATE=1 cargo test -p logship-crd --test generated`",
        path.display()
    );
}

fn schema() -> Value {
    let definition = serde_json::to_value(LogShipping::crd()).expect("a definition is JSON");
    definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone()
}

/// Calls `look` with the path and schema of each field below `schema`.
fn each_field(path: &str, schema: &Value, look: &mut dyn FnMut(&str, &Value)) {
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        look(&path, field);
        each_field(&path, field, look);
        each_field(&format!("{path}[]"), &field["items"], look);
    }
}

#[test]
fn committed_definition_is_what_the_types_say() {
    let yaml = serde_saphyr::to_string(&LogShipping::crd()).expect("a definition can be written as YAML");
    let expected = format!("{HEADER}{yaml}");
    check("crd/logshippings.logship.dev.yaml", &expected);
    check("chart/logship/files/logshippings.logship.dev.yaml", &expected);
}

#[test]
fn committed_reference_is_what_the_types_say() {
    check("reference.md", &reference::page(&schema()));
}

#[test]
fn every_field_is_documented() {
    let mut silent = Vec::new();
    each_field("spec", &schema()["properties"]["spec"], &mut |path, field| {
        if field["description"].as_str().is_none_or(str::is_empty) {
            silent.push(path.to_owned());
        }
    });
    assert!(silent.is_empty(), "without a description: {silent:?}");
}

/// The API server estimates the cost of rules by these bounds, and an unbounded field would be the way to a huge ConfigMap.
#[test]
fn every_list_map_and_text_of_ours_is_bounded() {
    let mut unbounded = Vec::new();
    each_field("spec", &schema()["properties"]["spec"], &mut |path, field| {
        let is_bounded = match field["type"].as_str() {
            Some("array") => field["maxItems"].is_u64(),
            Some("object") => field["properties"].is_object() || field["maxProperties"].is_u64(),
            Some("string") => field["maxLength"].is_u64() || field["enum"].is_array(),
            Some("integer" | "number") => field["maximum"].is_number(),
            _ => true,
        };
        // The selector is a type of Kubernetes.
        if !is_bounded && !path.starts_with("spec.selector") {
            unbounded.push(path.to_owned());
        }
    });
    assert!(unbounded.is_empty(), "without a bound: {unbounded:?}");
}
