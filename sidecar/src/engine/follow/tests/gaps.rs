//! Where lines are missing, or seem to be.

use super::*;
use crate::record::time::SECOND;

#[test]
fn new_lines_without_the_last_one_are_a_suspected_gap_unless_the_container_was_restarted() {
    let check = |restarts: u32, gaps: u64| {
        let mut world = World::broken_behind(&line(5, "a"));
        let (stream, ..) = world.probe(ContainerState::Running, 0);
        world.answer(stream, Answer::Data(line(9, "b").as_bytes()));
        // The pod is looked at before anything is said.
        assert_eq!(world.follow.counts().rotation_gaps, 0);
        let (question, ask) = world.asked();
        assert_eq!(ask, Ask::Probe);
        world.answer(question, found(ContainerState::Running, restarts, None));
        assert_eq!(world.follow.counts().rotation_gaps, gaps);
        let told = |report: &&Report| matches!(report, Report::OutputSuspected { .. });
        assert_eq!(world.reports.iter().filter(told).count() as u64, gaps);
        assert_eq!(world.shipped, "a\nb\n");
    };
    check(0, 1);
    check(1, 0);
}

#[test]
fn times_that_go_back_hide_no_gap_unless_the_line_may_have_been_forgotten() {
    let check = |served: &str, gaps: u64| {
        let mut world = World::new(Vec::new());
        let (stream, ..) = world.probe(ContainerState::Running, 0);
        let taken = line(5, "a") + &line(7, "b");
        world.answer(stream, Answer::Data(taken.as_bytes()));
        world.answer(stream, broken());
        let (stream, ..) = world.probe(ContainerState::Running, 0);
        world.answer(stream, Answer::Data(served.as_bytes()));
        world.follow.conclude();
        assert_eq!(world.follow.counts().rotation_gaps, gaps, "{served}");
    };
    check(&line(6, "c"), 1);
    check(&(line(4, "c") + &line(5, "a") + &line(7, "b")), 0);
}

#[test]
fn gap_is_told_with_the_times_that_it_lies_between() {
    let mut world = World::broken_behind(&line(5, "a"));
    let (stream, ..) = world.probe(ContainerState::Running, 0);
    world.answer(stream, Answer::Data(line(9, "b").as_bytes()));
    world.look(ContainerState::Running, 0);
    assert_eq!(
        world.reports.last().unwrap().to_string(),
        "output of container \"web\" written after 2026-01-02T03:04:05.500000000Z and before \
         2026-01-02T03:04:09.500000000Z may be missing: the file of the line before was rotated and is not served any more"
    );
}

#[test]
fn file_that_was_read_to_its_end_and_can_have_been_rotated_only_once_is_no_gap() {
    let check = |silent: bool, seen: u32, gaps: u64| {
        let mut world = World::new(Vec::new());
        let (stream, ..) = world.probe(ContainerState::Running, 0);
        world.answer(stream, Answer::Data(line(5, "a").as_bytes()));
        world.answer(stream, if silent { Answer::Silent } else { broken() });
        let (question, _) = world.asked();
        let instance = Instance {
            container: "web".to_owned(),
            state: ContainerState::Running,
            restarts: 0,
            started: None,
            found: second(seen) * SECOND,
        };
        world.answer(question, Answer::Probed(instance));
        let (stream, _) = world.asked();
        world.answer(stream, Answer::Data(line(9, "b").as_bytes()));
        if gaps > 0 {
            world.look(ContainerState::Running, 0);
        }
        assert_eq!(world.follow.counts().rotation_gaps, gaps, "{silent} {seen}");
    };
    check(true, 7, 0);
    // By then it may have been rotated twice, and a stream that broke may have been anywhere.
    check(true, 8, 1);
    check(false, 7, 1);
}

