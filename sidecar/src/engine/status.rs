//! What `/status` and `/metrics` show of a pipeline.

use super::Engine;
use super::batch::{Lane, LaneCounts};
use super::follow::FollowCounts;
use super::outlets::Taken;
use super::spool::{Counts, Spool};
use super::tail::TailCounts;
use crate::pipeline::StepCounts;
use crate::pipeline::count::Metric;
use serde::Serialize;

/// So many reasons are shown.
const REASONS_MAX: usize = 8;

/// One pipeline at a moment.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PipelineStatus {
    /// Name of the `LogShipping`.
    pub name: String,
    /// The generation of it that runs.
    pub generation: i64,
    /// Records read.
    pub records: u64,
    /// Bytes that sinks have not acknowledged.
    pub in_flight_bytes: u64,
    /// How often reading stopped because sinks had no room.
    pub reading_stops: u64,
    /// Alerts that were not written to standard error because there were too many.
    pub suppressed_alerts: u64,
    /// Its files sources and their positions.
    pub files: Vec<FilesStatus>,
    /// Its container output sources.
    pub containers: Vec<ContainerStatus>,
    /// What these keep on the state volume, where they may.
    pub spills: Vec<SpillStatus>,
    /// What its steps did, in the order of the document.
    pub steps: Vec<StepCounts>,
    /// What its `count` steps counted.
    pub counts: Vec<Metric>,
    /// Its sinks.
    pub sinks: Vec<SinkStatus>,
}

/// A files source.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FilesStatus {
    /// Name of the source.
    pub source: String,
    /// Records read.
    pub records: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Records that were cut to the maximum.
    pub truncated: u64,
    /// Bytes that are there and were not read.
    pub lag_bytes: u64,
    /// Files that are followed.
    pub files: usize,
    /// Descriptors that they hold.
    pub open_files: usize,
    /// Descriptors given up because others needed them.
    pub parked: u64,
    /// Files that were gone before they were read to their end, as far as that is known.
    pub lost_files: u64,
    /// Bytes that were gone before they were read, as far as that is known.
    pub lost_bytes: u64,
    /// Files that were truncated or rewritten.
    pub truncations: u64,
    /// NUL bytes skipped in the holes that writers leave which do not append.
    pub nul_bytes: u64,
    /// Lines that were not in the format of the files and passed as they were.
    pub malformed: u64,
    /// Files that cannot be read at the moment, or the directory.
    pub unreadable: usize,
    /// Why, and what to set; of the first few.
    pub unreadable_because: Vec<String>,
    /// Settled position by file.
    pub positions: Vec<(String, u64)>,
}

/// A container's output.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ContainerStatus {
    /// Name of the source.
    pub source: String,
    /// Records read.
    pub records: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Records that were cut to the maximum.
    pub truncated: u64,
    /// Lines of the API that are none of a container's, such as its errors.
    pub notices: u64,
    /// Instances of containers that ended unread, of whose output some is missing.
    pub missed_instances: u64,
    /// Times that output seems to have been rotated away between two connections.
    pub rotation_gaps: u64,
    /// Times that output seems to have been rotated away while reading was held back.
    pub held_back_gaps: u64,
    /// Settled last second by container.
    pub positions: Vec<(String, Option<i64>)>,
}

/// What a source keeps on the state volume because sinks do not take it.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SpillStatus {
    /// Name of the source.
    pub source: String,
    /// Bytes of its files.
    pub bytes: u64,
    /// Their bound.
    pub bytes_max: u64,
    /// The bound is reached: nothing more is read.
    pub is_full: bool,
    /// How often it was.
    pub full: u64,
    /// Bytes that were written.
    pub spilled_bytes: u64,
    /// Times that the volume failed; what was tried is repeated.
    pub failures: u64,
    /// Bytes that were damaged or gone.
    pub lost_bytes: u64,
}

/// A sink.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SinkStatus {
    /// Name of the sink.
    pub name: String,
    /// Records delivered.
    pub sent: u64,
    /// Bytes delivered, before compression.
    pub sent_bytes: u64,
    /// Batches sent again.
    pub retries: u64,
    /// Records refused for good, or given up.
    pub rejected: u64,
    /// Of those, records that could not be sent within `retry.maxAge`.
    pub given_up: u64,
    /// Records dropped because the sink took none.
    pub dropped: u64,
    /// Of the refused ones, those that were not even kept.
    pub lost: u64,
    /// Records that were read for it and that it has not taken yet.
    pub unacknowledged: u64,
    /// The failure it is in, if any.
    pub error: Option<String>,
}

