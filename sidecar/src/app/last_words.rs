//! What a sidecar leaves behind that ends before everything was sent: its termination message, which is in the pod's status until the
//! pod is gone, and with its owner, a Job for example, for longer than the log.

use crate::driver::Outcome;
use logship_crd::names::TERMINATION_LOG;
use std::fs::File;
use std::io::Write;
use std::path::Path;

/// The kubelet keeps no more of a message.
const BYTES_MAX: usize = 4096;

/// Says what is left of the pipelines, where there is somebody to say it to.
pub(super) fn leave(outcomes: &[Outcome]) {
    if let Some(words) = words(outcomes) {
        write(Path::new(TERMINATION_LOG), &words);
    }
}

/// A line for each pipeline that could not send everything.
fn words(outcomes: &[Outcome]) -> Option<String> {
    let unfinished = outcomes.iter().filter(|outcome| !outcome.drained);
    let lines = unfinished.filter_map(|outcome| {
        let left = outcome.status.left()?;
        Some(format!("{}: not sent at the end: {left}\n", outcome.status.name))
    });
    let words: String = lines.collect();
    (!words.is_empty()).then_some(words)
}

/// The kubelet has made the file; outside of a pod there is none.
fn write(path: &Path, words: &str) {
    let mut ends = (0..=words.len().min(BYTES_MAX)).rev();
    let end = ends.find(|&end| words.is_char_boundary(end)).unwrap_or(0);
    let written = File::options()
        .write(true)
        .truncate(true)
        .open(path)
        .and_then(|mut file| file.write_all(&words.as_bytes()[..end]));
    if let Err(error) = written {
        tracing::debug!(%error, "there is no termination message");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::status::{FilesStatus, PipelineStatus, SinkStatus};

    fn outcome(drained: bool, unacknowledged: u64, lag_bytes: u64) -> Outcome {
        let sink = SinkStatus {
            name: "hub".to_owned(),
            unacknowledged,
            error: Some("refused".to_owned()),
            ..SinkStatus::default()
        };
        let files = FilesStatus {
            source: "access".to_owned(),
            lag_bytes,
            ..FilesStatus::default()
        };
        let status = PipelineStatus {
            name: "shop".to_owned(),
            generation: 1,
            records: 0,
            in_flight_bytes: 0,
            reading_stops: 0,
            suppressed_alerts: 0,
            files: vec![files],
            containers: Vec::new(),
            spills: Vec::new(),
            steps: Vec::new(),
            counts: Vec::new(),
            sinks: vec![sink],
        };
        Outcome {
            drained,
            unread: false,
            status,
        }
    }

    #[test]
    fn what_is_left_is_counted_by_sink_and_by_source() {
        assert_eq!(words(&[outcome(true, 5, 5), outcome(false, 0, 0)]), None);
        assert_eq!(
            words(&[outcome(false, 12, 34)]).as_deref(),
            Some(
                "shop: not sent at the end: 12 records not acknowledged by hub (refused); 34 bytes not read of access\n"
            )
        );
    }

    #[test]
    fn message_is_written_where_there_is_a_file_for_it_and_bounded() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("termination-log");
        write(&path, "nobody asked");
        assert!(!path.exists());
        std::fs::write(&path, "before").unwrap();
        write(&path, &"ä".repeat(4000));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "ä".repeat(2048));
    }
}
