//! How one engine goes on where another is, so that a pipeline can be changed while it runs.
//!
//! The old engine reads no more and waits until what it has read is settled; the new one takes over its sources with
//! everything that they know: open files, also those without a name, records that are not complete, the order of siblings. So nothing
//! is lost and nothing is sent twice as long as the sinks answer. A sink that fails does not hold a change for longer than
//! [`PATIENCE`], because it may be the reason for it: then reading goes on behind the last record that every sink has settled, so the
//! new sinks get the rest again and nothing is lost. What a spool holds in memory is written down, and found as at a start.

use super::batch::Lane;
use super::checkpoint::Checkpoint;
use super::contract::{Output, Start};
use super::outlets::{Outlets, Taken};
use super::sources::{FileSource, Sources};
use super::spool::Spool;
use super::summary::Summary;
use super::tail::Succession;
use super::{Engine, Tick, labels};
use crate::config::{Pipeline, Source, SourceKind};
use crate::pipeline::Run;
use crate::record::Labels;
use logship_crd::agent_config::AgentConfig;
use std::sync::Arc;
use std::time::Duration;

/// So long a sink that fails is waited for.
const PATIENCE: Duration = Duration::from_secs(1);

/// Until when the end is waited for.
#[derive(Debug, Clone, Copy)]
pub(super) struct HandOver {
    /// Every sink; none: that time is over.
    patient_until: Option<Tick>,
    /// Those that do not fail.
    until: Tick,
}

impl HandOver {
    /// When something is to be decided although nothing was observed.
    pub(super) fn deadline(&self) -> Tick {
        self.patient_until.unwrap_or(self.until).min(self.until)
    }
}

impl Engine {
    pub(super) fn begin_hand_over(&mut self, now: Tick) {
        if self.drain.is_some() || self.hand_over.is_some() {
            return;
        }
        let until = now + self.drain_time;
        self.hand_over = Some(HandOver {
            patient_until: Some(now + PATIENCE),
            until,
        });
        self.outlets.lanes.iter_mut().for_each(|lane| lane.hurry(until));
    }

    /// The end: everything that was read is settled, or what is not is waited for no longer. What is settled is saved first.
    pub(super) fn end_hand_over(&mut self, now: Tick, hand_over: HandOver) -> Option<Output> {
        let patient_until = hand_over.patient_until.filter(|at| now < *at);
        self.hand_over = Some(HandOver {
            patient_until,
            ..hand_over
        });
        let is_hopeless = |lane: &Lane| lane.is_empty() || lane.error.is_some();
        let is_over = self.outlets.are_empty()
            || now >= hand_over.until
            || (patient_until.is_none() && self.outlets.lanes.iter().all(is_hopeless));
        if !is_over {
            return None;
        }
        if let Some(act) = self.outlets.close_spools(now) {
            return Some(act);
        }
        if let Some(report) = self.sources.conclude() {
            return Some(Output::Report(report));
        }
        if self.unsaved == Some(true) {
            self.unsaved = None;
            return Some(self.save());
        }
        self.finished = true;
        let drained = self.outlets.are_empty();
        Some(Output::HandedOver { drained })
    }

    /// The engine of a changed pipeline, which goes on where `before` has ended. Files stay open under their numbers, and counters
    /// go on under the names of their sources and sinks. `start.checkpoint` is not looked at: `before` knows better.
    pub fn after(before: Self, now: Tick, pipeline: &Pipeline, start: &Start<'_>) -> Self {
        let mut before = Predecessor::new(before, pipeline);
        let run = before.take_steps(pipeline);
        let run = run.unwrap_or_else(|| Run::new(&pipeline.steps, start.seed));
        let lanes = pipeline.sinks.iter().map(|sink| Lane::new(sink.lane.clone()));
        let mut outlets = Outlets::new(lanes.collect(), run, pipeline.in_flight_bytes_max);
        outlets.count_on(before.outlets.newest());
        before.hand_sinks_to(&mut outlets, pipeline);
        let mut engine = Self::idle(pipeline, outlets, start);
        engine.unsaved = engine.unsaved.map(|_| true);
        engine.sources = Sources::after(&before.sources);
        for (number, source) in pipeline.sources.iter().enumerate() {
            let labels = labels(pipeline, source, start.pod);
            let context = engine.outlets.context(number, labels.clone());
            let reading = engine.reading(pipeline);
            engine.outlets.count_on_from(number, before.taken(&source.name));
            if let (SourceKind::Files(files), Some(FileSource { tail, pattern, .. })) =
                (&source.kind, before.take_files(source))
            {
                let succession = Succession {
                    source: engine.sources.files.len(),
                    settings: reading.of_files(files, context),
                    patterns: (&pattern, &files.pattern),
                    is_settled: before.is_settled,
                };
                let tail = tail.go_on(now, succession, &mut engine.outlets);
                engine.sources.add_files(number, &source.name, files, tail);
            } else {
                before.hand_spool_to(&mut engine, source, number, labels, start);
                engine.sources.add(source, reading, context, &before.known);
            }
        }
        // Nobody reads the files of sources that are gone.
        let left = before.sources.files.iter();
        let left = left.flat_map(|source| source.tail.open_ids());
        engine.todo.extend(left.map(|file| Output::Close { file }));
        engine.absent = before.known.absent_from(pipeline);
        engine
    }
}

