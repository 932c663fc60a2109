use super::*;
use crate::config::{Files, Pod, Source, SourceKind};
use crate::engine::checkpoint::Identity;
use crate::engine::tail::{Chunk, Entry, Look};
use logship_crd::agent_config::{Framing, StartAt};

const DRAIN_TIME: Duration = Duration::from_secs(10);
/// Changes have been gathered by then.
const COALESCED: Duration = Duration::from_millis(200);

/// An engine that follows an empty directory.
fn engine(persistent: bool) -> Engine {
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
        sources: vec![Source {
            name: "files".to_owned(),
            kind: SourceKind::Files(files),
        }],
        drain: DRAIN_TIME,
        ..Pipeline::empty()
    };
    let start = Start {
        pod: &Pod::default(),
        checkpoint: None,
        spools: std::collections::BTreeMap::new(),
        persistent,
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

/// Does what the engine asks for until it has nothing to do, where the directory holds one file with these contents. Returns the
/// offsets that were saved.
fn live_on(engine: &mut Engine, now: Tick, contents: &[u8]) -> Vec<u64> {
    let identity = Identity { device: 1, inode: 2 };
    let size = contents.len() as u64;
    let mut saved = Vec::new();
    while let Some(output) = engine.poll(now) {
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
                saved.extend(checkpoint.files["files"].iter().map(|file| file.offset));
            }
            _ => {}
        }
    }
    saved
}

/// Otherwise the next process would take the old contents' fingerprint as proof that the file is another.
#[test]
fn noticed_truncation_is_saved_although_no_record_follows() {
    let mut engine = engine(true);
    let [read, saved, truncated, over] = [0, 1, 2, 3].map(Duration::from_secs);
    live_on(&mut engine, read, b"old contents\n");
    assert_eq!(live_on(&mut engine, saved, b"old contents\n"), [13]);
    engine.handle(
        truncated,
        Input::Changed {
            source: None,
            names: false,
        },
    );
    let found = [truncated, truncated + COALESCED, over].map(|now| live_on(&mut engine, now, b""));
    assert_eq!(found.concat(), [0]);
}
