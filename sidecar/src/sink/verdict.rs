//! What an answer means for the records of a request. Pure.

use super::answer::Answer;
use crate::config::Dialect;
use std::time::Duration;

/// The fate of one batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Every record was taken over.
    Delivered,
    /// Nothing can be said about the records; send them again, not before `after` if that is known.
    Retry {
        /// The receiver's wish (Retry-After).
        after: Option<Duration>,
        /// What went wrong, for people.
        error: String,
    },
    /// At least one record is refused for good, or they are too many: the batch is split until the culprit stands alone.
    Refused {
        /// What went wrong, for people.
        error: String,
    },
    /// Some records were taken over, the others not.
    Partly {
        /// The records that were not taken over, by ascending number in the batch.
        failures: Vec<(usize, Failure)>,
        /// The receiver's wish for those that are sent again.
        after: Option<Duration>,
        /// What went wrong with the first of them, for people.
        error: String,
    },
    /// So many records are lost for good, the others were taken over; which ones is not known, and sending again is forbidden.
    Lost {
        /// At most the number of the batch's records.
        records: u64,
        /// What went wrong, for people.
        error: String,
    },
}

/// Why a record was not taken over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// Send it again.
    Retry,
    /// It is refused for good.
    Rejected(String),
}

/// The verdict for the answer to a request with so many records.
pub fn judge(dialect: Dialect, answer: &Answer, _records: usize) -> Verdict {
    match dialect {
        Dialect::Ndjson | Dialect::Loki | Dialect::OtlpHttp | Dialect::OtlpGrpc | Dialect::Elasticsearch => {
            from_status(answer.status, answer.retry_after())
        }
    }
}

/// The verdict for an HTTP status.
///
/// Only 400, 413, 415 and 422 speak about the records. Any other failure speaks about the receiver or its configuration (a wrong
/// URL, a missing right, a redirect that we do not follow because the records would go to someone else): the records wait.
pub fn from_status(status: u16, retry_after: Option<&str>) -> Verdict {
    let error = format!("the receiver answered with status {status}");
    match status {
        200..=299 => Verdict::Delivered,
        300..=399 => Verdict::Retry {
            after: None,
            error: format!("{error}; redirects are not followed, set the final URL"),
        },
        400 | 413 | 415 | 422 => Verdict::Refused { error },
        _ => Verdict::Retry {
            after: retry_after.and_then(seconds),
            error,
        },
    }
}

/// Retry-After in whole seconds, at most an hour; the form with a date is left to our own backoff.
fn seconds(text: &str) -> Option<Duration> {
    text.trim()
        .parse()
        .ok()
        .map(|seconds: u64| Duration::from_secs(seconds.min(3600)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_decide_between_delivered_retry_and_refused() {
        let kind = |status| match from_status(status, None) {
            Verdict::Delivered => "delivered",
            Verdict::Retry { .. } => "retry",
            Verdict::Refused { .. } => "refused",
            Verdict::Partly { .. } | Verdict::Lost { .. } => "some",
        };
        for (status, expected) in [
            (200, "delivered"),
            (204, "delivered"),
            (302, "retry"),
            (400, "refused"),
            (401, "retry"),
            (404, "retry"),
            (408, "retry"),
            (413, "refused"),
            (429, "retry"),
            (503, "retry"),
        ] {
            assert_eq!(kind(status), expected, "{status}");
        }
    }

    #[test]
    fn retry_after_is_taken_over_in_seconds_only_and_bounded() {
        let after = |text| match from_status(429, Some(text)) {
            Verdict::Retry { after, .. } => after,
            other => panic!("{other:?}"),
        };
        assert_eq!(after("7"), Some(Duration::from_secs(7)));
        assert_eq!(after("999999"), Some(Duration::from_secs(3600)));
        assert_eq!(after("Wed, 21 Oct 2015 07:28:00 GMT"), None);
    }
}
