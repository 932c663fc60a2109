//! More than a receiver takes, written and rotated while it takes nothing.

use super::{Shipper, http, named, once_each, with};
use crate::scripted::{Reply, Scripted, messages};
use crate::support::{Place, document, eventually, numbered};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Lines of each file: many times what may be on its way.
const EACH: usize = 20_000;

#[test]
fn burst_that_the_receiver_refuses_is_rotated_twice_meanwhile_and_arrives_once_and_in_the_order_of_each_file()
{
    let is_open = Arc::new(AtomicBool::new(false));
    let opened = Arc::clone(&is_open);
    let receiver = Scripted::start(move |_| {
        let takes = opened.load(Ordering::Relaxed);
        Reply::status(if takes { 204 } else { 503 })
    });
    let sink = with(
        named("bus", "http", http(&receiver.url())),
        json!({"batch": {"maxBytes": 20_000, "maxAgeMs": 50}}),
    );
    let place = Place::new();
    place.append("a.log", &numbered(0..EACH));
    let shipper = Shipper::start_in(place, &document(&json!([sink])));
    eventually("some refusals", || {
        (shipper.sink()["retries"].as_u64()? >= 3).then_some(())
    });
    let place = &shipper.place;
    place.rename("a.log", "a.log.1");
    place.append("a.log", &numbered(EACH..2 * EACH));
    place.rename("a.log.1", "a.log.2");
    place.rename("a.log", "a.log.1");
    place.append("a.log", &numbered(2 * EACH..3 * EACH));
    let lag = shipper.status()["files"][0]["lagBytes"].as_u64();
    assert!(lag > Some(100_000), "reading has stopped: {lag:?}");
    // Nobody but our descriptor has the first file any more.
    std::fs::remove_file(place.path("logs/a.log.2")).unwrap();
    is_open.store(true, Ordering::Relaxed);
    eventually("every line was taken", || {
        (receiver.taken().len() == 3 * EACH).then_some(())
    });
    assert!(receiver.taken() == once_each(3 * EACH), "a line came twice");
    let taken = receiver.requests_taken();
    let lines: Vec<String> = taken.iter().flat_map(|asked| messages(&asked.body)).collect();
    let numbers = lines.iter().map(|line| line["line ".len()..].parse().unwrap());
    let numbers: Vec<usize> = numbers.collect();
    for file in 0..3 {
        let of_file = numbers.iter().filter(|number| *number / EACH == file);
        assert!(of_file.is_sorted(), "the order of file {file}");
    }
    shipper.terminate();
}
