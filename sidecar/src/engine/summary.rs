//! Counts of records by severity, one line for each interval, in the place of the records. Pure.
//!
//! The counts are kept in step with the positions: those of records that are settled are part of the checkpoint, and a record that
//! is read again after a crash was not in them. So a restart counts nothing twice and forgets nothing; only a crash between the
//! write of a line and the next checkpoint writes that line twice, with the same `start`.

use super::Tick;
use crate::record::time::{Nanos, rfc3339};
use crate::record::{Record, Severity};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// What was counted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Counts {
    /// When the first record was read, nanoseconds since 1970.
    start: Nanos,
    /// When the last record was read.
    end: Nanos,
    /// Records by the name of their severity, `UNKNOWN` for those without.
    records: BTreeMap<String, u64>,
}

impl Counts {
    /// Whether nothing was counted.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    fn add(&mut self, record: &Record<'_>) {
        let severity = record.severity.map_or("UNKNOWN", Severity::name);
        self.span(record.observed, record.observed);
        match self.records.get_mut(severity) {
            Some(known) => *known = known.saturating_add(1),
            None => {
                self.records.insert(severity.to_owned(), 1);
            }
        }
    }

    fn merge(&mut self, other: &Self) {
        if other.is_empty() {
            return;
        }
        self.span(other.start, other.end);
        for (severity, count) in &other.records {
            let sum = self.records.entry(severity.clone()).or_default();
            *sum = sum.saturating_add(*count);
        }
    }

    fn span(&mut self, start: Nanos, end: Nanos) {
        if self.is_empty() {
            (self.start, self.end) = (start, end);
        }
        self.start = self.start.min(start);
        self.end = self.end.max(end);
    }

    /// One JSON object without a newline.
    fn to_line(&self) -> Vec<u8> {
        let time = |nanos| String::from_utf8_lossy(&rfc3339(nanos)).into_owned();
        let total = self
            .records
            .values()
            .fold(0, |total: u64, count| total.saturating_add(*count));
        serde_json::json!({
            "start": time(self.start),
            "end": time(self.end),
            "records": total,
            "severities": self.records,
        })
        .to_string()
        .into_bytes()
    }
}

/// The counts of one sink.
#[derive(Debug)]
pub struct Summary {
    interval: Duration,
    /// When the next line is written, if anything was counted.
    due: Option<Tick>,
    /// Of records behind the last mark.
    open: Counts,
    /// Of records up to a mark, with the mark's sequence number. As many as marks are not settled.
    marked: VecDeque<(u64, Counts)>,
    /// Of settled records.
    settled: Counts,
    /// What the sink has not acknowledged yet, with the sequence number of the line.
    writing: Option<(u64, Counts)>,
}

impl Summary {
    /// Goes on from the counts of the last run.
    pub fn new(interval: Duration, known: Counts) -> Self {
        Self {
            interval,
            due: (!known.is_empty()).then_some(interval),
            open: Counts::default(),
            marked: VecDeque::new(),
            settled: known,
            writing: None,
        }
    }

    /// Counts a record.
    pub fn count(&mut self, now: Tick, record: &Record<'_>) {
        self.due.get_or_insert(now + self.interval);
        self.open.add(record);
    }

    /// What was counted so far belongs to the positions up to the mark with this sequence number.
    pub fn mark(&mut self, sequence: u64) {
        if !self.open.is_empty() {
            self.marked.push_back((sequence, std::mem::take(&mut self.open)));
        }
    }

    /// The positions up to this mark are settled.
    pub fn settle(&mut self, sequence: u64) {
        while self.marked.front().is_some_and(|(marked, _)| *marked <= sequence) {
            let (_, counts) = self.marked.pop_front().unwrap_or_default();
            self.settled.merge(&counts);
        }
    }

