//! Starts a pipeline: its engine from its checkpoint or from what it was before, and the tasks of its sinks and containers.

use super::{Ended, Incarnation};
use crate::config::{Pipeline, Pod, Source, SourceKind};
use crate::driver::{Driver, Orders, Outcome, Remains, Said, SinkPort, Verdicts};
use crate::engine::checkpoint::Checkpoint;
use crate::engine::outlets::StreamId;
use crate::engine::spool::Found;
use crate::engine::{Engine, Start};
use crate::io::clock::Clock;
use crate::io::fs::StateDirectory;
use crate::io::spool::{self, SpoolFiles};
use crate::metrics::past::Past;
use crate::roster;
use crate::sink::{self, Transport};
use crate::source::container_output::{self, PodApi, Question};
use crate::source::files::OpenFiles;
use crate::source::replies::Replies;
use futures::StreamExt;
use futures::stream::SelectAll;
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

/// What all pipelines are started with.
pub(super) struct Wiring {
    pub clock: Clock,
    pub pod: Pod,
    pub api: PodApi,
    pub state: Option<Arc<StateDirectory>>,
    /// Certificates of authorities.
    pub bundle: Option<PathBuf>,
    /// Read what is there, then finish.
    pub once: bool,
}

/// What a pipeline begins with.
struct Beginning {
    engine: Engine,
    files: OpenFiles,
    status: mpsc::Receiver<roster::Question>,
    past: Past,
    /// See [`SinkPort::lost`].
    lost: HashMap<String, u64>,
}

impl Wiring {
    /// Starts a pipeline that was not there before, as one of the first (see [`Start::is_first`]) or later. Where it takes questions.
    pub(super) fn start(
        &self,
        (pipeline, is_first): (&Pipeline, bool),
        orders: watch::Receiver<Orders>,
        incarnation: Incarnation,
        tasks: &mut JoinSet<Ended>,
    ) -> mpsc::Sender<roster::Question> {
        let (port, status) = mpsc::channel(1);
        let checkpoint = self.state.as_ref().and_then(|state| checkpoint(state, pipeline));
        let spools = self.spools(pipeline, checkpoint.as_ref());
        let beginning = Beginning {
            engine: Engine::new(
                pipeline,
                Start {
                    is_first,
                    ..self.starting(checkpoint, spools)
                },
            ),
            files: OpenFiles::new(files_of(pipeline)),
            status,
            past: Past::default(),
            lost: HashMap::new(),
        };
        self.spawn(pipeline, beginning, orders, incarnation, tasks);
        port
    }

    /// Starts a pipeline in the place of one that has ended.
    pub(super) fn succeed(
        &self,
        pipeline: &Pipeline,
        (outcome, remains): (&Outcome, Remains),
        orders: watch::Receiver<Orders>,
        incarnation: Incarnation,
        tasks: &mut JoinSet<Ended>,
    ) {
        let Remains {
            engine,
            mut files,
            status,
            mut past,
            lost,
            is_handed_over: _,
        } = remains;
        files.follow(files_of(pipeline));
        let spools = self.spools(pipeline, Some(&engine.known()));
        let engine = Engine::after(engine, self.clock.now(), pipeline, &self.starting(None, spools));
        let mut counted = engine.status();
        for sink in &mut counted.sinks {
            sink.lost = lost.get(&sink.name).copied().unwrap_or_default();
        }
        past.leave(&outcome.status, Some(&counted));
        let beginning = Beginning {
            engine,
            files,
            status,
            past,
            lost,
        };
        self.spawn(pipeline, beginning, orders, incarnation, tasks);
    }

