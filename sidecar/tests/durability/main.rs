//! What kills, broken checkpoints, full volumes, odd clocks and stops cost: the real binary on real files.
//!
//! `LOGSHIP_KILLS` is the number of kills, `LOGSHIP_SEED` replays their times.
#![expect(clippy::unwrap_used, reason = "a helper that cannot go on fails the test")]

mod account;
mod checkpoints;
mod kills;
mod ledger;
mod modified;
#[path = "../run/server.rs"]
mod server;
mod stop;
#[expect(dead_code, reason = "shared with the tests of `run`, which use the rest")]
#[path = "../run/support.rs"]
mod support;
mod volume;
mod writer;

use serde_json::{Value, json};

/// Bytes of a batch.
const BATCH_BYTES: usize = 4096;
/// Batches on their way at once.
const IN_FLIGHT: usize = 4;

/// An HTTP sink alone.
fn http_sink(url: &str, timeout_ms: u64) -> Value {
    json!([{"name": "bus", "batch": {"maxBytes": BATCH_BYTES, "maxAgeMs": 50, "inFlight": IN_FLIGHT},
            "http": {"url": url, "headers": {}, "compression": "none", "timeoutMs": timeout_ms}}])
}

#[expect(
    clippy::disallowed_methods,
    reason = "the sizes of tests come from the environment"
)]
fn setting(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap())
}