    /// The line to write now under this sequence number, if one is due. `flush` does not wait for the interval.
    pub fn poll(&mut self, now: Tick, sequence: u64, flush: bool) -> Option<Vec<u8>> {
        let is_due = flush || self.due.is_some_and(|due| due <= now);
        if !is_due || self.writing.is_some() || self.settled.is_empty() {
            return None;
        }
        let counts = std::mem::take(&mut self.settled);
        let line = counts.to_line();
        self.writing = Some((sequence, counts));
        let goes_on = !self.open.is_empty() || !self.marked.is_empty();
        self.due = goes_on.then_some(now + self.interval);
        Some(line)
    }

    /// The sink has acknowledged everything up to this sequence number. Whether a line was among it.
    pub fn acknowledged(&mut self, sequence: u64) -> bool {
        self.writing.take_if(|(line, _)| *line <= sequence).is_some()
    }

    /// When [`Summary::poll`] has something to do: only once something is settled, which is news by itself.
    pub fn deadline(&self) -> Option<Tick> {
        self.due
            .filter(|_| self.writing.is_none() && !self.settled.is_empty())
    }

    /// What a restart has to go on from.
    pub fn counts(&self) -> Counts {
        let mut counts = self.settled.clone();
        if let Some((_, writing)) = &self.writing {
            counts.merge(writing);
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn count(summary: &mut Summary, observed: Nanos, severity: Option<Severity>) {
        let record = Record {
            severity,
            ..Record::new(observed, b"")
        };
        summary.count(Tick::ZERO, &record);
    }

    #[test]
    fn line_is_written_at_the_interval_with_counts_by_severity() {
        let mut summary = Summary::new(MINUTE, Counts::default());
        count(&mut summary, 1, Some(Severity::Error));
        count(&mut summary, 2, None);
        count(&mut summary, 3, Some(Severity::Error));
        summary.mark(3);
        assert_eq!(summary.poll(MINUTE, 4, false), None, "nothing is settled");
        summary.settle(3);
        assert_eq!(summary.deadline(), Some(MINUTE));
        let line = summary.poll(MINUTE, 4, false).unwrap();
        assert_eq!(
            String::from_utf8(line).unwrap(),
            r#"{"end":"1970-01-01T00:00:00.000000003Z","records":3,"severities":{"ERROR":2,"UNKNOWN":1},"start":"1970-01-01T00:00:00.000000001Z"}"#
        );
        assert_eq!(summary.poll(MINUTE * 2, 5, false), None);
    }

    #[test]
    fn restart_counts_settled_records_once_and_the_others_again() {
        let mut summary = Summary::new(MINUTE, Counts::default());
        count(&mut summary, 1, None);
        summary.mark(1);
        count(&mut summary, 2, None);
        summary.mark(2);
        summary.settle(1);
        // The second record is not in the checkpoint, so it is read again.
        let mut restarted = Summary::new(MINUTE, summary.counts());
        count(&mut restarted, 2, None);
        restarted.mark(2);
        restarted.settle(2);
        assert_eq!(restarted.counts().records["UNKNOWN"], 2);
    }

    #[test]
    fn counts_at_their_end_stay_there() {
        let text = format!(
            r#"{{"start":{},"end":{},"records":{{"ERROR":{},"INFO":1}}}}"#,
            i64::MIN,
            i64::MAX,
            u64::MAX
        );
        let known: Counts = serde_json::from_str(&text).unwrap();
        let mut summary = Summary::new(MINUTE, known);
        count(&mut summary, 1, Some(Severity::Error));
        summary.mark(1);
        summary.settle(1);
        let line = summary.poll(MINUTE, 2, true).unwrap();
        let line: serde_json::Value = serde_json::from_slice(&line).unwrap();
        assert_eq!(line["severities"]["ERROR"], u64::MAX);
        assert_eq!(line["records"], u64::MAX);
    }

    #[test]
    fn line_stays_in_the_checkpoint_until_it_is_acknowledged() {
        let mut summary = Summary::new(MINUTE, Counts::default());
        count(&mut summary, 1, None);
        summary.mark(1);
        summary.settle(1);
        assert!(summary.poll(MINUTE, 2, false).is_some());
        assert!(!summary.counts().is_empty());
        assert!(!summary.acknowledged(1));
        assert!(summary.acknowledged(2));
        assert!(summary.counts().is_empty());
    }
}
