//! Every limit is a field of the document, and a counter moves when it is reached.

use crate::http_sink;
use crate::scripted::{Reply, Scripted};
use crate::support::{Place, Running, ask_admin, document, eventually, free_port, numbered};
use serde_json::{Value, json};

/// The binary with these limits and sinks, and its administration.
struct Limited {
    place: Place,
    running: Running,
    port: u16,
}

impl Limited {
    fn start(place: Place, document: &Value) -> Self {
        let port = free_port();
        let running = Running::start(&mut place.by_whole_document(document, port));
        Self { place, running, port }
    }

    /// Waits until the counter has this value at least.
    fn counts(&self, counter: &str, expected: u64) {
        eventually(&format!("{counter} is {expected}"), || {
            let metrics = ask_admin(self.port, "/metrics");
            let value = metrics.lines().find_map(|line| {
                let (name, value) = line.split_once(' ')?;
                (name == counter).then(|| value.parse::<u64>().unwrap())
            });
            (value.expect("it is always there") >= expected).then_some(())
        });
    }
}

fn limited(sinks: &Value, limits: Value) -> Value {
    let mut document = document(sinks);
    document["limits"] = limits;
    document
}

fn stdout() -> Value {
    json!([{"name": "out", "batch": {"maxAgeMs": 50}, "stdout": {}}])
}

#[test]
fn records_longer_than_the_limit_are_cut_marked_and_counted() {
    let place = Place::new();
    place.append("a.log", "0123456789\n0123456789x\nshort\n");
    let run = Limited::start(place, &limited(&stdout(), json!({"recordBytes": 10})));
    run.place.wait_for_lines(3);
    run.counts("logship_truncated_records_total", 1);
    let second: Value = serde_json::from_str(&run.place.lines()[1]).unwrap();
    assert_eq!(second["message"], "0123456789");
    assert!(ask_admin(run.port, "/status").contains("\"truncated\":1"));
    assert_eq!(run.running.terminate(), Some(0));
}

#[test]
fn bytes_in_flight_beyond_the_limit_stop_reading_and_are_counted() {
    let place = Place::new();
    place.append("a.log", &numbered(0..20_000));
    let silent = Scripted::start(|_| Reply::Silence);
    let sink = |name: &str| {
        let mut sinks = http_sink(&silent.url(), "none");
        sinks[0]["name"] = json!(name);
        sinks[0]["batch"] = json!({"maxBytes": 1 << 20});
        sinks[0].take()
    };
    // Each sink by itself has room for more than all of the file.
    let sinks = json!([sink("one"), sink("other")]);
    let run = Limited::start(place, &limited(&sinks, json!({"inFlightBytes": 5000})));
    run.counts("logship_reading_stops_total", 1);
    run.counts("logship_in_flight_bytes", 5000);
    let status: Value =
        serde_json::from_str(ask_admin(run.port, "/status").split_once("\r\n\r\n").unwrap().1).unwrap();
    assert!(status[0]["files"][0]["lagBytes"].as_u64() > Some(0), "{status}");
    run.running.kill();
}

#[test]
fn descriptors_beyond_the_limit_are_given_up_and_counted() {
    let place = Place::new();
    for number in 0..5 {
        place.append(&format!("{number}.log"), &numbered(number..number + 1));
    }
    let run = Limited::start(place, &limited(&stdout(), json!({"openFiles": 2})));
    run.place.wait_for_lines(5);
    run.counts("logship_parked_files_total", 3);
    assert_eq!(run.running.terminate(), Some(0));
}

#[test]
fn dead_letters_beyond_the_limit_are_counted() {
    let place = Place::new();
    place.append("a.log", &numbered(0..3));
    let strict = Scripted::start(|_| Reply::status(400));
    let sinks = http_sink(&strict.url(), "none");
    let run = Limited::start(place, &limited(&sinks, json!({"deadLetterBytes": 0})));
    run.counts("logship_lost_dead_letters_total", 3);
    run.counts("logship_rejected_records_total", 3);
    assert_eq!(run.running.terminate(), Some(0));
}

#[test]
fn records_that_are_repeated_for_longer_than_the_limit_are_given_up_and_counted() {
    let place = Place::new();
    place.append("a.log", &numbered(0..3));
    let busy = Scripted::start(|_| Reply::status(503));
    let mut sinks = http_sink(&busy.url(), "none");
    sinks[0]["retry"] = json!({"maxAgeMs": 1});
    let run = Limited::start(place, &document(&sinks));
    run.counts("logship_given_up_records_total", 3);
    assert_eq!(run.running.terminate(), Some(0));
}

#[test]
fn alerts_beyond_the_rate_are_left_out_counted_and_said_at_the_end() {
    let place = Place::new();
    place.append("a.log", &numbered(0..1000));
    let mut document = document(&stdout());
    document["pipeline"] = json!([{"alert": {"name": "storm", "when": "true"}}]);
    let run = Limited::start(place, &document);
    run.place.wait_for_lines(1000);
    run.counts("logship_suppressed_alerts_total", 800);
    assert_eq!(run.running.terminate(), Some(0));
    let said = run.place.stderr();
    let told = said
        .lines()
        .filter(|line| line.starts_with("{\"alert\":\"storm\""))
        .count();
    assert!((100..200).contains(&told), "{told}");
    assert!(
        said.contains("alerts were not written to standard error"),
        "{said}"
    );
}
