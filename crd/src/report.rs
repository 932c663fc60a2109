//! What a sidecar tells of its configuration at [`crate::names::CONFIGURATION_PATH`], and the operator asks of it.
//!
//! Sidecar and operator may be of different versions, so unknown fields are passed over, unlike in the document. The one who writes it
//! keeps to the bounds given here; the one who reads it must not believe so.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// More mistakes of one document are told by their number.
pub const ERRORS_MAX: usize = 10;
/// A longer mistake is cut.
pub const ERROR_BYTES_MAX: usize = 1024;
/// Bytes of a whole report: what all documents of a pod come to with room to spare.
pub const REPORT_BYTES_MAX: usize = 256 << 10;

/// The configuration of one pod's sidecar at a moment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Report {
    /// Who speaks, so that an answer from an address that was given to another pod meanwhile is noticed.
    pub pod: PodName,
    /// The generation that runs, by the name of the resource.
    pub applied_generations: BTreeMap<String, i64>,
    /// What is not taken of the documents that are there.
    pub rejected: Vec<Rejection>,
}

/// A pod.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodName {
    /// `metadata.namespace`; empty where it is not known.
    pub namespace: String,
    /// `metadata.name`; empty where it is not known.
    pub name: String,
}

/// A document that is not taken.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Rejection {
    /// Name of its file, see [`document_name`]; none: what is wrong is not in one of them.
    pub document: Option<String>,
    /// The generation of its resource, if it says one.
    pub generation: Option<i64>,
    /// Every mistake, with its place.
    pub errors: Vec<String>,
}

/// Name of the file with the document of the resource `shipping`.
pub fn document_name(shipping: &str) -> String {
    format!("{shipping}.json")
}

impl Report {
    /// Within the bounds: of the mistakes of each document the first [`ERRORS_MAX`], each of at most [`ERROR_BYTES_MAX`].
    #[must_use]
    pub fn bounded(mut self) -> Self {
        for rejection in &mut self.rejected {
            let more = rejection.errors.len().saturating_sub(ERRORS_MAX);
            rejection.errors.truncate(ERRORS_MAX);
            for error in &mut rejection.errors {
                cut(error, ERROR_BYTES_MAX);
            }
            if more > 0 {
                rejection.errors.push(format!("and {more} more"));
            }
        }
        self
    }
}

/// Cuts a text to so many bytes, between two characters, and shows it.
pub fn cut(text: &mut String, bytes_max: usize) {
    const MARK: &str = "…";
    if text.len() <= bytes_max {
        return;
    }
    let end = bytes_max.saturating_sub(MARK.len());
    let end = (0..=end).rev().find(|end| text.is_char_boundary(*end));
    text.truncate(end.unwrap_or(0));
    text.push_str(MARK);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn report_keeps_to_its_bounds_and_says_what_was_left_out() {
        let rejection = Rejection {
            errors: (0..12).map(|i| format!("{i}{}", "é".repeat(2000))).collect(),
            ..Rejection::default()
        };
        let report = Report {
            rejected: vec![rejection],
            ..Report::default()
        };
        let errors = &report.bounded().rejected[0].errors;
        assert_eq!(errors.len(), ERRORS_MAX + 1);
        assert_eq!(errors[ERRORS_MAX], "and 2 more");
        assert!(errors[0].len() <= ERROR_BYTES_MAX && errors[0].ends_with("é…"));
    }

    #[test]
    fn text_within_the_bound_stays() {
        let check = |text: &str, bytes_max, expected: &str| {
            let mut text = text.to_owned();
            cut(&mut text, bytes_max);
            assert_eq!(text, expected);
        };
        check("abc", 3, "abc");
        check("abcdef", 5, "ab…");
        check("ééé", 5, "é…");
        check("abc", 0, "…");
    }

    #[test]
    fn field_of_a_newer_sidecar_is_passed_over() {
        let text = r#"{"pod": {"name": "web"}, "appliedGenerations": {"shop": 3}, "later": true}"#;
        let report: Report = serde_json::from_str(text).unwrap();
        assert_eq!(report.applied_generations["shop"], 3);
    }
}
