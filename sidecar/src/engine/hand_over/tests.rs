mod small_world;

use self::small_world::{Answers, World};
use super::*;
use crate::engine::Input;
use crate::engine::follow::Drain;
use proptest::prelude::*;
use std::collections::BTreeSet;

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

#[test]
fn sinks_that_answer_end_it_at_once_and_files_stay_open() {
    let mut world = World::new();
    world.append(b"one\ntwo\n");
    world.read();
    let (opened, before) = (world.opened, world.now);
    assert!(world.hand_over(Answers::Take, &World::pipeline(2)));
    assert_eq!(world.now, before);
    world.append(b"three\n");
    world.read();
    world.take_all();
    assert_eq!(world.delivered(), "one two three ");
    assert_eq!(world.opened, opened, "nothing is opened again");
}

#[test]
fn sink_that_fails_is_waited_for_no_longer_than_patience() {
    let mut world = World::new();
    world.append(b"one\n");
    world.read();
    world.refuse_all();
    let before = world.now;
    assert!(!world.hand_over(Answers::Fail, &World::pipeline(2)));
    let time = world.now.saturating_sub(before);
    assert!((PATIENCE..PATIENCE + seconds(1)).contains(&time), "{time:?}");
    world.take_all();
    assert_eq!(world.delivered(), "one ");
}

#[test]
fn sink_that_says_nothing_is_waited_for_as_long_as_a_drain_takes() {
    let mut world = World::new();
    world.append(b"one\n");
    world.read();
    let before = world.now;
    assert!(!world.hand_over(Answers::Silence, &World::pipeline(2)));
    assert_eq!(world.now.saturating_sub(before), World::DRAIN);
    world.take_all();
    assert_eq!(world.delivered(), "one ");
}

#[test]
fn nothing_is_read_once_it_has_begun() {
    let mut world = World::new();
    world.append(b"one\n");
    world.read();
    world.engine.handle(world.now, Input::HandOver);
    world.append(b"two\n");
    world.read();
    assert_eq!(world.engine.status().records, 1);
}

#[test]
fn stop_ends_a_hand_over_and_sends_what_is_there() {
    let mut world = World::new();
    world.append(b"one\n");
    world.read();
    world.engine.handle(world.now, Input::HandOver);
    world.append(b"two\n");
    world.engine.handle(world.now, Input::Drain(Drain::WhatIsThere));
    world.take_all();
    assert_eq!(
        (world.delivered().as_str(), world.finished),
        ("one two ", Some(true))
    );
}

#[test]
fn positions_of_a_source_that_is_gone_are_kept_for_its_return() {
    let mut world = World::new();
    world.append(b"one\n");
    world.take_all();
    let without = Pipeline {
        sources: Vec::new(),
        ..World::pipeline(2)
    };
    assert!(world.hand_over(Answers::Take, &without));
    world.read();
    assert_eq!(world.open_files(), 0, "nobody would read it");
    world.append(b"two\n");
    assert!(world.hand_over(Answers::Take, &World::pipeline(3)));
    world.take_all();
    assert_eq!(world.delivered(), "one two ");
}

/// What happens between two moments.
#[derive(Debug, Clone)]
enum Act {
    /// Numbers, each followed by the end of a line or not.
    Write(Vec<bool>),
    Rotate,
    Delete,
    Wait(u64),
    Take,
    Refuse,
    /// To this kind of pipeline.
    Change(Answers, u8),
}

fn acts(answers: impl Strategy<Value = Answers>) -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        4 => proptest::collection::vec(any::<bool>(), 1..20).prop_map(Act::Write),
        1 => Just(Act::Rotate),
        1 => Just(Act::Delete),
        2 => (1u64..1500).prop_map(Act::Wait),
        2 => Just(Act::Take),
        1 => Just(Act::Refuse),
        3 => (answers, 0u8..4).prop_map(|(answers, kind)| Act::Change(answers, kind)),
    ];
    proptest::collection::vec(act, 1..40)
}

/// The numbers that the sink has taken in the end, and how many there were.
fn live(acts: Vec<Act>) -> (Vec<usize>, usize) {
    let (mut world, mut written) = (World::new(), 0);
    for act in acts {
        match act {
            Act::Write(numbers) => {
                for ends in numbers {
                    world.append(format!("{written}{}", if ends { '\n' } else { ' ' }).as_bytes());
                    written += 1;
                }
            }
            Act::Rotate => world.rotate(),
            Act::Delete => world.delete(),
            Act::Wait(milliseconds) => world.now += Duration::from_millis(milliseconds),
            Act::Take => world.take_some(),
            Act::Refuse => world.refuse_all(),
            Act::Change(answers, kind) => {
                world.hand_over(answers, &World::pipeline(kind));
            }
        }
        world.run();
    }
    world.finish();
    let taken = world.delivered();
    let numbers = taken.split_whitespace().map(|number| number.parse().unwrap());
    (numbers.collect(), written)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Whatever is written, rotated, deleted and refused for a while: a sink that answers when the pipeline is changed takes everything
    /// once, through any number of changes.
    #[test]
    fn sink_that_answers_takes_everything_once(acts in acts(Just(Answers::Take))) {
        let (mut taken, written) = live(acts);
        // A file that was deleted has no place among those that were rotated.
        taken.sort_unstable();
        prop_assert!(taken.iter().copied().eq(0..written), "{written}: {taken:?}");
    }

    /// One that does not may take again what was on its way, but nothing is lost.
    #[test]
    fn sink_that_fails_at_a_change_takes_everything_at_least_once(
        acts in acts(prop_oneof![Just(Answers::Take), Just(Answers::Fail), Just(Answers::Silence)]),
    ) {
        let (taken, written) = live(acts);
        let taken: BTreeSet<usize> = taken.into_iter().collect();
        prop_assert!(taken.iter().copied().eq(0..written), "{written}: {taken:?}");
    }
}
