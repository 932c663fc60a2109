//! The sinks' queues together: every record goes to each, and a position counts as reached when all have settled it.

use super::Tick;
use super::alerts::Alerts;
use super::batch::Lane;
use super::framer::FramePosition;
use super::resume::LineKey;
use super::summary::{Counts, Summary};
use crate::pipeline::alert::Alert;
use crate::pipeline::{Origin, Outcome, Run, Steps};
use crate::record::{Fields, Labels, Record};
use crate::sink::encode::Common;
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

/// What the records of a stream have in common.
#[derive(Debug, Clone, Default)]
pub struct Context {
    /// Number of the source.
    pub source: usize,
    /// In words.
    pub labels: Labels,
    /// For each sink, in its form.
    commons: Vec<Common>,
}

/// What came from a source.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Taken {
    /// Records.
    pub records: u64,
    /// Bytes of their bodies.
    pub bytes: u64,
    /// Records that were cut to the maximum.
    pub truncated: u64,
}

/// Every lane of a pipeline and what waits for their acknowledgement.
#[derive(Debug)]
pub struct Outlets {
    /// One for each sink.
    pub lanes: Vec<Lane>,
    /// One for each sink; none: it gets the records themselves.
    summaries: Vec<Option<Summary>>,
    /// Bytes of all lanes together, beyond which nothing is read.
    bytes_max: usize,
    /// There was no room before the last read, and how often that began.
    is_full: bool,
    stops: u64,
    steps: Run,
    /// For our standard error.
    pub alerts: Alerts,
    /// Memory that the next record uses again.
    spare_fields: Fields<'static>,
    spare_alerts: Vec<Alert>,
    newest: u64,
    /// By number of the source.
    taken: Vec<Taken>,
    marks: VecDeque<(u64, StreamId, Position)>,
}

impl Outlets {
    /// Empty queues.
    pub fn new(lanes: Vec<Lane>, steps: Run, bytes_max: usize) -> Self {
        Self {
            summaries: lanes.iter().map(|_| None).collect(),
            lanes,
            bytes_max,
            is_full: false,
            stops: 0,
            steps,
            alerts: Alerts::default(),
            spare_fields: Fields::default(),
            spare_alerts: Vec::new(),
            newest: 0,
            taken: Vec::new(),
            marks: VecDeque::new(),
        }
    }

    /// Sink number `sink` gets counts instead of records.
    pub fn summarise_sink(&mut self, sink: usize, summary: Summary) {
        self.summaries[sink] = Some(summary);
    }

    /// Sequence number of the newest record.
    pub fn newest(&self) -> u64 {
        self.newest
    }

    /// Whether every sink wants more records.
    pub fn have_room(&self) -> bool {
        !self.are_at_bound() && self.lanes.iter().all(Lane::has_room)
    }

    /// Whether all lanes together hold as much as they may.
    pub fn are_at_bound(&self) -> bool {
        self.bytes() >= self.bytes_max
    }

    /// The same before a read, and counts how often that had to wait.
    pub fn find_room(&mut self) -> bool {
        let is_full = !self.have_room();
        self.stops += u64::from(is_full && !self.is_full);
        self.is_full = is_full;
        !is_full
    }

    /// How often reading stopped because there was no room.
    pub fn stops(&self) -> u64 {
        self.stops
    }

    /// Bytes of all lanes together that are not settled.
    pub fn bytes(&self) -> usize {
        self.lanes.iter().map(Lane::bytes).sum()
    }

    /// Whether every record is settled and every position taken.
    pub fn are_empty(&self) -> bool {
        self.marks.is_empty() && self.lanes.iter().all(Lane::is_empty)
    }

    /// What the records of a stream of source number `source` have in common.
    pub fn context(&self, source: usize, labels: Labels) -> Context {
        let commons = self.lanes.iter().map(|lane| lane.prepare(&labels)).collect();
        Context {
            source,
            labels,
            commons,
        }
    }

    /// Runs the steps on a record and gives it to every sink that wants it.
    pub fn record(&mut self, now: Tick, context: &Context, mut record: Record<'_>) {
        self.newest += 1;
        self.take(context.source, &record);
        if self.steps.is_empty() {
            return self.hand_out(now, context, &record);
        }
        let origin = Origin {
            source: context.source,
            labels: &context.labels,
        };
        record.fields = std::mem::take(&mut self.spare_fields).recycle();
        let mut alerts = std::mem::take(&mut self.spare_alerts);
        let outcome = self
            .steps
            .apply(now, origin, &mut record, &mut |alert| alerts.push(alert));
        for alert in alerts.drain(..) {
            self.tell(now, context, &record, alert);
        }
        self.spare_alerts = alerts;
        match outcome {
            Outcome::Keep => self.hand_out(now, context, &record),
            Outcome::Drop => {}
        }
        self.spare_fields = record.fields.recycle();
    }

