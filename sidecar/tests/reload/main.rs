//! Documents that change while the real binary ships: what was read is sent once, what is not read yet goes the new way, and what is
//! wrong changes nothing.
#![expect(clippy::unwrap_used, reason = "a helper that cannot go on fails the test")]

mod book;
mod documents;
mod files;
mod mistakes;
mod pipelines;
#[path = "../run/server.rs"]
mod server;
mod shipper;
mod sinks;
mod steps;
mod stop;
#[expect(dead_code, reason = "shared with the tests of `run`, which use the rest")]
#[path = "../run/support.rs"]
mod support;
mod traces;
mod writer;
