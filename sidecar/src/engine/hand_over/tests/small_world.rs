//! One directory with one log, one sink, and a clock: enough to see what a change loses or repeats.

use crate::config::{Boundary, Files, Multiline, Pipeline, Pod, Sink, SinkKind, Source, SourceKind};
use crate::engine::batch::{BatchId, LaneSettings};
use crate::engine::checkpoint::Identity;
use crate::engine::follow::Drain;
use crate::engine::outlets::StreamId;
use crate::engine::tail::{Chunk, Entry, Look};
use crate::engine::{Engine, Input, Output, Start, Tick};
use crate::sink::encode::{Batch, Text};
use crate::sink::verdict::Verdict;
use logship_crd::agent_config::{Framing, StartAt};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// What every pattern matches.
const CURRENT: &str = "app.log";

/// What the sink says during a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answers {
    Take,
    Fail,
    Silence,
}

struct SmallFile {
    name: Option<String>,
    contents: Vec<u8>,
}

pub struct World {
    pub now: Tick,
    pub engine: Engine,
    /// How often a file was opened.
    pub opened: usize,
    /// Whether it was drained, once it has ended.
    pub finished: Option<bool>,
    handed_over: Option<bool>,
    files: Vec<SmallFile>,
    open: BTreeMap<StreamId, usize>,
    pending: VecDeque<(BatchId, Batch)>,
    taken: Vec<u8>,
}

impl World {
    pub const DRAIN: Duration = Duration::from_secs(10);

    pub fn new() -> Self {
        let engine = Engine::new(&Self::pipeline(0), start(&Pod::default()));
        let mut world = Self {
            now: Tick::ZERO,
            engine,
            opened: 0,
            finished: None,
            handed_over: None,
            files: Vec::new(),
            open: BTreeMap::new(),
            pending: VecDeque::new(),
            taken: Vec::new(),
        };
        world.run();
        world
    }

    /// Kinds differ in what a change can be about: the joining of lines, the pattern, the longest record.
    pub fn pipeline(kind: u8) -> Pipeline {
        let multiline = (kind % 2 == 1).then(|| Multiline {
            boundary: Boundary::Start(regex::bytes::Regex::new("^[a-m]").unwrap()),
            lines_max: 5,
            timeout: Duration::from_secs(3),
        });
        let pattern = if kind < 2 { r"^app\.log$" } else { r"app\.log$" };
        let files = Files {
            directory: "/logs".into(),
            pattern: regex::bytes::Regex::new(pattern).unwrap(),
            scan_interval: Duration::from_secs(1),
            start_at: StartAt::End,
            create: false,
            framing: Framing::Lines,
            multiline,
        };
        let lane = LaneSettings {
            bytes_max: 48,
            age_max: Duration::from_millis(100),
            in_flight_max: 2,
            ..LaneSettings::of(Arc::new(Text))
        };
        Pipeline {
            sources: vec![Source {
                name: "files".to_owned(),
                kind: SourceKind::Files(files),
            }],
            sinks: vec![Sink {
                name: "sink".to_owned(),
                summary: None,
                lane,
                kind: SinkKind::Stdout,
            }],
            drain: Self::DRAIN,
            in_flight_bytes_max: 200,
            ..Pipeline::empty()
        }
    }

    pub fn append(&mut self, bytes: &[u8]) {
        if self.current().is_none() {
            self.files.push(SmallFile {
                name: Some(CURRENT.to_owned()),
                contents: Vec::new(),
            });
        }
        let current = self.current().unwrap();
        self.files[current].contents.extend_from_slice(bytes);
        self.changed();
    }

    /// As logrotate does: the highest number is the oldest. The writer ends its line before.
    pub fn rotate(&mut self) {
        if let Some(current) = self.current().filter(|file| self.is_seen(*file)) {
            self.append(b"\n");
            let rotated = self.files[..current].iter_mut();
            let rotated = rotated.rev().filter_map(|file| file.name.as_mut());
            for (age, name) in rotated.enumerate() {
                *name = format!("{CURRENT}.{}", age + 2);
            }
            self.files[current].name = Some(format!("{CURRENT}.1"));
            self.changed();
        }
    }

    /// Of a file that nobody has seen, nobody knows.
    pub fn delete(&mut self) {
        if let Some(current) = self.current().filter(|file| self.is_seen(*file)) {
            self.append(b"\n");
            self.files[current].name = None;
            self.changed();
        }
    }

    pub fn open_files(&self) -> usize {
        self.open.len()
    }

    /// Does what the engine asks for until nothing is left but waiting. Batches stay with the sink.
    pub fn run(&mut self) {
        while let Some(output) = self.engine.poll(self.now) {
            self.perform(output);
        }
    }

    /// Until everything that is there was noticed.
    pub fn read(&mut self) {
        for _ in 0..20 {
            self.run();
            self.now += Duration::from_millis(20);
        }
    }

    pub fn take_some(&mut self) {
        if let Some((batch, body)) = self.pending.pop_front() {
            self.taken.extend_from_slice(&body.body);
            self.settle(batch, Verdict::Delivered);
        }
    }

