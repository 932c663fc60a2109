//! What each kill cost. Pure: from what arrived and when positions were saved.

use crate::ledger::Arrival;
use std::time::{Duration, SystemTime};

/// One kill.
#[derive(Debug, Clone, Copy)]
pub struct Cut {
    /// When.
    pub at: SystemTime,
    /// When the positions that the next run begins with were written; none: never.
    pub saved: Option<SystemTime>,
}

/// What a kill cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// Lines that came again in the next run.
    pub repeated: usize,
    /// Lines that had been accepted after the positions were saved.
    pub unsaved: usize,
    /// How long before the kill the first of them was accepted that this run had sent.
    pub age: Duration,
}

/// The costs of the kills in order: the first one ended run 0.
pub fn costs(arrivals: &[Arrival], cuts: &[Cut], lines: usize) -> Vec<Cost> {
    let mut seen = vec![false; lines];
    let of = |run| arrivals.iter().filter(move |arrival| arrival.run == run);
    let mut cost = |(run, cut): (usize, &Cut)| {
        for &number in of(run).flat_map(|arrival| &arrival.numbers) {
            seen[number] = true;
        }
        let later = of(run + 1).flat_map(|arrival| &arrival.numbers);
        let is_unsaved = |arrival: &&Arrival| cut.saved.is_none_or(|saved| arrival.at >= saved);
        let unsaved = arrivals.iter().filter(|arrival| arrival.run <= run);
        let first = of(run).filter(is_unsaved).map(|arrival| arrival.at).min();
        Cost {
            repeated: later.filter(|number| seen[**number]).count(),
            unsaved: unsaved
                .filter(is_unsaved)
                .map(|arrival| arrival.numbers.len())
                .sum(),
            age: first.map_or(Duration::ZERO, |first| {
                cut.at.duration_since(first).unwrap_or_default()
            }),
        }
    };
    cuts.iter().enumerate().map(&mut cost).collect()
}

/// Lines that one and the same run sent twice.
pub fn repeated_without_a_kill(arrivals: &[Arrival], lines: usize) -> usize {
    let mut last_run = vec![None; lines];
    let mut sorted: Vec<&Arrival> = arrivals.iter().collect();
    sorted.sort_by_key(|arrival| arrival.run);
    let numbers = sorted
        .iter()
        .flat_map(|arrival| arrival.numbers.iter().map(|number| (*number, Some(arrival.run))));
    numbers
        .filter(|(number, run)| std::mem::replace(&mut last_run[*number], *run) == *run)
        .count()
}

#[test]
fn what_comes_again_is_counted_for_the_kill_before_it() {
    let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    let arrival = |run, seconds, numbers: &[usize]| Arrival {
        run,
        at: at(seconds),
        numbers: numbers.to_vec(),
    };
    let arrivals = [
        arrival(0, 1, &[0, 1]),
        arrival(0, 3, &[2, 3, 4]),
        arrival(1, 6, &[4, 5, 5]),
    ];
    let cuts = [
        Cut {
            at: at(5),
            saved: Some(at(2)),
        },
        Cut {
            at: at(7),
            saved: None,
        },
    ];
    let expected = |repeated, unsaved, seconds| Cost {
        repeated,
        unsaved,
        age: Duration::from_secs(seconds),
    };
    assert_eq!(costs(&arrivals, &cuts, 6), [expected(1, 3, 2), expected(0, 8, 1)]);
    assert_eq!(repeated_without_a_kill(&arrivals, 6), 1);
}
