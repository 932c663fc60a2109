//! The engine of one pipeline: from what the shell observed to what it should do next. No clock, no file, no socket.
//!
//! [`Engine::handle`] takes an observation, [`Engine::poll`] gives out the next thing to do, [`Engine::next_deadline`] says when to
//! poll although nothing was observed. The shell does what it is told and reports back; each output that asks for something
//! is answered by exactly one input.
//!
//! Guarantees: nothing is read while a sink has no room, so memory is bounded by the batches; a position is saved only when
//! every sink has settled all records before it; a slow or failing sink repeats its own batches and disturbs no other.

pub mod alerts;
pub mod batch;
pub mod checkpoint;
pub mod contract;
pub mod follow;
pub mod framer;
mod hand_over;
pub mod outlets;
pub mod output_line;
pub mod report;
pub mod resume;
pub mod retry;
mod sources;
pub mod spool;
pub mod status;
pub mod summary;
pub mod tail;
mod turns;

pub use self::contract::{Input, Output, OutputStream, Start};

use self::batch::{BatchId, Lane};
use self::checkpoint::Checkpoint;
use self::follow::Drain;
use self::hand_over::HandOver;
use self::outlets::{Outlets, StreamId};
use self::report::Report;
use self::sources::{FileSource, Reading, Sources};
use self::spool::Spool;
use self::summary::Summary;
use crate::config::{Pipeline, Pod, Source};
use crate::pipeline::Run;
use crate::record::Labels;
use crate::sink::verdict::Verdict;
use logship_crd::agent_config::AgentConfig;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// Monotonic time since the process started.
pub type Tick = Duration;

/// Longer records are truncated.
pub const RECORD_BYTES_MAX: usize = 1 << 20;
/// How long before the end of a drain files are read for the last time.
const LAST_LOOK: Duration = Duration::from_secs(2);

/// The engine of one pipeline.
#[derive(Debug)]
pub struct Engine {
    name: String,
    generation: i64,
    sink_names: Vec<String>,
    sources: Sources,
    outlets: Outlets,
    todo: VecDeque<Output>,
    random: fastrand::Rng,
    persistent: bool,
    /// Whether positions changed since the last save; none: nothing is ever saved.
    unsaved: Option<bool>,
    next_save: Tick,
    drain_time: Duration,
    drain: Option<Drain>,
    drain_until: Option<Tick>,
    /// It drains from the start, and its drain time begins anew with each progress: what takes long is not what hangs.
    once: bool,
    /// When files are read for the last time, although the containers may not have ended.
    last_look: Option<Tick>,
    hand_over: Option<HandOver>,
    /// Since something else was done.
    questions_in_a_row: u32,
    /// Of sources and sinks that the pipeline does not have now, kept for their return.
    absent: Checkpoint,
    /// What the pipeline was compiled from.
    written: Option<Arc<AgentConfig>>,
    /// Whether it has drained, once all is saved: from then on nothing is begun any more, since it would not be saved.
    ending: Option<bool>,
    finished: bool,
}

impl Engine {
    /// An engine that has done nothing yet. Sources are numbered in the order of `pipeline.sources`, sinks likewise.
    pub fn new(pipeline: &Pipeline, start: Start<'_>) -> Self {
        let lanes = pipeline.sinks.iter().map(|sink| Lane::new(sink.lane.clone()));
        let outlets = Outlets::new(
            lanes.collect(),
            Run::new(&pipeline.steps, start.seed),
            pipeline.in_flight_bytes_max,
        );
        let mut engine = Self::idle(pipeline, outlets, &start);
        let Start {
            pod,
            checkpoint,
            mut spools,
            is_first,
            ..
        } = start;
        let mut known = checkpoint.unwrap_or_else(|| Checkpoint::empty(&pipeline.name));
        for (number, sink) in pipeline.sinks.iter().enumerate() {
            if let Some(interval) = sink.summary {
                let counts = known.summaries.get(&sink.name).cloned();
                engine
                    .outlets
                    .summarise_sink(number, Summary::new(interval, counts.unwrap_or_default()));
            }
        }
        for (number, source) in pipeline.sources.iter().enumerate() {
            let labels = labels(pipeline, source, pod);
            let context = engine.outlets.context(number, labels.clone());
            if let Some(found) = spools.remove(&source.name) {
                known
                    .containers
                    .insert(source.name.clone(), found.containers.clone());
                let bytes_max = source.spill_bytes_max();
                engine.add_spool(Spool::new(&source.name, number, labels, bytes_max, found));
            }
            let reading = Reading {
                is_first,
                ..engine.reading(pipeline)
            };
            engine.sources.add(source, reading, context, &known);
        }
        engine.absent = known.absent_from(pipeline);
        engine
    }

