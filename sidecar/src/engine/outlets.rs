//! The sinks' queues together: every record goes to each, and a position counts as reached when all have settled it.

use super::Tick;
use super::batch::Lane;
use super::framer::FramePosition;
use super::resume::LineKey;
use crate::sink::encode::{Context, Record};
use std::collections::VecDeque;

/// A file or a container's output within one pipeline.
pub type StreamId = u64;

/// Where a stream is once all records before a mark are settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Position {
    /// In a file. A truncation begins a new epoch; positions of an older one mean nothing.
    File {
        /// How often the file was truncated.
        epoch: u32,
        /// Which of its records were handed out.
        at: FramePosition,
    },
    /// Behind this line of a container's output.
    Line(LineKey),
    /// At the beginning of the container's instance with this restart count.
    Instance(u32),
}

/// Every lane of a pipeline and what waits for their acknowledgement.
#[derive(Debug)]
pub struct Outlets {
    /// One for each sink.
    pub lanes: Vec<Lane>,
    newest: u64,
    marks: VecDeque<(u64, StreamId, Position)>,
}

impl Outlets {
    /// Empty queues.
    pub fn new(lanes: Vec<Lane>) -> Self {
        Self {
            lanes,
            newest: 0,
            marks: VecDeque::new(),
        }
    }

    /// Sequence number of the newest record.
    pub fn newest(&self) -> u64 {
        self.newest
    }

    /// Whether every sink wants more records.
    pub fn have_room(&self) -> bool {
        self.lanes.iter().all(Lane::has_room)
    }

    /// Whether every record is settled and every position taken.
    pub fn are_empty(&self) -> bool {
        self.marks.is_empty() && self.lanes.iter().all(Lane::is_empty)
    }

    /// Gives a record to every sink.
    pub fn record(&mut self, now: Tick, context: &Context, record: Record<'_>) {
        self.newest += 1;
        for lane in &mut self.lanes {
            lane.append(now, context, record, self.newest);
        }
    }

    /// Notes where `stream` is when all records so far are settled.
    pub fn mark(&mut self, stream: StreamId, position: Position) {
        self.marks.push_back((self.newest, stream, position));
    }

    /// The next position that every sink has settled.
    pub fn reached(&mut self) -> Option<(StreamId, Position)> {
        let settled = self
            .lanes
            .iter()
            .map(|lane| lane.acknowledged(self.newest))
            .min()
            .unwrap_or(self.newest);
        let (sequence, stream, position) = *self.marks.front()?;
        (sequence <= settled).then(|| {
            self.marks.pop_front();
            (stream, position)
        })
    }
}
