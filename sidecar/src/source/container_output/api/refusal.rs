//! A refusal of the API: its code and what it says. Pure.

use http::StatusCode;
use http::header::HeaderValue;
use serde::Deserialize;
use std::time::Duration;

/// More of a message is not kept: it ends in the log and in the status.
const MESSAGE_CHARACTERS_MAX: usize = 1024;

/// An answer that is not what was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message} ({code})")]
pub struct Refusal {
    /// The HTTP status.
    pub code: u16,
    message: String,
    /// The API wants to be left alone for so long.
    pub retry_after: Option<Duration>,
}

/// What we read of a `Status`, the body of every refusal of the API server itself.
#[derive(Deserialize)]
struct Status {
    message: String,
}

impl Refusal {
    /// Understands the body of an answer with this code. A proxy on the way may answer with any text, or with none.
    pub(super) fn of(code: StatusCode, body: &[u8]) -> Self {
        let message = match serde_json::from_slice::<Status>(body) {
            Ok(status) => status.message,
            Err(_) => String::from_utf8_lossy(body).into_owned(),
        };
        let mut message: String = message.trim().chars().take(MESSAGE_CHARACTERS_MAX).collect();
        if message.is_empty() {
            code.canonical_reason()
                .unwrap_or("refused")
                .clone_into(&mut message);
        }
        Self {
            code: code.as_u16(),
            message,
            retry_after: None,
        }
    }

    /// With its header `Retry-After`, which the API server writes in seconds.
    pub(super) fn retry_after(mut self, header: Option<&HeaderValue>) -> Self {
        let seconds = header.and_then(|value| value.to_str().ok()?.trim().parse().ok());
        self.retry_after = seconds.map(Duration::from_secs);
        self
    }

    /// There is no such output: not yet (400, "container is waiting to start"), or not any more (404). All other refusals say
    /// nothing about it.
    pub fn is_absence(&self) -> bool {
        matches!(self.code, 400 | 404)
    }

    /// We are not allowed to ask, or not known.
    pub fn is_denial(&self) -> bool {
        matches!(self.code, 401 | 403)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(code: u16, body: &str) -> Refusal {
        Refusal::of(StatusCode::from_u16(code).unwrap(), body.as_bytes())
    }

    #[test]
    fn says_what_the_status_says_and_else_the_text_or_the_code() {
        let check = |code, body: &str, expected: &str| {
            assert_eq!(refusal(code, body).to_string(), expected);
        };
        check(
            400,
            r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"container \"web\" in pod \"web-0\" is waiting to start: ContainerCreating","reason":"BadRequest","code":400}"#,
            r#"container "web" in pod "web-0" is waiting to start: ContainerCreating (400)"#,
        );
        check(
            403,
            r#"{"kind":"Status","message":"pods \"web-0\" is forbidden"}"#,
            r#"pods "web-0" is forbidden (403)"#,
        );
        check(
            502,
            "<html>bad gateway</html>\n",
            "<html>bad gateway</html> (502)",
        );
        check(401, "", "Unauthorized (401)");
        check(599, "", "refused (599)");
        check(
            500,
            r#"{"kind":"Status","message":""}"#,
            "Internal Server Error (500)",
        );
        let long = refusal(500, &"ü".repeat(5000));
        assert_eq!(
            long.to_string().chars().count(),
            MESSAGE_CHARACTERS_MAX + " (500)".len()
        );
    }

    #[test]
    fn wait_that_the_api_wants_is_in_seconds_and_anything_else_is_none() {
        let check = |header: Option<&'static str>, expected: Option<u64>| {
            let header = header.map(HeaderValue::from_static);
            let refusal = refusal(429, "").retry_after(header.as_ref());
            assert_eq!(refusal.retry_after, expected.map(Duration::from_secs));
        };
        check(Some("1"), Some(1));
        check(Some(" 30 "), Some(30));
        check(Some("Wed, 21 Oct 2026 07:28:00 GMT"), None);
        check(Some("-1"), None);
        check(None, None);
    }

    #[test]
    fn only_400_and_404_mean_that_there_is_no_output_and_401_and_403_that_we_may_not_ask() {
        for code in [301, 400, 401, 403, 404, 410, 429, 500, 503] {
            let refusal = refusal(code, "");
            assert_eq!(refusal.is_absence(), [400, 404].contains(&code), "{code}");
            assert_eq!(refusal.is_denial(), [401, 403].contains(&code), "{code}");
        }
    }
}
