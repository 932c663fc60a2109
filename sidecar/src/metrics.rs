//! The text of `/metrics`. Pure. No label of our own metrics comes from anything but our own fixed words, so totals are over all
//! pipelines; metrics of `count` steps have the names and labels that the document gives them.

pub mod past;

use crate::engine::status::PipelineStatus;
use crate::pipeline::StepCounts;
use crate::pipeline::count::Metric;
use crate::roster::{Reloads, StateStatus, Told};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Name, kind, help and value.
type Family = (&'static str, &'static str, &'static str, u64);

/// What was told, in Prometheus' text format.
pub fn render(told: &Told) -> String {
    let pipelines: Vec<&PipelineStatus> = told.pipelines.iter().chain(told.past.as_pipeline()).collect();
    let pipelines = &pipelines[..];
    let mut text = String::new();
    let families = of_pipelines(pipelines).into_iter().chain(of_sinks(pipelines));
    let families = families.chain(of_files(pipelines)).chain(of_spills(pipelines));
    for (name, kind, help, value) in families {
        family(name, kind, help, &mut text);
        sample(name, &[], value, &mut text);
    }
    state(told.state, &mut text);
    gaps(pipelines, &mut text);
    reloads(&told.reloads, &mut text);
    steps(pipelines, &mut text);
    counts(pipelines, &mut text);
    text
}

/// Without a bound nobody needs to know.
fn state(state: Option<StateStatus>, text: &mut String) {
    let Some(StateStatus { bytes, bytes_max }) = state else {
        return;
    };
    for (name, help, value) in [
        (
            "logship_state_bytes",
            "Bytes that are used of the state volume, as the kubelet measures them.",
            bytes,
        ),
        (
            "logship_state_bytes_max",
            "Their bound, beyond which nothing is kept: the kubelet would evict the pod.",
            bytes_max,
        ),
    ] {
        family(name, "gauge", help, text);
        sample(name, &[], value, text);
    }
}

fn of_pipelines(pipelines: &[&PipelineStatus]) -> [Family; 6] {
    let all = || pipelines.iter();
    let files = || all().flat_map(|pipeline| &pipeline.files);
    let containers = || all().flat_map(|pipeline| &pipeline.containers);
    let truncated = files()
        .map(|source| source.truncated)
        .chain(containers().map(|source| source.truncated));
    [
        (
            "logship_records_total",
            "counter",
            "Records read.",
            all().map(|pipeline| pipeline.records).sum(),
        ),
        (
            "logship_truncated_records_total",
            "counter",
            "Records longer than limits.recordBytes, cut there.",
            truncated.sum(),
        ),
        (
            "logship_in_flight_bytes",
            "gauge",
            "Encoded bytes that were read and that no sink has acknowledged yet.",
            all().map(|pipeline| pipeline.in_flight_bytes).sum(),
        ),
        (
            "logship_reading_stops_total",
            "counter",
            "Times that reading stopped because a sink had no room, or all of them hold limits.inFlightBytes.",
            all().map(|pipeline| pipeline.reading_stops).sum(),
        ),
        (
            "logship_suppressed_alerts_total",
            "counter",
            "Alerts that were not written to standard error because there were too many.",
            all().map(|pipeline| pipeline.suppressed_alerts).sum(),
        ),
        (
            "logship_output_notices_total",
            "counter",
            "Lines of the API that are none of a container's, such as its errors; they are in our log, not among the records.",
            containers().map(|source| source.notices).sum(),
        ),
    ]
}

fn of_sinks(pipelines: &[&PipelineStatus]) -> [Family; 8] {
    let sinks = || pipelines.iter().flat_map(|pipeline| &pipeline.sinks);
    [
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
            "logship_given_up_records_total",
            "counter",
            "Of those, records that could not be sent within retry.maxAge.",
            sinks().map(|sink| sink.given_up).sum(),
        ),
        (
            "logship_lost_dead_letters_total",
            "counter",
            "Refused records that were not even kept, because of limits.deadLetterBytes or for want of a state directory.",
            sinks().map(|sink| sink.lost).sum(),
        ),
        (
            "logship_dropped_records_total",
            "counter",
            "Records dropped because a sink with whenFull: Drop took none.",
            sinks().map(|sink| sink.dropped).sum(),
        ),
        (
            "logship_failing_sinks",
            "gauge",
            "Sinks whose last attempt failed.",
            sinks().filter(|sink| sink.error.is_some()).count() as u64,
        ),
    ]
}

