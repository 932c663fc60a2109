//! A clock of the node that is set back.

use super::*;
use crate::engine::resume::LINES_MAX;
use crate::record::time::SECOND;

#[test]
fn clock_that_was_set_back_is_asked_for_what_it_shows_now() {
    let mut world = World::broken_behind(&line(50, "a"));
    let (question, _) = world.asked();
    let instance = Instance {
        container: "web".to_owned(),
        state: ContainerState::Running,
        restarts: 0,
        started: None,
        found: second(20) * SECOND,
    };
    world.answer(question, Answer::Probed(instance));
    let (_, ask) = world.asked();
    let Ask::Stream { since, .. } = ask else {
        panic!("{ask:?}");
    };
    assert_eq!(since, Some(second(20) - CLOCK_BACK_SECONDS));
}

/// Two steps back that were noticed as one, and a restart behind them; `before` was served before the first, `between` behind it. From where
/// the present instance is asked for, and the world.
fn restarted_behind_two_steps(before: &str, between: &str) -> (u64, Option<i64>, World) {
    let mut world = World::new(Vec::new());
    let (stream, ..) = world.probe(ContainerState::Running, 0);
    world.answer(stream, Answer::Data(before.as_bytes()));
    world.answer(stream, Answer::ClockSetBack(Duration::from_secs(30)));
    loop {
        let (stream, previous, _, since) = world.probe(ContainerState::Running, 1);
        if !previous {
            return (stream, since, world);
        }
        world.answer(stream, Answer::Data((before.to_owned() + between).as_bytes()));
        world.answer(stream, Answer::Ended);
    }
}

#[test]
fn instance_of_which_nothing_was_read_is_asked_for_from_its_beginning_behind_steps_of_the_clock() {
    let (stream, since, mut world) = restarted_behind_two_steps(&line(50, "a"), &line(42, "b"));
    assert_eq!(since, None);
    world.answer(stream, Answer::Data(line(22, "c").as_bytes()));
    assert_eq!(world.shipped, "a\nb\nc\n");
    // What was taken of it says where it goes on.
    world.answer(stream, broken());
    let (_, _, _, since) = world.probe(ContainerState::Running, 1);
    assert_eq!(since, Some(second(21)));
}

#[test]
fn lines_of_seconds_that_came_twice_are_not_taken_for_those_before() {
    let before = line(50, "a").repeat(LINES_MAX + 100);
    let (stream, _, mut world) = restarted_behind_two_steps(&before, "");
    world.shipped.clear();
    world.answer(stream, Answer::Data(line(50, "b").as_bytes()));
    assert_eq!(world.shipped, "b\n");
}
