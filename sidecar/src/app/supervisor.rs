//! Watches over the tasks, and brings the pipelines to what the documents say.
//!
//! Guarantees: a pipeline that stays as it is is not touched; in the place of a changed one another is started when it has handed
//! over, never beside it; of several changes in a row the last one counts; who is told to stop starts nothing new.

use super::load::Place;
use super::pipeline::Wiring;
use super::watch::Found;
use super::{Ended, Error, Incarnation};
use crate::config::revision::{Change, Documents, Rejection, Revision, changes, revise};
use crate::config::{Environment, Pipeline, Pod, SinkKind};
use crate::driver::{End, Orders, Outcome, Remains};
use crate::engine::follow::Drain;
use crate::io::signal::Stop;
use crate::roster::{self, Roster};
use logship_crd::report::PodName;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinError, JoinSet};

/// How the process is told to end.
pub(super) struct Ending {
    /// How pipelines drain at a signal.
    pub on_signal: Drain,
    /// A signal has come.
    pub told: bool,
    /// The drain is asked for at the start, so a signal breaks it off.
    pub once: bool,
}

/// Documents that may change.
pub(super) struct Written {
    pub place: Place,
    pub environment: Environment,
    /// Those that the pipelines are made of.
    pub accepted: Documents,
    /// Where changes come from.
    pub found: mpsc::Receiver<Found>,
}

/// A pipeline that runs.
struct Running {
    /// The one that is wanted in this place.
    wanted: Wanted,
    orders: watch::Sender<Orders>,
    port: mpsc::Sender<roster::Question>,
    incarnation: Incarnation,
    name: String,
}

/// What follows when a pipeline ends.
enum Wanted {
    /// It is the right one, so it must not end.
    This(Box<Pipeline>),
    /// Another, once it has handed over or is drained.
    Other(Box<Pipeline>),
    /// Nothing.
    None,
}

/// Watches over the tasks until the end.
pub(super) struct Supervisor {
    wiring: Wiring,
    ending: Ending,
    written: Option<Written>,
    pub tasks: JoinSet<Ended>,
    pub roster: watch::Sender<Roster>,
    running: Vec<Running>,
    incarnations: Incarnation,
    /// The pipelines are told to drain, and how.
    stopping: Option<Drain>,
    /// Of those that have ended.
    outcomes: Vec<Outcome>,
}

impl Supervisor {
    /// Nothing runs yet but `tasks`.
    pub(super) fn new(
        wiring: Wiring,
        ending: Ending,
        written: Option<Written>,
        tasks: JoinSet<Ended>,
    ) -> Self {
        let stopping = if ending.once {
            Some(Drain::WhatIsThere)
        } else {
            ending.told.then_some(ending.on_signal)
        };
        let Pod {
            name,
            namespace,
            node: _,
        } = &wiring.pod;
        let pod = PodName {
            namespace: namespace.clone().unwrap_or_default(),
            name: name.clone().unwrap_or_default(),
        };
        Self {
            wiring,
            ending,
            written,
            tasks,
            roster: watch::Sender::new(Roster {
                pod,
                ..Roster::default()
            }),
            running: Vec::new(),
            incarnations: 0,
            stopping,
            outcomes: Vec::new(),
        }
    }

    /// Starts the first pipelines. What is `rejected` has none that could go on.
    pub(super) fn start(&mut self, pipelines: Vec<Pipeline>, rejected: Vec<Rejection>) {
        for pipeline in pipelines {
            self.start_one(pipeline, true);
        }
        tell(
            &rejected,
            "the configuration has mistakes, nothing is shipped by it until it is corrected",
        );
        self.roster
            .send_modify(|roster| roster.reloads.rejections = rejected);
        self.publish();
    }

    /// Waits for the end: all pipelines drained, a second signal, or a task that ended although it should not have.
    pub(super) async fn run(mut self, stop: &mut Stop) -> Result<Vec<Outcome>, Error> {
        while self.stopping.is_none() || !self.running.is_empty() {
            tokio::select! {
                () = stop.asked() => {
                    if self.ending.once {
                        return Err(Error::Interrupted);
                    }
                    if std::mem::replace(&mut self.ending.told, true) {
                        tracing::warn!("told to stop twice, ending at once");
                        return Ok(self.outcomes);
                    }
                    tracing::info!("told to stop, sending what is left");
                    self.stop(self.stopping.unwrap_or(self.ending.on_signal));
                }
                Some(found) = next(&mut self.written) => self.found(found),
                Some(ended) = self.tasks.join_next() => self.ended(ended)?,
            }
        }
        Ok(self.outcomes)
    }

