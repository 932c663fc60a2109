use super::*;
use crate::config::{Files, Pod, Sink, SinkKind, Source, SourceKind};
use crate::engine::batch::LaneSettings;
use crate::engine::checkpoint::Identity;
use crate::engine::tail::{Chunk, Entry, Look};
use crate::sink::encode::Text;
use logship_crd::agent_config::{Framing, StartAt};
use std::sync::Arc;

const DRAIN_TIME: Duration = Duration::from_secs(10);
/// Changes have been gathered by then.
const COALESCED: Duration = Duration::from_millis(200);

/// It follows a directory.
fn pipeline() -> Pipeline {
    let files = Files {
        directory: "/logs".into(),
        pattern: regex::bytes::Regex::new(".+").unwrap(),
        scan_interval: Duration::from_secs(1),
        start_at: StartAt::Beginning,
        create: false,
        framing: Framing::Lines,
        multiline: None,
    };
    Pipeline {
        sources: vec![Source {
            name: "files".to_owned(),
            kind: SourceKind::Files(files),
        }],
        drain: DRAIN_TIME,
        ..Pipeline::empty()
    }
}

fn engine(persistent: bool) -> Engine {
    engine_of(&pipeline(), persistent)
}

fn engine_of(pipeline: &Pipeline, persistent: bool) -> Engine {
    let start = Start {
        pod: &Pod::default(),
        checkpoint: None,
        spools: std::collections::BTreeMap::new(),
        persistent,
        is_first: true,
        once: false,
        seed: 1,
    };
    Engine::new(pipeline, start)
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
    let mut engine = engine(false);
    engine.handle(Tick::ZERO, Input::Drain(Drain::UntilEnd));
    assert_eq!(
        finishes(&mut engine, Tick::ZERO, DRAIN_TIME),
        Some(DRAIN_TIME.saturating_sub(LAST_LOOK))
    );
}

#[test]
fn drain_ends_as_soon_as_the_other_containers_have_ended() {
    let mut engine = engine(false);
    engine.handle(Tick::ZERO, Input::Drain(Drain::UntilEnd));
    let ended = Duration::from_secs(3);
    assert_eq!(finishes(&mut engine, Tick::ZERO, ended), None);
    engine.handle(ended, Input::Drain(Drain::WhatIsThere));
    assert_eq!(finishes(&mut engine, ended, DRAIN_TIME), Some(ended));
}

/// What the engine did.
#[derive(Debug, Default, PartialEq, Eq)]
struct Done {
    /// Offsets that were saved.
    saved: Vec<u64>,
    /// Bodies of the batches that were sent.
    sent: Vec<String>,
}

/// Does what the engine asks for until it has nothing to do, where the directory holds one file with these contents. Nobody answers
/// for what is sent.
fn live_on(engine: &mut Engine, now: Tick, contents: &[u8]) -> Done {
    let mut done = Done::default();
    while let Some(output) = engine.poll(now) {
        answer(engine, now, contents, output, &mut done);
    }
    done
}

fn answer(engine: &mut Engine, now: Tick, contents: &[u8], output: Output, done: &mut Done) {
    let identity = Identity { device: 1, inode: 2 };
    let size = contents.len() as u64;
    match output {
        Output::List { source, .. } => {
            let entry = Entry {
                name: "a.log".to_owned(),
                identity,
                size,
                modified_ns: 0,
                matches: true,
            };
            let listing = Ok(vec![entry]);
            engine.handle(now, Input::Listed { source, listing });
        }
        Output::Open { file, .. } => {
            let look = Look {
                identity,
                size,
                head: contents,
            };
            engine.handle(now, Input::Opened { file, look });
        }
        Output::Read {
            file,
            offset,
            look_at_head,
        } => {
            let from = contents.len().min(usize::try_from(offset).unwrap());
            let chunk = Chunk {
                size,
                head: look_at_head.then_some(contents),
                bytes: &contents[from..],
                wall: 0,
            };
            engine.handle(now, Input::Chunk { file, chunk });
        }
        Output::Save(document) => {
            let checkpoint = Checkpoint::parse(&document, "shop").unwrap();
            let offsets = checkpoint.files["files"].iter().map(|file| file.offset);
            done.saved.extend(offsets);
        }
        Output::Send { batch, .. } => done.sent.push(String::from_utf8_lossy(&batch.body).into_owned()),
        _ => {}
    }
}