#[test]
fn idle_stream_is_opened_again_at_once_and_drops_what_was_taken() {
    let mut world = World::new(Vec::new());
    for _ in 0..15 {
        let before = world.now;
        let (stream, _, follow, _) = world.probe(ContainerState::Running, 0);
        assert!(follow);
        assert_eq!(world.now, before);
        world.answer(stream, Answer::Data(line(5, "a").as_bytes()));
        // A quarter of an hour of half-open connections.
        world.now += Duration::from_secs(240);
        world.answer(stream, Answer::Silent);
    }
    assert_eq!(world.shipped, "a\n");
}

#[test]
fn jump_of_the_time_after_reading_was_held_back_is_a_suspected_gap() {
    let check = |held_back: bool, filler: usize, last: u32, gaps: u64| {
        let mut world = World::new(Vec::new());
        let (stream, ..) = world.probe(ContainerState::Running, 0);
        world.answer(stream, Answer::Data(line(5, "a").as_bytes()));
        if held_back {
            world.answer(stream, Answer::HeldBack);
        }
        let much = line(5, "b").repeat(filler);
        for bytes in [&much, &line(last, "c")] {
            world.answer(stream, Answer::Data(bytes.as_bytes()));
        }
        assert_eq!(
            world.follow.counts().held_back_gaps,
            gaps,
            "{held_back} {filler} {last}"
        );
    };
    let much = 3000;
    check(true, much, 7, 1);
    // Within the life of a file, with less than what is on its way, or without having been held back.
    check(true, much, 6, 0);
    check(true, 3, 9, 0);
    check(false, much, 9, 0);
}

#[test]
fn jump_is_seen_however_much_comes_at_once() {
    let mut world = World::new(Vec::new());
    let (stream, ..) = world.probe(ContainerState::Running, 0);
    world.answer(stream, Answer::Data(line(5, "a").as_bytes()));
    world.answer(stream, Answer::HeldBack);
    let bytes = line(5, "b").repeat(3000) + &line(9, "c");
    world.answer(stream, Answer::Data(bytes.as_bytes()));
    assert_eq!(world.follow.counts().held_back_gaps, 1);
}

#[test]
fn file_that_is_served_again_and_again_after_reading_was_held_back_over_rotations_is_taken_once() {
    // More lines than are remembered one by one, and a few.
    for lines in [3, 5000] {
        let mut world = World::new(Vec::new());
        let (stream, ..) = world.probe(ContainerState::Running, 0);
        world.answer(stream, Answer::Data(line(5, "a").as_bytes()));
        world.answer(stream, Answer::HeldBack);
        let much = line(5, "b").repeat(3000);
        world.answer(stream, Answer::Data(much.as_bytes()));
        let before = world.shipped.len();
        let texts: Vec<String> = (0..lines).map(|number| format!("c{number}")).collect();
        let file: String = texts
            .iter()
            .enumerate()
            .map(|(number, text)| line(20 + u32::try_from(number * 30 / lines).unwrap(), text))
            .collect();
        for _ in 0..3 {
            world.answer(stream, Answer::Data(file.as_bytes()));
        }
        world.answer(stream, Answer::Data(line(55, "d").as_bytes()));
        let expected = texts.join("\n") + "\nd\n";
        assert!(world.shipped[before..] == expected, "{lines}");
        assert_eq!(world.follow.counts().held_back_gaps, 1);
        assert_eq!(world.follow.counts().rotation_gaps, 0);
    }
}

#[test]
fn instance_that_was_read_before_the_status_told_of_it_does_not_hide_the_end_of_the_one_before() {
    let mut world = World::broken_behind(&line(5, "a"));
    // The status is old: this is the output of the next instance.
    let (stream, ..) = world.probe(ContainerState::Running, 0);
    world.answer(stream, Answer::Data(line(30, "again").as_bytes()));
    let (question, ask) = world.asked();
    assert_eq!(ask, Ask::Probe);
    world.answer(question, found(ContainerState::Running, 1, Some(second(29))));
    let (stream, ask) = world.asked();
    let Ask::Stream {
        previous: true,
        since,
        ..
    } = ask
    else {
        panic!("{ask:?}");
    };
    assert_eq!(
        since,
        Some(second(4)),
        "from where that instance was read to, not this one"
    );
    let bytes = line(5, "a") + &line(10, "last words");
    world.answer(stream, Answer::Data(bytes.as_bytes()));
    world.answer(stream, Answer::Ended);
    let (stream, previous, ..) = world.probe(ContainerState::Running, 1);
    assert!(previous);
    world.answer(stream, Answer::Data(bytes.as_bytes()));
    world.answer(stream, Answer::Ended);
    let (stream, previous, ..) = world.probe(ContainerState::Running, 1);
    assert!(!previous);
    let bytes = line(30, "again") + &line(31, "more");
    world.answer(stream, Answer::Data(bytes.as_bytes()));
    assert_eq!(world.shipped, "a\nagain\nlast words\nmore\n");
    assert_eq!(world.follow.counts(), FollowCounts::default());
}

