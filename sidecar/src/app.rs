//! The wiring: from the command line to a set of running tasks, and to the exit code.
//!
//! Every task is in one set. A task that ends unexpectedly ends the process with its name.

pub mod dead_letters;
mod last_words;
mod load;
mod pipeline;
mod screen;
pub mod start;
mod state;
mod supervisor;
mod watch;

use self::load::{Loaded, Place};
use self::pipeline::Wiring;
use self::state::Need;
use self::supervisor::{Ending, Supervisor, Written};
use crate::admin;
use crate::args::Run;
use crate::config::{self, Mistakes};
use crate::driver::{Outcome, Remains};
use crate::engine::follow::Drain;
use crate::engine::status::SinkStatus;
use crate::io::clock::Clock;
use crate::io::fs::StateError;
use crate::io::signal::{Hangup, Stop};
use crate::source::container_output::{PodApi, wait_for_others};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

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

/// A pipeline between its start and its end, by a number of its own.
pub(crate) type Incarnation = u64;

/// What a task of the set was.
#[derive(Debug)]
pub(crate) enum Ended {
    /// A pipeline, which ends when it is drained or handed over, and how.
    Pipeline {
        /// Its name.
        name: String,
        /// How.
        outcome: Box<Outcome>,
        /// For its successor.
        remains: Box<Remains>,
    },
    /// The watch on the other containers, which ends when they have.
    Others,
    /// A task that serves one pipeline, or all, and ends after it.
    Helper {
        /// For people.
        name: String,
        /// None: all.
        of: Option<Incarnation>,
    },
}

impl Ended {
    fn helper(name: &str) -> Self {
        Self::Helper {
            name: name.to_owned(),
            of: None,
        }
    }
}

/// Validates a document; `Ok` says that `run` would take it.
pub fn check(file: &Path) -> Result<(), Error> {
    let text = std::fs::read_to_string(file).map_err(|error| Error::Read(file.to_owned(), error))?;
    Ok(config::check_document(&file.display().to_string(), &text)?)
}

/// Ships until it is told to stop.
pub async fn run(args: Run, environment: config::Environment) -> Result<(), Error> {
    let mut stop = Stop::new().map_err(Error::Signals)?;
    let Some(Loaded {
        config,
        written,
        told,
    }) = load::load(&args, &environment, &mut stop).await?
    else {
        return Ok(());
    };
    let is_injected = args.state_dir.is_none()
        && written
            .as_ref()
            .is_some_and(|written| matches!(written.place, Place::Directory { .. }));
    let need = if is_injected { Need::Wished } else { Need::Required };
    let state = config.state_directory.as_deref();
    let state = state.map(|path| state::open(path, need)).transpose()?;
    let (state, state_trouble) = match state {
        Some(Ok(state)) => {
            let bytes_max = config::state_bytes_max(&environment);
            (Some(Arc::new(state.within(bytes_max))), None)
        }
        Some(Err(trouble)) => (None, Some(trouble)),
        None => (None, None),
    };
    let wiring = Wiring {
        clock: Clock::start(),
        api: PodApi::new(&config.pod, &environment, &args.token_dir),
        pod: config.pod,
        state,
        bundle: config.bundle,
        once: args.once,
    };
    let room = wiring.state.as_ref().map(|state| Arc::clone(state.room()));
    let others = config.classic.then(|| Others {
        api: wiring.api.clone(),
        is_final: config::is_final(&environment),
    });
    let ending = Ending {
        on_signal: if config.classic {
            Drain::UntilEnd
        } else {
            Drain::WhatIsThere
        },
        told,
        once: args.once,
    };
    let mut tasks = JoinSet::new();
    let written = written.filter(|_| !args.once);
    let rejected = written.as_ref().map(|written| written.rejected.clone());
    let documents = written
        .map(|written| listen(written, environment, &mut tasks))
        .transpose()?;
    let pipelines = config.pipelines.len();
    let mut supervisor = Supervisor::new(wiring, ending, documents, tasks);
    supervisor
        .roster
        .send_modify(|roster| (roster.state_trouble, roster.room) = (state_trouble, room));
    supervisor.start(config.pipelines, rejected.unwrap_or_default());
    let screen = screen::start(&supervisor.roster, &mut supervisor.tasks);
    spawn_helpers(others, args.port(), &mut supervisor);
    tracing::info!(pipelines, version = env!("CARGO_PKG_VERSION"), "started");
    let outcomes = supervisor.run(&mut stop).await?;
    last_words::leave(&outcomes);
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

/// Listens to changes of the documents.
fn listen(
    written: load::Written,
    environment: config::Environment,
    tasks: &mut JoinSet<Ended>,
) -> Result<Written, Error> {
    let load::Written {
        place,
        found: known,
        accepted,
        rejected: _,
    } = written;
    // At a terminal it says that nobody is there any more.
    let is_told = !std::io::stderr().is_terminal();
    let hangup = is_told.then(Hangup::new).transpose().map_err(Error::Signals)?;
    let (told, found) = mpsc::channel(1);
    let watched = place.clone();
    tasks.spawn(async move {
        watch::watch(watched, known, hangup, told).await;
        Ended::helper("configuration")
    });
    Ok(Written {
        place,
        environment,
        accepted,
        found,
    })
}

/// How a classic sidecar learns that the other containers have ended.
struct Others {
    api: PodApi,
    /// If it ends, that is for good.
    is_final: bool,
}

/// Serves the administration, and watches the other containers where there is somebody to wait for them.
fn spawn_helpers(others: Option<Others>, port: Option<u16>, supervisor: &mut Supervisor) {
    if let Some(port) = port {
        let roster = supervisor.roster.subscribe();
        supervisor.tasks.spawn(async move {
            admin::run(port, roster).await;
            Ended::helper("admin")
        });
    }
    if let Some(Others { api, is_final }) = others {
        let roster = supervisor.roster.subscribe();
        let may_leave = move || is_final && roster.borrow().is_idle();
        supervisor.tasks.spawn(async move {
            wait_for_others(api, may_leave).await;
            Ended::Others
        });
    }
}