    fn starting(&self, checkpoint: Option<Checkpoint>, spools: BTreeMap<String, Found>) -> Start<'_> {
        Start {
            pod: &self.pod,
            checkpoint,
            spools,
            persistent: self.state.is_some(),
            is_first: false,
            once: self.once,
            seed: fastrand::u64(..),
        }
    }

    /// What there is of spools. One that cannot be looked at is none: its output waits for the sinks.
    fn spools(&self, pipeline: &Pipeline, checkpoint: Option<&Checkpoint>) -> BTreeMap<String, Found> {
        let is_output = |source: &&Source| matches!(source.kind, SourceKind::ContainerOutput { .. });
        let outputs = pipeline.sources.iter().filter(is_output);
        let Some(state) = &self.state else {
            for source in outputs.filter(|source| source.spill_bytes_max() > 0) {
                tracing::info!(
                    pipeline = pipeline.name,
                    source = source.name,
                    "there is no state directory, so nothing is kept of its output while sinks do not take it"
                );
            }
            return BTreeMap::new();
        };
        let spool = |source: &Source| {
            let name = &source.name;
            let position = checkpoint.and_then(|known| known.spools.get(name));
            let containers = checkpoint.and_then(|known| known.containers.get(name));
            let found = spool::find(
                &state.spool(&pipeline.name, name),
                position.copied().unwrap_or_default(),
                containers.cloned().unwrap_or_default(),
            );
            match found {
                Ok(found) => Some((name.clone(), found)),
                Err(error) => {
                    tracing::warn!(pipeline = pipeline.name, source = name, %error, "what was kept of its output cannot be read and is left out");
                    None
                }
            }
        };
        outputs.filter_map(spool).collect()
    }

    fn spawn(
        &self,
        pipeline: &Pipeline,
        beginning: Beginning,
        orders: watch::Receiver<Orders>,
        incarnation: Incarnation,
        tasks: &mut JoinSet<Ended>,
    ) {
        let Beginning {
            engine,
            files,
            status,
            past,
            lost,
        } = beginning;
        let (questions, replies) = self.containers(pipeline, &engine, incarnation, tasks);
        let (mut sinks, verdicts) = self.sinks(pipeline, incarnation, tasks);
        for sink in &mut sinks {
            sink.lost = lost.get(&sink.name).copied().unwrap_or_default();
        }
        let spools = self.state.iter().flat_map(|state| {
            let directory = |source: &String| {
                SpoolFiles::new(state.spool(&pipeline.name, source), Arc::clone(state.room()))
            };
            engine.spools().iter().map(directory).collect::<Vec<_>>()
        });
        let spools = spools.collect();
        let driver = Driver {
            name: pipeline.name.clone(),
            engine,
            clock: self.clock,
            files,
            questions,
            replies,
            spools,
            sinks,
            verdicts,
            dead_letter_bytes_max: pipeline.dead_letter_bytes_max,
            state: self.state.clone(),
            orders,
            status,
            past,
            said: Said::default(),
        };
        let name = pipeline.name.clone();
        tasks.spawn(async move {
            let (outcome, remains) = driver.run().await;
            Ended::Pipeline {
                name,
                outcome: Box::new(outcome),
                remains: Box::new(remains),
            }
        });
    }

    fn containers(
        &self,
        pipeline: &Pipeline,
        engine: &Engine,
        incarnation: Incarnation,
        tasks: &mut JoinSet<Ended>,
    ) -> (HashMap<StreamId, mpsc::Sender<Question>>, Replies) {
        let mut received = Replies::default();
        let mut questions = HashMap::new();
        for stream in engine.output_streams() {
            let (ask, asked) = mpsc::channel(4);
            questions.insert(stream.id, ask);
            let (reply, replies) = mpsc::channel(1);
            received.add(stream.id, replies);
            let task = container_output::run(self.api.clone(), stream.id, stream.container, asked, reply);
            let name = format!("{}/containerOutput", pipeline.name);
            tasks.spawn(async move {
                task.await;
                Ended::Helper {
                    name,
                    of: Some(incarnation),
                }
            });
        }
        (questions, received)
    }

    fn sinks(
        &self,
        pipeline: &Pipeline,
        incarnation: Incarnation,
        tasks: &mut JoinSet<Ended>,
    ) -> (Vec<SinkPort>, SelectAll<Verdicts>) {
        let mut ports = Vec::new();
        let mut verdicts = SelectAll::new();
        for (number, sink) in pipeline.sinks.iter().enumerate() {
            let room = self.state.as_ref().map(|state| Arc::clone(state.room()));
            let transport = Transport::new(&sink.kind, self.clock, self.bundle.clone(), room);
            let (batches, queue) = mpsc::channel(sink.lane.in_flight_max);
            let (verdict, mut answers) = mpsc::channel(1);
            let encoder = Arc::clone(&sink.lane.encoder);
            ports.push(SinkPort {
                name: sink.name.clone(),
                encoder: Arc::clone(&encoder),
                lost: 0,
                batches,
            });
            let answers = futures::stream::poll_fn(move |context| answers.poll_recv(context));
            verdicts.push(
                answers
                    .map(move |(batch, verdict)| (number, batch, verdict))
                    .boxed(),
            );
            let name = format!("{}/{}", pipeline.name, sink.name);
            tasks.spawn(async move {
                sink::run(transport, encoder, queue, verdict).await;
                Ended::Helper {
                    name,
                    of: Some(incarnation),
                }
            });
        }
        (ports, verdicts)
    }
}

fn files_of(pipeline: &Pipeline) -> Vec<crate::config::Files> {
    let files = pipeline.sources.iter().filter_map(|source| match &source.kind {
        SourceKind::Files(files) => Some(files.clone()),
        SourceKind::ContainerOutput { .. } => None,
    });
    files.collect()
}

/// The last checkpoint. One that cannot be used is said and set aside, and all files are read from their beginning, wherever
/// they are to be read from at a first start: sending again is better than losing.
fn checkpoint(state: &StateDirectory, pipeline: &Pipeline) -> Option<Checkpoint> {
    let (path, name) = (state.checkpoint(&pipeline.name), pipeline.name.as_str());
    let forgotten = || {
        let sources = pipeline.sources.iter().map(|source| source.name.clone());
        Checkpoint::forgotten(name, sources)
    };
    let text = match std::fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
        Err(error) => {
            tracing::warn!(pipeline = name, %error, "the checkpoint cannot be read, starting from the beginning");
            return Some(forgotten());
        }
    };
    Some(Checkpoint::parse(&text, name).unwrap_or_else(|error| {
        tracing::warn!(pipeline = name, %error, "the checkpoint cannot be used, setting it aside and starting from the beginning");
        if let Err(error) = std::fs::rename(&path, path.with_extension("unusable")) {
            tracing::warn!(pipeline = name, %error, "the unusable checkpoint cannot be set aside, it will be overwritten");
        }
        forgotten()
    }))
}
