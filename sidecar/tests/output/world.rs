//! The engine on a node with containers, an API that breaks, and a sink that comes and goes; killed, stopped and changed at any moment.

use crate::connection::{Connection, End, Part};
use crate::container::{Query, SECOND};
use crate::node::{NAMES, Node};
use crate::oracle::Oracle;
use crate::profile::{Act, Profile};
use fastrand::Rng;
use logship::config::{Config, Environment, from_document};
use logship::engine::checkpoint::Checkpoint;
use logship::engine::follow::{Answer, Ask, Drain};
use logship::engine::outlets::StreamId;
use logship::engine::{Engine, Input, Output, Start, Tick};
use logship::record::time::Nanos;
use logship::sink::verdict::Verdict;
use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::time::Duration;

/// How a life ended.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tally {
    pub lines: usize,
    pub lost: usize,
    pub gaps: usize,
}

impl std::ops::Add for Tally {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            lines: self.lines + other.lines,
            lost: self.lost + other.lost,
            gaps: self.gaps + other.gaps,
        }
    }
}

/// What a question gets instead of an answer.
#[derive(Debug, Clone, Copy)]
enum Refusal {
    Absent,
    Failed(Option<Duration>),
}

pub struct World {
    rng: Rng,
    profile: Profile,
    config: Config,
    engine: Engine,
    now: Tick,
    node: Node,
    oracle: Oracle,
    asked: VecDeque<(StreamId, u64, Ask)>,
    connections: Vec<Connection>,
    refusals: VecDeque<Refusal>,
    sending: VecDeque<(u64, Vec<String>)>,
    is_up: bool,
    saved: Option<Vec<u8>>,
    /// What the node's clock was set to when each stream was opened last.
    clocks: BTreeMap<StreamId, Nanos>,
    serial: usize,
    ended: Option<&'static str>,
    trace: Option<String>,
}

impl World {
    pub fn new(seed: u64, is_traced: bool) -> Self {
        let mut rng = Rng::with_seed(seed);
        let profile = Profile::new(&mut rng);
        let config = config();
        let engine = Engine::new(&config.pipelines[0], start(&config, None));
        let oracle = Oracle::new(profile.has(Act::SetClock));
        Self {
            rng,
            profile,
            config,
            engine,
            now: Tick::from_secs(1),
            node: Node::new(),
            oracle,
            asked: VecDeque::new(),
            connections: Vec::new(),
            refusals: VecDeque::new(),
            sending: VecDeque::new(),
            is_up: true,
            saved: None,
            clocks: BTreeMap::new(),
            serial: 0,
            ended: None,
            trace: is_traced.then(String::new),
        }
    }

    pub fn trace(self) -> String {
        self.trace.unwrap_or_default()
    }

    /// Lives, and gives everything time to arrive.
    pub fn run(&mut self) -> Result<Tally, String> {
        for _ in 0..self.profile.steps {
            let act = self.profile.next(&mut self.rng);
            self.note(|| format!("{act:?}"));
            self.act(act)?;
            self.look();
        }
        self.settle()?;
        let lost = self.oracle.judge(&self.node)?;
        let gaps = self.oracle.gaps();
        if gaps > 0 && !self.may_miss() {
            return Err(format!("{gaps} gaps were told where nothing can be missing"));
        }
        Ok(Tally {
            lines: self.node.lines.len(),
            lost,
            gaps,
        })
    }

    /// Whether anything can be missing, or look so: a container that is silent while reading is held back does.
    fn may_miss(&self) -> bool {
        [
            Act::Rotate,
            Act::Restart,
            Act::RemovePrevious,
            Act::SetClock,
            Act::Large,
        ]
        .iter()
        .any(|act| self.profile.has(*act))
    }

    fn settle(&mut self) -> Result<(), String> {
        self.is_up = true;
        self.refusals.clear();
        self.node.keep_status(false);
        self.pass(Duration::from_secs(30))?;
        for container in 0..NAMES.len() {
            if self.node.containers[container].run().has_ended {
                self.node.restart(self.now, container);
            }
            self.write(container);
        }
        self.pass(Duration::from_secs(600))
    }

