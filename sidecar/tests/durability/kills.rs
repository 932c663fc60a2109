//! The process is killed at random moments, while an application writes and rotates.
//!
//! What may come again after a kill is what the receiver had accepted and the positions on the disk did not cover: what was
//! accepted since they were saved; at that moment, the batches whose answers were on their way; and, since a position is noted
//! at the end of each piece that was read, one piece of which a part was accepted. A process that is killed before it has sent
//! again what the one before left so leaves it to the next. So the bound has two halves, and both are checked for every kill: no
//! more records repeat than these, and the save is no older than its interval.

use crate::account::{Cut, costs, repeated_without_a_kill};
use crate::ledger::Ledger;
use crate::support::{PATIENCE_MS, Place, Running, eventually};
use crate::writer::{LINE_BYTES, Writer};
use crate::{IN_FLIGHT, http_sink, setting};
use fastrand::Rng;
use std::time::{Duration, SystemTime};

const KILLS: u64 = 30;
/// A run lives this long at most, so that some end before the first save and some after several.
const LIFE_MS_MAX: u64 = 900;
/// Positions are saved this often, see `SAVE_INTERVAL` of the engine.
const SAVE_INTERVAL: Duration = Duration::from_millis(500);
/// A position is noted at least so often, see `PIECE_BYTES` of the engine.
const PIECE_BYTES: usize = 4096;
/// For a busy machine and for the disk. It may stall for longer in one run of ten.
const PATIENCE: Duration = Duration::from_millis(2500);
const STALLS: usize = 10;

#[expect(clippy::disallowed_methods, reason = "kills happen in real time")]
fn now() -> SystemTime {
    SystemTime::now()
}

/// One run of random length, and its kill.
fn run_and_kill(place: &Place, url: &str, life: Duration) -> Cut {
    let running = Running::start(&mut place.by_document(&http_sink(url, PATIENCE_MS)));
    std::thread::park_timeout(life);
    running.kill();
    let checkpoint = std::fs::metadata(place.path("state/shop.checkpoint.json"));
    Cut {
        at: now(),
        saved: checkpoint.ok().map(|metadata| metadata.modified().unwrap()),
    }
}

#[test]
fn kills_at_random_moments_lose_nothing_and_repeat_at_most_what_was_in_flight_or_not_yet_saved() {
    let kills = setting("LOGSHIP_KILLS").unwrap_or(KILLS);
    let seed = setting("LOGSHIP_SEED").unwrap_or_else(|| fastrand::u64(..));
    println!("LOGSHIP_SEED={seed}");
    let mut random = Rng::with_seed(seed);
    let (place, ledger, begin) = (Place::new(), Ledger::start(), now());
    let writer = Writer::start(place.path("logs"), ledger.clone(), random.u64(..));
    let cuts: Vec<Cut> = (0..)
        .zip(0..kills)
        .map(|(run, _)| {
            let life = Duration::from_millis(random.u64(..LIFE_MS_MAX));
            run_and_kill(&place, &ledger.url(run), life)
        })
        .collect();
    let last_url = ledger.url(cuts.len());
    let last = Running::start(&mut place.by_document(&http_sink(&last_url, PATIENCE_MS)));
    let written = writer.finish();
    // How much is left depends on the machine; that it goes on does not.
    while ledger.distinct() < written {
        let before = ledger.distinct();
        let missing = format!("{} lines, first {:?}", written - before, ledger.missing(written));
        eventually(&missing, || (ledger.distinct() > before).then_some(()));
    }
    assert_eq!(last.terminate(), Some(0));

    let arrivals = ledger.arrivals();
    assert_eq!(ledger.strange(), [""; 0], "torn or mixed up lines");
    assert_eq!(repeated_without_a_kill(&arrivals, written), 0);
    let batch = arrivals
        .iter()
        .map(|arrival| arrival.numbers.len())
        .max()
        .unwrap();
    let at_the_save = IN_FLIGHT * batch + PIECE_BYTES / LINE_BYTES;
    let costs = costs(&arrivals, &cuts, at_the_save);
    for (kill, cost) in costs.iter().enumerate() {
        assert!(cost.repeated <= cost.uncovered, "kill {kill}: {cost:?}");
    }
    let late = costs
        .iter()
        .filter(|cost| cost.age > SAVE_INTERVAL + PATIENCE)
        .count();
    assert!(late <= costs.len() / STALLS, "{late} saves were late: {costs:?}");
    println!(
        "{kills} kills in {:?}: {written} lines, 0 lost, {} came again, at most {} after a kill where {} might; no save later than {:?}",
        now().duration_since(begin).unwrap(),
        costs.iter().map(|cost| cost.repeated).sum::<usize>(),
        costs.iter().map(|cost| cost.repeated).max().unwrap_or_default(),
        costs.iter().map(|cost| cost.uncovered).max().unwrap_or_default(),
        costs.iter().map(|cost| cost.age).max().unwrap_or_default(),
    );
}
