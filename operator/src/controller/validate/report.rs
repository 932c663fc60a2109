//! The mistakes in a spec, and the checks of single values that find them.

use super::Violation;
use logship_crd::types::{parse_duration, parse_size};
use std::time::Duration;

/// A regular expression on names of files or lines that compiles to more bytes than this is refused; the sidecar has the same bound.
pub(super) const REGEX_BYTES_MAX: usize = 1 << 20;
/// The same for those of the pipeline, of which there are more.
pub(super) const STEP_REGEX_BYTES_MAX: usize = 256 << 10;
const DURATION: &str = "write a number and a unit, for example 500ms, 10s, 5m or 1h";
const SIZE: &str = "write a whole number of bytes with an optional Ki, Mi or Gi, for example 64Mi";

/// The mistakes so far. Methods that return an option return `None` for a value that is wrong, after they have reported it.
#[derive(Debug, Default)]
pub(super) struct Report(Vec<Violation>);

impl Report {
    pub(super) fn into_violations(self) -> Vec<Violation> {
        self.0
    }

    pub(super) fn add(&mut self, field: &str, value: &str, remedy: impl Into<String>) {
        self.0.push(Violation {
            field: field.to_owned(),
            value: value.to_owned(),
            remedy: remedy.into(),
        });
    }

    pub(super) fn duration_ms(&mut self, field: &str, text: &str) -> Option<u64> {
        let duration = parse_duration(text).ok().map(milliseconds);
        self.required(field, text, duration, DURATION)
    }

    pub(super) fn size(&mut self, field: &str, text: &str) -> Option<u64> {
        self.required(field, text, parse_size(text).ok(), SIZE)
    }

    /// Compiles as the sidecar does, which searches in bytes.
    pub(super) fn regex(
        &mut self,
        field: &str,
        pattern: &str,
        bytes_max: usize,
    ) -> Option<regex::bytes::Regex> {
        let mut builder = regex::bytes::RegexBuilder::new(pattern);
        let compiled = builder.size_limit(bytes_max).build();
        if let Err(error) = &compiled {
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
        compiled.ok()
    }

    pub(super) fn container(&mut self, field: &str, name: &str) {
        if !is_dns_label(name) {
            self.add(
                field,
                name,
                "write the name of a container: at most 63 of a-z, 0-9 and inner hyphens",
            );
        }
    }

    fn required<T>(&mut self, field: &str, value: &str, parsed: Option<T>, remedy: &str) -> Option<T> {
        if parsed.is_none() {
            self.add(field, value, remedy);
        }
        parsed
    }
}

/// Parses each item. It is no short-circuiting collect: every item is to be reported on.
pub(super) fn parse_each<T, U>(
    field: &str,
    items: &[T],
    report: &mut Report,
    parse: impl Fn(&str, &T, &mut Report) -> Option<U>,
) -> Option<Vec<U>> {
    let parsed: Vec<Option<U>> = items
        .iter()
        .enumerate()
        .map(|(i, item)| parse(&format!("{field}[{i}]"), item, report))
        .collect();
    parsed.into_iter().collect()
}

/// A name of RFC 1123, as containers have.
pub(super) fn is_dns_label(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=63).contains(&text.len())
        && text.bytes().all(inner)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
