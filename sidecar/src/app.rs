//! The wiring: from the command line to a set of running tasks, and to the exit code.
//!
//! Every task is in one set. A task that ends unexpectedly ends the process with its name.

pub mod dead_letters;
mod load;
mod pipeline;
mod screen;
pub mod start;

use self::load::Loaded;
use self::pipeline::Wiring;
use crate::admin;
use crate::args::Run;
use crate::config::{self, Mistakes};
use crate::driver::Outcome;
use crate::engine::follow::Drain;
use crate::engine::status::SinkStatus;
use crate::io::clock::Clock;
use crate::io::fs::{StateDirectory, StateError};
use crate::io::signal::Stop;
use crate::source::container_output::{PodApi, wait_for_others};
use logship_crd::names::TOKEN_PATH;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};

/// Why the process ends with a failure.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration has mistakes.
    #[error(transparent)]
    Configuration(#[from] Mistakes),
    /// A document cannot be read.
    #[error("failed to read {}", .0.display())]
    Read(PathBuf, #[source] std::io::Error),
    /// Nobody reads what we write.
    #[error("failed to write to standard output")]
    Write(#[source] std::io::Error),
    /// The state directory cannot be used.
    #[error(transparent)]
    State(#[from] StateError),
    /// The process cannot listen to signals.
    #[error("failed to listen to signals")]
    Signals(#[source] std::io::Error),
    /// There is no runtime.
    #[error("failed to start the runtime")]
    Runtime(#[source] std::io::Error),
    /// With `--once`: not all of it was read.
    #[error("pipeline {0:?}: not everything could be read")]
    Unread(String),
    /// With `--once`: not all of it was taken.
    #[error(
        "pipeline {pipeline:?}: not everything was acknowledged, and nothing more within the drain time; {sinks}"
    )]
    Unsent {
        /// Its name.
        pipeline: String,
        /// What the sinks said last.
        sinks: String,
    },
    /// With `--once`: some of it was refused for good.
    #[error("pipeline {pipeline:?}: {records} records were refused for good; {sinks}")]
    Refused {
        /// Its name.
        pipeline: String,
        /// How many.
        records: u64,
        /// By whom.
        sinks: String,
    },
    /// With `--once`: a signal came before the end.
    #[error("told to stop before the end")]
    Interrupted,
    /// A task ended that should not have.
    #[error("the task {0:?} ended unexpectedly")]
    Task(String),
}

impl Error {
    /// The exit code, by the convention of sysexits.h.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Configuration(_) => 64,
            Self::Refused { .. } => 65,
            Self::Read(..) | Self::State(_) | Self::Unread(_) | Self::Unsent { .. } => 69,
            Self::Write(_) | Self::Signals(_) | Self::Runtime(_) | Self::Task(_) => 70,
            // As shells say it of SIGINT.
            Self::Interrupted => 130,
        }
    }
}

/// What a task of the set was.
#[derive(Debug, Clone)]
pub(crate) enum Ended {
    /// A pipeline, which ends when it is drained, and how.
    Pipeline(String, Box<Outcome>),
    /// The watch on the other containers, which ends when they have.
    Others,
    /// A task that serves pipelines and ends with them.
    Helper(String),
}

/// Validates a document; `Ok` says that `run` would take it.
pub fn check(file: &Path) -> Result<(), Error> {
    let text = std::fs::read_to_string(file).map_err(|error| Error::Read(file.to_owned(), error))?;
    Ok(config::check_document(&file.display().to_string(), &text)?)
}

/// Ships until it is told to stop.
pub async fn run(args: Run, environment: config::Environment) -> Result<(), Error> {
    let mut stop = Stop::new().map_err(Error::Signals)?;
    let Some(Loaded { config, told }) = load::load(&args, &environment, &mut stop).await? else {
        return Ok(());
    };
    let state = config
        .state_directory
        .as_deref()
        .map(StateDirectory::lock)
        .transpose()?
        .map(Arc::new);
    let on_signal = if config.classic {
        Drain::UntilEnd
    } else {
        Drain::WhatIsThere
    };
    let draining = if args.once {
        Some(Drain::WhatIsThere)
    } else {
        told.then_some(on_signal)
    };
    let (stopping, stopped) = watch::channel(draining);
    let mut tasks = JoinSet::new();
    let wiring = Wiring {
        clock: Clock::start(),
        pod: &config.pod,
        api: PodApi::new(&config.pod, &environment, Path::new(TOKEN_PATH)),
        state,
        bundle: config.bundle.clone(),
        once: args.once,
        stopped,
    };
    let api = wiring.api.clone();
    let ports = wiring.start(&config.pipelines, &mut tasks);
    let screen = screen::start(&config, &ports, &mut tasks);
    spawn_helpers(config.classic.then_some(api), args.port(), ports, &mut tasks);
    tracing::info!(
        pipelines = config.pipelines.len(),
        version = env!("CARGO_PKG_VERSION"),
        "started"
    );
    let supervisor = Supervisor {
        pipelines: config.pipelines.len(),
        tasks,
        stopping,
        on_signal,
        told,
        once: args.once,
        outcomes: Vec::new(),
    };
    let outcomes = supervisor.run(&mut stop).await?;
    if let Some(started) = screen {
        started.sum_up(&outcomes);
    }
    if args.once { verdict(&outcomes) } else { Ok(()) }
}

/// What `--once` ends with.
fn verdict(outcomes: &[Outcome]) -> Result<(), Error> {
    for Outcome {
        drained,
        unread,
        status,
    } in outcomes
    {
        let pipeline = || status.name.clone();
        let refused = status.sinks.iter().map(|sink| sink.rejected).sum();
        if !drained {
            let failing =
                |sink: &SinkStatus| sink.error.as_ref().map(|error| format!("{}: {error}", sink.name));
            let sinks: Vec<_> = status.sinks.iter().filter_map(failing).collect();
            return Err(if *unread && sinks.is_empty() {
                Error::Unread(pipeline())
            } else {
                Error::Unsent {
                    pipeline: pipeline(),
                    sinks: sinks.join("; "),
                }
            });
        }
        if refused > 0 {
            let refusing = status.sinks.iter().filter(|sink| sink.rejected > 0);
            let sinks: Vec<_> = refusing.map(|sink| sink.name.as_str()).collect();
            return Err(Error::Refused {
                pipeline: pipeline(),
                records: refused,
                sinks: format!("by {}", sinks.join(", ")),
            });
        }
        if *unread {
            return Err(Error::Unread(pipeline()));
        }
    }
    Ok(())
}

/// Serves the administration, and watches the other containers if their API is given.
fn spawn_helpers(
    others: Option<PodApi>,
    port: Option<u16>,
    ports: admin::StatusPorts,
    tasks: &mut JoinSet<Ended>,
) {
    if let Some(port) = port {
        tasks.spawn(async move {
            admin::run(port, ports).await;
            Ended::Helper("admin".to_owned())
        });
    }
    if let Some(api) = others {
        tasks.spawn(async move {
            wait_for_others(api).await;
            Ended::Others
        });
    }
}

/// Watches over the tasks until the end.
struct Supervisor {
    /// How many pipelines run.
    pipelines: usize,
    tasks: JoinSet<Ended>,
    /// Tells the pipelines to drain, and how.
    stopping: watch::Sender<Option<Drain>>,
    /// How they drain at a signal.
    on_signal: Drain,
    /// A signal has come.
    told: bool,
    /// The drain was asked for at the start, so a signal breaks it off.
    once: bool,
    /// Of those that have ended.
    outcomes: Vec<Outcome>,
}

impl Supervisor {
    /// Waits for the end: all pipelines drained, a second signal, or a task that ended although it should not have.
    async fn run(mut self, stop: &mut Stop) -> Result<Vec<Outcome>, Error> {
        while self.pipelines > 0 {
            tokio::select! {
                () = stop.asked() => {
                    if self.once {
                        return Err(Error::Interrupted);
                    }
                    if std::mem::replace(&mut self.told, true) {
                        tracing::warn!("told to stop twice, ending at once");
                        return Ok(self.outcomes);
                    }
                    tracing::info!("told to stop, sending what is left");
                    self.stopping.send_modify(|how| { how.get_or_insert(self.on_signal); });
                }
                Some(ended) = self.tasks.join_next() => self.ended(ended)?,
            }
        }
        Ok(self.outcomes)
    }

    fn ended(&mut self, ended: Result<Ended, JoinError>) -> Result<(), Error> {
        let is_stopping = self.stopping.borrow().is_some();
        match ended {
            Ok(Ended::Others) => {
                tracing::info!("the other containers have ended, sending what is left");
                self.stopping.send_replace(Some(Drain::WhatIsThere));
            }
            Ok(Ended::Pipeline(_, outcome)) if is_stopping => {
                self.pipelines -= 1;
                self.outcomes.push(*outcome);
            }
            // What serves a pipeline ends after it.
            Ok(Ended::Helper(_)) if is_stopping => {}
            Ok(Ended::Pipeline(name, _) | Ended::Helper(name)) => return Err(Error::Task(name)),
            Err(error) => return Err(Error::Task(error.to_string())),
        }
        Ok(())
    }
}