fn of_files(pipelines: &[&PipelineStatus]) -> [Family; 10] {
    let files = || pipelines.iter().flat_map(|pipeline| &pipeline.files);
    [
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
            "Descriptors of quiet files given up because limits.openFiles was reached and others needed them.",
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
            "logship_unreadable_files",
            "gauge",
            "Files that we may not read, or directories; /status says what to set.",
            files().map(|source| source.unreadable as u64).sum(),
        ),
    ]
}

fn of_spills(pipelines: &[&PipelineStatus]) -> [Family; 6] {
    let spills = || pipelines.iter().flat_map(|pipeline| &pipeline.spills);
    [
        (
            "logship_spill_bytes",
            "gauge",
            "Bytes of container output on the state volume that sinks did not take yet.",
            spills().map(|spill| spill.bytes).sum(),
        ),
        (
            "logship_spill_bytes_max",
            "gauge",
            "Their bound, spill.maxBytes of all sources together.",
            spills().map(|spill| spill.bytes_max).sum(),
        ),
        (
            "logship_spilled_bytes_total",
            "counter",
            "Bytes of container output written to the state volume.",
            spills().map(|spill| spill.spilled_bytes).sum(),
        ),
        (
            "logship_spill_full_total",
            "counter",
            "Times that reading of container output stopped because of spill.maxBytes.",
            spills().map(|spill| spill.full).sum(),
        ),
        (
            "logship_spill_failures_total",
            "counter",
            "Times that container output could not be written to the state volume or read from it; it is tried again.",
            spills().map(|spill| spill.failures).sum(),
        ),
        (
            "logship_spill_lost_bytes_total",
            "counter",
            "Bytes of container output on the state volume that were damaged or gone.",
            spills().map(|spill| spill.lost_bytes).sum(),
        ),
    ]
}

fn gaps(pipelines: &[&PipelineStatus], text: &mut String) {
    let sources = || pipelines.iter().flat_map(|pipeline| &pipeline.containers);
    let name = "logship_output_gaps_total";
    let help = "Times that output of a container is missing, or seems to be: runs that ended unread, files rotated between two connections, files rotated while reading was held back.";
    family(name, "counter", help, text);
    for (cause, value) in [
        ("restart", sources().map(|source| source.missed_instances).sum()),
        ("rotation", sources().map(|source| source.rotation_gaps).sum()),
        ("heldBack", sources().map(|source| source.held_back_gaps).sum()),
    ] {
        sample(name, &[("cause".to_owned(), cause.to_owned())], value, text);
    }
}

fn reloads(reloads: &Reloads, text: &mut String) {
    let name = "logship_config_reloads_total";
    let help = "Changes of the configuration that were applied, in whole or in part, and that were rejected.";
    family(name, "counter", help, text);
    for (result, value) in [("applied", reloads.applied), ("rejected", reloads.rejected)] {
        sample(name, &[("result".to_owned(), result.to_owned())], value, text);
    }
    let name = "logship_config_rejected";
    family(
        name,
        "gauge",
        "Documents that are there and are not applied.",
        text,
    );
    sample(name, &[], reloads.rejections.len() as u64, text);
}

/// Labels and their value.
type Samples = BTreeMap<Vec<(String, String)>, u64>;

fn steps(pipelines: &[&PipelineStatus], text: &mut String) {
    let (mut affected, mut undefined) = (BTreeMap::new(), BTreeMap::new());
    for step in pipelines.iter().flat_map(|pipeline| &pipeline.steps) {
        let StepCounts {
            kind,
            affected: affects,
            undefined: fails,
        } = *step;
        *affected.entry(kind).or_insert(0) += affects;
        *undefined.entry(kind).or_insert(0) += fails;
    }
    let families: [(_, _, &BTreeMap<&str, u64>); 2] = [
        (
            "logship_step_records_total",
            "Records that steps could not parse, dropped, sampled away, told of, counted or changed.",
            &affected,
        ),
        (
            "logship_step_undefined_total",
            "Records for which a condition or an expression of a step had no value.",
            &undefined,
        ),
    ];
    for (name, help, values) in families {
        if !values.is_empty() {
            family(name, "counter", help, text);
        }
        for (kind, value) in values {
            sample(name, &[("step".to_owned(), (*kind).to_owned())], *value, text);
        }
    }
}