    fn act(&mut self, act: Act) -> Result<(), String> {
        let container = self.rng.usize(..NAMES.len());
        match act {
            Act::Write => (0..self.rng.usize(1..12)).for_each(|_| self.write(container)),
            Act::Repeat => self.repeat(container),
            Act::Long => self.write_piece(container),
            Act::Large => (0..self.rng.usize(1..40)).for_each(|_| self.write_large(container)),
            Act::Pass => {
                let time = Duration::from_millis(self.rng.u64(1..3000));
                self.pass(time)?;
            }
            Act::PassLong => {
                let time = Duration::from_secs(self.rng.u64(3..400));
                self.pass(time)?;
            }
            Act::Cut => self.cut(),
            Act::Freeze => self.connections.iter_mut().for_each(Connection::freeze),
            Act::Refuse => self.refuse(),
            Act::Rotate => self.node.rotate(self.now, container),
            Act::End => self.node.end(container),
            Act::Restart => self.node.restart(self.now, container),
            Act::RemovePrevious => self.node.remove_previous(container),
            Act::KeepStatus => self.node.keep_status(true),
            Act::TellStatus => self.node.keep_status(false),
            Act::SinkDown => self.is_up = false,
            Act::SinkUp => self.is_up = true,
            Act::Crash => {
                self.oracle.crashed(self.now);
                self.restart();
            }
            Act::Stop => self.stop()?,
            Act::HandOver => self.hand_over()?,
            Act::SetClock => {
                // Of a step before the process first looked nothing is known.
                self.pass(Duration::from_secs(1))?;
                if self.clocks.len() == NAMES.len() {
                    self.node.clock += self.rng.i64(-200..60) * SECOND;
                    let clock = self.node.clock / SECOND;
                    self.note(|| format!("  the clock is {clock} seconds off"));
                }
            }
        }
        Ok(())
    }

    fn time(&mut self) -> Nanos {
        self.serial += 1;
        let disorder = self.rng.i64(0..=self.profile.disorder_ms) * 1_000_000;
        self.node.wall(self.now) + i64::try_from(self.serial).unwrap() - disorder
    }

    fn write(&mut self, container: usize) {
        let time = self.time();
        let text = format!("{} {}", NAMES[container], self.serial);
        self.node.write(time, container, &text);
    }

    /// Equal lines, some of them in one nanosecond.
    fn repeat(&mut self, container: usize) {
        let text = format!("{} again {}", NAMES[container], self.rng.u32(..2));
        let mut time = self.time();
        for _ in 0..self.rng.usize(1..6) {
            self.node.write(time, container, &text);
            if self.rng.bool() {
                time = self.time();
            }
        }
    }

    /// The next piece of a long line.
    fn write_piece(&mut self, container: usize) {
        let time = self.time();
        let text = format!("{} long {} ", NAMES[container], self.serial);
        if self.rng.bool() {
            self.node.write_piece(time, container, &text);
        } else {
            self.node.end_line(time, container, &text);
        }
    }

    fn write_large(&mut self, container: usize) {
        let time = self.time();
        let text = format!("{} large {} {}", NAMES[container], self.serial, "x".repeat(8000));
        self.node.write(time, container, &text);
    }

    fn cut(&mut self) {
        let end = if self.rng.bool() { End::Clean } else { End::Broken };
        for connection in &mut self.connections {
            let part = self.rng.usize(..=connection.pending());
            connection.cut(part, end);
        }
    }

    fn refuse(&mut self) {
        for _ in 0..self.rng.usize(1..6) {
            let refusal = match self.rng.u32(..3) {
                0 => Refusal::Absent,
                1 => Refusal::Failed(None),
                _ => Refusal::Failed(Some(Duration::from_secs(self.rng.u64(1..20)))),
            };
            self.refusals.push_back(refusal);
        }
    }

    /// The kubelet reads what was written, and forgets what it does not serve.
    fn look(&mut self) {
        for connection in &mut self.connections {
            connection.fill(&self.node.containers);
        }
        let open: Vec<_> = self.connections.iter().filter_map(Connection::place).collect();
        self.node.forget(self.now, &open);
    }

    fn restart(&mut self) {
        let saved = self.saved.as_ref();
        let checkpoint = saved.map(|text| Checkpoint::parse(text, "shop").unwrap());
        self.forget_questions(checkpoint.as_ref());
        self.engine = Engine::new(&self.config.pipelines[0], start(&self.config, checkpoint));
        self.now += Duration::from_secs(1);
    }

    /// Who asked is no more, and who follows knows this.
    fn forget_questions(&mut self, known: Option<&Checkpoint>) {
        let positions = known.and_then(|known| known.containers.get("output"));
        let is_known = |name: &str| {
            let position = positions.and_then(|positions| positions.get(name));
            position.is_some_and(|position| position.last_second.is_some())
        };
        self.node.begin_reading(|container| !is_known(NAMES[container]));
        self.clocks.clear();
        self.sending.clear();
        self.asked.clear();
        self.connections.clear();
        self.look();
    }

