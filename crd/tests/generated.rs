//! The generated CustomResourceDefinition is committed, so that people can read and apply it, and a copy is part of the
//! chart, because a chart cannot refer to files outside of it; neither may be stale.
//! `UPDATE=1 cargo test -p logship-crd --test generated` writes it.

use kube::CustomResourceExt;
use logship_crd::v1alpha1::LogShipping;
use std::path::Path;

const HEADER: &str = "# Generated from crd/src/v1alpha1.rs by `UPDATE=1 cargo test -p logship-crd --test generated`; do not edit.\n";

#[test]
fn committed_definition_is_what_the_types_say() {
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config");
    let yaml = serde_saphyr::to_string(&LogShipping::crd()).expect("a definition can be written as YAML");
    let expected = format!("{HEADER}{yaml}");
    for path in [
        "crd/logshippings.logship.dev.yaml",
        "chart/logship/files/logshippings.logship.dev.yaml",
    ] {
        let path = config.join(path);
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&path, &expected).expect("the definition can be written");
        }
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            committed == expected,
            "{} is stale: run `UPDATE=1 cargo test -p logship-crd --test generated`",
            path.display()
        );
    }
}
