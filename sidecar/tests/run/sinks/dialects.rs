//! What receivers say in their own protocols: losses that must not be sent again, and a fate for each record.

use super::{Shipper, one_sink};
use crate::scripted::{Asked, Reply, Scripted, messages};
use crate::support::{PATIENCE_MS, eventually};
use opentelemetry_proto::tonic::collector::logs::v1::{ExportLogsPartialSuccess, ExportLogsServiceResponse};
use prost::Message;
use serde_json::{Value, json};

/// Ships `count` records to a receiver that says that some are lost; the records that are counted as lost and as delivered,
/// and the dead letters.
pub fn after_loss(
    kind: &str,
    settings: Value,
    receiver: &Scripted,
    count: usize,
) -> (Value, Value, Vec<Value>) {
    let shipper = Shipper::start(&one_sink(kind, settings), count);
    eventually("the loss is counted", || {
        (shipper.sink()["rejected"] != 0).then_some(())
    });
    // What follows is sent, so what came before it is settled and was not sent again.
    shipper.place.append("a.log", "the next\n");
    eventually("the next record arrives", || {
        (receiver.requests().len() == 2).then_some(())
    });
    eventually("it is settled", || {
        (shipper.status()["files"][0]["lagBytes"] == 0 && shipper.sink()["error"].is_null()).then_some(())
    });
    let letters = shipper.dead_letters();
    let letters = letters.lines().map(|line| serde_json::from_str(line).unwrap());
    let (sink, letters) = (shipper.sink(), letters.collect());
    shipper.terminate();
    assert_eq!(receiver.requests().len(), 2);
    (sink["rejected"].clone(), sink["sent"].clone(), letters)
}

/// The settings of a sink that asks at the usual path.
fn usual(receiver: &Scripted) -> Value {
    json!({"url": receiver.url().trim_end_matches('/'), "timeoutMs": PATIENCE_MS})
}

pub fn first_then(first: Reply, then: Reply) -> impl Fn(&Asked) -> Reply {
    move |asked| {
        if asked.number == 0 {
            first.clone()
        } else {
            then.clone()
        }
    }
}

#[test]
fn blocked_ingestion_of_loki_is_a_loss_that_is_kept_and_not_sent_again() {
    let receiver = Scripted::start(first_then(
        Reply::with(260, &[], "blocked until noon"),
        Reply::status(204),
    ));
    let (rejected, sent, letters) = after_loss("loki", usual(&receiver), &receiver, 10);
    assert_eq!((rejected, sent), (json!(10), json!(1)));
    let [letter] = &letters[..] else {
        panic!("{letters:?}");
    };
    assert_eq!((&letter["records"], &letter["of"]), (&json!(10), &json!(10)));
    assert_eq!(
        letter["error"],
        "the receiver answered with status 260: blocked until noon"
    );
}

#[test]
fn partial_success_of_otlp_is_a_loss_that_is_kept_and_not_sent_again() {
    let partial_success = Some(ExportLogsPartialSuccess {
        rejected_log_records: 3,
        error_message: "too old".to_owned(),
    });
    let answer = ExportLogsServiceResponse { partial_success }.encode_to_vec();
    let receiver = Scripted::start(first_then(Reply::with(200, &[], answer), Reply::status(200)));
    let (rejected, sent, letters) = after_loss("otlp", usual(&receiver), &receiver, 10);
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

/// Answers a bulk request with these statuses in turn, by the number of the record.
pub fn items(statuses: &[u16], body: &[u8]) -> Reply {
    let item = |message: String| {
        let number: usize = message.trim_start_matches("line ").parse().unwrap();
        let status = statuses[number % statuses.len()];
        json!({"create": {"status": status, "error": {"type": "some_exception", "reason": "because"}}})
    };
    let items: Vec<_> = messages(body).into_iter().map(item).collect();
    let answer = json!({"errors": true, "items": items}).to_string();
    Reply::with(200, &[], answer)
}

#[test]
fn bulk_of_mixed_fates_repeats_what_may_pass_and_keeps_what_is_refused() {
    let receiver = Scripted::start(|asked| {
        let first: &[u16] = &[200, 201, 409, 429, 400, 500];
        let later: &[u16] = &[201];
        items(if asked.number == 0 { first } else { later }, &asked.body)
    });
    let settings =
        json!({"url": receiver.url(), "index": "logs", "timeoutMs": PATIENCE_MS, "compression": "gzip"});
    let shipper = Shipper::start(&one_sink("elasticsearch", settings), 60);
    eventually("everything is settled", || {
        (shipper.sink()["sent"] == 50).then_some(())
    });
    assert_eq!(shipper.sink()["rejected"], 10);
    let letters = shipper.dead_letters();
    shipper.terminate();
    let again: Vec<String> = (0..60)
        .filter(|number| matches!(number % 6, 3 | 5))
        .map(|number| format!("line {number}"))
        .collect();
    let requests = receiver.requests();
    assert_eq!(requests.len(), 2);
    assert_eq!(messages(&requests[1].body), again);
    assert_eq!(letters.lines().count(), 10);
    for number in (4..60).step_by(6) {
        // The line of a bulk is in the letter as JSON in JSON.
        assert!(letters.contains(&format!("line {number}\\")), "{letters}");
    }
    assert!(
        letters.contains("status 400: some_exception: because"),
        "{letters}"
    );
}
