//! The real binary on real files.
#![expect(clippy::unwrap_used, reason = "a helper that cannot go on fails the test")]

mod administration;
mod delivery;
mod documents;
mod environment;
mod files;
mod limits;
mod once;
mod readme;
mod receiver;
mod recipes;
mod scripted;
mod server;
mod sinks;
#[expect(dead_code, reason = "shared with the tests of rotations")]
mod support;
mod terminal;
mod tls;

use serde_json::{Value, json};

fn http_sink(url: &str, compression: &str) -> Value {
    json!([{"name": "bus", "batch": {"maxBytes": 4096, "maxAgeMs": 50},
            "http": {"url": url, "headers": {}, "compression": compression, "timeoutMs": support::PATIENCE_MS}}])
}

fn stdout_sink(format: &str) -> Value {
    json!({"name": "out", "batch": {"maxBytes": 4096, "maxAgeMs": 50}, "stdout": {"format": format}})
}
