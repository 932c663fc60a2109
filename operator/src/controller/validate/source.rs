//! Sources: patterns, containers, framing and the joining of lines.

use super::report::{REGEX_BYTES_MAX, Report, parse_each};
use logship_crd::agent_config as agent;
use logship_crd::v1alpha1 as v1;

pub(super) fn parse_all(sources: &[v1::Source], report: &mut Report) -> Option<Vec<agent::Source>> {
    parse_each("spec.sources", sources, report, source)
}

fn source(field: &str, source: &v1::Source, report: &mut Report) -> Option<agent::Source> {
    let v1::Source {
        name,
        files,
        container_output,
    } = source;
    let kind = match (files, container_output) {
        (Some(files), None) => {
            agent::SourceKind::Files(self::files(&format!("{field}.files"), files, report)?)
        }
        (None, Some(v1::ContainerOutputSource { containers, spill })) => {
            for (i, container) in containers.iter().enumerate() {
                report.container(&format!("{field}.containerOutput.containers[{i}]"), container);
            }
            let spill = match spill {
                Some(v1::Spill { max_bytes }) => agent::Spill {
                    max_bytes: report.size(&format!("{field}.containerOutput.spill.maxBytes"), max_bytes)?,
                },
                // What there is room for: see `storage`.
                None => agent::Spill::default(),
            };
            agent::SourceKind::ContainerOutput(agent::ContainerOutputSource {
                containers: containers.clone(),
                spill,
            })
        }
        _ => {
            report.add(field, name, "give it exactly one kind: files or containerOutput");
            return None;
        }
    };
    Some(agent::Source {
        name: name.clone(),
        kind,
    })
}

fn files(field: &str, files: &v1::FilesSource, report: &mut Report) -> Option<agent::FilesSource> {
    let v1::FilesSource {
        directory,
        pattern,
        scan_interval,
        container,
        volume: _,
        start_at,
        framing,
        multiline,
    } = files;
    report.regex(&format!("{field}.pattern"), pattern, REGEX_BYTES_MAX);
    if let Some(container) = container {
        report.container(&format!("{field}.container"), container);
    }
    let multiline = multiline
        .as_ref()
        .map(|multiline| self::multiline(&format!("{field}.multiline"), multiline, report));
    let scan_interval_ms = report.duration_ms(&format!("{field}.scanInterval"), scan_interval);
    Some(agent::FilesSource {
        directory: directory.clone(),
        pattern: pattern.clone(),
        scan_interval_ms: scan_interval_ms?,
        start_at: match start_at {
            v1::StartAt::Beginning => agent::StartAt::Beginning,
            v1::StartAt::End => agent::StartAt::End,
        },
        framing: match framing {
            v1::Framing::Lines => agent::Framing::Lines,
            v1::Framing::Cri => agent::Framing::Cri,
            v1::Framing::DockerJson => agent::Framing::DockerJson,
        },
        multiline: match multiline {
            Some(multiline) => Some(multiline?),
            None => None,
        },
    })
}

fn multiline(field: &str, multiline: &v1::Multiline, report: &mut Report) -> Option<agent::Multiline> {
    let v1::Multiline {
        start,
        end,
        max_lines,
        timeout,
    } = multiline;
    match (start, end) {
        (Some(start), None) => {
            report.regex(&format!("{field}.start"), start, REGEX_BYTES_MAX);
        }
        (None, Some(end)) => {
            report.regex(&format!("{field}.end"), end, REGEX_BYTES_MAX);
        }
        (start, _) => {
            let found = if start.is_some() { "start and end" } else { "" };
            report.add(field, found, "give it exactly one of start and end");
        }
    }
    let timeout_ms = report.duration_ms(&format!("{field}.timeout"), timeout);
    Some(agent::Multiline {
        start: start.clone(),
        end: end.clone(),
        max_lines: *max_lines,
        timeout_ms: timeout_ms?,
    })
}
