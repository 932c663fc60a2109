//! What `/status` and `/metrics` show of a pipeline.

use super::Engine;
use super::batch::LaneCounts;
use super::follow::FollowCounts;
use super::outlets::Taken;
use super::tail::TailCounts;
use crate::pipeline::StepCounts;
use crate::pipeline::count::Metric;
use serde::Serialize;

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
    /// The failure it is in, if any.
    pub error: Option<String>,
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
        let sinks = self
            .outlets
            .lanes
            .iter()
            .zip(&self.sink_names)
            .map(|(lane, name)| {
                let LaneCounts {
                    sent,
                    sent_bytes,
                    retries,
                    rejected,
                    given_up,
                    dropped,
                } = lane.counts;
                SinkStatus {
                    name: name.clone(),
                    sent,
                    sent_bytes,
                    retries,
                    rejected,
                    given_up,
                    dropped,
                    lost: 0,
                    error: lane.error.clone(),
                }
            });
        PipelineStatus {
            name: self.name.clone(),
            generation: self.generation,
            records: self.outlets.newest(),
            in_flight_bytes: self.outlets.bytes() as u64,
            reading_stops: self.outlets.stops(),
            suppressed_alerts: self.outlets.alerts.suppressed(),
            files: files.collect(),
            containers: containers.collect(),
            steps: self.outlets.steps().counts().collect(),
            counts: self.outlets.steps().metrics().collect(),
            sinks: sinks.collect(),
        }
    }
}
