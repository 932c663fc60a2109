//! The engine on a node with containers, an API that breaks, and a sink that comes and goes; killed, stopped and changed at any moment.

mod acts;
mod answers;
mod beginning;

use self::beginning::{config, start};
use crate::connection::Connection;
use crate::node::{Line, NAMES, Node};
use crate::oracle::Oracle;
use crate::profile::{Act, Profile};
use fastrand::Rng;
use logship::config::Config;
use logship::engine::follow::Ask;
use logship::engine::outlets::StreamId;
use logship::engine::{Engine, Input, Output, Tick};
use logship::record::time::{Nanos, parse_rfc3339};
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
    sending: VecDeque<(u64, Vec<Line>)>,
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

    /// The kubelet reads what was written, and forgets what it does not serve.
    fn look(&mut self) {
        for connection in &mut self.connections {
            connection.fill(&self.node.containers);
        }
        let open: Vec<_> = self.connections.iter().filter_map(Connection::place).collect();
        self.node.forget(self.now, &open);
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
                let records = records.filter(|record| !record.is_empty()).map(line);
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
        if let Some((id, lines)) = self.sending.pop_front() {
            self.settle_batch(id, &lines)?;
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

    fn settle_batch(&mut self, batch: u64, lines: &[Line]) -> Result<(), String> {
        let verdict = if self.is_up {
            for line in lines {
                self.note(|| format!("  delivered {:.60}", line.text));
                self.oracle.delivered(&self.node, line)?;
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

    fn note(&mut self, what: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            writeln!(trace, "{:?} {}", self.now, what()).expect("a text takes everything");
        }
    }
}

fn line(record: &[u8]) -> Line {
    let record: serde_json::Value = serde_json::from_slice(record).unwrap();
    Line {
        time: parse_rfc3339(record["timestamp"].as_str().unwrap().as_bytes()).unwrap(),
        text: record["message"].as_str().unwrap().to_owned(),
    }
}
