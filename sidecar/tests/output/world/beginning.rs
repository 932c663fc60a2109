//! What a process begins with.

use crate::node::NAMES;
use logship::config::{Config, Environment, from_document};
use logship::engine::Start;
use logship::engine::checkpoint::Checkpoint;
use std::collections::BTreeMap;

pub fn config() -> Config {
    let document = serde_json::json!({
        "version": 1, "name": "shop", "drainMs": 30000,
        "sources": [{"name": "output", "containerOutput": {"containers": NAMES, "spill": {"maxBytes": 0}}}],
        "sinks": [{"name": "bus", "batch": {"maxBytes": 4096, "maxAgeMs": 100}, "http": {
            "url": "http://bus/", "headers": {}, "compression": "none", "timeoutMs": 2000}}],
    });
    let environment = ["POD_NAME", "POD_NAMESPACE"].map(|name| (name.to_owned(), "shop".to_owned()));
    from_document(
        &Environment::from(environment),
        "shop.json",
        &document.to_string(),
        None,
    )
    .unwrap()
}

pub fn start(config: &Config, checkpoint: Option<Checkpoint>) -> Start<'_> {
    Start {
        pod: &config.pod,
        checkpoint,
        spools: BTreeMap::new(),
        persistent: true,
        is_first: true,
        once: false,
        seed: 1,
    }
}