    /// Without sources.
    fn idle(pipeline: &Pipeline, outlets: Outlets, start: &Start<'_>) -> Self {
        let Start {
            pod: _,
            checkpoint: _,
            spools: _,
            persistent,
            is_first: _,
            once,
            seed,
        } = *start;
        Self {
            name: pipeline.name.clone(),
            generation: pipeline.generation,
            sink_names: pipeline.sinks.iter().map(|sink| sink.name.clone()).collect(),
            sources: Sources::default(),
            outlets,
            todo: VecDeque::new(),
            random: fastrand::Rng::with_seed(seed),
            persistent,
            unsaved: persistent.then_some(false),
            next_save: Tick::ZERO,
            drain_time: pipeline.drain,
            drain: None,
            drain_until: None,
            once,
            last_look: None,
            hand_over: None,
            questions_in_a_row: 0,
            absent: Checkpoint::empty(&pipeline.name),
            written: pipeline.written.clone(),
            ending: None,
            finished: false,
        }
    }

    fn reading(&self, pipeline: &Pipeline) -> Reading {
        Reading {
            record_bytes_max: pipeline.record_bytes_max,
            open_files_max: pipeline.open_files_of_each_source(),
            goes_on: self.persistent && !self.once,
            is_first: false,
        }
    }

    /// A spool, if there is something in it, or may be.
    fn add_spool(&mut self, spool: Spool) {
        if !spool.is_unused() {
            self.outlets.add_spool(spool);
        }
    }

    /// The sources that have a spool, by its number.
    pub fn spools(&self) -> Vec<String> {
        let spools = self.outlets.spools().iter();
        spools.map(|spool| spool.name.clone()).collect()
    }

    /// What a checkpoint says now.
    pub fn known(&self) -> Checkpoint {
        self.checkpoint()
    }

    /// The container outputs that the shell has to provide.
    pub fn output_streams(&self) -> Vec<OutputStream> {
        self.sources.output_streams()
    }

    /// Whether more of this container's output may be handed in: every sink has room, or the source's spool has.
    pub fn takes_output_of(&self, stream: StreamId) -> bool {
        self.hand_over.is_none()
            && self
                .sources
                .source_of(stream)
                .is_some_and(|source| self.outlets.take_output_of(source))
    }

    /// From now on its pipeline, which is as it was, counts as this generation of its resource.
    pub fn is_of(&mut self, generation: i64) {
        self.generation = generation;
    }