/// What is left of an engine that has ended.
struct Predecessor {
    /// Its last checkpoint, without what is wrong for the changed pipeline.
    known: Checkpoint,
    sources: Sources,
    outlets: Outlets,
    sink_names: Vec<String>,
    written: Option<Arc<AgentConfig>>,
    /// Every sink has settled everything that was read.
    is_settled: bool,
}

impl Predecessor {
    fn new(engine: Engine, pipeline: &Pipeline) -> Self {
        let mut known = engine.checkpoint();
        let Engine {
            sources,
            outlets,
            sink_names,
            written,
            ..
        } = engine;
        for source in &pipeline.sources {
            // In another directory are other files.
            if let SourceKind::Files(files) = &source.kind
                && sources.follows_elsewhere(&source.name, &files.directory)
            {
                known.files.remove(&source.name);
            }
        }
        Self {
            known,
            is_settled: outlets.are_empty(),
            sources,
            outlets,
            sink_names,
            written,
        }
    }

    /// The steps with what they remember, if those of the pipeline are the same.
    fn take_steps(&mut self, pipeline: &Pipeline) -> Option<Run> {
        let (before, after) = self.written.as_deref().zip(pipeline.written.as_deref())?;
        have_same_steps(before, after).then(|| self.outlets.take_steps())
    }

    /// Counters, and what was counted for summaries, go to the sinks of the same name.
    fn hand_sinks_to(&mut self, outlets: &mut Outlets, pipeline: &Pipeline) {
        for (number, sink) in pipeline.sinks.iter().enumerate() {
            let old = self.sink_names.iter().position(|name| *name == sink.name);
            if let Some(old) = old {
                outlets.lanes[number].counts = self.outlets.lanes[old].counts.clone();
            }
            let Some(interval) = sink.summary else { continue };
            let counting = old.and_then(|old| self.outlets.take_summary(old));
            let summary = match counting.filter(|_| self.is_settled) {
                Some(counting) => counting.every(interval),
                None => Summary::new(
                    interval,
                    self.known.summaries.remove(&sink.name).unwrap_or_default(),
                ),
            };
            outlets.summarise_sink(number, summary);
        }
    }

    fn taken(&self, source: &str) -> Taken {
        let number = self.sources.number_of(source);
        number.map_or_else(Taken::default, |number| self.outlets.taken(number))
    }

    /// What is not settled of a source's output is on the disk, where it was found; its containers are asked for behind that.
    fn hand_spool_to(
        &mut self,
        engine: &mut Engine,
        source: &Source,
        number: usize,
        labels: Labels,
        start: &Start<'_>,
    ) {
        let Some(found) = start.spools.get(&source.name) else {
            return;
        };
        self.known
            .containers
            .insert(source.name.clone(), found.containers.clone());
        let spool = Spool::new(
            &source.name,
            number,
            labels,
            source.spill_bytes_max(),
            found.clone(),
        );
        let spool = match self.outlets.take_spool(&source.name) {
            Some(before) => spool.count_on(&before),
            None => spool,
        };
        engine.add_spool(spool);
    }

    /// The files that this source goes on with.
    fn take_files(&mut self, source: &Source) -> Option<FileSource> {
        match &source.kind {
            SourceKind::Files(files) => self.sources.take_files(&source.name, &files.directory),
            SourceKind::ContainerOutput { .. } => None,
        }
    }
}

/// Whether the steps do the same: sources and sinks are numbers in them.
fn have_same_steps(before: &AgentConfig, after: &AgentConfig) -> bool {
    let sources = |config: &AgentConfig| -> Vec<String> {
        config.sources.iter().map(|source| source.name.clone()).collect()
    };
    let sinks =
        |config: &AgentConfig| -> Vec<String> { config.sinks.iter().map(|sink| sink.name.clone()).collect() };
    before.pipeline == after.pipeline && sources(before) == sources(after) && sinks(before) == sinks(after)
}

#[cfg(test)]
mod tests;
