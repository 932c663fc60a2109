//! A simulated world around the following of container output: a node whose containers write, end and start again, whose kubelet rotates
//! their files, an API that breaks anywhere, and a process that is killed, stopped and changed. An oracle knows every line.
//!
//! `LOGSHIP_WORLD_SEEDS` says how many seeds are run, from `LOGSHIP_WORLD_FIRST` on; `LOGSHIP_WORLD_SEED` replays one and tells what
//! happened in it:
//! `LOGSHIP_WORLD_SEED=7 cargo test -p logship --test output no_line`.
#![expect(clippy::unwrap_used, reason = "a helper that cannot go on fails the test")]

mod connection;
#[path = "../api/container.rs"]
#[expect(dead_code, reason = "shared with the tests of the API")]
mod container;
mod node;
mod oracle;
mod profile;
#[path = "../world/seeds.rs"]
mod seeds;
mod world;

use seeds::{live_all, setting};
use std::panic::{AssertUnwindSafe, catch_unwind};
use world::{Tally, World};

const SEEDS: u64 = 1500;

fn live(seed: u64, is_traced: bool) -> (Result<Tally, String>, String) {
    let mut world = World::new(seed, is_traced);
    let result = catch_unwind(AssertUnwindSafe(|| world.run()));
    let result = result.unwrap_or_else(|_| Err("the engine panicked".to_owned()));
    (result, world.trace())
}

#[test]
fn no_line_is_lost_unseen_or_repeated_in_any_world() {
    if let Some(seed) = setting("LOGSHIP_WORLD_SEED") {
        let (result, trace) = live(seed, true);
        panic!("{trace}\n\nseed {seed}: {result:?}");
    }
    let seeds = setting("LOGSHIP_WORLD_SEEDS").unwrap_or(SEEDS);
    let first = setting("LOGSHIP_WORLD_FIRST").unwrap_or_default();
    let (mut failed, mut whole) = (Vec::new(), Tally::default());
    for (seed, result) in live_all(first..first + seeds, |seed| live(seed, false).0) {
        match result {
            Ok(tally) => whole = whole + tally,
            Err(error) => failed.push(format!("seed {seed}: {error}")),
        }
    }
    for text in &mut failed {
        text.truncate(400);
    }
    assert!(
        failed.is_empty(),
        "{} of {seeds} seeds failed\n{}",
        failed.len(),
        failed[..failed.len().min(15)].join("\n")
    );
    // Otherwise nothing was tested.
    assert!(whole.lines > 0 && whole.lost > 0 && whole.gaps > 0, "{whole:?}");
    println!("{seeds} seeds: {whole:?}");
}