    fn stop(&mut self) -> Result<(), String> {
        self.engine.handle(self.now, Input::Drain(Drain::WhatIsThere));
        self.until_end("finished")?;
        self.restart();
        Ok(())
    }

    fn hand_over(&mut self) -> Result<(), String> {
        self.engine.handle(self.now, Input::HandOver);
        self.until_end("handed over")?;
        self.forget_questions(Some(&self.engine.known()));
        let pipeline = &self.config.pipelines[0];
        let idle = Engine::new(pipeline, start(&self.config, None));
        let before = std::mem::replace(&mut self.engine, idle);
        self.engine = Engine::after(before, self.now, pipeline, &start(&self.config, None));
        Ok(())
    }

    fn until_end(&mut self, expected: &str) -> Result<(), String> {
        self.pass(Duration::from_secs(60))?;
        match self.ended.take() {
            Some(end) if end == expected => Ok(()),
            other => Err(format!("not {expected} but {other:?}")),
        }
    }

    /// So much time passes, or less if the engine ends.
    fn pass(&mut self, time: Duration) -> Result<(), String> {
        let until = self.now + time;
        for _ in 0..200_000 {
            while let Some(output) = self.engine.poll(self.now) {
                self.perform(output);
                if self.ended.is_some() {
                    return Ok(());
                }
            }
            if self.observe()? {
                continue;
            }
            let silent = self.connections.iter().map(Connection::silent_at);
            let next = self.engine.next_deadline().into_iter().chain(silent);
            let Some(next) = next.filter(|next| *next > self.now && *next <= until).min() else {
                self.now = until;
                return Ok(());
            };
            self.now = next;
        }
        Err("it never rests".to_owned())
    }

    fn perform(&mut self, output: Output) {
        match output {
            Output::Ask {
                stream,
                question,
                ask,
            } => {
                self.note(|| format!("  asked {stream} {question}: {ask:?}"));
                self.connections.retain(|connection| connection.stream != stream);
                self.asked.retain(|(asked, ..)| *asked != stream);
                self.asked.push_back((stream, question, ask));
                self.look();
            }
            Output::Send { id, batch, .. } => {
                let records = batch.body.split(|byte| *byte == b'\n');
                let records = records.filter(|record| !record.is_empty()).map(text);
                self.sending.push_back((id, records.collect()));
            }
            Output::Save(document) => {
                self.saved = Some(document);
                self.oracle.saved();
            }
            Output::Report(report) => {
                self.note(|| format!("  told: {report}"));
                self.oracle.told(&report);
            }
            Output::Finished { drained } => self.end("finished", drained),
            Output::HandedOver { drained } => self.end("handed over", drained),
            output => panic!("{output:?}"),
        }
    }

    fn end(&mut self, how: &'static str, is_drained: bool) {
        self.ended = Some(how);
        if !is_drained {
            self.oracle.left(self.now);
        }
    }

