//! Validation: turns a spec into values that cannot be wrong, or reports every mistake in it at once.
//!
//! It is pure, and the last place that looks at the raw spec. It checks what the schema of the resource cannot (regular
//! expressions, selectors, header values) and parses the rest. The webhook's index uses it too, so that both agree.

use kube::core::Selector;
use logship_crd::agent_config as agent;
use logship_crd::types::{parse_duration, parse_size};
use logship_crd::v1alpha1::{self as v1, LogShippingSpec};
use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

mod selector;

/// A regular expression that compiles to more than this many bytes is refused; the sidecar has the same bound.
const REGEX_BYTES_MAX: usize = 1 << 20;
const DURATION: &str = "write a number and a unit, for example 500ms, 10s, 5m or 1h";
const SIZE: &str = "write a whole number of bytes with an optional Ki, Mi or Gi, for example 64Mi";

/// A spec that can be carried out.
#[derive(Debug, Clone, PartialEq)]
pub struct Valid {
    /// Which pods.
    pub selector: Selector,
    /// Where records come from.
    pub sources: Vec<agent::Source>,
    /// Where records go.
    pub sinks: Vec<agent::Sink>,
    /// The longest time that the sidecar takes to stop.
    pub drain_ms: u64,
}

/// A mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Path of the field, for example `spec.sources[0].files.pattern`.
    pub field: String,
    /// What it says.
    pub value: String,
    /// What to write instead.
    pub remedy: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is {:?}: {}", self.field, self.value, self.remedy)
    }
}

/// All mistakes in one text.
pub fn violations_text(violations: &[Violation]) -> String {
    violations
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("; ")
}

/// Checks a spec.
pub fn validate(spec: &LogShippingSpec) -> Result<Valid, Vec<Violation>> {
    let mut report = Report::default();
    let selector = selector::parse(&spec.selector, &mut report);
    let sources = parse_each("spec.sources", &spec.sources, &mut report, source);
    let sinks = parse_each("spec.sinks", &spec.sinks, &mut report, sink);
    let drain_ms = report.duration_ms("spec.sidecar.drain", &spec.sidecar.drain);
    match (selector, sources, sinks, drain_ms) {
        (Some(selector), Some(sources), Some(sinks), Some(drain_ms)) if report.0.is_empty() => Ok(Valid {
            selector,
            sources,
            sinks,
            drain_ms,
        }),
        _ => Err(report.0),
    }
}

/// Checks a spec in its namespace: in one of the namespaces `excluded`, such as those of the cluster itself, none is right.
pub(super) fn validate_in(
    namespace: &str,
    excluded: &BTreeSet<String>,
    spec: &LogShippingSpec,
) -> Result<Valid, Vec<Violation>> {
    if excluded.contains(namespace) {
        return Err(vec![Violation {
            field: "metadata.namespace".to_owned(),
            value: namespace.to_owned(),
            remedy: "the namespace is excluded (--exclude-namespaces of the operator): use another"
                .to_owned(),
        }]);
    }
    validate(spec)
}

/// The mistakes so far. Its methods return `None` for a value that is wrong, after they have reported it.
#[derive(Debug, Default)]
struct Report(Vec<Violation>);

impl Report {
    fn add(&mut self, field: &str, value: &str, remedy: impl Into<String>) {
        self.0.push(Violation {
            field: field.to_owned(),
            value: value.to_owned(),
            remedy: remedy.into(),
        });
    }

    fn duration_ms(&mut self, field: &str, text: &str) -> Option<u64> {
        let duration = parse_duration(text).ok().map(milliseconds);
        self.required(field, text, duration, DURATION)
    }

    fn size(&mut self, field: &str, text: &str) -> Option<u64> {
        self.required(field, text, parse_size(text).ok(), SIZE)
    }

    fn required<T>(&mut self, field: &str, value: &str, parsed: Option<T>, remedy: &str) -> Option<T> {
        if parsed.is_none() {
            self.add(field, value, remedy);
        }
        parsed
    }

    fn regex(&mut self, field: &str, pattern: &str) {
        if let Err(error) = regex::RegexBuilder::new(pattern)
            .size_limit(REGEX_BYTES_MAX)
            .build()
        {
            // A syntax error spans lines that point into the pattern; the last one says what is wrong.
            let text = error.to_string();
            let reason = text
                .lines()
                .last()
                .unwrap_or_default()
                .trim_start_matches("error: ");
            self.add(
                field,
                pattern,
                format!("write a regular expression of the crate `regex` ({reason})"),
            );
        }
    }

    fn container(&mut self, field: &str, name: &str) {
        if !is_dns_label(name) {
            self.add(
                field,
                name,
                "write the name of a container: at most 63 of a-z, 0-9 and inner hyphens",
            );
        }
    }
}

fn parse_each<T, U>(
    field: &str,
    items: &[T],
    report: &mut Report,
    parse: impl Fn(&str, &T, &mut Report) -> Option<U>,
) -> Option<Vec<U>> {
    // Not a short-circuiting collect: every item is to be reported on.
    let parsed: Vec<Option<U>> = items
        .iter()
        .enumerate()
        .map(|(i, item)| parse(&format!("{field}[{i}]"), item, report))
        .collect();
    parsed.into_iter().collect()
}

