mod clock;
mod cuts;
mod gaps;

use super::answers::{CLOCK_BACK_SECONDS, DRAIN_RETRY_INTERVAL, PREVIOUS_PATIENCE};
use super::*;
use crate::engine::batch::{Lane, LaneSettings};
use crate::engine::outlets::Outlets;
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
        Self::of(Instances::unread(true), known)
    }

    fn of(instances: Instances, known: Vec<(String, ContainerPosition)>) -> Self {
        let lane = Lane::new(LaneSettings {
            age_max: Duration::ZERO,
            ..LaneSettings::of(Arc::new(Text))
        });
        Self {
            follow: Follow::new(1, Context::default(), instances, known),
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
        self.answer(question, found(state, restarts, None));
    }

    /// Of a container that runs, whose first stream brought this and broke.
    fn broken_behind(output: &str) -> Self {
        let mut world = Self::new(Vec::new());
        let (stream, ..) = world.probe(ContainerState::Running, 0);
        world.answer(stream, Answer::Data(output.as_bytes()));
        world.answer(stream, broken());
        world
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
    assert!(previous, "until nothing new comes");
    world.answer(stream, Answer::Ended);
    let (stream, previous, ..) = world.probe(ContainerState::Running, 1);
    assert!(!previous);
    world.answer(stream, Answer::Data(line(7, "again").as_bytes()));
    assert_eq!(world.shipped, "a\nlast words\nagain\n");
}

/// Answers with `answer` whenever the previous instance is asked for: how long it takes until the present one is.
fn until_present(world: &mut World, answer: impl Fn(&mut World, u64)) -> Duration {
    let begin = world.now;
    for _ in 0..100 {
        let (stream, previous, ..) = world.probe(ContainerState::Running, 1);
        if !previous {
            return world.now.saturating_sub(begin);
        }
        answer(world, stream);
    }
    panic!("the present instance is never asked for");
}

fn missing(world: &World) -> usize {
    let told = |report: &&Report| matches!(report, Report::OutputGap { instances: 1, .. });
    world.reports.iter().filter(told).count()
}

#[test]
fn previous_instance_that_stays_absent_is_reported_as_a_gap_and_the_present_one_is_read() {
    let absent = |world: &mut World, stream| world.answer(stream, Answer::Absent("not found".to_owned()));
    // As the kubelet ends an answer that it cannot go on with.
    let refused = |world: &mut World, stream| {
        world.answer(stream, Answer::Data(b"unable to retrieve container logs"));
        world.answer(stream, Answer::Ended);
    };
    for is_refused in [false, true] {
        let mut world = World::new(Vec::new());
        let waited = if is_refused {
            until_present(&mut world, refused)
        } else {
            until_present(&mut world, absent)
        };
        let expected = PREVIOUS_PATIENCE..PREVIOUS_PATIENCE + Duration::from_secs(1);
        assert!(expected.contains(&waited), "{waited:?}");
        assert_eq!((missing(&world), world.follow.counts().missed_instances), (1, 1));
    }
}

#[test]
fn previous_instance_that_is_absent_for_a_moment_is_no_gap() {
    let mut world = World::new(Vec::new());
    let (stream, ..) = world.probe(ContainerState::Running, 1);
    world.answer(stream, Answer::Absent("pod does not exist".to_owned()));
    let (stream, previous, ..) = world.probe(ContainerState::Running, 1);
    assert!(previous);
    world.answer(stream, Answer::Data(line(5, "last words").as_bytes()));
    world.answer(stream, Answer::Ended);
    until_present(&mut world, |world, stream| {
        world.answer(stream, Answer::Data(line(5, "last words").as_bytes()));
        world.answer(stream, Answer::Ended);
    });
    assert_eq!((world.shipped.as_str(), missing(&world)), ("last words\n", 0));
}

#[test]
fn empty_answer_is_no_end_until_it_came_twice() {
    let mut world = World::new(Vec::new());
    let (stream, ..) = world.probe(ContainerState::Ended, 0);
    world.answer(stream, Answer::Ended);
    for _ in 0..2 {
        let (stream, ..) = world.probe(ContainerState::Ended, 0);
        world.answer(stream, Answer::Data(line(5, "a").as_bytes()));
        world.answer(stream, Answer::Ended);
    }
    assert_eq!(world.shipped, "a\n");
    world.look(ContainerState::Ended, 0);
    let (_, ask) = world.asked();
    assert_eq!(ask, Ask::Probe, "there is nothing more");
}

/// The API server ends its answer cleanly where the kubelet broke off.
#[test]
fn end_of_an_instance_is_believed_once_it_came_twice_and_no_line_is_torn() {
    let whole = line(5, "a") + &line(6, "last words") + "2026-01-02T03:04:07Z no newline";
    for (state, restarts) in [(ContainerState::Ended, 0), (ContainerState::Running, 1)] {
        let mut world = World::new(Vec::new());
        for part in [line(5, "a").len() + 30, whole.len() - 3, whole.len(), whole.len()] {
            let (stream, previous, ..) = world.probe(state, restarts);
            assert_eq!(previous, restarts == 1, "{}", world.shipped);
            world.answer(stream, Answer::Data(&whole.as_bytes()[..part]));
            world.answer(stream, Answer::Ended);
        }
        assert_eq!(world.shipped, "a\nlast words\nno newline\n");
    }
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
fn ended_container_is_read_to_its_end_and_then_drains_at_once() {
    let mut world = World::new(Vec::new());
    for _ in 0..2 {
        let (stream, ..) = world.probe(ContainerState::Ended, 0);
        world.answer(
            stream,
            Answer::Data((line(5, "a") + "2026-01-02T03:04:06Z no newline").as_bytes()),
        );
        world.answer(stream, Answer::Ended);
    }
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
    for _ in 0..2 {
        assert!(!world.follow.is_drained());
        let (stream, ..) = world.probe(ContainerState::NotStarted, 0);
        world.answer(stream, Answer::Data(b"2026-01-02T03:04:05Z done"));
        world.answer(stream, Answer::Ended);
    }
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
