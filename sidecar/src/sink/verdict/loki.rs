//! What Loki's answers to a push mean.
//!
//! A 400 names the first entry that was refused, while the others may have been taken: the batch is split until the culprit stands alone,
//! and what arrives twice meanwhile Loki itself drops, because time, line and metadata are the same.

use super::{Verdict, http};
use crate::sink::answer::Answer;

/// "Ingestion is blocked": nothing was taken, although the status looks like success so that clients do not repeat it.
const BLOCKED: u16 = 260;

/// The verdict for an answer to so many records.
pub fn verdict(answer: &Answer, records: usize) -> Verdict {
    match answer.status {
        BLOCKED => Verdict::Lost {
            records: records as u64,
            error: http::error(answer, &answer.explanation()),
        },
        _ => http::verdict(answer),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::verdict::testing::{answer, kind};
    use std::time::Duration;

    #[test]
    fn statuses_decide() {
        for (status, expected) in [
            (200, "delivered"),
            (204, "delivered"),
            (260, "lost"),
            (301, "retry"),
            (400, "refused"),
            (401, "retry"),
            (404, "retry"),
            (413, "refused"),
            (429, "retry"),
            (500, "retry"),
            (503, "retry"),
        ] {
            assert_eq!(kind(&verdict(&answer(status, &[], b""), 3)), expected, "{status}");
        }
    }

    #[test]
    fn blocked_ingestion_loses_the_whole_batch() {
        let verdict = verdict(&answer(260, &[], b"blocked for user x\n"), 3);
        let error = "the receiver answered with status 260: blocked for user x".to_owned();
        assert_eq!(verdict, Verdict::Lost { records: 3, error });
    }

    #[test]
    fn rate_limit_waits_as_long_as_it_says() {
        let verdict = verdict(&answer(429, &[("retry-after", "5")], b"per stream rate limit"), 3);
        let error = "the receiver answered with status 429: per stream rate limit".to_owned();
        let after = Some(Duration::from_secs(5));
        assert_eq!(verdict, Verdict::Retry { after, error });
    }
}
