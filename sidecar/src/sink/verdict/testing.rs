//! Answers for the tests of verdicts.

use super::Verdict;
use crate::sink::answer::Answer;
use bytes::Bytes;
use http::header::{HeaderMap, HeaderName, HeaderValue};

/// A complete answer.
pub fn answer(status: u16, headers: &[(&'static str, &'static str)], body: &[u8]) -> Answer {
    let header = |(name, value): &(&'static str, &'static str)| {
        (HeaderName::from_static(name), HeaderValue::from_static(value))
    };
    Answer {
        status,
        headers: headers.iter().map(header).collect::<HeaderMap>(),
        body: Bytes::copy_from_slice(body),
        complete: true,
    }
}

/// The verdict's name.
pub fn kind(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Delivered => "delivered",
        Verdict::Retry { .. } => "retry",
        Verdict::Refused { .. } => "refused",
        Verdict::Partly { .. } => "partly",
        Verdict::Lost { .. } => "lost",
    }
}
