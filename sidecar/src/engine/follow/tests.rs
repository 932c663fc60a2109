use super::*;
use crate::engine::batch::{Lane, LaneSettings};
use crate::pipeline::{Run, Steps};
use crate::sink::encode::Text;
use std::sync::Arc;

/// One container, followed by a scripted API; `shipped` is what its sink took over.
struct World {
    follow: Follow,
    outlets: Outlets,
    now: Tick,
    shipped: String,
    reports: Vec<Report>,
}

impl World {
    fn new(known: Vec<(String, ContainerPosition)>) -> Self {
        let lane = Lane::new(LaneSettings {
            age_max: Duration::ZERO,
            ..LaneSettings::of(Arc::new(Text))
        });
        Self {
            follow: Follow::new(1, Context::default(), known),
            outlets: Outlets::new(vec![lane], Run::new(&Steps::default(), 0), usize::MAX),
            now: Tick::ZERO,
            shipped: String::new(),
            reports: Vec::new(),
        }
    }

    /// The next question, after as much time as it takes.
    fn asked(&mut self) -> (u64, Ask) {
        self.now = self.now.max(self.follow.deadline().unwrap_or_default());
        match self.follow.poll(self.now) {
            Some(Output::Ask { question, ask, .. }) => (question, ask),
            other => panic!("no question but {other:?}"),
        }
    }

    fn answer(&mut self, question: u64, answer: Answer<'_>) {
        self.reports.extend(
            self.follow
                .answer(self.now, question, answer, 0.5, &mut self.outlets),
        );
        while let Some((id, batch)) = self.outlets.lanes[0].poll(self.now, true) {
            self.shipped.push_str(std::str::from_utf8(&batch.body).unwrap());
            self.outlets.lanes[0].settle(self.now, id, crate::sink::verdict::Verdict::Delivered, 0.5);
        }
        while let Some((_, position)) = self.outlets.reached() {
            self.follow.reached(position);
        }
    }

    /// Answers the probe that must come next, and returns the stream that is asked for then.
    fn probe(&mut self, state: ContainerState, restarts: u32) -> (u64, bool, bool, Option<i64>) {
        self.look(state, restarts);
        match self.asked() {
            (
                question,
                Ask::Stream {
                    previous,
                    follow,
                    since,
                    ..
                },
            ) => (question, previous, follow, since),
            other => panic!("no stream but {other:?}"),
        }
    }

    /// Answers the probe that must come next.
    fn look(&mut self, state: ContainerState, restarts: u32) {
        let (question, ask) = self.asked();
        assert_eq!(ask, Ask::Probe);
        self.answer(
            question,
            Answer::Probed(Instance {
                container: "web".to_owned(),
                state,
                restarts,
                started: None,
                found: i64::MAX,
            }),
        );
    }

    fn restarted(&self) -> Self {
        Self::new(self.follow.positions())
    }
}

fn broken() -> Answer<'static> {
    Answer::Failed {
        error: "reset".to_owned(),
        retry_after: None,
    }
}

fn line(second: u32, text: &str) -> String {
    format!("2026-01-02T03:04:{second:02}.500000000Z {text}\n")
}

#[test]
fn broken_stream_goes_on_from_one_second_before_and_drops_what_was_taken() {
    let mut world = World::new(Vec::new());
    let (stream, previous, follow, since) = world.probe(ContainerState::Running, 0);
    assert_eq!((previous, follow, since), (false, true, None));
    let (first, cut) = (line(5, "a") + &line(5, "a"), "2026-01-02T03:04:06.5");
    world.answer(stream, Answer::Data((first.clone() + cut).as_bytes()));
    world.answer(stream, broken());
    let (stream, _, _, since) = world.probe(ContainerState::Running, 0);
    let second = "2026-01-02T03:04:04Z"
        .parse::<jiff::Timestamp>()
        .unwrap()
        .as_second();
    assert_eq!(since, Some(second));
    world.answer(
        stream,
        Answer::Data((first + &line(5, "a") + &line(6, "b")).as_bytes()),
    );
    assert_eq!(world.shipped, "a\na\na\nb\n");
}

#[test]
fn killed_process_goes_on_from_its_checkpoint() {
    let mut world = World::new(Vec::new());
    let (stream, ..) = world.probe(ContainerState::Running, 0);
    world.answer(stream, Answer::Data(line(5, "a").as_bytes()));
    let mut world = world.restarted();
    let (stream, ..) = world.probe(ContainerState::Running, 0);
    world.answer(stream, Answer::Data((line(5, "a") + &line(5, "b")).as_bytes()));
    assert_eq!(world.shipped, "b\n");
}

