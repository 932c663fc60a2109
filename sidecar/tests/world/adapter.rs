//! The only file that knows how the engine is spoken to: the world's words on one side, `Input` and `Output` on the other.

use logship::config::{Files, Pipeline, Pod, Sink, SinkKind, Source, SourceKind};
use logship::engine::batch::{BatchId, LaneSettings};
use logship::engine::checkpoint::{Checkpoint, FilePosition, Fingerprint, Identity, Trail};
use logship::engine::follow::Drain;
use logship::engine::outlets::StreamId;
use logship::engine::tail::{Chunk, Entry, Look};
use logship::engine::{Engine, Input, Output, RECORD_BYTES_MAX, Start};
use logship::pipeline::Steps;
use logship::record::time::Nanos;
use logship::sink::encode::{Batch, Encode, Json, Text};
use logship::sink::verdict::Verdict;
use logship_crd::agent_config::{Framing, StartAt};
use std::sync::Arc;
use std::time::Duration;

pub use logship::engine::Tick;
pub use logship::engine::tail::rotated;
pub use logship::sink::verdict::Failure;

/// Longer records are cut.
pub const RECORD_BYTES: usize = RECORD_BYTES_MAX;
const NAME: &str = "shop";

/// What the pipeline under test is made of.
#[derive(Debug, Clone)]
pub struct Setup {
    pub sources: usize,
    pub sinks: Vec<SinkSetup>,
    pub scan_interval: Duration,
    pub start_at_end: bool,
    pub drain: Duration,
    /// Of all sinks together.
    pub in_flight_bytes: usize,
}

#[derive(Debug, Clone)]
pub struct SinkSetup {
    pub batch_bytes: usize,
    pub batch_age: Duration,
    pub json: bool,
    /// So many batches may be on their way.
    pub in_flight: usize,
}

/// A name in a directory.
#[derive(Debug, Clone)]
pub struct Listed {
    pub name: String,
    pub device: u64,
    pub inode: u64,
    pub size: u64,
    pub modified_ns: i128,
    pub matches: bool,
}

/// What the engine wants done.
#[derive(Debug)]
pub enum Demand {
    List {
        source: usize,
        wanted: Vec<u64>,
    },
    Open {
        source: usize,
        file: StreamId,
        name: String,
    },
    Read {
        file: StreamId,
        offset: u64,
        look_at_head: bool,
    },
    Close {
        file: StreamId,
    },
    Send {
        sink: usize,
        batch: BatchId,
        records: Vec<Vec<u8>>,
    },
    Reject {
        sink: usize,
        records: Vec<Vec<u8>>,
        /// How many of them.
        given_up: u64,
    },
    Save(Vec<u8>),
    Report(String),
    Finished {
        drained: bool,
    },
}

/// What a sink says of a batch.
#[derive(Debug, Clone)]
pub enum Answer {
    Delivered,
    Retry(Option<Duration>),
    Refused,
    Partly(Vec<(usize, Failure)>),
    Lost(u64),
}

/// What a read found.
#[derive(Debug)]
pub struct Found<'a> {
    pub size: u64,
    pub head: Option<&'a [u8]>,
    pub bytes: &'a [u8],
    pub wall: Nanos,
}

/// A place in a file that a checkpoint calls settled.
#[derive(Debug, Clone)]
pub struct Saved {
    pub device: u64,
    pub inode: u64,
    pub offset: u64,
    fingerprint: Fingerprint,
    trail: Trail,
}

/// The engine under test.
#[derive(Debug)]
pub struct Subject(Engine);

