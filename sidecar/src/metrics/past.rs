//! What was counted by pipelines, sources, sinks and steps that are no more, so that no counter of `/metrics` goes down when the
//! configuration changes. Pure. Bounded: kinds of steps are few, and of the metrics of `count` steps so many values are kept.

use crate::engine::status::{ContainerStatus, FilesStatus, PipelineStatus, SinkStatus};
use crate::pipeline::StepCounts;
use crate::pipeline::count::Metric;

/// More values of metrics of `count` steps are not kept: they are gone, as after a restart.
const METRICS_MAX: usize = 1000;

/// Counters that go on under no name.
#[derive(Debug, Clone, Default)]
pub struct Past(Option<Box<PipelineStatus>>);

impl Past {
    /// As one more pipeline that does nothing.
    pub fn as_pipeline(&self) -> Option<&PipelineStatus> {
        self.0.as_deref()
    }

    /// A pipeline is no more (`after`: another is in its place). What it counted and the other does not go on with is kept.
    pub fn leave(&mut self, before: &PipelineStatus, after: Option<&PipelineStatus>) {
        let mut left = totals(before);
        if let Some(after) = after {
            left.subtract(&totals(after));
        }
        self.merge(&Self(Some(Box::new(left))));
    }

    /// Keeps what both keep.
    pub fn merge(&mut self, other: &Self) {
        let Some(other) = other.as_pipeline() else {
            return;
        };
        match &mut self.0 {
            Some(total) => total.add(other),
            None => self.0 = Some(Box::new(other.clone())),
        }
    }
}

/// The counters of a pipeline, with one source of each kind, one sink and one step of each kind.
fn totals(status: &PipelineStatus) -> PipelineStatus {
    let mut total = PipelineStatus::nothing();
    total.add(status);
    total
}

impl PipelineStatus {
    fn nothing() -> Self {
        Self {
            name: String::new(),
            generation: 0,
            records: 0,
            in_flight_bytes: 0,
            reading_stops: 0,
            suppressed_alerts: 0,
            files: vec![FilesStatus::default()],
            containers: vec![ContainerStatus::default()],
            steps: Vec::new(),
            counts: Vec::new(),
            sinks: vec![SinkStatus::default()],
        }
    }

    fn add(&mut self, other: &Self) {
        self.combine(other, u64::saturating_add);
    }

    fn subtract(&mut self, other: &Self) {
        self.combine(other, u64::saturating_sub);
    }

    /// Combines each counter with the other's. Gauges are nothing: what is no more has none.
    fn combine(&mut self, other: &Self, with: fn(u64, u64) -> u64) {
        self.records = with(self.records, other.records);
        self.reading_stops = with(self.reading_stops, other.reading_stops);
        self.suppressed_alerts = with(self.suppressed_alerts, other.suppressed_alerts);
        self.combine_containers(other, with);
        let (files, sinks) = (&mut self.files[0], &mut self.sinks[0]);
        for FilesStatus {
            source: _,
            records: _,
            bytes: _,
            lag_bytes: _,
            files: _,
            open_files: _,
            parked,
            lost_files,
            lost_bytes,
            truncations,
            nul_bytes,
            malformed,
            truncated,
            positions: _,
        } in &other.files
        {
            for (total, value) in [
                (&mut files.parked, parked),
                (&mut files.lost_files, lost_files),
                (&mut files.lost_bytes, lost_bytes),
                (&mut files.truncations, truncations),
                (&mut files.nul_bytes, nul_bytes),
                (&mut files.malformed, malformed),
                (&mut files.truncated, truncated),
            ] {
                *total = with(*total, *value);
            }
        }
        for SinkStatus {
            name: _,
            sent,
            sent_bytes,
            retries,
            rejected,
            dropped,
            lost,
            given_up,
            error: _,
        } in &other.sinks
        {
            for (total, value) in [
                (&mut sinks.sent, sent),
                (&mut sinks.sent_bytes, sent_bytes),
                (&mut sinks.retries, retries),
                (&mut sinks.rejected, rejected),
                (&mut sinks.dropped, dropped),
                (&mut sinks.lost, lost),
                (&mut sinks.given_up, given_up),
            ] {
                *total = with(*total, *value);
            }
        }
        for step in &other.steps {
            let total = same(
                &mut self.steps,
                |total| total.kind == step.kind,
                || StepCounts {
                    affected: 0,
                    undefined: 0,
                    ..*step
                },
            );
            total.affected = with(total.affected, step.affected);
            total.undefined = with(total.undefined, step.undefined);
        }
        for metric in &other.counts {
            let is_same = |total: &Metric| total.name == metric.name && total.labels == metric.labels;
            let total = same(&mut self.counts, is_same, || Metric {
                value: 0,
                ..metric.clone()
            });
            total.value = with(total.value, metric.value);
        }
        self.counts.truncate(METRICS_MAX);
    }

    fn combine_containers(&mut self, other: &Self, with: fn(u64, u64) -> u64) {
        let containers = &mut self.containers[0];
        for ContainerStatus {
            source: _,
            records: _,
            bytes: _,
            truncated,
            notices,
            missed_instances,
            rotation_gaps,
            held_back_gaps,
            positions: _,
        } in &other.containers
        {
            for (total, value) in [
                (&mut containers.truncated, truncated),
                (&mut containers.notices, notices),
                (&mut containers.missed_instances, missed_instances),
                (&mut containers.rotation_gaps, rotation_gaps),
                (&mut containers.held_back_gaps, held_back_gaps),
            ] {
                *total = with(*total, *value);
            }
        }
    }
}

/// The one that is the same, or a new one.
fn same<T>(all: &mut Vec<T>, is_same: impl Fn(&T) -> bool, new: impl FnOnce() -> T) -> &mut T {
    let index = all.iter().position(is_same).unwrap_or_else(|| {
        all.push(new());
        all.len() - 1
    });
    &mut all[index]
}