fn source(field: &str, source: &v1::Source, report: &mut Report) -> Option<agent::Source> {
    let kind = match (&source.files, &source.container_output) {
        (Some(files), None) => {
            agent::SourceKind::Files(files_source(&format!("{field}.files"), files, report)?)
        }
        (None, Some(output)) => {
            for (i, container) in output.containers.iter().enumerate() {
                report.container(&format!("{field}.containerOutput.containers[{i}]"), container);
            }
            agent::SourceKind::ContainerOutput(agent::ContainerOutputSource {
                containers: output.containers.clone(),
            })
        }
        _ => {
            report.add(
                field,
                &source.name,
                "give it exactly one kind: files or containerOutput",
            );
            return None;
        }
    };
    Some(agent::Source {
        name: source.name.clone(),
        kind,
    })
}

fn files_source(field: &str, files: &v1::FilesSource, report: &mut Report) -> Option<agent::FilesSource> {
    report.regex(&format!("{field}.pattern"), &files.pattern);
    if let Some(container) = &files.container {
        report.container(&format!("{field}.container"), container);
    }
    Some(agent::FilesSource {
        directory: files.directory.clone(),
        pattern: files.pattern.clone(),
        scan_interval_ms: report.duration_ms(&format!("{field}.scanInterval"), &files.scan_interval)?,
        start_at: match files.start_at {
            v1::StartAt::Beginning => agent::StartAt::Beginning,
            v1::StartAt::End => agent::StartAt::End,
        },
        framing: agent::Framing::default(),
        multiline: None,
    })
}

fn sink(field: &str, sink: &v1::Sink, report: &mut Report) -> Option<agent::Sink> {
    let batch = batch(&format!("{field}.batch"), &sink.batch, report);
    let kind = match (&sink.stdout, &sink.file, &sink.http) {
        (Some(stdout), None, None) => Some(agent::SinkKind::Stdout(agent::StdoutSink {
            format: format(stdout.format),
        })),
        (None, Some(file), None) => Some(agent::SinkKind::File(agent::FileSink {
            path: file.path.clone(),
            format: format(file.format),
            rotation: None,
            fsync: agent::Fsync::default(),
            summary: None,
        })),
        (None, None, Some(http)) => {
            http_sink(&format!("{field}.http"), http, report).map(agent::SinkKind::Http)
        }
        _ => {
            report.add(
                field,
                &sink.name,
                "give it exactly one kind: stdout, file or http",
            );
            None
        }
    };
    Some(agent::Sink {
        name: sink.name.clone(),
        when: None,
        batch: batch?,
        retry: agent::Retry::default(),
        when_full: agent::WhenFull::default(),
        kind: kind?,
    })
}

fn batch(field: &str, batch: &v1::BatchSpec, report: &mut Report) -> Option<agent::Batch> {
    let max_bytes = report.size(&format!("{field}.maxBytes"), &batch.max_bytes);
    let max_age_ms = report.duration_ms(&format!("{field}.maxAge"), &batch.max_age);
    Some(agent::Batch {
        max_bytes: max_bytes?,
        max_age_ms: max_age_ms?,
        in_flight: 1,
    })
}

/// Headers that frame the request, and those that carry credentials.
const RESERVED_HEADERS: [&str; 9] = [
    "authorization",
    "proxy-authorization",
    "cookie",
    "host",
    "content-length",
    "content-type",
    "content-encoding",
    "transfer-encoding",
    "connection",
];

fn http_sink(field: &str, sink: &v1::HttpSink, report: &mut Report) -> Option<agent::HttpSink> {
    if !is_http_url(&sink.url) {
        report.add(
            &format!("{field}.url"),
            &sink.url,
            "write an absolute http:// or https:// URL",
        );
    }
    for (name, value) in &sink.headers {
        let is_header =
            http::HeaderName::try_from(name).is_ok() && http::HeaderValue::try_from(value).is_ok();
        if !is_header {
            let remedy = "write a header name and a value of visible ASCII characters";
            report.add(&format!("{field}.headers[{name}]"), value, remedy);
        }
        if RESERVED_HEADERS
            .iter()
            .any(|reserved| name.eq_ignore_ascii_case(reserved))
        {
            let remedy =
                "leave it out: the sink sets it itself, or it would carry a credential in a ConfigMap";
            report.add(&format!("{field}.headers"), name, remedy);
        }
    }
    Some(agent::HttpSink {
        url: sink.url.clone(),
        headers: sink.headers.clone(),
        compression: match sink.compression {
            v1::Compression::Gzip => agent::Compression::Gzip,
            v1::Compression::None => agent::Compression::None,
        },
        timeout_ms: report.duration_ms(&format!("{field}.timeout"), &sink.timeout)?,
        auth: None,
        tls: None,
    })
}

fn format(format: v1::StdoutFormat) -> agent::Format {
    match format {
        v1::StdoutFormat::Json => agent::Format::Json,
        v1::StdoutFormat::Text => agent::Format::Text,
    }
}

fn is_http_url(text: &str) -> bool {
    let Ok(url) = http::Uri::try_from(text) else {
        return false;
    };
    matches!(url.scheme_str(), Some("http" | "https")) && url.host().is_some_and(|host| !host.is_empty())
}

/// A name of RFC 1123, as containers have.
fn is_dns_label(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=63).contains(&text.len())
        && text.bytes().all(inner)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
