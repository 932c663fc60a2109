//! libFuzzer's entry: one binary for all targets, of which `LOGSHIP_FUZZ_TARGET` names one.
#![no_main]

#[path = "../targets.rs"]
mod targets;

use std::sync::LazyLock;
use targets::{TARGETS, Target};

static TARGET: LazyLock<Target> = LazyLock::new(|| {
    let wanted = std::env::var("LOGSHIP_FUZZ_TARGET").unwrap_or_default();
    let found = TARGETS.iter().find(|(name, _)| *name == wanted);
    let (_, target) = found.expect("LOGSHIP_FUZZ_TARGET names one of the targets in targets.rs");
    *target
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| (*TARGET)(bytes));