    fn take(&mut self, source: usize, record: &Record<'_>) {
        let taken = self.taken_mut(source);
        taken.records += 1;
        taken.bytes += record.body.len() as u64;
        taken.truncated += u64::from(record.original_bytes.is_some());
    }

    fn taken_mut(&mut self, source: usize) -> &mut Taken {
        if self.taken.len() <= source {
            self.taken.resize(source + 1, Taken::default());
        }
        &mut self.taken[source]
    }

    /// Goes on counting records from here. Only before the first one.
    pub fn count_on(&mut self, newest: u64) {
        self.newest = newest;
    }

    /// Goes on counting what comes from this source from here.
    pub fn count_on_from(&mut self, source: usize, taken: Taken) {
        *self.taken_mut(source) = taken;
    }

    /// What came from the source of this number so far.
    pub fn taken(&self, source: usize) -> Taken {
        self.taken.get(source).copied().unwrap_or_default()
    }

    fn hand_out(&mut self, now: Tick, context: &Context, record: &Record<'_>) {
        let sinks = self
            .lanes
            .iter_mut()
            .zip(&mut self.summaries)
            .zip(&context.commons);
        for ((lane, summary), common) in sinks {
            if !lane.wants(record, &context.labels) {
                continue;
            }
            match summary {
                Some(summary) => summary.count(now, record),
                None => lane.append(now, common, record, self.newest),
            }
        }
    }

    /// Hands the lines of summaries that are due to their sinks; `flush` does not wait. Whether there was one.
    pub fn summarise(&mut self, now: Tick, flush: bool) -> bool {
        let mut any = false;
        for (lane, summary) in self.lanes.iter_mut().zip(&mut self.summaries) {
            let sequence = self.newest + 1;
            let line = summary
                .as_mut()
                .and_then(|summary| summary.poll(now, sequence, flush));
            if let Some(line) = line {
                self.newest = sequence;
                let common = lane.prepare(&Labels::default());
                lane.append(now, &common, &Record::new(0, &line), sequence);
                any = true;
            }
        }
        any
    }

    /// When [`Outlets::summarise`] has something to do.
    pub fn deadline(&self) -> Option<Tick> {
        self.summaries
            .iter()
            .flatten()
            .filter_map(Summary::deadline)
            .min()
    }

    /// What the summaries of a restart have to go on from, by number of the sink.
    pub fn summaries(&self) -> impl Iterator<Item = (usize, Counts)> {
        let summaries = self.summaries.iter().enumerate();
        summaries.filter_map(|(sink, summary)| Some((sink, summary.as_ref()?.counts())))
    }

    /// Whether a summary's line was acknowledged since the last call.
    pub fn summary_acknowledged(&mut self) -> bool {
        let newest = self.newest;
        let sinks = self.lanes.iter().zip(&mut self.summaries);
        sinks
            .filter_map(|(lane, summary)| Some(summary.as_mut()?.acknowledged(lane.acknowledged(newest))))
            .fold(false, |any, acknowledged| any | acknowledged)
    }

    /// An alert is a record of its own to the sinks that it names.
    fn tell(&mut self, now: Tick, context: &Context, about: &Record<'_>, alert: Alert) {
        let record = Record {
            time: about.time,
            stream: about.stream,
            severity: about.severity,
            ..Record::new(about.observed, &alert.json)
        };
        for &sink in &*alert.targets.sinks {
            self.lanes[sink].append(now, &context.commons[sink], &record, self.newest);
        }
        if alert.targets.stderr {
            self.alerts.add(now, alert.json);
        }
    }

    /// The steps with what they remember; from then on there are none.
    pub fn take_steps(&mut self) -> Run {
        std::mem::replace(&mut self.steps, Run::new(&Steps::default(), 0))
    }

    /// What is counted for the summaries of a sink; from then on nothing is.
    pub fn take_summary(&mut self, sink: usize) -> Option<Summary> {
        self.summaries.get_mut(sink)?.take()
    }

    /// What the steps did so far.
    pub fn steps(&self) -> &Run {
        &self.steps
    }

    /// Notes where `stream` is when all records so far are settled.
    pub fn mark(&mut self, stream: StreamId, position: Position) {
        self.marks.push_back((self.newest, stream, position));
        for summary in self.summaries.iter_mut().flatten() {
            summary.mark(self.newest);
        }
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
            for summary in self.summaries.iter_mut().flatten() {
                summary.settle(sequence);
            }
            (stream, position)
        })
    }
}
