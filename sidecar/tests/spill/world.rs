//! The engine with a scripted API, a disk in memory, and a sink that comes and goes. An oracle knows every line.

use crate::disk::Disk;
use crate::lines_of;
use logship::config::{Config, Environment, from_document};
use logship::engine::checkpoint::Checkpoint;
use logship::engine::follow::{Answer, Ask, ContainerState, Drain, Instance};
use logship::engine::outlets::StreamId;
use logship::engine::spool::{Fate, Scan};
use logship::engine::status::SpillStatus;
use logship::engine::{Engine, Input, Output, Start, Tick};
use logship::record::time::SECOND;
use logship::sink::verdict::Verdict;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

const BATCH_BYTES: usize = 4096;
/// Lines of one answer.
const FRAME_LINES: usize = 40;

/// What has to outlive the files of the API.
pub enum Relied {
    /// Whatever is on the disk.
    OnDisk,
    /// What is durable there, because the machine may lose its power.
    Durable,
}

/// Everything around the engine.
pub struct World {
    config: Config,
    engine: Engine,
    now: Tick,
    pub disk: Disk,
    bytes_max: usize,
    /// The sink takes what it gets.
    pub is_up: bool,
    pub relied_on: Relied,
    sending: VecDeque<(u64, Vec<usize>)>,
    /// Lines that were written, of which the API serves those from `rotated` on.
    written: usize,
    rotated: usize,
    /// The running question: stream, number, and the next line.
    asked: Option<(StreamId, u64, usize)>,
    /// Lines that the engine was handed.
    handed: usize,
    saved: Option<Vec<u8>>,
    /// Lines that were delivered, as far as the engine knows, and when that was saved.
    known: BTreeSet<usize>,
    safe: BTreeSet<usize>,
    pub delivered: Vec<usize>,
    pub reports: Vec<String>,
    pub finished: Option<bool>,
    handed_over: bool,
    is_stopped: bool,
}

impl World {
    /// With a spool of so many bytes.
    pub fn new(bytes_max: usize) -> Self {
        let config = config(bytes_max);
        let engine = start(&config, None, &mut Disk::default());
        Self {
            config,
            engine,
            now: Tick::from_secs(1),
            disk: Disk::default(),
            bytes_max,
            is_up: true,
            relied_on: Relied::OnDisk,
            sending: VecDeque::new(),
            written: 0,
            rotated: 0,
            asked: None,
            handed: 0,
            saved: None,
            known: BTreeSet::new(),
            safe: BTreeSet::new(),
            delivered: Vec::new(),
            reports: Vec::new(),
            finished: None,
            handed_over: false,
            is_stopped: false,
        }
    }

    /// The container writes so many lines.
    pub fn write(&mut self, lines: usize) {
        self.written += lines;
    }

    /// The API serves only what is neither delivered nor on the disk.
    pub fn rotate(&mut self) {
        let kept = match self.relied_on {
            Relied::OnDisk => self.on_disk(),
            Relied::Durable => self.durable(),
        };
        let mut there: BTreeSet<usize> = self.delivered.iter().copied().collect();
        there.extend(kept);
        let floor = (self.rotated..=self.written)
            .find(|line| !there.contains(line))
            .unwrap_or_default();
        self.rotated = floor.min(self.written);
    }

