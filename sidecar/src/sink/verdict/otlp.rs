//! What the answers of a receiver of OTLP mean: <https://opentelemetry.io/docs/specs/otlp/>.
//!
//! A partial success is final: what the receiver did not take is lost and never sent again. Of the failures those are repeated
//! that the specification names, and with them what speaks about the configuration (credentials, URL, redirect): no receiver has
//! looked at those records, so they wait. A batch that is malformed in the receiver's eyes or too large is split. Any other failure
//! is final for the whole batch.

use super::{Verdict, for_people, grpc, http};
use crate::sink::answer::Answer;
use crate::sink::encode::protobuf::Fields;
use crate::sink::grpc::message;
use ::http::header::CONTENT_TYPE;

/// Of the body of a failure, for people.
const STATUS_BYTES_MAX: usize = 4096;

/// The verdict for an answer over HTTP to so many records.
pub fn http_verdict(answer: &Answer, records: usize) -> Verdict {
    match answer.status {
        200..=299 => taken(&answer.body, records),
        _ => http_failure(answer, records),
    }
}

/// The verdict for an answer over gRPC to so many records.
pub fn grpc_verdict(answer: &Answer, records: usize) -> Verdict {
    match grpc::code(answer) {
        Some(grpc::OK) => taken(message(&answer.body).unwrap_or_default(), records),
        Some(code) => grpc_failure(code, answer, records),
        None if answer.status != 200 => http_failure(answer, records),
        None => Verdict::Retry {
            after: None,
            error: "the answer has no gRPC status: it is torn or not from a gRPC server".to_owned(),
        },
    }
}

/// The verdict for an `ExportLogsServiceResponse`. A message without rejected records is a warning. One that cannot be read is no
/// reason to doubt the status.
fn taken(response: &[u8], records: usize) -> Verdict {
    let partial_success = Fields(Fields(response).first(1));
    let rejected = partial_success.varint(1).cast_signed();
    match u64::try_from(rejected) {
        Err(_) | Ok(0) => Verdict::Delivered,
        Ok(rejected) => {
            let records = rejected.min(records as u64);
            let message = for_people(partial_success.first(2));
            let error = format!("the receiver did not take {records} of the records: {message}");
            Verdict::Lost { records, error }
        }
    }
}

fn http_failure(answer: &Answer, records: usize) -> Verdict {
    let error = http::error(answer, &explanation(answer));
    match answer.status {
        400 | 413 | 422 => Verdict::Refused { error },
        // The receiver failed, and the specification forbids to repeat it.
        500 | 501 | 505.. => Verdict::Lost {
            records: records as u64,
            error,
        },
        _ => Verdict::Retry {
            after: http::after(answer),
            error,
        },
    }
}

fn grpc_failure(code: u32, answer: &Answer, records: usize) -> Verdict {
    let error = grpc::error(code, answer);
    let after = grpc::retry_info(answer);
    match code {
        grpc::CANCELLED
        | grpc::DEADLINE_EXCEEDED
        | grpc::ABORTED
        | grpc::OUT_OF_RANGE
        | grpc::UNAVAILABLE
        | grpc::DATA_LOSS => Verdict::Retry { after, error },
        // The configuration.
        grpc::NOT_FOUND | grpc::PERMISSION_DENIED | grpc::UNIMPLEMENTED | grpc::UNAUTHENTICATED => {
            Verdict::Retry { after, error }
        }
        // With a wait the receiver expects to recover; without one the message is mostly larger than it takes.
        grpc::RESOURCE_EXHAUSTED if after.is_some() => Verdict::Retry { after, error },
        grpc::RESOURCE_EXHAUSTED | grpc::INVALID_ARGUMENT => Verdict::Refused { error },
        // UNKNOWN, ALREADY_EXISTS, FAILED_PRECONDITION, INTERNAL, and codes that do not exist.
        _ => Verdict::Lost {
            records: records as u64,
            error,
        },
    }
}

