//! Clocks that jump leave files with times of modification far off; what was written is shipped all the same.

use crate::http_sink;
use crate::ledger::Ledger;
use crate::support::{PATIENCE_MS, Place, Running, eventually, numbered};
use std::fs::File;
use std::time::{Duration, SystemTime};

const CENTURY: Duration = Duration::from_secs(100 * 365 * 86_400);

/// Before 1970, in 1970, and in a hundred years.
#[expect(
    clippy::disallowed_methods,
    reason = "the future is relative to the real time"
)]
fn odd_times() -> [SystemTime; 3] {
    let day = Duration::from_secs(86_400);
    [
        SystemTime::UNIX_EPOCH - day,
        SystemTime::UNIX_EPOCH,
        SystemTime::now() + CENTURY,
    ]
}

fn touch(place: &Place, file: &str, time: SystemTime) {
    let file = File::options().append(true).open(place.path("logs").join(file));
    file.unwrap().set_modified(time).unwrap();
}

#[test]
fn files_modified_before_1970_or_in_the_future_are_shipped_once_across_rotation_and_restart() {
    for time in odd_times() {
        let (place, ledger) = (Place::new(), Ledger::start());
        let mut command = place.by_document(&http_sink(&ledger.url(0), PATIENCE_MS));
        let append = |file: &str, numbers| {
            place.append(file, &numbered(numbers));
            touch(&place, file, time);
        };
        append("a.log", 0..10);
        let running = Running::start(&mut command);
        eventually("what was there", || ledger.has(0..10).then_some(()));
        append("a.log", 10..20);
        place.rename("a.log", "a.1.log");
        append("a.1.log", 20..25);
        append("a.log", 25..30);
        eventually("what was rotated", || ledger.has(0..30).then_some(()));
        assert_eq!(running.terminate(), Some(0));
        append("a.log", 30..40);
        let running = Running::start(&mut command);
        append("a.log", 40..50);
        eventually("what was written meanwhile", || ledger.has(0..50).then_some(()));
        assert_eq!(running.terminate(), Some(0));
        let count: usize = ledger
            .arrivals()
            .iter()
            .map(|arrival| arrival.numbers.len())
            .sum();
        assert_eq!(count, 50, "{time:?}");
    }
}
