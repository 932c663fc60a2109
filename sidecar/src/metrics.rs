//! The text of `/metrics`. Pure. No label comes from anything but our own fixed words, so totals are over all pipelines.

use crate::engine::status::PipelineStatus;
use std::fmt::Write as _;

/// The metrics of these pipelines, in Prometheus' text format.
pub fn render(pipelines: &[PipelineStatus]) -> String {
    let sinks = || pipelines.iter().flat_map(|pipeline| &pipeline.sinks);
    let files = || pipelines.iter().flat_map(|pipeline| &pipeline.files);
    let families = [
        (
            "logship_records_total",
            "counter",
            "Records read.",
            pipelines.iter().map(|pipeline| pipeline.records).sum(),
        ),
        (
            "logship_sent_records_total",
            "counter",
            "Records that a sink took over.",
            sinks().map(|sink| sink.sent).sum(),
        ),
        (
            "logship_sent_bytes_total",
            "counter",
            "Bytes that a sink took over.",
            sinks().map(|sink| sink.sent_bytes).sum(),
        ),
        (
            "logship_retries_total",
            "counter",
            "Batches sent again.",
            sinks().map(|sink| sink.retries).sum(),
        ),
        (
            "logship_rejected_records_total",
            "counter",
            "Records refused for good.",
            sinks().map(|sink| sink.rejected).sum(),
        ),
        (
            "logship_lost_dead_letters_total",
            "counter",
            "Refused records that were not even kept.",
            sinks().map(|sink| sink.lost).sum(),
        ),
        (
            "logship_dropped_records_total",
            "counter",
            "Records dropped because a sink with whenFull: Drop took none.",
            sinks().map(|sink| sink.dropped).sum(),
        ),
        (
            "logship_malformed_lines_total",
            "counter",
            "Lines that were not in the format of their file and passed as they were.",
            files().map(|source| source.malformed).sum(),
        ),
        (
            "logship_lost_files_total",
            "counter",
            "Files that were gone before they were read to their end, as far as that is known.",
            files().map(|source| source.lost_files).sum(),
        ),
        (
            "logship_lost_bytes_total",
            "counter",
            "Bytes of files that were gone before they were read, as far as that is known.",
            files().map(|source| source.lost_bytes).sum(),
        ),
        (
            "logship_file_truncations_total",
            "counter",
            "Files that were truncated or rewritten.",
            files().map(|source| source.truncations).sum(),
        ),
        (
            "logship_skipped_nul_bytes_total",
            "counter",
            "NUL bytes skipped in the holes that writers leave which do not append.",
            files().map(|source| source.nul_bytes).sum(),
        ),
        (
            "logship_parked_files_total",
            "counter",
            "Descriptors of quiet files given up because others needed them.",
            files().map(|source| source.parked).sum(),
        ),
        (
            "logship_files",
            "gauge",
            "Files that are followed.",
            files().map(|source| source.files as u64).sum(),
        ),
        (
            "logship_open_files",
            "gauge",
            "Files that are open.",
            files().map(|source| source.open_files as u64).sum(),
        ),
        (
            "logship_lag_bytes",
            "gauge",
            "Bytes of files not read yet.",
            files().map(|source| source.lag_bytes).sum(),
        ),
        (
            "logship_failing_sinks",
            "gauge",
            "Sinks whose last attempt failed.",
            sinks().filter(|sink| sink.error.is_some()).count() as u64,
        ),
    ];
    families.iter().fold(
        String::new(),
        |mut text, (name, kind, help, value): &(_, _, _, u64)| {
            let _ = write!(
                text,
                "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n"
            );
            text
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_family_has_help_type_and_value() {
        let text = render(&[]);
        assert!(text.starts_with("# HELP logship_records_total Records read.\n# TYPE logship_records_total counter\nlogship_records_total 0\n"));
        assert_eq!(text.lines().count() % 3, 0);
    }
}
