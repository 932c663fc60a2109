//! The real binary on files that are rotated, copied, replaced, moved and denied: nothing that is there is lost, nothing is sent twice.
#![expect(clippy::unwrap_used, reason = "a helper that cannot go on fails the test")]

mod copies;
mod follow;
mod identity;
mod limits;
mod long;
mod losses;
mod overflow;
mod patience;
mod renames;
mod reuse;
mod sources;
#[path = "../run/support.rs"]
#[expect(dead_code, reason = "shared with the other tests of the binary")]
mod support;
