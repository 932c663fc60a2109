//! A short life of an engine: its files hold a few lines, its containers answer, its sinks take everything, and then it is stopped.
//! Whatever it began from, what it saves can be read, and it comes to its end.

use super::disk::Disk;
use logship::config::Config;
use logship::engine::checkpoint::{Checkpoint, Identity};
use logship::engine::follow::{Answer, Ask, ContainerState, Drain, Instance};
use logship::engine::spool::Found;
use logship::engine::tail::{Chunk, Entry, Look};
use logship::engine::{Engine, Input, Output, Start, Tick};
use logship::record::time::SECOND;
use logship::sink::verdict::Verdict;
use std::collections::BTreeMap;
use std::time::Duration;

/// Of every file.
pub const CONTENTS: &[u8] = b"2026-01-02T03:04:05.000000006Z stdout P a=1 status=500\n\
2026-01-02T03:04:05.000000007Z stderr F ERROR {\"user\": \"Jane\"}\n\
2026-01-02T03:04:06.000000008Z stdout F  more\n\
plain \xff text\r\n\
\n\
{\"log\":\"GET / HTTP/1.1\\n\",\"stream\":\"stdout\",\"time\":\"2026-01-02T03:04:05Z\"}\n\
half";
/// Of every container, as the API sends it: twice the same line, one that went back in time, one without.
const OUTPUT: &[u8] = b"2026-01-02T03:04:05.000000006Z first\n\
2026-01-02T03:04:05.000000006Z first\n\
2026-01-02T03:04:04Z before\n\
no time\n\
2026-01-02T03:04:06Z last\n";
/// Steps until it is stopped, and until it must be at its end.
const STOPPED_AFTER: usize = 200;
const ENDED_AFTER: usize = 20_000;

/// What is there when a life begins.
#[derive(Default)]
pub struct World {
    /// Every source sees these files.
    pub files: BTreeMap<String, Identity>,
    /// What was found of the spool of the source `output`, and its files.
    pub spool: Option<Found>,
    pub disk: Disk,
}

/// Lives by the first pipeline of a configuration.
pub fn live(config: &Config, checkpoint: Option<Checkpoint>, mut world: World) {
    let spool = world.spool.take().map(|found| ("output".to_owned(), found));
    let start = Start {
        pod: &config.pod,
        checkpoint,
        spools: spool.into_iter().collect(),
        persistent: true,
        is_first: true,
        once: false,
        seed: 1,
    };
    let mut engine = Engine::new(&config.pipelines[0], start);
    let mut now = Tick::from_secs(1);
    for step in 0..ENDED_AFTER {
        if step == STOPPED_AFTER {
            engine.handle(now, Input::Drain(Drain::WhatIsThere));
        }
        match engine.poll(now) {
            Some(Output::Finished { .. }) => return,
            Some(output) => perform(&mut engine, now, output, &mut world),
            None => now = (now + Duration::from_millis(1)).max(engine.next_deadline().unwrap_or_default()),
        }
    }
    panic!("it does not end");
}

fn perform(engine: &mut Engine, now: Tick, output: Output, world: &mut World) {
    let files = &world.files;
    match output {
        Output::List { source, .. } => {
            let listing = Ok(files.iter().map(entry).collect());
            engine.handle(now, Input::Listed { source, listing });
        }
        Output::Open { file, name, .. } => engine.handle(
            now,
            match files.get(&name) {
                Some(&identity) => Input::Opened {
                    file,
                    look: Look {
                        identity,
                        size: CONTENTS.len() as u64,
                        head: CONTENTS,
                    },
                },
                None => Input::FileFailed {
                    file,
                    error: "gone".to_owned(),
                },
            },
        ),
        Output::Read {
            file,
            offset,
            look_at_head,
        } => {
            let behind = usize::try_from(offset).ok().and_then(|from| CONTENTS.get(from..));
            let chunk = Chunk {
                size: CONTENTS.len() as u64,
                head: look_at_head.then_some(CONTENTS),
                bytes: behind.unwrap_or_default(),
                wall: 0,
            };
            engine.handle(now, Input::Chunk { file, chunk });
        }
        Output::Ask {
            stream,
            question,
            ask,
        } => {
            for answer in answers(&ask) {
                let input = Input::Answer {
                    stream,
                    question,
                    answer,
                };
                engine.handle(now, input);
            }
        }
        Output::Send { sink, id, batch } => {
            assert_eq!(batch.ends.last(), Some(&batch.body.len()));
            let verdict = Verdict::Delivered;
            engine.handle(
                now,
                Input::Settled {
                    sink,
                    batch: id,
                    verdict,
                },
            );
        }
        Output::Spool { spool, act } => {
            let done = world.disk.perform(act);
            engine.handle(now, Input::Spooled { spool, done });
        }
        Output::Save(document) => {
            let name = engine.status().name;
            Checkpoint::parse(&document, &name).expect("what is saved can be read");
        }
        Output::Close { .. }
        | Output::Reject { .. }
        | Output::Alert(_)
        | Output::Report(_)
        | Output::Finished { .. }
        | Output::HandedOver { .. } => {}
    }
}

fn entry((name, identity): (&String, &Identity)) -> Entry {
    Entry {
        name: name.clone(),
        identity: *identity,
        size: CONTENTS.len() as u64,
        modified_ns: 0,
        matches: true,
    }
}

fn answers(ask: &Ask) -> Vec<Answer<'static>> {
    match ask {
        Ask::Probe => vec![Answer::Probed(Instance {
            container: "app".to_owned(),
            state: ContainerState::Ended,
            restarts: 1,
            started: None,
            found: 1_767_323_046 * SECOND,
        })],
        Ask::Stream { .. } => vec![Answer::Data(OUTPUT), Answer::Ended],
    }
}