impl PipelineStatus {
    /// What is not sent, in words: records by sink, and bytes of files that were not read. None: nothing, as far as it is known.
    pub fn left(&self) -> Option<String> {
        let sinks = self.sinks.iter().filter(|sink| sink.unacknowledged > 0);
        let sinks = sinks.map(|sink| {
            let why = sink.error.as_ref().map(|error| format!(" ({error})"));
            format!(
                "{} records not acknowledged by {}{}",
                sink.unacknowledged,
                sink.name,
                why.unwrap_or_default()
            )
        });
        let files = self.files.iter().filter(|source| source.lag_bytes > 0);
        let files = files.map(|source| format!("{} bytes not read of {}", source.lag_bytes, source.source));
        let left: Vec<_> = sinks.chain(files).collect();
        (!left.is_empty()).then(|| left.join("; "))
    }
}

impl Engine {
    /// The pipeline at this moment.
    pub fn status(&self) -> PipelineStatus {
        let files = self.sources.files.iter().map(|source| {
            let Taken {
                records,
                bytes,
                truncated,
            } = self.outlets.taken(source.number);
            let tail = &source.tail;
            let TailCounts {
                lost_files,
                lost_bytes,
                truncations,
                nul_bytes,
                parked,
                malformed,
            } = tail.counts();
            let positions = tail.positions().unwrap_or_default().into_iter();
            FilesStatus {
                source: source.name.clone(),
                records,
                bytes,
                truncated,
                lag_bytes: tail.lag_bytes(),
                files: tail.files(),
                open_files: tail.open_files(),
                parked,
                lost_files,
                lost_bytes,
                truncations,
                nul_bytes,
                malformed,
                unreadable: tail.unreadable().count(),
                unreadable_because: tail.unreadable().take(REASONS_MAX).map(str::to_owned).collect(),
                positions: positions.map(|at| (at.name, at.offset)).collect(),
            }
        });
        let containers = self.sources.streams.iter().map(|source| {
            let Taken {
                records,
                bytes,
                truncated,
            } = self.outlets.taken(source.number);
            let FollowCounts {
                notices,
                missed_instances,
                rotation_gaps,
                held_back_gaps,
            } = source.follow.counts();
            ContainerStatus {
                source: source.name.clone(),
                records,
                bytes,
                truncated,
                notices,
                missed_instances,
                rotation_gaps,
                held_back_gaps,
                positions: source.follow.last_seconds(),
            }
        });
        let spills = self.outlets.spools().iter().map(spill);
        let sinks = self
            .outlets
            .lanes
            .iter()
            .zip(&self.sink_names)
            .map(|(lane, name)| sink(name, lane));
        PipelineStatus {
            name: self.name.clone(),
            generation: self.generation,
            records: self.outlets.newest(),
            in_flight_bytes: self.outlets.bytes() as u64,
            reading_stops: self.outlets.stops(),
            suppressed_alerts: self.outlets.alerts.suppressed(),
            files: files.collect(),
            containers: containers.collect(),
            spills: spills.collect(),
            steps: self.outlets.steps().counts().collect(),
            counts: self.outlets.steps().metrics().collect(),
            sinks: sinks.collect(),
        }
    }
}

fn sink(name: &str, lane: &Lane) -> SinkStatus {
    let LaneCounts {
        sent,
        sent_bytes,
        retries,
        rejected,
        given_up,
        dropped,
    } = lane.counts;
    SinkStatus {
        name: name.to_owned(),
        sent,
        sent_bytes,
        retries,
        rejected,
        given_up,
        dropped,
        lost: 0,
        unacknowledged: lane.records() as u64,
        error: lane.error.clone(),
    }
}

fn spill(spool: &Spool) -> SpillStatus {
    let (bytes, bytes_max) = spool.bytes();
    let Counts {
        spilled_bytes,
        full,
        failures,
        lost_bytes,
    } = spool.counts();
    SpillStatus {
        source: spool.name.clone(),
        bytes,
        bytes_max,
        is_full: spool.is_full(),
        full,
        spilled_bytes,
        failures,
        lost_bytes,
    }
}