#[test]
fn restarted_container_has_its_previous_instance_read_once() {
    let mut world = World::new(Vec::new());
    let (stream, ..) = world.probe(ContainerState::Running, 0);
    world.answer(stream, Answer::Data(line(5, "a").as_bytes()));
    world.answer(stream, Answer::Ended);
    let (stream, previous, follow, _) = world.probe(ContainerState::Running, 1);
    assert_eq!((previous, follow), (true, false));
    world.answer(
        stream,
        Answer::Data((line(5, "a") + &line(6, "last words")).as_bytes()),
    );
    world.answer(stream, Answer::Ended);
    let (stream, previous, ..) = world.probe(ContainerState::Running, 1);
    assert!(!previous);
    world.answer(stream, Answer::Data(line(7, "again").as_bytes()));
    assert_eq!(world.shipped, "a\nlast words\nagain\n");
}

#[test]
fn previous_instance_that_is_gone_is_reported_as_a_gap_and_the_current_one_is_read() {
    let mut world = World::new(Vec::new());
    let (stream, previous, ..) = world.probe(ContainerState::Running, 1);
    assert!(previous);
    world.answer(stream, Answer::Absent("not found".to_owned()));
    let (_, previous, ..) = world.probe(ContainerState::Running, 1);
    assert!(!previous);
    assert!(
        world
            .reports
            .iter()
            .any(|report| matches!(report, Report::OutputGap { .. }))
    );
}

#[test]
fn container_that_has_not_started_is_waited_for_and_said_once() {
    let mut world = World::new(Vec::new());
    for _ in 0..5 {
        let (question, _) = world.asked();
        let state = ContainerState::NotStarted;
        world.answer(
            question,
            Answer::Probed(Instance {
                container: "web".to_owned(),
                state,
                restarts: 0,
                started: None,
                found: i64::MAX,
            }),
        );
    }
    assert_eq!(world.reports.len(), 1);
    world.probe(ContainerState::Running, 0);
}

#[test]
fn drain_reads_what_is_there_and_ignores_the_interrupted_stream() {
    let mut world = World::new(Vec::new());
    let (old, ..) = world.probe(ContainerState::Running, 0);
    world.follow.drain(world.now, Drain::WhatIsThere);
    world.answer(old, Answer::Data(line(5, "a").as_bytes()));
    let (stream, _, follow, _) = world.probe(ContainerState::Running, 0);
    assert!(!follow);
    world.answer(stream, Answer::Data(line(5, "a").as_bytes()));
    world.answer(stream, Answer::Ended);
    assert!(world.follow.is_drained());
    assert_eq!(world.shipped, "a\n");
}

#[test]
fn ended_container_is_read_to_its_end_once_and_then_drains_at_once() {
    let mut world = World::new(Vec::new());
    let (stream, ..) = world.probe(ContainerState::Ended, 0);
    world.answer(
        stream,
        Answer::Data((line(5, "a") + "2026-01-02T03:04:06Z no newline").as_bytes()),
    );
    world.answer(stream, Answer::Ended);
    assert_eq!(world.shipped, "a\nno newline\n");
    let (question, _) = world.asked();
    let ended = Instance {
        container: "web".to_owned(),
        state: ContainerState::Ended,
        restarts: 0,
        started: None,
        found: i64::MAX,
    };
    world.answer(question, Answer::Probed(ended.clone()));
    world.follow.drain(world.now, Drain::UntilEnd);
    let (question, _) = world.asked();
    world.answer(question, Answer::Probed(ended));
    assert!(world.follow.is_drained());
}

#[test]
fn notice_of_the_api_is_reported_not_shipped() {
    let mut world = World::new(Vec::new());
    let (stream, ..) = world.probe(ContainerState::Running, 0);
    world.answer(stream, Answer::Data(b"unable to retrieve container logs\n"));
    assert_eq!(world.shipped, "");
    assert!(matches!(world.reports.last(), Some(Report::OutputUnavailable(_))));
}

#[test]
fn drain_ships_a_container_that_ended_before_its_status_said_that_it_started() {
    let mut world = World::new(Vec::new());
    world.look(ContainerState::NotStarted, 0);
    world.follow.drain(world.now, Drain::WhatIsThere);
    let (stream, _, follow, _) = world.probe(ContainerState::NotStarted, 0);
    assert!(!follow);
    world.answer(stream, Answer::Absent("waiting to start".to_owned()));
    assert!(!world.follow.is_drained());
    let (stream, ..) = world.probe(ContainerState::NotStarted, 0);
    world.answer(stream, Answer::Data(b"2026-01-02T03:04:05Z done"));
    world.answer(stream, Answer::Ended);
    assert!(world.follow.is_drained());
    assert_eq!(world.shipped, "done\n");
}

