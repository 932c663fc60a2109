//! What unit tests of several modules begin with.

use crate::inject::Settings;
use crate::policies::{Policy, Readiness};
use serde_json::Value;
use std::sync::Arc;

/// A resource that pods are injected for, with this spec as JSON.
pub(crate) fn policy(name: &str, spec: Value) -> Arc<Policy> {
    Arc::new(Policy {
        name: name.to_owned(),
        created: None,
        spec: serde_json::from_value(spec).unwrap(),
        readiness: Readiness::Ready,
    })
}

/// Of a cluster whose nodes all run native sidecars.
pub(crate) fn settings() -> Settings {
    Settings {
        image: "logship:1".to_owned(),
        image_pull_policy: "IfNotPresent".to_owned(),
        exclude_containers: Vec::new(),
        nodes_run_native: true,
    }
}