/// Pipelines that count under one name and the same labels count together.
fn counts(pipelines: &[&PipelineStatus], text: &mut String) {
    let mut metrics: BTreeMap<&str, Samples> = BTreeMap::new();
    for metric in pipelines.iter().flat_map(|pipeline| &pipeline.counts) {
        let Metric { name, labels, value } = metric;
        *metrics
            .entry(name)
            .or_default()
            .entry(labels.clone())
            .or_insert(0) += value;
    }
    for (name, samples) in metrics {
        family(
            name,
            "counter",
            "Records that a count step of this name counted.",
            text,
        );
        for (labels, value) in samples {
            sample(name, &labels, value, text);
        }
    }
}

// Writing to a string cannot fail.

fn family(name: &str, kind: &str, help: &str, text: &mut String) {
    let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
}

fn sample(name: &str, labels: &[(String, String)], value: u64, text: &mut String) {
    text.push_str(name);
    for (index, (label, value)) in labels.iter().enumerate() {
        let value = value
            .replace('\\', "\\\\")
            .replace('"', "\\\"")
            .replace('\n', "\\n");
        let _ = write!(text, "{}{label}=\"{value}\"", if index == 0 { '{' } else { ',' });
    }
    let _ = writeln!(text, "{} {value}", if labels.is_empty() { "" } else { "}" });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_family_has_help_type_and_value() {
        let text = render(&Told::default());
        assert!(text.starts_with("# HELP logship_records_total Records read.\n# TYPE logship_records_total counter\nlogship_records_total 0\n"));
        let families = text.lines().filter(|line| line.starts_with("# HELP ")).count();
        let types = text.lines().filter(|line| line.starts_with("# TYPE ")).count();
        assert!(families == types && text.lines().count() >= 3 * families);
    }

    fn render_of(pipelines: Vec<PipelineStatus>) -> String {
        render(&Told {
            pipelines,
            ..Told::default()
        })
    }

    fn pipeline(steps: Vec<StepCounts>, counts: Vec<Metric>) -> PipelineStatus {
        PipelineStatus {
            name: "shop".to_owned(),
            generation: 1,
            records: 0,
            in_flight_bytes: 0,
            reading_stops: 0,
            suppressed_alerts: 0,
            files: Vec::new(),
            containers: Vec::new(),
            spills: Vec::new(),
            steps,
            counts,
            sinks: Vec::new(),
        }
    }

    fn metric(labels: &[(&str, &str)], value: u64) -> Metric {
        let labels = labels
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Metric {
            name: "errors_total".to_owned(),
            labels: labels.collect(),
            value,
        }
    }

    #[test]
    fn steps_are_summed_by_their_kind() {
        let step = |kind, affected| StepCounts {
            kind,
            affected,
            undefined: 1,
        };
        let text = render_of(vec![
            pipeline(vec![step("drop", 2), step("parse", 3)], Vec::new()),
            pipeline(vec![step("drop", 5)], Vec::new()),
        ]);
        for expected in [
            "# TYPE logship_step_records_total counter\n",
            "logship_step_records_total{step=\"drop\"} 7\n",
            "logship_step_records_total{step=\"parse\"} 3\n",
            "logship_step_undefined_total{step=\"drop\"} 2\n",
        ] {
            assert!(text.contains(expected), "{expected}: {text}");
        }
    }

    #[test]
    fn counts_have_their_own_names_and_escaped_labels() {
        let odd = [("path", "a\"b\\c\nd"), ("status", "500")];
        let text = render_of(vec![
            pipeline(
                Vec::new(),
                vec![metric(&odd, 2), metric(&[("path", "x"), ("status", "1")], 1)],
            ),
            pipeline(Vec::new(), vec![metric(&odd, 3)]),
        ]);
        let expected = "# HELP errors_total Records that a count step of this name counted.\n\
            # TYPE errors_total counter\n\
            errors_total{path=\"a\\\"b\\\\c\\nd\",status=\"500\"} 5\n\
            errors_total{path=\"x\",status=\"1\"} 1\n";
        assert!(text.ends_with(expected), "{text}");
    }

    #[test]
    fn count_without_labels_is_one_line() {
        let text = render_of(vec![pipeline(Vec::new(), vec![metric(&[], 4)])]);
        assert!(
            text.ends_with("# TYPE errors_total counter\nerrors_total 4\n"),
            "{text}"
        );
    }
}