/// The receiver's words: the body of a failure is a `google.rpc.Status`, but what stands in between answers with text.
fn explanation(answer: &Answer) -> String {
    let content_type = answer.header(CONTENT_TYPE).unwrap_or_default();
    if content_type.starts_with("application/x-protobuf") {
        for_people(Fields(&answer.text(STATUS_BYTES_MAX)).first(2))
    } else {
        answer.explanation()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::compress::Codec;
    use crate::sink::grpc::frame;
    use crate::sink::verdict::testing::{answer, kind};
    use opentelemetry_proto::tonic::collector::logs::v1::{
        ExportLogsPartialSuccess, ExportLogsServiceResponse,
    };
    use proptest::prelude::*;
    use prost::Message;
    use std::time::Duration;

    fn response(rejected_log_records: i64, error_message: &str) -> Vec<u8> {
        let partial_success = Some(ExportLogsPartialSuccess {
            rejected_log_records,
            error_message: error_message.to_owned(),
        });
        ExportLogsServiceResponse { partial_success }.encode_to_vec()
    }

    /// The verdict on the same response over both protocols.
    fn check_taken(response: &[u8], expected: &Verdict) {
        assert_eq!(&http_verdict(&answer(200, &[], response), 5), expected);
        let framed = answer(200, &[("grpc-status", "0")], &frame(response, false));
        assert_eq!(&grpc_verdict(&framed, 5), expected);
    }

    #[test]
    fn partial_success_is_loss_and_a_warning_is_delivery() {
        let lost = |records, message: &str| Verdict::Lost {
            records,
            error: format!("the receiver did not take {records} of the records: {message}"),
        };
        check_taken(&response(2, "too old\n"), &lost(2, "too old"));
        check_taken(&response(99, ""), &lost(5, ""));
        check_taken(&response(0, "use another endpoint"), &Verdict::Delivered);
        check_taken(&response(-1, ""), &Verdict::Delivered);
        check_taken(b"", &Verdict::Delivered);
        check_taken(b"<html>", &Verdict::Delivered);
    }

    #[test]
    fn http_statuses_decide() {
        for (status, expected) in [
            (302, "retry"),
            (400, "refused"),
            (401, "retry"),
            (403, "retry"),
            (404, "retry"),
            (413, "refused"),
            (415, "retry"),
            (429, "retry"),
            (500, "lost"),
            (501, "lost"),
            (502, "retry"),
            (503, "retry"),
            (504, "retry"),
            (505, "lost"),
        ] {
            let answer = answer(status, &[("retry-after", "3")], b"");
            let verdict = http_verdict(&answer, 5);
            assert_eq!(kind(&verdict), expected, "{status}");
            assert_eq!(
                verdict,
                grpc_verdict(&answer, 5),
                "a proxy answers gRPC as it does HTTP"
            );
            if let Verdict::Retry { after, .. } = verdict {
                assert_eq!(after, Some(Duration::from_secs(3)), "{status}");
            }
        }
    }

    #[test]
    fn grpc_codes_decide() {
        let expected = [
            "delivered",
            "retry",
            "lost",
            "refused",
            "retry",
            "retry",
            "lost",
            "retry",
            "refused",
            "lost",
            "retry",
            "retry",
            "retry",
            "lost",
            "retry",
            "retry",
            "retry",
            "lost",
        ];
        for (code, expected) in expected.into_iter().enumerate() {
            let mut answer = answer(200, &[], b"");
            answer.headers.insert("grpc-status", code.into());
            assert_eq!(kind(&grpc_verdict(&answer, 5)), expected, "{code}");
        }
        assert_eq!(
            kind(&grpc_verdict(&answer(200, &[], b""), 5)),
            "retry",
            "without a code"
        );
    }

    #[test]
    fn exhausted_receiver_is_asked_again_only_if_it_says_when() {
        // Status { details: [Any { "type.googleapis.com/google.rpc.RetryInfo", RetryInfo { 7 s } }] }.
        let any = [
            b"\x0a\x28type.googleapis.com/google.rpc.RetryInfo".as_slice(),
            b"\x12\x04\x0a\x02\x08\x07",
        ]
        .concat();
        let status = [b"\x1a\x30".as_slice(), &any].concat();
        assert_eq!(any.len(), 0x30);
        let mut answer = answer(200, &[("grpc-status", "8"), ("grpc-message", "later")], b"");
        let details = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, status);
        answer
            .headers
            .insert("grpc-status-details-bin", details.parse().unwrap());
        let error = "the receiver answered with gRPC status 8: later".to_owned();
        let after = Some(Duration::from_secs(7));
        assert_eq!(
            grpc_verdict(&answer, 5),
            Verdict::Retry {
                after,
                error: error.clone()
            }
        );
        answer.headers.remove("grpc-status-details-bin");
        assert_eq!(grpc_verdict(&answer, 5), Verdict::Refused { error });
    }

    #[test]
    fn compressed_status_message_is_read_for_people() {
        let status = b"\x08\x03\x12\x0ano such\nid".as_slice();
        let body = Codec::Gzip.compress(status.into()).unwrap();
        let headers = [
            ("content-type", "application/x-protobuf"),
            ("content-encoding", "gzip"),
        ];
        let error = "the receiver answered with status 400: no such id".to_owned();
        assert_eq!(
            http_verdict(&answer(400, &headers, &body), 5),
            Verdict::Refused { error }
        );
    }

    proptest! {
        /// No body makes the verdict panic, and never are more records lost than there were.
        #[test]
        fn any_body_has_a_verdict(body in proptest::collection::vec(any::<u8>(), 0..100), status in 200u16..600) {
            for verdict in [
                http_verdict(&answer(status, &[("content-type", "application/x-protobuf")], &body), 5),
                grpc_verdict(&answer(status, &[("grpc-status", "0")], &body), 5),
            ] {
                if let Verdict::Lost { records, .. } = verdict {
                    prop_assert!((1..=5).contains(&records));
                }
            }
        }
    }
}