impl Subject {
    /// Starts from a checkpoint. One that cannot be read counts as none; then everything is read from its beginning.
    pub fn start(setup: &Setup, checkpoint: Option<&[u8]>, seed: u64) -> Self {
        let parsed = checkpoint.map(|text| Checkpoint::parse(text, NAME));
        let unusable = matches!(parsed, Some(Err(_)));
        let files = || Files {
            directory: "/logs".into(),
            pattern: regex::bytes::Regex::new("").expect("the empty expression is one"),
            scan_interval: setup.scan_interval,
            start_at: if setup.start_at_end && !unusable {
                StartAt::End
            } else {
                StartAt::Beginning
            },
            create: false,
            framing: Framing::Lines,
            multiline: None,
        };
        let source = |number: usize| Source {
            name: name(number),
            kind: SourceKind::Files(files()),
        };
        let sink = |(number, sink): (usize, &SinkSetup)| Sink {
            name: format!("sink-{number}"),
            summary: None,
            lane: lane(sink),
            kind: SinkKind::Stdout,
        };
        let pipeline = Pipeline {
            name: NAME.to_owned(),
            resource: None,
            generation: 1,
            written: None,
            sources: (0..setup.sources).map(source).collect(),
            sinks: setup.sinks.iter().enumerate().map(sink).collect(),
            steps: Steps::default(),
            drain: setup.drain,
            record_bytes_max: RECORD_BYTES,
            dead_letter_bytes_max: 1 << 20,
            in_flight_bytes_max: setup.in_flight_bytes,
            open_files_max: 1000,
        };
        let start = Start {
            pod: &Pod::default(),
            checkpoint: parsed.and_then(Result::ok),
            spools: std::collections::BTreeMap::new(),
            persistent: true,
            is_first: true,
            once: false,
            seed,
        };
        Self(Engine::new(&pipeline, start))
    }

    pub fn poll(&mut self, now: Tick) -> Option<Demand> {
        Some(match self.0.poll(now)? {
            Output::List { source, wanted } => Demand::List { source, wanted },
            Output::Open { source, file, name } => Demand::Open { source, file, name },
            Output::Read {
                file,
                offset,
                look_at_head,
            } => Demand::Read {
                file,
                offset,
                look_at_head,
            },
            Output::Close { file } => Demand::Close { file },
            Output::Send { sink, id, batch } => Demand::Send {
                sink,
                batch: id,
                records: records(&batch),
            },
            Output::Reject { sink, rejected } => Demand::Reject {
                sink,
                records: records(&rejected.batch),
                given_up: rejected.records,
            },
            Output::Save(document) => Demand::Save(document),
            Output::Report(report) => Demand::Report(report.to_string()),
            Output::Finished { drained } => Demand::Finished { drained },
            Output::HandedOver { .. } => unreachable!("no pipeline of the world is replaced"),
            Output::Ask { .. } | Output::Spool { .. } => {
                unreachable!("no pipeline of the world reads containers")
            }
            Output::Alert(_) => unreachable!("no pipeline of the world has steps"),
        })
    }

    pub fn next_deadline(&self) -> Option<Tick> {
        self.0.next_deadline()
    }

    pub fn listed(&mut self, now: Tick, source: usize, listing: Result<Vec<Listed>, String>) {
        let entry = |found: Listed| Entry {
            name: found.name,
            identity: Identity {
                device: found.device,
                inode: found.inode,
            },
            size: found.size,
            modified_ns: found.modified_ns,
            matches: found.matches,
        };
        let listing = listing.map(|found| found.into_iter().map(entry).collect());
        self.0.handle(now, Input::Listed { source, listing });
    }

    pub fn opened(&mut self, now: Tick, file: StreamId, (device, inode): (u64, u64), contents: &[u8]) {
        let look = Look {
            identity: Identity { device, inode },
            size: contents.len() as u64,
            head: head(contents),
        };
        self.0.handle(now, Input::Opened { file, look });
    }

    pub fn failed(&mut self, now: Tick, file: StreamId, error: &str) {
        let error = error.to_owned();
        self.0.handle(now, Input::FileFailed { file, error });
    }

    pub fn chunk(&mut self, now: Tick, file: StreamId, found: &Found<'_>) {
        let Found {
            size,
            head,
            bytes,
            wall,
        } = *found;
        let chunk = Chunk {
            size,
            head,
            bytes,
            wall,
        };
        self.0.handle(now, Input::Chunk { file, chunk });
    }

    /// The names of a directory changed, or of all.
    pub fn renamed(&mut self, now: Tick, source: Option<usize>) {
        self.0.handle(now, Input::Changed { source, names: true });
    }

