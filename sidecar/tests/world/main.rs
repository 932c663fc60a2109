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
mod sinks;
mod world;

use oracle::{Kind, Violation};
use sabotage::Sabotage;
use std::fmt::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use world::{Tally, World};

const SEEDS: u64 = 10_000;
/// So many failing seeds are shown of each kind.
const SHOWN: usize = 30;

/// A setting of this run.
#[expect(
    clippy::disallowed_methods,
    reason = "the sizes of tests come from the environment"
)]
fn setting(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is {text:?}, which is no number")),
    )
}

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
    fn add(mut self, other: Self) -> Self {
        self.words += other.words;
        self.steps += other.steps;
        self.failed.extend(other.failed);
        self.failed.sort_by_key(|(seed, _)| *seed);
        self
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

/// Lives through the worlds of these seeds, on as many threads as may be.
fn live_all(seeds: std::ops::Range<u64>) -> Summary {
    let next = AtomicU64::new(seeds.start);
    let work = || {
        let mut summary = Summary::default();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return summary;
            }
            match live(seed, Sabotage::None, false).0 {
                Ok(Tally { words, steps }) => {
                    summary.words += words;
                    summary.steps += steps;
                }
                Err(violation) => summary.failed.push((seed, violation)),
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let summaries = workers
            .into_iter()
            .map(|worker| worker.join().expect("a worker catches its panics"));
        summaries.fold(Summary::default(), Summary::add)
    })
}

#[test]
fn no_line_is_lost_repeated_or_reordered_in_any_world() {
    if let Some(seed) = setting("LOGSHIP_WORLD_SEED") {
        let (result, trace) = live(seed, Sabotage::None, true);
        panic!("{trace}\n\nseed {seed}: {result:?}");
    }
    let seeds = setting("LOGSHIP_WORLD_SEEDS").unwrap_or(SEEDS);
    let first = setting("LOGSHIP_WORLD_FIRST").unwrap_or_default();
    let summary = live_all(first..first + seeds);
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
