//! A simulated world around the engine: its own clock, file system and sinks, with every fault that a seed holds, and an oracle
//! that knows every line that was written.
//!
//! `LOGSHIP_WORLD_SEEDS` says how many seeds are run, from `LOGSHIP_WORLD_FIRST` on; `LOGSHIP_WORLD_SEED` replays one and tells what
//! happened in it:
//! `LOGSHIP_WORLD_SEED=7 cargo test -p logship --test world no_line`.

mod adapter;
mod filesystem;
mod oracle;
mod profile;
mod sabotage;
mod seeds;
mod sinks;
mod world;

use oracle::{Kind, Violation};
use sabotage::Sabotage;
use seeds::{live_all, setting};
use std::fmt::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use world::{Tally, World};

const SEEDS: u64 = 10_000;
/// So many failing seeds are shown of each kind.
const SHOWN: usize = 30;

/// Lives through one world; with what happened in it if that is asked for.
fn live(seed: u64, sabotage: Sabotage, traced: bool) -> (Result<Tally, Violation>, String) {
    let mut world = World::new(seed, sabotage, traced);
    let result = catch_unwind(AssertUnwindSafe(|| world.run()));
    let result = result.unwrap_or_else(|_| Err(Violation::new(Kind::Panicked, "the engine panicked")));
    (result, world.trace())
}

/// What became of many worlds.
#[derive(Debug, Default)]
struct Summary {
    words: usize,
    steps: u64,
    /// The worlds that ended badly.
    failed: Vec<(u64, Violation)>,
}

impl Summary {
    /// Of the worlds of these seeds.
    fn of(seeds: std::ops::Range<u64>) -> Self {
        let mut summary = Self::default();
        for (seed, result) in live_all(seeds, |seed| live(seed, Sabotage::None, false).0) {
            match result {
                Ok(Tally { words, steps }) => {
                    summary.words += words;
                    summary.steps += steps;
                }
                Err(violation) => summary.failed.push((seed, violation)),
            }
        }
        summary
    }

    /// For each broken promise how many worlds broke it, and the first of them.
    fn failures(&self) -> String {
        let mut kinds: Vec<Kind> = self.failed.iter().map(|(_, violation)| violation.kind).collect();
        kinds.sort_unstable();
        kinds.dedup();
        let lines = |kind: Kind| {
            let these: Vec<_> = self
                .failed
                .iter()
                .filter(|(_, violation)| violation.kind == kind)
                .collect();
            let mut lines = format!("{kind:?}: {} seeds\n", these.len());
            for (seed, violation) in these.into_iter().take(SHOWN) {
                writeln!(lines, "  seed {seed}: {}", violation.what).expect("a text takes everything");
            }
            lines
        };
        kinds.into_iter().map(lines).collect()
    }
}

#[test]
fn no_line_is_lost_repeated_or_reordered_in_any_world() {
    if let Some(seed) = setting("LOGSHIP_WORLD_SEED") {
        let (result, trace) = live(seed, Sabotage::None, true);
        panic!("{trace}\n\nseed {seed}: {result:?}");
    }
    let seeds = setting("LOGSHIP_WORLD_SEEDS").unwrap_or(SEEDS);
    let first = setting("LOGSHIP_WORLD_FIRST").unwrap_or_default();
    let summary = Summary::of(first..first + seeds);
    assert!(
        summary.failed.is_empty(),
        "{} of {seeds} seeds failed\n{}replay one: LOGSHIP_WORLD_SEED=… cargo test -p logship --test world no_line",
        summary.failed.len(),
        summary.failures()
    );
    println!(
        "{seeds} seeds, {} words, {} steps of the engine",
        summary.words, summary.steps
    );
}

/// Breaks the engine and looks what the oracle says.
fn check_sabotage(sabotage: Sabotage, expected: &[Kind]) {
    let seen = (0..300).filter_map(|seed| live(seed, sabotage, false).0.err());
    let found = seen
        .map(|violation| violation.kind)
        .find(|kind| expected.contains(kind));
    assert!(
        found.is_some(),
        "{sabotage:?} is not noticed as one of {expected:?}"
    );
}

#[test]
fn oracle_notices_each_broken_promise() {
    check_sabotage(Sabotage::LosesALine, &[Kind::Lost, Kind::Ahead]);
    check_sabotage(Sabotage::RepeatsALine, &[Kind::Repeated]);
    check_sabotage(Sabotage::SwapsLines, &[Kind::Reordered]);
    check_sabotage(Sabotage::JoinsLines, &[Kind::Torn]);
    check_sabotage(Sabotage::CutsALine, &[Kind::Torn]);
    check_sabotage(Sabotage::SavesTooEarly, &[Kind::Ahead]);
    check_sabotage(Sabotage::NeverSaves, &[Kind::Behind]);
    check_sabotage(Sabotage::GathersTooMuch, &[Kind::Unbounded]);
    check_sabotage(Sabotage::ReadsTooMuch, &[Kind::Unbounded]);
    check_sabotage(Sabotage::FallsAsleep, &[Kind::Lost, Kind::Stuck]);
    check_sabotage(Sabotage::NeverRests, &[Kind::Busy]);
    check_sabotage(Sabotage::ClosesEarly, &[Kind::ClosedEarly, Kind::Misreported]);
}

#[test]
fn seed_replays_exactly() {
    for seed in 0..5 {
        assert_eq!(
            live(seed, Sabotage::None, true).1,
            live(seed, Sabotage::None, true).1
        );
    }
}