#[test]
fn of_two_streams_that_an_old_status_hid_the_first_says_where_the_instance_before_goes_on() {
    let check = |served: &str, gaps: u64| {
        let mut world = World::new(Vec::new());
        // The status is old: both are the output of the next instance.
        for text in ["again", "and again"] {
            let (stream, ..) = world.probe(ContainerState::Running, 0);
            let bytes = line(30, "again") + &line(31, text);
            world.answer(stream, Answer::Data(bytes.as_bytes()));
            world.answer(stream, broken());
        }
        // What breaks is asked for from there again.
        for end in [broken(), Answer::Ended, Answer::Ended] {
            let (question, _) = world.asked();
            let found = found(ContainerState::Running, 1, Some(second(29)));
            world.answer(question, found);
            let (stream, ask) = world.asked();
            let of_previous = matches!(
                ask,
                Ask::Stream {
                    previous: true,
                    since: None,
                    ..
                }
            );
            assert!(of_previous, "{ask:?}");
            world.answer(stream, Answer::Data(line(10, "last words").as_bytes()));
            world.answer(stream, end);
        }
        // Where the next one goes on is known.
        let (stream, previous, ..) = world.probe(ContainerState::Running, 1);
        assert!(!previous);
        world.answer(stream, Answer::Data(served.as_bytes()));
        world.follow.conclude();
        assert_eq!(world.follow.counts().rotation_gaps, gaps, "{served}");
    };
    let last = line(31, "and again");
    check(&(last + &line(40, "more")), 0);
    check(&line(40, "more"), 1);
}

#[test]
fn end_without_the_last_line_that_was_taken_is_a_suspected_gap() {
    let check = |served: &str, gaps: u64| {
        let mut world = World::broken_behind(&line(5, "a"));
        loop {
            let (stream, previous, ..) = world.probe(ContainerState::Running, 1);
            if !previous {
                break;
            }
            world.answer(stream, Answer::Data(served.as_bytes()));
            world.answer(stream, Answer::Ended);
        }
        let counts = world.follow.counts();
        assert_eq!((counts.rotation_gaps, counts.missed_instances), (gaps, 0));
    };
    check(&line(5, "a"), 0);
    // Rotated unread, and nothing was written since.
    check("", 1);
}

/// The line behind the gap is in the output of the instance before, so that one was rotated.
#[test]
fn restart_explains_no_gap_that_is_within_the_instance_before() {
    let check = |started: Option<i64>, before: &str, gaps: u64| {
        let mut world = World::broken_behind(&line(5, "a"));
        let (stream, ..) = world.probe(ContainerState::Running, 0);
        world.answer(stream, Answer::Data(line(9, "b").as_bytes()));
        loop {
            let (question, _) = world.asked();
            world.answer(question, found(ContainerState::Running, 1, started));
            let (stream, ask) = world.asked();
            if !matches!(ask, Ask::Stream { previous: true, .. }) {
                break;
            }
            world.answer(stream, Answer::Data(before.as_bytes()));
            world.answer(stream, Answer::Ended);
        }
        assert_eq!(world.follow.counts().rotation_gaps, gaps, "{started:?} {before}");
        assert_eq!(world.follow.conclude(), None);
    };
    let (rotated, not) = (line(9, "b"), line(5, "a") + &line(6, "c"));
    check(Some(second(9)), &rotated, 1);
    check(None, &rotated, 1);
    // It is of the instance that had begun by then.
    check(Some(second(8)), &not, 0);
}

