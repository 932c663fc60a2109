//! What gRPC says besides the message: a code, words, and details that are a `google.rpc.Status`:
//! <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>.

use super::{for_people, http};
use crate::sink::answer::Answer;
use crate::sink::encode::protobuf::Fields;
use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use std::time::Duration;

/// Details come with or without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

// The codes that have a meaning of their own for us: <https://grpc.io/docs/guides/status-codes/>.
pub const OK: u32 = 0;
pub const CANCELLED: u32 = 1;
pub const INVALID_ARGUMENT: u32 = 3;
pub const DEADLINE_EXCEEDED: u32 = 4;
pub const NOT_FOUND: u32 = 5;
pub const PERMISSION_DENIED: u32 = 7;
pub const RESOURCE_EXHAUSTED: u32 = 8;
pub const ABORTED: u32 = 10;
pub const OUT_OF_RANGE: u32 = 11;
pub const UNIMPLEMENTED: u32 = 12;
pub const UNAVAILABLE: u32 = 14;
pub const DATA_LOSS: u32 = 15;
pub const UNAUTHENTICATED: u32 = 16;

/// The code, where there is one.
pub fn code(answer: &Answer) -> Option<u32> {
    answer.header("grpc-status")?.parse().ok()
}

/// What went wrong, for people.
pub fn error(code: u32, answer: &Answer) -> String {
    let message = answer.header("grpc-message").unwrap_or_default();
    let message = for_people(&percent_decoded(message.as_bytes()));
    let separator = if message.is_empty() { "" } else { ": " };
    let remedy = match code {
        PERMISSION_DENIED | UNAUTHENTICATED => "; check the credentials and their rights",
        NOT_FOUND | UNIMPLEMENTED => "; check the URL and the protocol",
        _ => "",
    };
    format!("the receiver answered with gRPC status {code}{separator}{message}{remedy}")
}

/// The wait after which the receiver expects to have recovered: `RetryInfo` among the details.
pub fn retry_info(answer: &Answer) -> Option<Duration> {
    let status = BASE64.decode(answer.header("grpc-status-details-bin")?).ok()?;
    let detail = Fields(&status)
        .all(3)
        .find(|any| Fields(any).first(1).ends_with(b"/google.rpc.RetryInfo"))?;
    let delay = Fields(Fields(Fields(detail).first(2)).first(1));
    // What is negative is no wait.
    let part = |number| u64::try_from(delay.varint(number).cast_signed()).unwrap_or_default();
    Some(http::bounded(
        Duration::from_secs(part(1)).saturating_add(Duration::from_nanos(part(2))),
    ))
}

/// The text of `grpc-message`; what is no escape stays as it is.
fn percent_decoded(text: &[u8]) -> Vec<u8> {
    let digit = |byte: &u8| {
        char::from(*byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, after @ ..] = rest {
        let escaped = match after {
            [high, low, after @ ..] if *first == b'%' => digit(high).zip(digit(low)).zip(Some(after)),
            _ => None,
        };
        let (byte, after) = match escaped {
            Some(((high, low), after)) => (high << 4 | low, after),
            None => (*first, after),
        };
        decoded.push(byte);
        rest = after;
    }
    decoded
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::verdict::testing::answer;
    use prost::Message;

    #[derive(Clone, PartialEq, Message)]
    struct Status {
        #[prost(int32, tag = "1")]
        code: i32,
        #[prost(string, tag = "2")]
        message: String,
        #[prost(message, repeated, tag = "3")]
        details: Vec<Any>,
    }

    #[derive(Clone, PartialEq, Message)]
    struct Any {
        #[prost(string, tag = "1")]
        type_url: String,
        #[prost(bytes = "vec", tag = "2")]
        value: Vec<u8>,
    }

    #[derive(Clone, PartialEq, Message)]
    struct RetryInfo {
        #[prost(message, optional, tag = "1")]
        retry_delay: Option<Delay>,
    }

    #[derive(Clone, PartialEq, Message)]
    struct Delay {
        #[prost(int64, tag = "1")]
        seconds: i64,
        #[prost(int32, tag = "2")]
        nanos: i32,
    }

    /// An answer with `RetryInfo` behind another detail.
    fn with_delay(retry_delay: Option<Delay>, padded: bool) -> Answer {
        let any = |name: &str, value| Any {
            type_url: format!("type.googleapis.com/google.rpc.{name}"),
            value,
        };
        let status = Status {
            code: 8,
            message: "full".to_owned(),
            details: vec![
                any("Help", vec![1, 2, 3]),
                any("RetryInfo", RetryInfo { retry_delay }.encode_to_vec()),
            ],
        };
        let text = base64::engine::general_purpose::STANDARD.encode(status.encode_to_vec());
        let text = if padded { &text } else { text.trim_end_matches('=') };
        let mut answer = answer(200, &[("grpc-status", "8")], b"");
        answer
            .headers
            .insert("grpc-status-details-bin", text.parse().unwrap());
        answer
    }

    #[test]
    fn wait_is_read_from_the_details_and_bounded() {
        for (seconds, nanos, expected) in [
            (2, 500_000_000, Duration::from_millis(2500)),
            (0, 0, Duration::ZERO),
            (i64::MAX, 0, Duration::from_secs(3600)),
            (-1, -1, Duration::ZERO),
        ] {
            for padded in [true, false] {
                let answer = with_delay(Some(Delay { seconds, nanos }), padded);
                assert_eq!(retry_info(&answer), Some(expected), "{seconds} s {nanos} ns");
            }
        }
        assert_eq!(retry_info(&with_delay(None, true)), Some(Duration::ZERO));
    }

    #[test]
    fn details_without_a_wait_have_none() {
        for details in ["", "!", "AAAA", "CAgSBGZ1bGw"] {
            let answer = answer(200, &[("grpc-status-details-bin", details)], b"");
            assert_eq!(retry_info(&answer), None, "{details}");
        }
    }

    #[test]
    fn message_is_decoded_and_says_what_to_do() {
        for (code, message, expected) in [
            (13, "", "the receiver answered with gRPC status 13"),
            (
                13,
                "50%25 f%C3%BCr%0Aall 100%",
                "the receiver answered with gRPC status 13: 50% f\u{fc}r all 100%",
            ),
            (
                12,
                "unknown service",
                "the receiver answered with gRPC status 12: unknown service; check the URL and the protocol",
            ),
        ] {
            assert_eq!(
                error(code, &answer(200, &[("grpc-message", message)], b"")),
                expected
            );
        }
    }
}
