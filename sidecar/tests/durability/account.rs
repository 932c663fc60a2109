//! What each kill cost. Pure: from what arrived and when positions were saved.

use crate::ledger::Arrival;
use std::collections::BTreeSet;
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
    /// Lines that had been accepted and that the saved positions need not cover.
    pub uncovered: usize,
    /// How long before the kill the first of them was accepted that this run had sent.
    pub age: Duration,
}

/// The costs of the kills in order: the first one ended run 0. `at_the_save` of the lines last accepted before a save may be
/// missing in it. A save covers what its own run has sent: what a run before had left uncovered stays so until it is sent again.
pub fn costs(arrivals: &[Arrival], cuts: &[Cut], at_the_save: usize) -> Vec<Cost> {
    let mut uncovered = BTreeSet::new();
    let mut seen = BTreeSet::new();
    let of = |run| arrivals.iter().filter(move |arrival| arrival.run == run);
    let mut cost = |(run, cut): (usize, &Cut)| {
        let is_before = |arrival: &&Arrival| cut.saved.is_some_and(|saved| arrival.at < saved);
        let numbers = |arrivals: Vec<&Arrival>| -> Vec<usize> {
            arrivals
                .into_iter()
                .flat_map(|arrival| arrival.numbers.clone())
                .collect()
        };
        let (before, after): (Vec<_>, Vec<_>) = of(run).partition(is_before);
        let first = after.first().map(|arrival| arrival.at);
        let (before, after) = (numbers(before), numbers(after));
        let (covered, pending) = before.split_at(before.len().saturating_sub(at_the_save));
        seen.extend(before.iter().chain(&after).copied());
        for number in covered {
            uncovered.remove(number);
        }
        uncovered.extend(pending.iter().chain(&after).copied());
        let later = of(run + 1).flat_map(|arrival| &arrival.numbers);
        Cost {
            repeated: later.filter(|number| seen.contains(number)).count(),
            uncovered: uncovered.len(),
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
    let expected = |repeated, uncovered, seconds| Cost {
        repeated,
        uncovered,
        age: Duration::from_secs(seconds),
    };
    assert_eq!(costs(&arrivals, &cuts, 0), [expected(1, 3, 2), expected(0, 4, 1)]);
    assert_eq!(costs(&arrivals, &cuts, 1), [expected(1, 4, 2), expected(0, 5, 1)]);
    assert_eq!(repeated_without_a_kill(&arrivals, 6), 1);
}