    /// The contents of one file changed.
    pub fn touched(&mut self, now: Tick, source: usize, name: &str) {
        self.0.handle(now, Input::Touched { source, name });
    }

    pub fn answered(&mut self, now: Tick, sink: usize, batch: BatchId, answer: Answer) {
        let error = "scripted".to_owned();
        let verdict = match answer {
            Answer::Delivered => Verdict::Delivered,
            Answer::Retry(after) => Verdict::Retry { after, error },
            Answer::Refused => Verdict::Refused { error },
            Answer::Partly(failures) => Verdict::Partly {
                failures,
                after: None,
                error,
            },
            Answer::Lost(records) => Verdict::Lost { records, error },
        };
        self.0.handle(now, Input::Settled { sink, batch, verdict });
    }

    pub fn save_failed(&mut self, now: Tick) {
        self.0.handle(now, Input::SaveFailed);
    }

    pub fn drain(&mut self, now: Tick, until_end: bool) {
        let how = if until_end {
            Drain::UntilEnd
        } else {
            Drain::WhatIsThere
        };
        self.0.handle(now, Input::Drain(how));
    }

    /// Records delivered to each sink, and the bytes that are known and not read.
    pub fn status(&self) -> (Vec<u64>, u64) {
        let status = self.0.status();
        let sent = status.sinks.iter().map(|sink| sink.sent).collect();
        (sent, status.files.iter().map(|source| source.lag_bytes).sum())
    }
}

fn lane(sink: &SinkSetup) -> LaneSettings {
    let encoder: Arc<dyn Encode> = if sink.json { Arc::new(Json) } else { Arc::new(Text) };
    LaneSettings {
        bytes_max: sink.batch_bytes,
        age_max: sink.batch_age,
        in_flight_max: sink.in_flight,
        ..LaneSettings::of(encoder)
    }
}

fn records(batch: &Batch) -> Vec<Vec<u8>> {
    batch.encoded().map(<[u8]>::to_vec).collect()
}

/// The part of a file's contents that identifies it.
pub fn head(contents: &[u8]) -> &[u8] {
    &contents[..contents.len().min(Fingerprint::BYTES_MAX)]
}

/// The positions of a checkpoint; none if it cannot be read.
pub fn positions(checkpoint: &[u8]) -> Option<Vec<Saved>> {
    let saved = |position: FilePosition| Saved {
        device: position.identity.device,
        inode: position.identity.inode,
        offset: position.offset,
        fingerprint: position.fingerprint,
        trail: position.trail,
    };
    let files = Checkpoint::parse(checkpoint, NAME).ok()?.files;
    Some(files.into_values().flatten().map(saved).collect())
}

/// Whether a checkpoint that can be read lacks a source: the next process begins with it as if it never ran.
pub fn lacks(checkpoint: &[u8], source: usize) -> bool {
    let parsed = Checkpoint::parse(checkpoint, NAME);
    parsed.is_ok_and(|parsed| !parsed.files.contains_key(&name(source)))
}

fn name(source: usize) -> String {
    format!("source-{source}")
}

/// The same checkpoint with other offsets; for what must not happen.
pub fn with_offsets(checkpoint: &[u8], offset_of: impl Fn(&Saved) -> u64) -> Vec<u8> {
    let mut parsed = Checkpoint::parse(checkpoint, NAME).expect("the engine's own checkpoint");
    let saved = positions(checkpoint).unwrap_or_default();
    let positions = parsed.files.values_mut().flatten();
    for (position, saved) in positions.zip(&saved) {
        position.offset = offset_of(saved);
    }
    parsed.to_bytes()
}

impl Saved {
    /// Whether more than the inode tells the file from others.
    pub fn is_telling(&self) -> bool {
        self.fingerprint.bytes > 0
    }

    /// Whether a restart that finds these contents goes on at the position.
    pub fn fits(&self, contents: &[u8]) -> bool {
        let trail = usize::try_from(self.trail.start()).unwrap_or(usize::MAX);
        let leads = contents.get(trail..).and_then(|read| self.trail.leads(read));
        contents.len() as u64 >= self.offset && self.fingerprint.matches(contents) && leads == Some(true)
    }
}
