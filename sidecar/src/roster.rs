//! What runs at the moment, for those who ask: the administration and the screen. The pipelines may change while they do.
//!
//! Guarantees: no counter goes down because a pipeline was changed or removed while it was asked; what was counted by those that are no
//! more is told beside the others.

use crate::config::revision::Rejection;
use crate::engine::status::PipelineStatus;
use crate::io::room::Room;
use crate::metrics::past::Past;
use logship_crd::report::{PodName, Report};
use serde::Serialize;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot, watch};

/// More exchanges of the pipelines in a row than this while they are asked are none.
const ROUNDS_MAX: usize = 8;

/// What a pipeline is asked: its status, and what was counted before under names that it does not have any more.
pub type Question = oneshot::Sender<(PipelineStatus, Past)>;

/// What runs.
#[derive(Debug, Clone, Default)]
pub struct Roster {
    /// Where each pipeline takes questions.
    pub pipelines: Vec<mpsc::Sender<Question>>,
    /// What pipelines have counted that are no more.
    pub past: Past,
    /// What became of changed documents.
    pub reloads: Reloads,
    /// Why positions are not kept, although they should be.
    pub state_trouble: Option<String>,
    /// Of the state volume.
    pub room: Option<Arc<Room>>,
    /// The pod that we are in.
    pub pod: PodName,
    /// A pipeline prints on our standard output.
    pub prints: bool,
}

/// What became of changed documents.
#[derive(Debug, Clone, Default)]
pub struct Reloads {
    /// Changes that were taken, in whole or in part.
    pub applied: u64,
    /// Changes with something that was not taken.
    pub rejected: u64,
    /// What is not taken at the moment.
    pub rejections: Vec<Rejection>,
}

impl Roster {
    /// Whether nothing runs, and nothing would if it had no mistakes.
    pub fn is_idle(&self) -> bool {
        self.pipelines.is_empty() && self.reloads.rejections.is_empty()
    }
}

/// What was told at one moment.
#[derive(Debug, Clone, Default)]
pub struct Told {
    /// Of the pipelines that run.
    pub pipelines: Vec<PipelineStatus>,
    /// Of all that is no more.
    pub past: Past,
    /// See [`Roster::reloads`].
    pub reloads: Reloads,
    /// See [`Roster::state_trouble`].
    pub state_trouble: Option<String>,
    /// What is used of the state volume, where it has a bound.
    pub state: Option<StateStatus>,
    /// See [`Roster::pod`].
    pub pod: PodName,
}

/// What is used of the state volume, by all pipelines together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StateStatus {
    /// Bytes.
    pub bytes: u64,
    /// How many there may be.
    pub bytes_max: u64,
}

/// [`Told`] as `/status` shows it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    state_trouble: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<StateStatus>,
    configuration: Report,
    pipelines: &'a [PipelineStatus],
}

impl Told {
    /// As `/status` shows it.
    pub fn status(&self) -> Status<'_> {
        Status {
            state_trouble: self.state_trouble.as_deref(),
            state: self.state,
            configuration: self.configuration(),
            pipelines: &self.pipelines,
        }
    }

    /// What runs by which generation, and what is refused.
    pub fn configuration(&self) -> Report {
        let applied = self.pipelines.iter();
        let applied = applied.map(|pipeline| (pipeline.name.clone(), pipeline.generation));
        let report = Report {
            pod: self.pod.clone(),
            applied_generations: applied.collect(),
            rejected: self.reloads.rejections.clone(),
        };
        report.bounded()
    }
}

/// Asks all that run.
pub async fn ask(roster: &watch::Receiver<Roster>) -> Told {
    let mut told = Told::default();
    for _ in 0..ROUNDS_MAX {
        let (now, is_whole) = ask_once(roster).await;
        told = now;
        if is_whole {
            break;
        }
    }
    told
}

/// Whether all that run have answered: otherwise one of them has gone meanwhile, and the roster says what it left.
async fn ask_once(roster: &watch::Receiver<Roster>) -> (Told, bool) {
    let Roster {
        pipelines,
        past,
        reloads,
        state_trouble,
        room,
        pod,
        prints: _,
    } = roster.borrow().clone();
    let mut told = Told {
        pipelines: Vec::with_capacity(pipelines.len()),
        past,
        reloads,
        state_trouble,
        state: room
            .and_then(|room| room.bytes())
            .map(|(bytes, bytes_max)| StateStatus { bytes, bytes_max }),
        pod,
    };
    for pipeline in &pipelines {
        let (ask, answer) = oneshot::channel();
        if pipeline.send(ask).await.is_err() {
            return (told, false);
        }
        let Ok((status, past)) = answer.await else {
            return (told, false);
        };
        told.pipelines.push(status);
        told.past.merge(&past);
    }
    (told, true)
}