    fn stop(&mut self, how: Drain) {
        self.stopping = Some(how);
        for running in &self.running {
            running.order(End::Drain(how));
        }
    }

    fn ended(&mut self, ended: Result<Ended, JoinError>) -> Result<(), Error> {
        match ended {
            Ok(Ended::Others) => {
                tracing::info!("the other containers have ended, sending what is left");
                self.stop(Drain::WhatIsThere);
            }
            Ok(Ended::Pipeline {
                name,
                outcome,
                remains,
            }) => self.pipeline_ended(name, *outcome, *remains)?,
            // What serves a pipeline ends after it.
            Ok(Ended::Helper { of: Some(of), .. }) if !self.is_running(of) => {}
            Ok(Ended::Helper { .. }) if self.stopping.is_some() => {}
            Ok(Ended::Helper { name, .. }) => return Err(Error::Task(name)),
            Err(error) => return Err(Error::Task(error.to_string())),
        }
        Ok(())
    }

    fn is_running(&self, incarnation: Incarnation) -> bool {
        let mut running = self.running.iter();
        running.any(|running| running.incarnation == incarnation)
    }

    fn pipeline_ended(&mut self, name: String, outcome: Outcome, remains: Remains) -> Result<(), Error> {
        let Some(index) = self.running.iter().position(|running| running.name == name) else {
            return Err(Error::Task(name));
        };
        let is_stopping = self.stopping.is_some();
        match std::mem::replace(&mut self.running[index].wanted, Wanted::None) {
            Wanted::Other(pipeline) if !is_stopping || remains.is_handed_over => {
                self.succeed(index, pipeline, &outcome, remains);
                return Ok(());
            }
            Wanted::This(_) if !is_stopping => return Err(Error::Task(name)),
            Wanted::This(_) | Wanted::Other(_) | Wanted::None => {}
        }
        self.running.remove(index);
        self.roster.send_modify(|roster| {
            roster.past.merge(&remains.past);
            roster.past.leave(&outcome.status, None);
        });
        self.publish();
        self.outcomes.push(outcome);
        Ok(())
    }

    fn start_one(&mut self, pipeline: Pipeline, is_first: bool) {
        self.incarnations += 1;
        let (orders, ordered) = watch::channel(self.first_orders(&pipeline));
        let port = self
            .wiring
            .start((&pipeline, is_first), ordered, self.incarnations, &mut self.tasks);
        self.running.push(Running {
            name: pipeline.name.clone(),
            wanted: Wanted::This(Box::new(pipeline)),
            orders,
            port,
            incarnation: self.incarnations,
        });
    }

    fn succeed(&mut self, index: usize, pipeline: Box<Pipeline>, outcome: &Outcome, remains: Remains) {
        self.incarnations += 1;
        let (orders, ordered) = watch::channel(self.first_orders(&pipeline));
        let left = (outcome, remains);
        self.wiring
            .succeed(&pipeline, left, ordered, self.incarnations, &mut self.tasks);
        tracing::info!(
            pipeline = pipeline.name,
            generation = pipeline.generation,
            everything_was_acknowledged = outcome.drained,
            "the changed pipeline runs"
        );
        let running = &mut self.running[index];
        running.orders = orders;
        running.incarnation = self.incarnations;
        running.wanted = Wanted::This(pipeline);
        self.publish();
    }

    fn first_orders(&self, pipeline: &Pipeline) -> Orders {
        Orders {
            generation: pipeline.generation,
            end: self.stopping.map(End::Drain),
        }
    }

