//! What is asked of the API about a container, and what it answers.

use crate::record::time::Nanos;
use std::time::Duration;

/// What the pod's status says about a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContainerState {
    /// It never ran.
    NotStarted,
    /// It runs.
    Running,
    /// Its last instance ended.
    Ended,
    /// The same, and it waits for its next start (`CrashLoopBackOff`). Until then the API serves that instance's output also as that of
    /// the previous one, and the output of the one before it is out of reach for good.
    BacksOff,
}

impl ContainerState {
    /// Whether nothing more is written until it is started again.
    pub fn has_ended(self) -> bool {
        match self {
            Self::Ended | Self::BacksOff => true,
            Self::NotStarted | Self::Running => false,
        }
    }
}

/// A container as it was found in the pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// Name of the container.
    pub container: String,
    /// What it does.
    pub state: ContainerState,
    /// How often it was restarted.
    pub restarts: u32,
    /// When it was started last, in seconds since 1970.
    pub started: Option<i64>,
    /// The clock of the node when it was found: the one that lines have their times from.
    pub found: Nanos,
}

/// What to ask the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// Look at the pod.
    Probe,
    /// Read output, with timestamps.
    Stream {
        /// Name of the container.
        container: String,
        /// The instance before the last restart.
        previous: bool,
        /// Stay connected at the end.
        follow: bool,
        /// Seconds since 1970, inclusive.
        since: Option<i64>,
    },
}

/// What the API answered.
#[derive(Debug)]
pub enum Answer<'a> {
    /// To [`Ask::Probe`].
    Probed(Instance),
    /// More of a stream.
    Data(&'a [u8]),
    /// Nobody took the stream's data for so long that the API's reader may have missed files: see [`Cause::HeldBack`].
    ///
    /// [`Cause::HeldBack`]: super::Cause::HeldBack
    HeldBack,
    /// Nothing came for so long that it was given up. Everything that the API's reader had was read.
    Silent,
    /// The stream ended cleanly.
    Ended,
    /// The question failed, or the stream broke.
    Failed {
        /// Why.
        error: String,
        /// The API wants to be left alone for so long.
        retry_after: Option<Duration>,
    },
    /// There is no such output: not yet, or not any more.
    Absent(String),
}

/// How to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drain {
    /// Read what is there.
    WhatIsThere,
    /// Read until the containers have ended: they were told to stop at the same moment as we.
    UntilEnd,
}