/// Otherwise the next process would take the old contents' fingerprint as proof that the file is another.
#[test]
fn noticed_truncation_is_saved_although_no_record_follows() {
    let mut engine = engine(true);
    let [read, saved, truncated, over] = [0, 1, 2, 3].map(Duration::from_secs);
    live_on(&mut engine, read, b"old contents\n");
    assert_eq!(live_on(&mut engine, saved, b"old contents\n").saved, [13]);
    engine.handle(
        truncated,
        Input::Changed {
            source: None,
            names: false,
        },
    );
    let found = [truncated, truncated + COALESCED, over].map(|now| live_on(&mut engine, now, b"").saved);
    assert_eq!(found.concat(), [0]);
}

/// Nothing more is read then, so the batch would only wait for its age.
#[test]
fn batch_that_is_not_full_is_sent_at_once_where_no_more_may_be_held() {
    let held_max = |in_flight_bytes_max| {
        let sink = Sink {
            name: "sink".to_owned(),
            summary: None,
            lane: LaneSettings {
                bytes_max: 1 << 20,
                age_max: Duration::from_secs(60),
                ..LaneSettings::of(Arc::new(Text))
            },
            kind: SinkKind::Stdout,
        };
        let pipeline = Pipeline {
            sinks: vec![sink],
            in_flight_bytes_max,
            ..pipeline()
        };
        live_on(&mut engine_of(&pipeline, false), Tick::ZERO, b"one\ntwo\n").sent
    };
    assert_eq!(held_max(9), [""; 0]);
    assert_eq!(held_max(8), ["one\ntwo\n"]);
}

/// Otherwise it would be sent and not saved, and the next process would send it again.
#[test]
fn nothing_is_read_any_more_once_the_end_of_a_drain_is_saved() {
    let mut engine = engine(true);
    let now = Tick::ZERO;
    live_on(&mut engine, now, b"one\n");
    engine.handle(now, Input::Drain(Drain::WhatIsThere));
    let mut done = Done::default();
    while done.saved.is_empty() {
        let output = engine.poll(now).expect("what was read is saved");
        answer(&mut engine, now, b"one\n", output, &mut done);
    }
    assert_eq!(done.saved, [4]);
    let (source, name) = (0, "a.log");
    engine.handle(now, Input::Touched { source, name });
    let last = engine.poll(now);
    assert!(
        matches!(last, Some(Output::Finished { drained: true })),
        "{last:?}"
    );
}

/// Otherwise a crash would let a source begin once more where its files end.
#[test]
fn source_that_is_listed_after_the_first_save_is_saved_at_once() {
    let mut pipeline = pipeline();
    let another = Source {
        name: "others".to_owned(),
        ..pipeline.sources[0].clone()
    };
    pipeline.sources.push(another);
    let mut engine = engine_of(&pipeline, true);
    let mut saved = Vec::new();
    let mut poll = |engine: &mut Engine| {
        while let Some(output) = engine.poll(Tick::ZERO) {
            if let Output::Save(document) = output {
                let checkpoint = Checkpoint::parse(&document, "shop").unwrap();
                saved.push(checkpoint.files.len());
            }
        }
    };
    poll(&mut engine);
    for source in [0, 1] {
        let listing = Ok(Vec::new());
        engine.handle(Tick::ZERO, Input::Listed { source, listing });
        poll(&mut engine);
    }
    assert_eq!(saved, [1, 2]);
}