    /// Takes what was found in the place of the documents.
    fn found(&mut self, found: Found) {
        let Some(written) = self.written.as_mut().filter(|_| self.stopping.is_none()) else {
            return;
        };
        let Written {
            place,
            environment,
            accepted,
            ..
        } = written;
        let revision = match found {
            Ok(documents) => revise(accepted, documents, |documents| {
                place.compile(environment, documents)
            }),
            Err(error) => Revision {
                config: None,
                accepted: accepted.clone(),
                rejected: vec![Rejection {
                    document: None,
                    generation: None,
                    errors: vec![error],
                }],
            },
        };
        tell(
            &revision.rejected,
            "the changed configuration has mistakes, the one before goes on",
        );
        let is_news = revision.rejected.is_empty() || *accepted != revision.accepted;
        *accepted = revision.accepted;
        self.roster.send_modify(|roster| {
            let reloads = &mut roster.reloads;
            reloads.applied += u64::from(is_news && revision.config.is_some());
            reloads.rejected += u64::from(!revision.rejected.is_empty());
            reloads.rejections = revision.rejected;
        });
        if let Some(config) = revision.config {
            self.change_to(config.pipelines);
        }
    }

    /// Does what leads from the pipelines that run, or are to run, to these.
    fn change_to(&mut self, pipelines: Vec<Pipeline>) {
        let wanted: Vec<&Pipeline> = self.running.iter().filter_map(Running::wanted).collect();
        for change in changes(&wanted, pipelines) {
            match change {
                Change::Start(pipeline) => self.start_when_free(pipeline),
                Change::Replace(pipeline) => {
                    if let Some(running) = self.find(&pipeline.name) {
                        running.wanted = Wanted::Other(Box::new(pipeline));
                        running.order(End::HandOver);
                    }
                }
                Change::Renumber { name, generation } => {
                    if let Some(running) = self.find(&name) {
                        running.renumber(generation);
                    }
                }
                Change::Remove(name) => {
                    if let Some(running) = self.find(&name) {
                        tracing::info!(pipeline = name, "the pipeline is no more, sending what is left");
                        running.wanted = Wanted::None;
                        running.order(End::Drain(Drain::WhatIsThere));
                    }
                }
            }
        }
        self.publish();
    }

    /// Starts a pipeline, after the one that is just ending in its place.
    fn start_when_free(&mut self, pipeline: Pipeline) {
        if let Some(running) = self.find(&pipeline.name) {
            running.wanted = Wanted::Other(Box::new(pipeline));
            return;
        }
        tracing::info!(
            pipeline = pipeline.name,
            generation = pipeline.generation,
            "a new pipeline runs"
        );
        self.start_one(pipeline, false);
    }

    fn find(&mut self, name: &str) -> Option<&mut Running> {
        self.running.iter_mut().find(|running| running.name == name)
    }

    /// Tells who asks what runs.
    fn publish(&self) {
        let pipelines = self.running.iter().map(|running| running.port.clone()).collect();
        let prints = self.running.iter().any(Running::prints);
        self.roster.send_modify(|roster| {
            roster.pipelines = pipelines;
            roster.prints = prints;
        });
    }
}

impl Running {
    /// The pipeline that is to run here.
    fn wanted(&self) -> Option<&Pipeline> {
        match &self.wanted {
            Wanted::This(pipeline) | Wanted::Other(pipeline) => Some(pipeline),
            Wanted::None => None,
        }
    }

    fn prints(&self) -> bool {
        let mut sinks = self.wanted().into_iter().flat_map(|pipeline| &pipeline.sinks);
        sinks.any(|sink| matches!(sink.kind, SinkKind::Stdout))
    }

    fn order(&self, end: End) {
        self.orders.send_modify(|orders| orders.end = Some(end));
    }

    fn renumber(&mut self, generation: i64) {
        match &mut self.wanted {
            Wanted::This(pipeline) => {
                pipeline.generation = generation;
                self.orders.send_modify(|orders| orders.generation = generation);
            }
            // Its first orders say it.
            Wanted::Other(pipeline) => pipeline.generation = generation,
            Wanted::None => {}
        }
    }
}

/// One line of the log for each.
fn tell(rejected: &[Rejection], what: &str) {
    for Rejection {
        document,
        generation,
        errors,
    } in rejected
    {
        tracing::error!(document, generation, mistakes = errors.join("\n"), "{what}");
    }
}

/// The next thing that was found in the place of the documents; never, where there are none.
async fn next(written: &mut Option<Written>) -> Option<Found> {
    match written {
        Some(written) => written.found.recv().await,
        None => std::future::pending().await,
    }
}
