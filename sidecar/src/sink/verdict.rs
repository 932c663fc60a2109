//! What an answer means for the records of a request. Pure.

pub mod elasticsearch;
mod grpc;
pub mod http;
pub mod loki;
pub mod otlp;
#[cfg(test)]
mod testing;

use super::answer::Answer;
use crate::config::Dialect;
use std::time::Duration;

/// Of a receiver's words.
const WORDS_CHARS_MAX: usize = 300;

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

impl Verdict {
    /// The same with other words for people.
    #[must_use]
    pub fn with_words(self, change: impl Fn(String) -> String) -> Self {
        match self {
            Self::Delivered => Self::Delivered,
            Self::Retry { after, error } => Self::Retry {
                after,
                error: change(error),
            },
            Self::Refused { error } => Self::Refused { error: change(error) },
            Self::Lost { records, error } => Self::Lost {
                records,
                error: change(error),
            },
            Self::Partly {
                failures,
                after,
                error,
            } => {
                let changed = |(number, failure)| match failure {
                    Failure::Retry => (number, Failure::Retry),
                    Failure::Rejected(error) => (number, Failure::Rejected(change(error))),
                };
                Self::Partly {
                    failures: failures.into_iter().map(changed).collect(),
                    after,
                    error: change(error),
                }
            }
        }
    }
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
pub fn judge(dialect: Dialect, answer: &Answer, records: usize) -> Verdict {
    match dialect {
        Dialect::Ndjson => http::verdict(answer),
        Dialect::Loki => loki::verdict(answer, records),
        Dialect::OtlpHttp => otlp::http_verdict(answer, records),
        Dialect::OtlpGrpc => otlp::grpc_verdict(answer, records),
        Dialect::Elasticsearch => elasticsearch::verdict(answer, records),
    }
}

/// A receiver's words as one bounded line.
fn for_people(words: &[u8]) -> String {
    let words = String::from_utf8_lossy(words);
    let line = words.split_whitespace().collect::<Vec<_>>().join(" ");
    line.chars().take(WORDS_CHARS_MAX).collect()
}
