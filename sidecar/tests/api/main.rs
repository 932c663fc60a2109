//! Container output through the API: its client, and the real binary, against scripted API servers with TLS.
//!
//! `LOGSHIP_REOPEN_SECONDS=600 cargo test -p logship --test api reopened_every_second` is the long form of what runs for four seconds.
#![expect(clippy::unwrap_used, reason = "a helper that cannot go on fails the test")]

mod client;
mod container;
mod drain;
mod faults;
mod herd;
mod idle;
mod kubelet;
mod measures;
mod reload;
mod reopening;
mod restarts;
mod rotation;
#[path = "../run/server.rs"]
mod server;
mod shipper;
#[expect(dead_code, reason = "shared with the other tests of the binary")]
#[path = "../run/support.rs"]
mod support;
#[expect(dead_code, reason = "shared with the tests of `run`, which use the rest")]
#[path = "../run/tls.rs"]
mod tls;