    /// Takes an observation.
    pub fn handle(&mut self, now: Tick, input: Input<'_>) {
        if self.once && input.is_progress() {
            self.drain_until = self.drain_until.map(|_| now + self.drain_time);
        }
        match input {
            Input::Listed { source, listing } => self.listed(now, source, listing),
            Input::Opened { file, look } => {
                let outlets = &mut self.outlets;
                let report = self
                    .sources
                    .files
                    .iter_mut()
                    .find_map(|source| source.tail.opened(now, file, look, outlets));
                // Where a file begins is part of the checkpoint: `startAt: End` must hold across a crash.
                self.unsaved = self.unsaved.map(|_| true);
                self.report(report);
            }
            Input::FileFailed { file, error } => {
                let report = self
                    .sources
                    .files
                    .iter_mut()
                    .find_map(|source| source.tail.failed(now, file, error.clone()));
                self.report(report);
            }
            Input::Chunk { file, chunk } => {
                let outlets = &mut self.outlets;
                let report = self
                    .sources
                    .files
                    .iter_mut()
                    .find_map(|source| source.tail.chunk(now, file, &chunk, outlets));
                // The saved position is of contents that are gone: after a crash it would refute the file.
                let replaced = matches!(report, Some(Report::FileTruncated(_)));
                self.unsaved = self.unsaved.map(|unsaved| unsaved || replaced);
                self.report(report);
            }
            Input::Changed { source, names } => {
                let all = self.sources.files.iter_mut().enumerate();
                all.filter(|(index, _)| source.is_none_or(|source| source == *index))
                    .for_each(|(_, source)| source.tail.changed(now, names));
            }
            Input::Touched { source, name } => {
                if let Some(FileSource { tail, .. }) = self.sources.files.get_mut(source) {
                    tail.touched(now, name);
                }
            }
            Input::Answer {
                stream,
                question,
                answer,
            } => {
                let random = self.random.f64();
                let outlets = &mut self.outlets;
                let follow = self.sources.stream(stream);
                let reports = follow.map(|follow| follow.answer(now, question, answer, random, outlets));
                self.todo
                    .extend(reports.into_iter().flatten().map(Output::Report));
            }
            Input::Settled { sink, batch, verdict } => self.settled(now, sink, batch, verdict),
            Input::Spooled { spool, done } => self.outlets.spooled(now, spool, done),
            Input::SaveFailed => self.unsaved = self.unsaved.map(|_| true),
            Input::Drain(how) => self.drain(now, how),
            Input::HandOver => self.begin_hand_over(now),
        }
        self.take_positions();
    }

    /// The next thing to do, if there is one now.
    pub fn poll(&mut self, now: Tick) -> Option<Output> {
        if self.finished {
            return None;
        }
        if let Some(drained) = self.ending {
            return Some(self.todo.pop_front().unwrap_or_else(|| self.end(drained)));
        }
        if self.last_look.is_some_and(|at| at <= now) {
            self.drain_files(now);
        }
        self.outlets.summarise(now, false);
        if self.hand_over.is_none() {
            self.outlets.feed(now);
        }
        let output = self
            .todo
            .pop_front()
            .or_else(|| self.outlets.alerts.poll().map(Output::Alert))
            .or_else(|| self.outlets.alerts.say(now).map(Output::Report))
            .or_else(|| self.outlets.spool_report().map(Output::Report))
            .or_else(|| self.next_in_turn(now));
        self.take_positions();
        output.or_else(|| match self.hand_over {
            Some(hand_over) => self.end_hand_over(now, hand_over),
            None => self.finish(now),
        })
    }

    /// When to poll although nothing was observed.
    pub fn next_deadline(&self) -> Option<Tick> {
        let lanes = self.outlets.lanes.iter().filter_map(Lane::deadline);
        let save = (self.unsaved == Some(true)).then_some(self.next_save);
        let summaries = self.outlets.deadline();
        let sources = match self.hand_over {
            Some(hand_over) => Some(hand_over.deadline()),
            None => self.sources.deadline(),
        };
        lanes
            .chain(sources)
            .chain(save)
            .chain(summaries)
            .chain(self.outlets.alerts.deadline())
            .chain(self.outlets.spool_deadline().filter(|_| self.hand_over.is_none()))
            .chain(self.last_look)
            .chain(self.drain_until)
            .min()
    }

    fn listed(&mut self, now: Tick, source: usize, listing: Result<Vec<tail::Entry>, String>) {
        let had_run = self.sources.has_run(source);
        let reports = self.sources.listed(now, source, listing);
        // That the source has run is part of the checkpoint, at once: what comes from now on must not be skipped after a crash.
        if !had_run {
            self.next_save = Tick::ZERO;
        }
        self.unsaved = self.unsaved.map(|unsaved| unsaved || self.next_save.is_zero());
        self.todo.extend(reports.into_iter().map(Output::Report));
    }

