//! What an HTTP status means, for any receiver: what it does not say itself follows from here.

use super::Verdict;
use crate::sink::answer::Answer;
use http::header::DATE;
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use std::time::Duration;

/// No receiver is waited for longer before it is asked again.
const AFTER_MAX: Duration = Duration::from_secs(3600);

/// The verdict for an answer whose status says all.
///
/// Only 400, 413 and 422 speak about the records. Any other failure speaks about the receiver or its configuration (a wrong URL, a
/// missing right, a compression that it does not know, a redirect that we do not follow because the records would go to someone
/// else): the records wait.
pub fn verdict(answer: &Answer) -> Verdict {
    let error = error(answer, &answer.explanation());
    match answer.status {
        200..=299 => Verdict::Delivered,
        400 | 413 | 422 => Verdict::Refused { error },
        _ => Verdict::Retry {
            after: after(answer),
            error,
        },
    }
}

/// What went wrong, for people: the status, the receiver's own words, and what can be done about it.
pub(super) fn error(answer: &Answer, explanation: &str) -> String {
    let status = answer.status;
    let separator = if explanation.is_empty() { "" } else { ": " };
    let remedy = match status {
        300..=399 => "; redirects are not followed, set the final URL",
        401 | 403 | 407 => "; check the credentials and their rights",
        404 | 405 => "; check the URL",
        415 => "; check the compression",
        _ => "",
    };
    format!("the receiver answered with status {status}{separator}{explanation}{remedy}")
}

/// The receiver's wish when it should be asked again: Retry-After in seconds or, if the receiver tells its time, as a date; the
/// difference is the same on any clock. RFC 9110, 10.2.3.
pub(super) fn after(answer: &Answer) -> Option<Duration> {
    let wish = answer.retry_after()?.trim();
    let wait = if let Ok(seconds) = wish.parse() {
        Duration::from_secs(seconds)
    } else {
        let wait = date(wish)?.duration_since(date(answer.header(DATE)?)?);
        Duration::try_from(wait).unwrap_or_default()
    };
    Some(bounded(wait))
}

/// The wait, or the longest that is granted.
pub(super) fn bounded(wait: Duration) -> Duration {
    wait.min(AFTER_MAX)
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`; the two obsolete forms are left to our own backoff.
fn date(text: &str) -> Option<Timestamp> {
    DateTimeParser::new().parse_timestamp(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::verdict::testing::{answer, kind};

    #[test]
    fn statuses_decide_between_delivered_retry_and_refused() {
        for (status, expected) in [
            (200, "delivered"),
            (204, "delivered"),
            (302, "retry"),
            (400, "refused"),
            (401, "retry"),
            (403, "retry"),
            (404, "retry"),
            (408, "retry"),
            (413, "refused"),
            (415, "retry"),
            (422, "refused"),
            (429, "retry"),
            (500, "retry"),
            (503, "retry"),
        ] {
            assert_eq!(kind(&verdict(&answer(status, &[], b""))), expected, "{status}");
        }
    }

    #[test]
    fn error_holds_status_explanation_and_remedy() {
        for (status, body, expected) in [
            (500, "", "the receiver answered with status 500"),
            (
                429,
                "slow\ndown",
                "the receiver answered with status 429: slow down",
            ),
            (
                308,
                "",
                "the receiver answered with status 308; redirects are not followed, set the final URL",
            ),
            (
                401,
                "no token",
                "the receiver answered with status 401: no token; check the credentials and their rights",
            ),
        ] {
            match verdict(&answer(status, &[], body.as_bytes())) {
                Verdict::Retry { error, .. } => assert_eq!(error, expected),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_on_the_receivers_clock_and_bounded() {
        const DATE: (&str, &str) = ("date", "Wed, 21 Oct 2015 07:28:00 GMT");
        for (headers, expected) in [
            (&[][..], None),
            (&[("retry-after", "7")], Some(7)),
            (&[("retry-after", " 999999 ")], Some(3600)),
            (&[("retry-after", "-1")], None),
            (&[("retry-after", "soon")], None),
            (
                &[("retry-after", "Wed, 21 Oct 2015 07:28:30 GMT"), DATE],
                Some(30),
            ),
            (&[("retry-after", "Wed, 21 Oct 2015 07:27:00 GMT"), DATE], Some(0)),
            (
                &[("retry-after", "Wed, 21 Oct 2099 07:27:00 GMT"), DATE],
                Some(3600),
            ),
            (&[("retry-after", "Wed, 21 Oct 2015 07:28:30 GMT")], None),
            (
                &[("retry-after", "Wed, 21 Oct 2015 07:28:30 GMT"), ("date", "now")],
                None,
            ),
        ] {
            let expected = expected.map(Duration::from_secs);
            assert_eq!(after(&answer(503, headers, b"")), expected, "{headers:?}");
        }
    }
}