    /// So much time passes.
    pub fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        for _ in 0..1_000_000 {
            while let Some(output) = self.engine.poll(self.now) {
                self.perform(output);
                let bytes: usize = self.disk.files.values().map(Vec::len).sum();
                assert!(bytes <= self.bytes_max, "{bytes}");
                if self.finished.is_some() || self.handed_over {
                    return;
                }
            }
            if self.observe() {
                continue;
            }
            let next = self.engine.next_deadline().filter(|next| *next <= until);
            let Some(next) = next else {
                self.now = until;
                return;
            };
            assert!(next > self.now, "it asks for a time that is over: {next:?}");
            self.now = next;
        }
        panic!("it never rests");
    }

    /// The process is killed, and started again.
    pub fn crash(&mut self) {
        self.known = self.safe.clone();
        self.restart();
    }

    /// The machine loses its power, and what is not durable is lost but for a share of 256 of each file.
    pub fn lose_power(&mut self, share: u8) {
        self.disk.lose_power(share);
        self.crash();
    }

    /// It is told to stop, and started again.
    pub fn stop(&mut self) -> bool {
        self.engine.handle(self.now, Input::Drain(Drain::WhatIsThere));
        self.is_stopped = true;
        self.pass(Duration::from_secs(60));
        let drained = self.finished.take().expect("it ends");
        self.is_stopped = false;
        self.restart();
        drained
    }

    /// The pipeline changes: to one with a spool of so many bytes.
    pub fn change(&mut self, bytes_max: usize) {
        self.engine.handle(self.now, Input::HandOver);
        self.pass(Duration::from_secs(60));
        assert!(std::mem::take(&mut self.handed_over));
        self.sending.clear();
        self.asked = None;
        self.config = config(bytes_max);
        let known = self.engine.known();
        let changed = start_of(&self.config, Some(known), &mut self.disk);
        let empty = start_of(&self.config, None, &mut Disk::default());
        let idle = Engine::new(&self.config.pipelines[0], empty);
        let before = std::mem::replace(&mut self.engine, idle);
        self.engine = Engine::after(before, self.now, &self.config.pipelines[0], &changed);
    }

    /// What is told of the spool.
    pub fn spill(&self) -> SpillStatus {
        self.engine.status().spills[0].clone()
    }

    /// How many lines were taken from the API.
    pub fn taken(&self) -> usize {
        self.handed
    }

    /// How many lines there are.
    pub fn lines(&self) -> usize {
        self.written
    }

    /// Lines on the disk.
    pub fn on_disk(&self) -> Vec<usize> {
        let segments = self.disk.files.iter();
        let lines = segments.flat_map(|(first, bytes)| lines_of(*first, bytes));
        lines.map(|line| number(&line)).collect()
    }

    fn durable(&self) -> Vec<usize> {
        let files = self.disk.durable.iter();
        let files = files.map(|(first, length)| (*first, &self.disk.files[first][..*length]));
        let lines = files.flat_map(|(first, bytes)| lines_of(first, bytes));
        lines.map(|line| number(&line)).collect()
    }

    /// Everything comes back, and goes on until it rests. Every line was delivered, in order; only what was not in a checkpoint when the
    /// process was killed was delivered again.
    pub fn settle(&mut self) {
        self.is_up = true;
        self.disk.is_full = false;
        self.pass(Duration::from_secs(120));
        let mut seen = BTreeSet::new();
        let firsts = self.delivered.iter().filter(|line| seen.insert(**line));
        let firsts: Vec<usize> = firsts.copied().collect();
        let expected: Vec<usize> = (0..self.written).collect();
        assert!(
            firsts == expected,
            "{} of {} lines, the first that is wrong: {:?}",
            firsts.len(),
            self.written,
            firsts
                .iter()
                .zip(&expected)
                .find(|(found, expected)| found != expected)
        );
    }

    fn restart(&mut self) {
        self.sending.clear();
        self.asked = None;
        let checkpoint = self
            .saved
            .as_ref()
            .map(|text| Checkpoint::parse(text, "shop").unwrap());
        self.engine = start(&self.config, checkpoint, &mut self.disk);
        self.now += Duration::from_secs(1);
    }

    /// Hands the engine something, if there is something for it.
    fn observe(&mut self) -> bool {
        if self.is_up
            && let Some((id, lines)) = self.sending.pop_front()
        {
            for line in lines {
                assert!(self.known.insert(line), "line {line} is known to be delivered");
                self.delivered.push(line);
            }
            self.settled(id, Verdict::Delivered);
            return true;
        }
        if let Some((id, _)) = self.sending.pop_front() {
            let error = "no connection".to_owned();
            self.settled(id, Verdict::Retry { after: None, error });
            return true;
        }
        let Some((stream, question, next)) = self.asked else {
            return false;
        };
        if !self.engine.takes_output_of(stream) {
            return false;
        }
        let end = self.written.min(next + FRAME_LINES);
        let text: String = (next..end).map(line).collect();
        if text.is_empty() {
            if self.is_stopped {
                self.asked = None;
                self.tell(stream, question, Answer::Ended);
                return true;
            }
            return false;
        }
        self.asked = Some((stream, question, end));
        self.handed = self.handed.max(end);
        self.tell(stream, question, Answer::Data(text.as_bytes()));
        true
    }

    fn settled(&mut self, batch: u64, verdict: Verdict) {
        self.engine.handle(
            self.now,
            Input::Settled {
                sink: 0,
                batch,
                verdict,
            },
        );
    }

    fn perform(&mut self, output: Output) {
        match output {
            Output::Ask {
                stream,
                question,
                ask,
            } => self.answer(stream, question, &ask),
            Output::Send { id, batch, .. } => {
                let lines = batch.body.split(|byte| *byte == b'\n');
                let lines = lines.filter(|line| !line.is_empty()).map(delivered);
                self.sending.push_back((id, lines.collect()));
            }
            Output::Spool { spool, act } => {
                let done = self.disk.perform(act);
                self.engine.handle(self.now, Input::Spooled { spool, done });
            }
            Output::Save(document) => {
                self.saved = Some(document);
                self.safe.clone_from(&self.known);
            }
            Output::Report(report) => self.reports.push(report.to_string()),
            Output::Finished { drained } => self.finished = Some(drained),
            Output::HandedOver { .. } => self.handed_over = true,
            output => panic!("{output:?}"),
        }
    }

    fn tell(&mut self, stream: StreamId, question: u64, answer: Answer<'_>) {
        self.engine.handle(
            self.now,
            Input::Answer {
                stream,
                question,
                answer,
            },
        );
    }

    fn answer(&mut self, stream: StreamId, question: u64, ask: &Ask) {
        match ask {
            Ask::Probe => {
                let answer = Answer::Probed(Instance {
                    container: "web".to_owned(),
                    state: ContainerState::Running,
                    restarts: 0,
                    started: None,
                    found: (BEGIN + i64::try_from(self.written / LINES_A_SECOND).unwrap()) * SECOND,
                });
                self.tell(stream, question, answer);
            }
            Ask::Stream { since, .. } => {
                let since = since.map_or(0, |since| usize::try_from(since - BEGIN).unwrap_or_default());
                self.asked = Some((stream, question, (since * LINES_A_SECOND).max(self.rotated)));
            }
        }
    }
}