#[test]
fn drain_gives_a_container_that_never_started_up_soon() {
    let mut world = World::new(Vec::new());
    world.follow.drain(world.now, Drain::UntilEnd);
    while !world.follow.is_drained() {
        let (stream, ..) = world.probe(ContainerState::NotStarted, 0);
        world.answer(stream, Answer::Absent("waiting to start".to_owned()));
        assert!(world.now <= DRAIN_PATIENCE + DRAIN_RETRY_INTERVAL);
    }
}

#[test]
fn stream_that_only_repeats_is_not_reopened_at_once() {
    let mut world = World::new(Vec::new());
    let mut waits = Vec::new();
    for _ in 0..4 {
        let before = world.now;
        let (stream, ..) = world.probe(ContainerState::Running, 0);
        waits.push(world.now.saturating_sub(before));
        world.answer(stream, Answer::Data(line(5, "a").as_bytes()));
        world.answer(stream, Answer::Ended);
    }
    assert_eq!(world.shipped, "a\n");
    assert!(Duration::ZERO < waits[2] && waits[2] < waits[3], "{waits:?}");
}

#[test]
fn container_that_restarted_while_its_end_was_read_has_its_previous_instance_read() {
    let mut world = World::new(Vec::new());
    let (stream, _, follow, _) = world.probe(ContainerState::Ended, 0);
    assert!(!follow);
    // The current instance is already the next one.
    world.answer(stream, Answer::Data(line(7, "again").as_bytes()));
    world.answer(stream, Answer::Ended);
    let (stream, previous, ..) = world.probe(ContainerState::Running, 1);
    assert!(previous);
    world.answer(stream, Answer::Data(line(6, "last words").as_bytes()));
    assert_eq!(world.shipped, "again\nlast words\n");
}

fn second(second: u32) -> i64 {
    let text = format!("2026-01-02T03:04:{second:02}Z");
    text.parse::<jiff::Timestamp>().unwrap().as_second()
}

fn found(state: ContainerState, restarts: u32, started: Option<i64>) -> Answer<'static> {
    Answer::Probed(Instance {
        container: "web".to_owned(),
        state,
        restarts,
        started,
        found: i64::MAX,
    })
}

