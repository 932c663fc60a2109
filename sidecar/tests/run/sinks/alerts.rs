//! Alerts that are told to a sink.

use super::{Shipper, http, one_sink, with};
use crate::scripted::{Reply, Scripted, messages};
use crate::support::{Place, eventually};
use serde_json::{Value, json};

#[test]
fn alert_to_a_sink_is_a_record_of_its_own_although_the_record_that_raised_it_is_dropped() {
    let receiver = Scripted::start(|_| Reply::status(204));
    let pipeline = json!({"pipeline": [
        {"alert": {"name": "disk", "when": "body.contains('full')", "to": ["bus"]}},
        {"drop": {"when": "body.contains('full')"}},
    ]});
    let place = Place::new();
    place.append("a.log", "line 0\nthe disk is full\n");
    let shipper = Shipper::start_in(place, &with(one_sink("http", http(&receiver.url())), pipeline));
    eventually("the alert", || (receiver.taken().len() == 2).then_some(()));
    let requests = receiver.requests();
    let records: Vec<String> = requests.iter().flat_map(|asked| messages(&asked.body)).collect();
    assert_eq!(records[0], "line 0");
    let alert: Value = serde_json::from_str(&records[1]).unwrap();
    assert_eq!(
        (&alert["alert"], &alert["details"]["body"]),
        (&json!("disk"), &json!("the disk is full"))
    );
    let place = shipper.terminate();
    assert!(!place.stderr().contains("{\"alert\""), "{}", place.stderr());
}

#[test]
fn alert_that_the_sink_does_not_take_yet_holds_the_position_of_the_dropped_record() {
    let receiver = Scripted::start(|_| Reply::status(503));
    let pipeline = json!({"pipeline": [
        {"alert": {"name": "all", "when": "true", "to": ["bus"]}},
        {"drop": {"when": "true"}},
    ]});
    let of = |receiver: &Scripted| with(one_sink("http", http(&receiver.url())), pipeline.clone());
    let shipper = Shipper::start(&of(&receiver), 1);
    eventually("the alert is refused", || {
        (shipper.sink()["retries"].as_u64()? > 0).then_some(())
    });
    let place = shipper.terminate();
    let next = Scripted::start(|_| Reply::status(204));
    let shipper = Shipper::start_in(place, &of(&next));
    eventually("the alert comes again", || {
        (next.taken().len() == 1).then_some(())
    });
    let (alert, _) = next.taken().pop_first().unwrap();
    assert!(alert.contains("line 0"), "{alert}");
    shipper.terminate();
}