    pub fn refuse_all(&mut self) {
        for (batch, _) in std::mem::take(&mut self.pending) {
            let error = "busy".to_owned();
            self.settle(batch, Verdict::Retry { after: None, error });
        }
    }

    /// Lives on for a while in which the sink takes everything.
    pub fn take_all(&mut self) {
        for _ in 0..2000 {
            self.run();
            while !self.pending.is_empty() {
                self.take_some();
                self.run();
            }
            self.now += Duration::from_millis(20);
        }
    }

    pub fn finish(&mut self) {
        self.take_all();
        self.engine.handle(self.now, Input::Drain(Drain::WhatIsThere));
        self.take_all();
        assert_eq!(self.finished, Some(true));
    }

    /// Whether everything that was read was taken.
    pub fn hand_over(&mut self, answers: Answers, next: &Pipeline) -> bool {
        self.engine.handle(self.now, Input::HandOver);
        self.handed_over = None;
        let drained = loop {
            self.run();
            if let Some(drained) = self.handed_over {
                break drained;
            }
            match answers {
                Answers::Take if !self.pending.is_empty() => self.take_some(),
                Answers::Fail if !self.pending.is_empty() => self.refuse_all(),
                Answers::Take | Answers::Fail | Answers::Silence => {
                    self.now = self.engine.next_deadline().unwrap().max(self.now);
                }
            }
        };
        // Who has gone answers no more.
        self.pending.clear();
        let pod = Pod::default();
        let before = std::mem::replace(&mut self.engine, Engine::new(&Pipeline::empty(), start(&pod)));
        self.engine = Engine::after(before, self.now, next, &start(&pod));
        drained
    }

    /// What the sink has taken. Ends of lines are nothing special: they may be where a record was cut.
    pub fn delivered(&self) -> String {
        String::from_utf8(self.taken.clone()).unwrap().replace('\n', " ")
    }

    fn settle(&mut self, batch: BatchId, verdict: Verdict) {
        let settled = Input::Settled {
            sink: 0,
            batch,
            verdict,
        };
        self.engine.handle(self.now, settled);
    }

    fn changed(&mut self) {
        let changed = Input::Changed {
            source: None,
            names: true,
        };
        self.engine.handle(self.now, changed);
    }

    fn current(&self) -> Option<usize> {
        let is_current = |file: &SmallFile| file.name.as_deref() == Some(CURRENT);
        self.files.iter().position(is_current)
    }

    fn is_seen(&self, file: usize) -> bool {
        self.open.values().any(|open| *open == file)
    }

    fn perform(&mut self, output: Output) {
        let now = self.now;
        match output {
            Output::List { source, .. } => {
                let listing = Ok(self.entries());
                self.engine.handle(now, Input::Listed { source, listing });
            }
            Output::Open { file, name, .. } => {
                let found = self
                    .files
                    .iter()
                    .position(|file| file.name.as_ref() == Some(&name));
                let index = found.unwrap();
                let contents = &self.files[index].contents;
                let look = Look {
                    identity: identity(index),
                    size: contents.len() as u64,
                    head: &contents[..contents.len().min(1024)],
                };
                self.opened += 1;
                self.open.insert(file, index);
                self.engine.handle(now, Input::Opened { file, look });
            }
            Output::Read {
                file,
                offset,
                look_at_head,
            } => {
                let contents = &self.files[self.open[&file]].contents;
                let head = &contents[..contents.len().min(1024)];
                let chunk = Chunk {
                    size: contents.len() as u64,
                    head: look_at_head.then_some(head),
                    bytes: contents
                        .get(usize::try_from(offset).unwrap()..)
                        .unwrap_or_default(),
                    wall: 0,
                };
                self.engine.handle(now, Input::Chunk { file, chunk });
            }
            Output::Close { file } => {
                self.open.remove(&file).unwrap();
            }
            Output::Send { id, batch, .. } => self.pending.push_back((id, batch)),
            Output::Finished { drained } => self.finished = Some(drained),
            Output::HandedOver { drained } => self.handed_over = Some(drained),
            Output::Ask { .. } | Output::Spool { .. } | Output::Reject { .. } | Output::Alert(_) => {
                panic!("{output:?}")
            }
            Output::Save(_) | Output::Report(_) => {}
        }
    }

    fn entries(&self) -> Vec<Entry> {
        let named = self.files.iter().enumerate();
        let entry = |(index, file): (usize, &SmallFile)| {
            Some(Entry {
                name: file.name.clone()?,
                identity: identity(index),
                size: file.contents.len() as u64,
                modified_ns: i128::try_from(index).unwrap(),
                matches: file.name.as_deref() == Some(CURRENT),
            })
        };
        named.filter_map(entry).collect()
    }
}

fn start(pod: &Pod) -> Start<'_> {
    Start {
        pod,
        checkpoint: None,
        spools: std::collections::BTreeMap::new(),
        persistent: false,
        is_first: true,
        once: false,
        seed: 1,
    }
}

fn identity(index: usize) -> Identity {
    Identity {
        device: 1,
        inode: index as u64 + 1,
    }
}