    /// Hands the engine something, if there is something for it.
    fn observe(&mut self) -> Result<bool, String> {
        if let Some((id, records)) = self.sending.pop_front() {
            self.settle_batch(id, &records)?;
            return Ok(true);
        }
        let mut streams = self.asked.iter().map(|(stream, ..)| *stream);
        let ready = streams.position(|stream| self.engine.takes_output_of(stream));
        if let Some((stream, question, ask)) = ready.and_then(|index| self.asked.remove(index)) {
            if self.profile.is_late {
                self.now += Duration::from_millis(self.rng.u64(..300));
            }
            self.answer(stream, question, &ask);
            return Ok(true);
        }
        for index in 0..self.connections.len() {
            if self.read(index) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn settle_batch(&mut self, batch: u64, records: &[String]) -> Result<(), String> {
        let verdict = if self.is_up {
            for record in records {
                self.note(|| format!("  delivered {record:.60}"));
                self.oracle.delivered(&self.node, record)?;
            }
            Verdict::Delivered
        } else {
            Verdict::Retry {
                after: None,
                error: "no connection".to_owned(),
            }
        };
        self.engine.handle(
            self.now,
            Input::Settled {
                sink: 0,
                batch,
                verdict,
            },
        );
        Ok(())
    }

    fn answer(&mut self, stream: StreamId, question: u64, ask: &Ask) {
        if let Some(refusal) = self.refusals.pop_front() {
            let error = "no".to_owned();
            let answer = match refusal {
                Refusal::Absent => Answer::Absent(error),
                Refusal::Failed(retry_after) => Answer::Failed { error, retry_after },
            };
            return self.tell(stream, question, answer);
        }
        let streams = self.engine.output_streams();
        let name = streams
            .into_iter()
            .find(|found| found.id == stream)
            .unwrap()
            .container;
        let container = NAMES
            .iter()
            .position(|found| Some(*found) == name.as_deref())
            .unwrap();
        match *ask {
            Ask::Stream { .. } if self.is_set_back(stream, question) => {}
            Ask::Probe => {
                let instance = self.node.instance(self.now, container);
                self.tell(stream, question, Answer::Probed(instance));
            }
            Ask::Stream {
                previous,
                follow: follows,
                since,
                ..
            } => {
                let query = Query {
                    previous,
                    follows,
                    since,
                };
                match self.node.open(container, query) {
                    Some(reader) => {
                        let asked = (stream, question);
                        let mut connection = Connection::new(self.now, asked, container, reader);
                        connection.fill(&self.node.containers);
                        if self.profile.has(Act::Cut) && self.rng.u32(..20) == 0 {
                            let part = self.rng.usize(..=connection.pending());
                            connection.cut(part, End::Clean);
                        }
                        self.connections.push(connection);
                    }
                    None => self.tell(stream, question, Answer::Absent("not found".to_owned())),
                }
            }
        }
    }

    /// Whether something of this connection was taken.
    fn read(&mut self, index: usize) -> bool {
        let connection = &mut self.connections[index];
        let (stream, question) = (connection.stream, connection.question);
        if !self.engine.takes_output_of(stream) {
            connection.wait(self.now);
            return false;
        }
        connection.fill(&self.node.containers);
        if connection.pending() > 0 && self.is_set_back(stream, question) {
            self.connections.remove(index);
            self.look();
            return true;
        }
        let connection = &mut self.connections[index];
        let bytes_max = self.rng.usize(1..=self.profile.chunk_bytes);
        let Some(part) = connection.next(self.now, bytes_max) else {
            return false;
        };
        let (container, run) = (connection.container, connection.run());
        match part {
            Part::Data(bytes, was_held_back) => {
                if bytes.contains(&b'\n') {
                    self.node.was_read(container, run);
                }
                self.tell(stream, question, Answer::Data(&bytes));
                if was_held_back {
                    self.note(|| "  held back".to_owned());
                    self.tell(stream, question, Answer::HeldBack);
                }
            }
            Part::Silent => {
                self.connections.remove(index);
                self.look();
                self.tell(stream, question, Answer::Silent);
            }
            Part::End(end) => {
                self.note(|| format!("  {stream} {question} ends: {end:?}"));
                self.connections.remove(index);
                self.look();
                let answer = match end {
                    End::Clean => Answer::Ended,
                    End::Broken => Answer::Failed {
                        error: "reset".to_owned(),
                        retry_after: None,
                    },
                };
                self.tell(stream, question, answer);
            }
        }
        true
    }

    /// Whether the clock was set back since the stream was opened last; that is told.
    fn is_set_back(&mut self, stream: StreamId, question: u64) -> bool {
        let clock = self.node.clock;
        let back = self.clocks.insert(stream, clock).unwrap_or(clock) - clock;
        let is_back = back >= SECOND;
        if is_back {
            let by = Duration::from_nanos(back.unsigned_abs());
            self.tell(stream, question, Answer::ClockSetBack(by));
        }
        is_back
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

    fn note(&mut self, what: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            writeln!(trace, "{:?} {}", self.now, what()).expect("a text takes everything");
        }
    }
}

fn text(record: &[u8]) -> String {
    let record: serde_json::Value = serde_json::from_slice(record).unwrap();
    record["message"].as_str().unwrap().to_owned()
}

fn config() -> Config {
    let document = serde_json::json!({
        "version": 1, "name": "shop", "drainMs": 30000,
        "sources": [{"name": "output", "containerOutput": {"containers": NAMES, "spill": {"maxBytes": 0}}}],
        "sinks": [{"name": "bus", "batch": {"maxBytes": 4096, "maxAgeMs": 100}, "http": {
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

fn start(config: &Config, checkpoint: Option<Checkpoint>) -> Start<'_> {
    Start {
        pod: &config.pod,
        checkpoint,
        spools: BTreeMap::new(),
        persistent: true,
        is_first: true,
        once: false,
        seed: 1,
    }
}