#[test]
fn new_lines_without_the_last_one_are_a_suspected_gap_unless_the_container_was_restarted() {
    let check = |restarts: u32, gaps: u64| {
        let mut world = World::new(Vec::new());
        let (stream, ..) = world.probe(ContainerState::Running, 0);
        world.answer(stream, Answer::Data(line(5, "a").as_bytes()));
        world.answer(stream, broken());
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
fn gap_is_told_with_the_times_that_it_lies_between() {
    let mut world = World::new(Vec::new());
    let (stream, ..) = world.probe(ContainerState::Running, 0);
    world.answer(stream, Answer::Data(line(5, "a").as_bytes()));
    world.answer(stream, broken());
    let (stream, ..) = world.probe(ContainerState::Running, 0);
    world.answer(stream, Answer::Data(line(9, "b").as_bytes()));
    world.look(ContainerState::Running, 0);
    assert_eq!(
        world.reports.last().unwrap().to_string(),
        "output of container \"web\" written after 2026-01-02T03:04:05.500000000Z and before \
         2026-01-02T03:04:09.500000000Z may be missing: its file was rotated while nobody was connected"
    );
}

#[test]
fn stream_that_fell_silent_was_read_to_its_end_so_a_rotation_since_is_no_gap() {
    let check = |silence: u64, gaps: u64| {
        let mut world = World::new(Vec::new());
        let (stream, ..) = world.probe(ContainerState::Running, 0);
        world.answer(stream, Answer::Data(line(5, "a").as_bytes()));
        world.now += Duration::from_secs(silence);
        world.answer(stream, Answer::Silent);
        let (stream, ..) = world.probe(ContainerState::Running, 0);
        world.answer(stream, Answer::Data(line(9, "b").as_bytes()));
        if gaps > 0 {
            world.look(ContainerState::Running, 0);
        }
        assert_eq!(world.follow.counts().rotation_gaps, gaps, "{silence}");
    };
    check(2, 0);
    // By then it may have been rotated twice.
    check(240, 1);
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
fn jump_of_the_time_after_reading_was_held_back_is_a_suspected_gap_once() {
    let check = |held_back: bool, filler: usize, last: u32, gaps: u64| {
        let mut world = World::new(Vec::new());
        let (stream, ..) = world.probe(ContainerState::Running, 0);
        world.answer(stream, Answer::Data(line(5, "a").as_bytes()));
        if held_back {
            world.answer(stream, Answer::HeldBack);
        }
        let much = line(5, "b").repeat(filler);
        for bytes in [&much, &line(last, "c"), &line(last + 9, "d")] {
            world.answer(stream, Answer::Data(bytes.as_bytes()));
        }
        assert_eq!(
            world.follow.counts().held_back_gaps,
            gaps,
            "{held_back} {filler} {last}"
        );
    };
    let much = 3000;
    check(true, much, 9, 1);
    // Within the life of a file, with less than what is on its way, or without having been held back.
    check(true, much, 8, 1);
    check(true, 3, 9, 0);
    check(false, much, 9, 0);
}

#[test]
fn instance_that_was_read_before_the_status_told_of_it_does_not_hide_the_end_of_the_one_before() {
    let mut world = World::new(Vec::new());
    let (stream, ..) = world.probe(ContainerState::Running, 0);
    world.answer(stream, Answer::Data(line(5, "a").as_bytes()));
    world.answer(stream, broken());
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
    assert!(!previous);
    let bytes = line(30, "again") + &line(31, "more");
    world.answer(stream, Answer::Data(bytes.as_bytes()));
    assert_eq!(world.shipped, "a\nagain\nlast words\nmore\n");
    assert_eq!(world.follow.counts(), FollowCounts::default());
}

#[test]
fn clock_that_was_set_back_is_asked_for_what_it_shows_now() {
    let mut world = World::new(Vec::new());
    let (stream, ..) = world.probe(ContainerState::Running, 0);
    world.answer(stream, Answer::Data(line(50, "a").as_bytes()));
    world.answer(stream, broken());
    let (question, _) = world.asked();
    let instance = Instance {
        container: "web".to_owned(),
        state: ContainerState::Running,
        restarts: 0,
        started: None,
        found: second(20),
    };
    world.answer(question, Answer::Probed(instance));
    let (_, ask) = world.asked();
    let Ask::Stream { since, .. } = ask else {
        panic!("{ask:?}");
    };
    assert_eq!(since, Some(second(20) - CLOCK_BACK_SECONDS));
}

#[test]
fn missing_instances_are_counted_once_although_the_previous_one_is_asked_for_again() {
    let mut world = World::new(Vec::new());
    let (stream, ..) = world.probe(ContainerState::Running, 0);
    world.answer(stream, Answer::Data(line(5, "a").as_bytes()));
    world.answer(stream, broken());
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

mod cuts {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// However the bytes of a stream are cut into chunks, also within a timestamp or a character, and wherever it breaks: the
        /// same lines are shipped once.
        #[test]
        fn of_chunks_and_connections_do_not_matter(
            lines in proptest::collection::vec((0u32..3, "[a-zß日 ]{0,12}"), 1..40),
            chunks in proptest::collection::vec(1usize..40, 1..20),
            breaks in proptest::collection::vec((0usize..2000, any::<bool>()), 0..4),
        ) {
            let mut time = 10;
            let mut log = Vec::new();
            for (step, text) in &lines {
                time = (time + step).min(59);
                log.push(line(time, text));
            }
            let expected: String = lines.iter().flat_map(|(_, text)| [text, "\n"]).collect();
            let mut world = World::new(Vec::new());
            for (at, cleanly) in breaks.into_iter().map(Some).chain([None]).map(|cut| cut.unwrap_or((usize::MAX, true))) {
                let (stream, _, _, since) = world.probe(ContainerState::Running, 0);
                let served: String = log
                    .iter()
                    .filter(|line| since.is_none_or(|since| {
                        line[..19].parse::<jiff::civil::DateTime>().unwrap().to_zoned(jiff::tz::TimeZone::UTC).unwrap().timestamp().as_second() >= since
                    }))
                    .map(String::as_str)
                    .collect();
                let mut rest = &served.as_bytes()[..at.min(served.len())];
                for length in chunks.iter().cycle() {
                    if rest.is_empty() {
                        break;
                    }
                    let (chunk, behind) = rest.split_at((*length).min(rest.len()));
                    world.answer(stream, Answer::Data(chunk));
                    rest = behind;
                }
                world.answer(stream, if cleanly { Answer::Ended } else { broken() });
            }
            prop_assert_eq!(&world.shipped, &expected);
            prop_assert_eq!(world.follow.counts(), FollowCounts::default());
        }
    }
}
