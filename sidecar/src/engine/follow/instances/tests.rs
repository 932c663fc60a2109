use super::*;
use ContainerState::{BacksOff, Ended, NotStarted, Running};

fn found(state: ContainerState, restarts: u32) -> Instance {
    Instance {
        container: "web".to_owned(),
        state,
        restarts,
        started: None,
        found: 0,
    }
}

const fn present(begins: Option<u32>, missing: u32) -> Next {
    Next::Read {
        previous: false,
        begins,
        missing,
    }
}

const fn previous(begins: Option<u32>, missing: u32) -> Next {
    Next::Read {
        previous: true,
        begins,
        missing,
    }
}

/// What is read next, and that nothing is told twice, nor begun twice.
fn check(instances: Instances, state: ContainerState, restarts: u32, expected: Next) {
    let mut instances = instances;
    let what = format!("{instances:?}, found {state:?} after {restarts} restarts");
    assert_eq!(instances.next(&found(state, restarts), false), expected, "{what}");
    let again = match expected {
        Next::Read { previous: is_it, .. } if is_it => previous(None, 0),
        Next::Read { .. } => present(None, 0),
        other => other,
    };
    assert_eq!(
        instances.next(&found(state, restarts), false),
        again,
        "{what}, again"
    );
}

fn complete(instance: u32) -> Instances {
    let mut complete = Instances::from(instance);
    complete.read_to_end(instance);
    complete.next(&found(Ended, instance), false);
    complete
}

#[test]
fn next_is_what_was_not_read_and_what_is_out_of_reach_is_told_once() {
    let reading = Instances::from(2);
    check(reading, Running, 2, present(None, 0));
    check(reading, Ended, 2, present(None, 0));
    check(reading, BacksOff, 2, present(None, 0));
    check(reading, Running, 3, previous(None, 0));
    check(reading, Running, 4, previous(Some(3), 1));
    check(reading, Running, 6, previous(Some(5), 3));
    let complete = complete(2);
    check(complete, Ended, 2, Next::Complete);
    check(complete, BacksOff, 2, Next::Complete);
    check(complete, Running, 3, present(Some(3), 0));
    check(complete, Running, 4, previous(Some(3), 0));
    check(complete, Running, 5, previous(Some(4), 1));
}

#[test]
fn instances_that_ended_before_the_first_look_are_told_where_all_were_to_be_read() {
    let all = Instances::unread(true);
    check(all, NotStarted, 0, Next::NotStarted);
    check(all, Running, 0, present(Some(0), 0));
    check(all, Ended, 0, present(Some(0), 0));
    check(all, BacksOff, 0, present(Some(0), 0));
    check(all, Running, 1, previous(Some(0), 0));
    check(all, Ended, 1, previous(Some(0), 0));
    check(all, BacksOff, 1, present(Some(1), 1));
    check(all, Running, 5, previous(Some(4), 4));
    check(all, BacksOff, 5, present(Some(5), 5));
    // Named in a document that came later: what was before is not ours.
    let later = Instances::unread(false);
    check(later, Running, 0, present(Some(0), 0));
    check(later, Running, 5, previous(Some(4), 0));
    check(later, BacksOff, 5, present(Some(5), 0));
}

#[test]
fn while_a_container_backs_off_its_last_instance_is_not_taken_for_the_one_before() {
    let reading = Instances::from(2);
    check(reading, BacksOff, 3, present(Some(3), 1));
    check(reading, BacksOff, 5, present(Some(5), 3));
    check(complete(2), BacksOff, 3, present(Some(3), 0));
    check(complete(2), BacksOff, 5, present(Some(5), 2));
}

#[test]
fn instance_whose_stream_ended_by_itself_misses_nothing_unless_the_api_failed_or_it_was_another() {
    let mut read_out = Instances::from(2);
    read_out.read_out(2);
    check(read_out, BacksOff, 3, present(Some(3), 0));
    check(read_out, Running, 4, previous(Some(3), 0));
    let mut interrupted = read_out;
    interrupted.interrupted();
    check(interrupted, BacksOff, 3, present(Some(3), 1));
    let mut mistaken = Instances::from(2);
    mistaken.read_to_end(2);
    check(mistaken, BacksOff, 3, present(Some(3), 0));
    mistaken.mistook();
    check(mistaken, BacksOff, 3, present(Some(3), 1));
}

#[test]
fn restart_of_the_sidecar_tells_nothing_again() {
    for state in [Running, Ended, BacksOff] {
        let mut first = Instances::unread(true);
        first.next(&found(state, 5), false);
        let mut second = Instances::from(first.present().unwrap());
        let again = second.next(&found(state, 5), false);
        assert!(
            matches!(
                again,
                Next::Read {
                    begins: None,
                    missing: 0,
                    ..
                }
            ),
            "{state:?}: {again:?}"
        );
    }
}

#[test]
fn end_counts_only_if_the_container_was_not_restarted_meanwhile() {
    let mut instances = Instances::unread(true);
    instances.next(&found(Ended, 0), false);
    instances.read_to_end(0);
    assert_eq!(instances.next(&found(Running, 1), false), previous(None, 0));
}

#[test]
fn crash_loop_that_is_read_to_every_end_misses_nothing() {
    for state in [Ended, BacksOff] {
        let mut instances = Instances::unread(true);
        for restarts in 0..50 {
            let next = instances.next(&found(state, restarts), false);
            assert_eq!(next, present(Some(restarts), 0), "{restarts}");
            instances.read_to_end(restarts);
            assert_eq!(instances.next(&found(state, restarts), false), Next::Complete);
        }
    }
}
