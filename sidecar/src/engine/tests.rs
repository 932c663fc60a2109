use super::*;
use crate::config::{Files, Source};
use crate::pipeline::Steps;
use logship_crd::agent_config::{Framing, StartAt};

const DRAIN_TIME: Duration = Duration::from_secs(10);

/// An engine that follows an empty directory.
fn engine() -> Engine {
    let files = Files {
        directory: "/logs".into(),
        pattern: regex::bytes::Regex::new(".+").unwrap(),
        scan_interval: Duration::from_secs(1),
        start_at: StartAt::Beginning,
        create: false,
        framing: Framing::Lines,
        multiline: None,
    };
    let pipeline = Pipeline {
        name: "shop".to_owned(),
        resource: None,
        generation: 0,
        sources: vec![Source {
            name: "files".to_owned(),
            kind: SourceKind::Files(files),
        }],
        steps: Steps::default(),
        sinks: Vec::new(),
        drain: DRAIN_TIME,
        record_bytes_max: 1 << 20,
        dead_letter_bytes_max: 1 << 20,
        in_flight_bytes_max: 1 << 20,
        open_files_max: 1000,
    };
    let start = Start {
        pod: &Pod::default(),
        checkpoint: None,
        persistent: false,
        once: false,
        seed: 1,
    };
    Engine::new(&pipeline, start)
}

/// Answers listings with nothing until the engine has finished, at the latest at `until`.
fn finishes(engine: &mut Engine, mut now: Tick, until: Tick) -> Option<Tick> {
    loop {
        match engine.poll(now) {
            Some(Output::Finished { .. }) => return Some(now),
            Some(Output::List { source, .. }) => {
                let listing = Ok(Vec::new());
                engine.handle(now, Input::Listed { source, listing });
            }
            Some(_) => {}
            None => {
                now = engine.next_deadline().filter(|at| *at <= until)?;
            }
        }
    }
}

#[test]
fn files_are_followed_while_the_other_containers_end_but_not_to_the_last_moment() {
    let mut engine = engine();
    engine.handle(Tick::ZERO, Input::Drain(Drain::UntilEnd));
    assert_eq!(
        finishes(&mut engine, Tick::ZERO, DRAIN_TIME),
        Some(DRAIN_TIME.saturating_sub(LAST_LOOK))
    );
}

#[test]
fn drain_ends_as_soon_as_the_other_containers_have_ended() {
    let mut engine = engine();
    engine.handle(Tick::ZERO, Input::Drain(Drain::UntilEnd));
    let ended = Duration::from_secs(3);
    assert_eq!(finishes(&mut engine, Tick::ZERO, ended), None);
    engine.handle(ended, Input::Drain(Drain::WhatIsThere));
    assert_eq!(finishes(&mut engine, ended, DRAIN_TIME), Some(ended));
}