#[test]
fn restart_long_after_the_line_behind_a_gap_does_not_explain_it() {
    let check = |started: u32, gaps: u64| {
        let mut world = World::broken_behind(&line(5, "a"));
        let (stream, ..) = world.probe(ContainerState::Running, 0);
        world.answer(stream, Answer::Data(line(9, "b").as_bytes()));
        let (question, _) = world.asked();
        world.answer(question, found(ContainerState::Running, 1, Some(second(started))));
        assert_eq!(world.follow.counts().rotation_gaps, gaps, "{started}");
    };
    check(9, 0);
    // The first lines of an instance may be a moment older than its start.
    check(10, 0);
    check(11, 1);
}

#[test]
fn end_of_a_stream_that_came_to_no_end_of_output_hides_no_missing_instance() {
    let check = |known: bool, end: &str, missing: u64| {
        let mut world = World::new(Vec::new());
        if known {
            let (stream, ..) = world.probe(ContainerState::Running, 0);
            world.answer(stream, Answer::Data(line(5, "a").as_bytes()));
            world.answer(stream, broken());
        }
        let (stream, ..) = world.probe(ContainerState::Running, 0);
        world.answer(stream, Answer::Data(end.as_bytes()));
        world.answer(stream, Answer::Ended);
        // It was started twice meanwhile.
        world.look(ContainerState::Running, 2);
        assert_eq!(world.follow.counts().missed_instances, missing, "{known} {end:?}");
    };
    let last = line(5, "a");
    check(false, &last, 0);
    check(true, &last, 0);
    check(false, "", 0);
    // Of another instance, or its file was rotated.
    check(true, "", 1);
    check(true, &line(9, "b"), 1);
    // Broken off, by the container or on the way, and told by the kubelet.
    check(
        false,
        &(last.clone() + "2026-01-02T03:04:06.500000000Z no newline"),
        1,
    );
    check(false, &(last + "failed to open log file"), 1);
}

#[test]
fn missing_instances_are_counted_once_although_the_previous_one_is_asked_for_again() {
    let mut world = World::broken_behind(&line(5, "a"));
    for _ in 0..3 {
        let (stream, previous, ..) = world.probe(ContainerState::Running, 3);
        assert!(previous);
        world.answer(stream, broken());
    }
    assert_eq!(world.follow.counts().missed_instances, 2);
}

#[test]
fn notice_at_the_end_of_a_stream_is_told_and_a_line_that_was_cut_there_is_not() {
    let check = |end: &str, notices: u64| {
        let mut world = World::new(Vec::new());
        let (stream, ..) = world.probe(ContainerState::Running, 0);
        world.answer(stream, Answer::Data((line(5, "a") + end).as_bytes()));
        world.answer(stream, Answer::Ended);
        assert_eq!(world.shipped, "a\n", "{end:?}");
        assert_eq!(world.follow.counts().notices, notices, "{end:?}");
    };
    check("", 0);
    check("failed to open log file", 1);
    check("2026", 0);
    check("2026-01-02T03:04:06.5", 0);
    check("2026-01-02T03:04:06.500000000Z grö", 0);
}

#[test]
fn gap_that_is_suspected_when_the_engine_ends_is_told() {
    let mut world = World::new(Vec::new());
    let (stream, ..) = world.probe(ContainerState::Running, 0);
    world.answer(stream, Answer::Data(line(5, "a").as_bytes()));
    assert_eq!(world.follow.conclude(), None);
    world.answer(stream, broken());
    let (stream, ..) = world.probe(ContainerState::Running, 0);
    world.answer(stream, Answer::Data(line(9, "b").as_bytes()));
    let told = world.follow.conclude();
    assert!(matches!(told, Some(Report::OutputSuspected { .. })), "{told:?}");
    assert_eq!(world.follow.counts().rotation_gaps, 1);
    assert_eq!(world.follow.conclude(), None);
}
