//! What a failing receiver does to the other sinks, to positions and to what is kept.

use super::{Shipper, http, named, once_each, one_sink, wait_for_all, with};
use crate::scripted::{Reply, Scripted, messages};
use crate::support::{document, eventually, free_port};
use serde_json::{Value, json};

const SMALL: usize = 2000;

/// A document with a sink to nobody and a sink to a receiver, which gathers little.
fn dead_and_healthy(when_full: &str, dead_port: u16, healthy: &Scripted) -> Value {
    let small = json!({"batch": {"maxBytes": SMALL, "maxAgeMs": 50}});
    let dead = named("dead", "http", http(&format!("http://127.0.0.1:{dead_port}/")));
    let dead = with(with(dead, small.clone()), json!({"whenFull": when_full}));
    let healthy = with(named("bus", "http", http(&healthy.url())), small);
    document(&json!([dead, healthy]))
}

#[test]
fn dead_sink_that_blocks_holds_the_other_one_back() {
    let healthy = Scripted::start(|_| Reply::status(204));
    let shipper = Shipper::start(&dead_and_healthy("Block", free_port(), &healthy), 20_000);
    // Three attempts take longer than reading the file does.
    eventually("some attempts", || {
        (shipper.sink()["retries"].as_u64()? >= 3).then_some(())
    });
    let (status, taken) = (shipper.status(), healthy.taken().len());
    assert!(status["files"][0]["lagBytes"].as_u64() > Some(0), "{status}");
    assert_eq!(status["sinks"][0]["dropped"], 0);
    assert!(0 < taken && taken < 20_000, "{taken}");
    shipper.kill();
}

#[test]
fn dead_sink_that_drops_lets_the_other_one_go_on_and_counts() {
    let healthy = Scripted::start(|_| Reply::status(204));
    let shipper = Shipper::start(&dead_and_healthy("Drop", free_port(), &healthy), 3000);
    wait_for_all(&healthy, 3000);
    assert_eq!(healthy.taken(), once_each(3000));
    let sink = shipper.sink();
    let dropped = sink["dropped"].as_u64().unwrap();
    assert!(2900 < dropped && dropped < 3000, "{sink}");
    // What the dead sink still holds does not hold the position: the healthy one would get everything again.
    let bytes = std::fs::metadata(shipper.place.path("logs/a.log")).unwrap().len();
    eventually("the position is at the end", || {
        (shipper.status()["files"][0]["positions"][0][1] == bytes).then_some(())
    });
    shipper.kill();
}

#[test]
fn position_stays_before_an_unanswered_request_although_later_ones_were_answered() {
    let is_first = |body: &[u8]| messages(body).iter().any(|message| message == "line 0");
    let receiver = Scripted::start(move |asked| {
        if is_first(&asked.body) {
            Reply::Silence
        } else {
            Reply::status(204)
        }
    });
    let batch = json!({"batch": {"maxBytes": SMALL, "maxAgeMs": 50, "inFlight": 4}});
    let patient = |receiver: &Scripted| with(http(&receiver.url()), json!({"timeoutMs": 60_000}));
    let sinks = json!([with(named("bus", "http", patient(&receiver)), batch.clone())]);
    let shipper = Shipper::start(&document(&sinks), 1000);
    wait_for_all(&receiver, 1000);
    // Opening another file has the positions written.
    shipper.place.append("b.log", "another file\n");
    let saved = eventually("both files are in the checkpoint", || {
        let text = std::fs::read(shipper.place.path("state/shop.checkpoint.json")).ok()?;
        let checkpoint: Value = serde_json::from_slice(&text).ok()?;
        let files = checkpoint["files"]["access"].as_array()?.clone();
        (files.len() == 2).then_some(files)
    });
    assert!(saved.iter().all(|file| file["offset"] == 0), "{saved:?}");
    let place = shipper.kill();
    let next = Scripted::start(|_| Reply::status(204));
    let sinks = json!([with(named("bus", "http", patient(&next)), batch)]);
    let shipper = Shipper::start_in(place, &document(&sinks));
    eventually("the first line", || {
        next.taken().contains_key("line 0").then_some(())
    });
    shipper.terminate();
}

#[test]
fn batch_that_cannot_be_sent_for_the_given_time_becomes_dead_letters_although_the_receiver_asks_for_more() {
    let receiver = Scripted::start(|_| Reply::with(503, &[("retry-after", "3600")], "busy"));
    let sink = with(
        named("bus", "http", http(&receiver.url())),
        // Longer than the machine stalls before the first answer.
        json!({"retry": {"maxAgeMs": 2000}}),
    );
    let shipper = Shipper::start(&document(&json!([sink])), 10);
    eventually("the batch is given up", || {
        (shipper.sink()["rejected"] == 10).then_some(())
    });
    eventually("it is kept with the reason", || {
        let letters = shipper.dead_letters();
        (letters.contains("given up after") && letters.contains("busy")).then_some(())
    });
    assert!(receiver.requests().len() > 1);
    shipper.terminate();
}

#[test]
fn dead_letters_beyond_their_bound_are_dropped_and_counted() {
    let receiver = Scripted::start(|_| Reply::status(400));
    let document = with(
        one_sink("http", http(&receiver.url())),
        json!({"limits": {"deadLetterBytes": 4000}}),
    );
    let shipper = Shipper::start(&document, 50);
    eventually("every record is refused", || {
        (shipper.sink()["rejected"] == 50).then_some(())
    });
    let letters = shipper.dead_letters();
    let kept = letters.lines().count() as u64;
    assert!(letters.len() <= 4000 && (1..50).contains(&kept), "{kept}");
    assert_eq!(shipper.sink()["lost"], 50 - kept);
    let place = shipper.terminate();
    assert!(place.stderr().contains("raise limits.deadLetterBytes"));
}
