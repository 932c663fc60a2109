//! What the engine is told, and what it tells the shell to do.

use super::batch::{BatchId, Rejected};
use super::checkpoint::Checkpoint;
use super::follow::{Answer, Ask, Drain};
use super::outlets::StreamId;
use super::report::Report;
use super::spool::{self, Done};
use super::tail::{Chunk, Entry, Look};
use crate::config::Pod;
use crate::sink::encode::Batch;
use crate::sink::verdict::Verdict;
use std::collections::BTreeMap;

/// What an engine is made of besides its pipeline.
#[derive(Debug)]
pub struct Start<'a> {
    /// The pod that the records are labelled with.
    pub pod: &'a Pod,
    /// Where the last run ended.
    pub checkpoint: Option<Checkpoint>,
    /// What was found of spools, by the source's name.
    pub spools: BTreeMap<String, spool::Found>,
    /// Whether checkpoints are written.
    pub persistent: bool,
    /// The process begins with it, and the pod with the process: what containers wrote before the first look is missing.
    pub is_first: bool,
    /// Read what is there, then finish.
    pub once: bool,
    /// Of the random numbers in the waiting times.
    pub seed: u64,
}

/// What the shell observed.
#[derive(Debug)]
pub enum Input<'a> {
    /// The answer to [`Output::List`].
    Listed {
        source: usize,
        listing: Result<Vec<Entry>, String>,
    },
    /// The answer to [`Output::Open`].
    Opened { file: StreamId, look: Look<'a> },
    /// The other answer to [`Output::Open`] and [`Output::Read`].
    FileFailed { file: StreamId, error: String },
    /// The answer to [`Output::Read`].
    Chunk { file: StreamId, chunk: Chunk<'a> },
    /// The kernel told of a change in the directory of a source, or of all.
    Changed { source: Option<usize>, names: bool },
    /// The kernel told that the contents of one file changed.
    Touched { source: usize, name: &'a str },
    /// A part of the answer to [`Output::Ask`].
    Answer {
        stream: StreamId,
        question: u64,
        answer: Answer<'a>,
    },
    /// The answer to [`Output::Send`].
    Settled {
        sink: usize,
        batch: BatchId,
        verdict: Verdict,
    },
    /// The answer to [`Output::Spool`].
    Spooled { spool: usize, done: Done<'a> },
    /// The checkpoint could not be written.
    SaveFailed,
    /// Send what is left, then finish. [`Drain::WhatIsThere`] may follow [`Drain::UntilEnd`], and both may follow
    /// [`Input::HandOver`].
    Drain(Drain),
    /// Read no more, so that another engine can go on from here.
    HandOver,
}

impl Input<'_> {
    /// Whether something was read, or taken by a sink.
    pub(super) fn is_progress(&self) -> bool {
        match self {
            Self::Opened { .. } | Self::Answer { .. } => true,
            Self::Chunk { chunk, .. } => !chunk.bytes.is_empty(),
            Self::Settled { verdict, .. } => !matches!(verdict, Verdict::Retry { .. }),
            _ => false,
        }
    }
}

/// What the shell should do.
#[derive(Debug)]
pub enum Output {
    /// List the regular files of the source's directory whose name matches or whose inode is wanted.
    List { source: usize, wanted: Vec<u64> },
    /// Open a file of the source's directory.
    Open {
        source: usize,
        file: StreamId,
        name: String,
    },
    /// Read from an open file.
    Read {
        file: StreamId,
        offset: u64,
        look_at_head: bool,
    },
    /// Close an open file.
    Close { file: StreamId },
    /// Ask the API; a running question of the same stream is dropped.
    Ask {
        stream: StreamId,
        question: u64,
        ask: Ask,
    },
    /// Send a batch.
    Send { sink: usize, id: BatchId, batch: Batch },
    /// Keep records that are given up.
    Reject { sink: usize, rejected: Rejected },
    /// Write a line of JSON to our standard error.
    Alert(Vec<u8>),
    /// Do something on the disk for a spool.
    Spool { spool: usize, act: spool::Act },
    /// Write the checkpoint.
    Save(Vec<u8>),
    /// Tell people.
    Report(Report),
    /// Nothing follows. `drained`: everything was sent; otherwise the drain time is over.
    Finished { drained: bool },
    /// Nothing follows: the answer to [`Input::HandOver`], see [`Engine::after`](super::Engine::after).
    /// `drained`: every sink has settled what was read; otherwise the successor reads the rest again.
    HandedOver { drained: bool },
}

/// A container's output that the shell provides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputStream {
    /// Its number.
    pub id: StreamId,
    /// The container, or the pod's default one.
    pub container: Option<String>,
}