/// 2026-01-02T03:00:00Z, in seconds.
const BEGIN: i64 = 1_767_322_800;
const LINES_A_SECOND: usize = 25;

/// Every fourth line is equal to the one before but for its number, which stands in its nanoseconds.
fn line(number: usize) -> String {
    let second = number / LINES_A_SECOND;
    let (minute, second) = (second / 60, second % 60);
    let padding = "x".repeat(20 + number % 150);
    format!(
        "2026-01-02T{:02}:{:02}:{second:02}.{:09}Z {number} {padding}\n",
        3 + minute / 60,
        minute % 60,
        number % LINES_A_SECOND
    )
}

fn number(line: &[u8]) -> usize {
    let text = std::str::from_utf8(line).unwrap();
    text.split(' ').nth(1).unwrap().parse().unwrap()
}

fn delivered(record: &[u8]) -> usize {
    let record: serde_json::Value = serde_json::from_slice(record).unwrap();
    let message = record["message"].as_str().unwrap();
    message.split(' ').next().unwrap().parse().unwrap()
}

fn config(bytes_max: usize) -> Config {
    let document = serde_json::json!({
        "version": 1, "name": "shop", "drainMs": 5000,
        "sources": [{"name": "output", "containerOutput": {"spill": {"maxBytes": bytes_max}}}],
        "sinks": [{"name": "bus", "batch": {"maxBytes": BATCH_BYTES, "maxAgeMs": 100}, "http": {
            "url": "http://bus/", "headers": {}, "compression": "none", "timeoutMs": 2000}}],
    });
    let environment = ["POD_NAME", "POD_NAMESPACE"].map(|name| (name.to_owned(), "shop".to_owned()));
    from_document(
        &Environment::from(environment),
        "shop.json",
        &document.to_string(),
        None,
    )
    .unwrap()
}

fn start(config: &Config, checkpoint: Option<Checkpoint>, disk: &mut Disk) -> Engine {
    Engine::new(&config.pipelines[0], start_of(config, checkpoint, disk))
}

fn start_of<'a>(config: &'a Config, checkpoint: Option<Checkpoint>, disk: &mut Disk) -> Start<'a> {
    let known = checkpoint.as_ref();
    let position = known.and_then(|known| known.spools.get("output"));
    let containers = known.and_then(|known| known.containers.get("output"));
    let mut scan = Scan::new(
        position.copied().unwrap_or_default(),
        containers.cloned().unwrap_or_default(),
    );
    disk.files
        .retain(|first, bytes| scan.look(*first, bytes) == Fate::Keep);
    let files = &disk.files;
    disk.durable.retain(|first, _| files.contains_key(first));
    Start {
        pod: &config.pod,
        checkpoint,
        spools: BTreeMap::from([("output".to_owned(), scan.finish())]),
        persistent: true,
        is_first: true,
        once: false,
        seed: 1,
    }
}
