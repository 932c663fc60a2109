//! Many worlds at once, by their seeds.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

/// A setting of this run.
#[expect(
    clippy::disallowed_methods,
    reason = "the sizes of tests come from the environment"
)]
pub fn setting(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is {text:?}, which is no number")),
    )
}

/// Lives through the worlds of these seeds, on as many threads as may be: what came of each, in their order.
pub fn live_all<T: Send>(seeds: Range<u64>, live: impl Fn(u64) -> T + Sync) -> Vec<(u64, T)> {
    let next = AtomicU64::new(seeds.start);
    let work = || {
        let mut results = Vec::new();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return results;
            }
            results.push((seed, live(seed)));
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut results = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let results = workers.into_iter();
        let results = results.flat_map(|worker| worker.join().expect("a worker catches its panics"));
        results.collect::<Vec<_>>()
    });
    results.sort_by_key(|(seed, _)| *seed);
    results
}