    fn settled(&mut self, now: Tick, sink: usize, batch: BatchId, verdict: Verdict) {
        let random = self.random.f64();
        let Some(lane) = self.outlets.lanes.get_mut(sink) else {
            return;
        };
        let failed_before = lane.error.is_some();
        let rejected = lane.settle(now, batch, verdict, random);
        let report = match (&lane.error, failed_before) {
            (Some(error), false) => Some(Report::SinkFails {
                sink: self.sink_names[sink].clone(),
                error: error.clone(),
            }),
            (None, true) => Some(Report::SinkRecovered(self.sink_names[sink].clone())),
            _ => None,
        };
        self.report(report);
        self.todo.extend(
            rejected
                .into_iter()
                .map(|rejected| Output::Reject { sink, rejected }),
        );
    }

    fn drain(&mut self, now: Tick, how: Drain) {
        if self.drain == Some(how) || self.drain == Some(Drain::WhatIsThere) {
            return;
        }
        self.drain = Some(how);
        self.hand_over = None;
        let until = *self.drain_until.get_or_insert(now + self.drain_time);
        if !self.once {
            self.outlets.lanes.iter_mut().for_each(|lane| lane.hurry(until));
            self.outlets.hurry_spools();
        }
        let streams = self.sources.streams.iter_mut();
        streams.for_each(|source| source.follow.drain(now, how));
        match how {
            Drain::WhatIsThere => self.drain_files(now),
            // The other containers still write to their files.
            Drain::UntilEnd => self.last_look = Some(until.saturating_sub(LAST_LOOK)),
        }
    }

    fn drain_files(&mut self, now: Tick) {
        self.last_look = None;
        self.sources
            .files
            .iter_mut()
            .for_each(|source| source.tail.drain(now));
    }

    /// What is settled goes from the spools behind it, written or not: a full volume must not keep what would make room.
    fn save(&mut self) -> Output {
        self.outlets.saved();
        Output::Save(self.checkpoint().to_bytes())
    }

    /// The end of a drain: everything is settled, or time is up. What is settled is saved first.
    fn finish(&mut self, now: Tick) -> Option<Output> {
        let until = self.drain_until?;
        let drained = self.sources.are_drained() && self.outlets.spools_are_fed() && self.outlets.are_empty();
        if !drained && now < until {
            return None;
        }
        if !drained && let Some(act) = self.outlets.close_spools(now) {
            return Some(act);
        }
        if drained && !self.persistent && self.outlets.summarise(now, true) {
            // Nobody would go on counting.
            return self.next_send(now);
        }
        if let Some(report) = self.sources.conclude() {
            return Some(Output::Report(report));
        }
        // Once: a full volume must not keep the process.
        self.ending = Some(drained);
        if self.unsaved == Some(true) {
            return Some(self.save());
        }
        Some(self.end(drained))
    }

    fn end(&mut self, drained: bool) -> Output {
        if let Some(report) = self.outlets.alerts.say_at_once() {
            return Output::Report(report);
        }
        self.finished = true;
        Output::Finished { drained }
    }

    fn take_positions(&mut self) {
        if self.outlets.summary_acknowledged() {
            self.unsaved = self.unsaved.map(|_| true);
        }
        while let Some((stream, position)) = self.outlets.reached() {
            self.unsaved = self.unsaved.map(|_| true);
            self.sources.reached(stream, position);
        }
    }

    fn checkpoint(&self) -> Checkpoint {
        let mut checkpoint = self.absent.clone();
        self.sources.save(&mut checkpoint);
        for spool in self.outlets.spools() {
            checkpoint.spools.insert(spool.name.clone(), spool.position());
        }
        for (sink, counts) in self.outlets.summaries() {
            checkpoint.summaries.insert(self.sink_names[sink].clone(), counts);
        }
        checkpoint
    }

    fn report(&mut self, report: Option<Report>) {
        self.todo.extend(report.map(Output::Report));
    }
}

/// What the records of a source have in common.
fn labels(pipeline: &Pipeline, source: &Source, pod: &Pod) -> Labels {
    Labels {
        source: source.name.clone(),
        resource: pipeline.resource.clone(),
        namespace: pod.namespace.clone(),
        pod: pod.name.clone(),
        node: pod.node.clone(),
        ..Labels::default()
    }
}

#[cfg(test)]
mod tests;
