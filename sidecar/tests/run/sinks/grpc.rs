//! OTLP over gRPC, whose answers stand behind the body: what they say, and TLS to a server that speaks nothing else.

use super::dialects::{after_loss, first_then};
use super::{Shipper, one_sink, with};
use crate::scripted::{Reply, Scripted};
use crate::support::{PATIENCE_MS, Place, eventually, numbered, shortest};
use crate::tls::{Authority, Renewable};
use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsPartialSuccess, ExportLogsServiceRequest, ExportLogsServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value;
use prost::Message;
use serde_json::{Value, json};
use std::time::Duration;

/// Codes of calls, see google/rpc/code.proto.
const OK: u16 = 0;
const INVALID_ARGUMENT: u16 = 3;
const RESOURCE_EXHAUSTED: u16 = 8;
const UNAVAILABLE: u16 = 14;

fn taken() -> Reply {
    Reply::call(OK, Vec::new(), &[])
}

fn settings(scheme: &str, receiver: &Scripted) -> Value {
    json!({
        "url": format!("{scheme}://{}", receiver.address), "protocol": "grpc",
        "compression": "none", "timeoutMs": PATIENCE_MS,
    })
}

/// The records of a request, in order.
fn records(body: &[u8]) -> Vec<String> {
    let (_, message) = body.split_at(5);
    let request = ExportLogsServiceRequest::decode(message).unwrap();
    let scopes = request.resource_logs.into_iter().flat_map(|logs| logs.scope_logs);
    let bodies = scopes
        .flat_map(|scope| scope.log_records)
        .map(|record| record.body);
    bodies
        .map(|body| match body.unwrap().value {
            Some(any_value::Value::StringValue(text)) => text,
            other => panic!("{other:?}"),
        })
        .collect()
}

/// The records of the requests that were taken.
fn records_taken(receiver: &Scripted) -> Vec<String> {
    let taken = receiver.requests_taken().into_iter();
    taken.flat_map(|asked| records(&asked.body)).collect()
}

fn lines(count: usize) -> Vec<String> {
    numbered(0..count).lines().map(str::to_owned).collect()
}

#[test]
fn partial_success_over_grpc_is_a_loss_that_is_kept_and_not_sent_again() {
    let partial_success = Some(ExportLogsPartialSuccess {
        rejected_log_records: 3,
        error_message: "too old".to_owned(),
    });
    let answer = ExportLogsServiceResponse { partial_success }.encode_to_vec();
    let receiver = Scripted::start(first_then(Reply::call(OK, answer, &[]), taken()));
    let (rejected, sent, letters) = after_loss("otlp", settings("http", &receiver), &receiver, 10);
    assert_eq!((rejected, sent), (json!(3), json!(8)));
    let [letter] = &letters[..] else {
        panic!("{letters:?}");
    };
    assert_eq!((&letter["records"], &letter["of"]), (&json!(3), &json!(10)));
    assert_eq!(
        letter["error"],
        "the receiver did not take 3 of the records: too old"
    );
}

/// The time between the first call, which goes so, and the second, which is taken.
fn pause_after(first: Reply) -> Duration {
    let receiver = Scripted::start(first_then(first, taken()));
    let shipper = Shipper::start(&one_sink("otlp", settings("http", &receiver)), 10);
    eventually("everything is settled", || {
        (shipper.sink()["sent"] == 10).then_some(())
    });
    shipper.terminate();
    let [refused, taken] = &receiver.requests()[..] else {
        panic!("not two calls");
    };
    assert_eq!(records(&taken.body), lines(10));
    taken.at - refused.at
}

#[test]
fn unavailable_receiver_of_grpc_is_asked_again_soon() {
    // A call that never began is answered by its head alone.
    let head_alone = Reply::with(200, &[("grpc-status", "14")], "");
    for unavailable in [Reply::call(UNAVAILABLE, Vec::new(), &[]), head_alone] {
        let soon = Duration::from_secs(1);
        let pause = shortest(soon, || pause_after(unavailable.clone()));
        assert!(pause < soon, "{pause:?}");
    }
}

#[test]
fn exhausted_receiver_of_grpc_is_left_alone_for_the_time_that_it_says() {
    // Status { details: [Any { "type.googleapis.com/google.rpc.RetryInfo", RetryInfo { 2 s } }] }, without padding, as gRPC has it.
    let details = "GjAKKHR5cGUuZ29vZ2xlYXBpcy5jb20vZ29vZ2xlLnJwYy5SZXRyeUluZm8SBAoCCAI";
    let about = [("grpc-message", "later"), ("grpc-status-details-bin", details)];
    let pause = pause_after(Reply::call(RESOURCE_EXHAUSTED, Vec::new(), &about));
    assert!(pause >= Duration::from_secs(2), "{pause:?}");
}

#[test]
fn record_that_is_refused_over_grpc_takes_no_other_with_it() {
    for refusal in [INVALID_ARGUMENT, RESOURCE_EXHAUSTED] {
        let receiver = Scripted::start(move |asked| {
            if records(&asked.body).contains(&"line 7".to_owned()) {
                Reply::call(refusal, Vec::new(), &[("grpc-message", "no%20sevens")])
            } else {
                taken()
            }
        });
        let shipper = Shipper::start(&one_sink("otlp", settings("http", &receiver)), 20);
        eventually("everything is settled", || {
            let sink = shipper.sink();
            (sink["sent"] == 19 && sink["rejected"] == 1).then_some(())
        });
        let mut expected = lines(20);
        expected.remove(7);
        assert_eq!(records_taken(&receiver), expected);
        let letters = shipper.dead_letters();
        assert_eq!(letters.lines().count(), 1);
        assert!(
            letters.contains("line 7") && letters.contains("no sevens"),
            "{letters}"
        );
        shipper.terminate();
    }
}

#[test]
fn server_that_speaks_grpc_alone_is_spoken_to_over_tls() {
    let authority = Authority::new();
    let acceptor = Renewable::new(authority.vouch_for("127.0.0.1")).acceptor_for_http2();
    let receiver = Scripted::start_with(Some(acceptor), |_| taken());
    let place = Place::new();
    place.append("a.log", &numbered(0..10));
    let ca_file = place.path("ca.crt");
    std::fs::write(&ca_file, &authority.pem).unwrap();
    let tls = json!({"tls": {"caFile": ca_file}});
    let document = one_sink("otlp", with(settings("https", &receiver), tls));
    let shipper = Shipper::start_in(place, &document);
    eventually("everything is settled", || {
        (shipper.sink()["sent"] == 10).then_some(())
    });
    assert_eq!(records_taken(&receiver), lines(10));
    shipper.terminate();
}
