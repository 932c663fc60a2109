//! Rotation by the kubelet: what can be read is, and what cannot is told.

use crate::container::SECOND;
use crate::kubelet::{Api, Cut};
use crate::server;
use crate::shipper::{Shipper, document, same};
use crate::support::eventually;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::Response;
use logship::io::clock;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use tokio::sync::watch;

fn numbered(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|number| format!("line {number}")).collect()
}

fn write(api: &Api, lines: &[String]) {
    for line in lines {
        api.write("web", line);
    }
}

#[test]
fn rotation_while_the_stream_is_open_loses_nothing_and_is_no_gap() {
    let api = Api::start();
    let shipper = Shipper::start(&api);
    let mut written = Vec::new();
    for file in 0..5 {
        for line in numbered(file * 100..file * 100 + 100) {
            api.write("web", &line);
            written.push(line);
        }
        shipper.wait_for(&written);
        api.change("web", |container| container.run().rotate());
    }
    // The first line in the last file is taken before the stream breaks, so that no gap can be suspected behind it.
    for line in ["first", "last"] {
        api.write("web", line);
        written.push(line.to_owned());
        shipper.wait_for(&written);
        api.cut(Cut::Reset);
    }
    api.write("web", "more");
    written.push("more".to_owned());
    shipper.wait_for(&written);
    assert_eq!(shipper.gaps(), [0; 3]);
    shipper.terminate();
}

#[test]
fn files_that_were_rotated_while_nobody_was_connected_are_a_gap_that_is_counted_and_told() {
    let api = Api::start();
    let shipper = Shipper::start(&api);
    let mut written = numbered(0..50);
    write(&api, &written);
    shipper.wait_for(&written);
    api.set_down(true);
    write(&api, &numbered(50..60));
    api.change("web", |container| container.run().rotate());
    let behind = numbered(60..80);
    write(&api, &behind);
    api.set_down(false);
    written.extend(behind);
    shipper.wait_for(&written);
    eventually("the gap is counted", || {
        (shipper.gaps() == [0, 1, 0]).then_some(())
    });
    assert!(
        shipper
            .metrics()
            .contains("logship_output_gaps_total{cause=\"rotation\"} 1\n")
    );
    // Opened again, nothing is missing any more.
    api.cut(Cut::Reset);
    api.write("web", "more");
    written.push("more".to_owned());
    shipper.wait_for(&written);
    assert_eq!(shipper.gaps(), [0, 1, 0]);
    let said = shipper.terminate().stderr();
    assert!(
        said.contains("may be missing: the file of the line before was rotated"),
        "{said}"
    );
}

/// A sink that takes everything, but answers only when its gate is open.
struct Gate {
    url: String,
    open: watch::Sender<bool>,
    taken: Arc<Mutex<Vec<String>>>,
}

impl Gate {
    fn closed() -> Self {
        let (open, is_open) = watch::channel(false);
        let taken: Arc<Mutex<Vec<String>>> = Arc::default();
        let kept = Arc::clone(&taken);
        let address = server::start(None, move |request| {
            let (mut is_open, kept) = (is_open.clone(), Arc::clone(&kept));
            async move {
                let body = request.into_body().collect().await.unwrap().to_bytes();
                is_open.wait_for(|open| *open).await.unwrap();
                let message = |line: &[u8]| {
                    let record: Value = serde_json::from_slice(line).unwrap();
                    record["message"].as_str().unwrap().to_owned()
                };
                let lines = body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
                kept.lock().unwrap().extend(lines.map(message));
                Response::new(Empty::<Bytes>::new().boxed_unsync())
            }
        });
        Self {
            url: format!("http://{address}/"),
            open,
            taken,
        }
    }

    fn document(&self) -> Value {
        let sinks = json!([{"name": "bus", "batch": {"maxBytes": 65536, "maxAgeMs": 10},
            "http": {"url": self.url, "headers": {}, "compression": "none", "timeoutMs": 60000}}]);
        let mut document = document(&["web"], &sinks);
        document["limits"] = json!({"inFlightBytes": 1 << 20});
        // What goes to the state volume is not held back.
        document["sources"][0]["containerOutput"]["spill"] = json!({"maxBytes": 0});
        document
    }

    fn taken(&self) -> Vec<String> {
        self.taken.lock().unwrap().clone()
    }
}

/// More than the buffers of all connections take, so that the API's reader stands still: 24 MiB, by lines of 8 KiB.
fn much() -> Vec<String> {
    (0..3072)
        .map(|number| format!("line {number} {}", "x".repeat(8192)))
        .collect()
}

/// Writes the lines one microsecond apart from `time` on.
fn write_at(api: &Api, time: i64, lines: &[String]) {
    api.change("web", |container| {
        for (line, time) in lines.iter().zip((time..).step_by(1000)) {
            container.run().write(time, line.as_bytes());
        }
    });
}

fn is_held_back(shipper: &Shipper, api: &Api) {
    let mut before = None;
    eventually("reading stands still", || {
        let records = shipper.count("records");
        let stands = api.streams() > 0 && records > 0 && before == Some(records);
        before = Some(records);
        std::thread::park_timeout(std::time::Duration::from_millis(1500));
        stands.then_some(())
    });
}

/// Holds reading back within the first file, and rotates that so often, each time with lines behind it.
fn held_back(api: &Api, gate: &Gate, rotations: usize) -> (Shipper, Vec<String>) {
    let begin = clock::wall() - 60 * SECOND;
    let shipper = Shipper::with(api, &gate.document());
    eventually("a stream", || (api.streams() > 0).then_some(()));
    let mut expected = much();
    write_at(api, begin, &expected);
    is_held_back(&shipper, api);
    let mut last = Vec::new();
    for (rotation, time) in (0..rotations).zip((begin + 10 * SECOND..).step_by(10_000_000_000)) {
        api.change("web", |container| container.run().rotate());
        last = numbered(100 * rotation..100 * rotation + 50);
        write_at(api, time, &last);
    }
    gate.open.send_replace(true);
    expected.extend(last);
    eventually("what could be read", || {
        (gate.taken().len() >= expected.len()).then_some(())
    });
    same(&gate.taken(), &expected);
    (shipper, expected)
}

#[test]
fn slow_reader_over_two_rotations_reports_a_gap() {
    let (api, gate) = (Api::start(), Gate::closed());
    let (shipper, _) = held_back(&api, &gate, 2);
    assert_eq!(shipper.gaps(), [0, 0, 1]);
    let metric = "logship_output_gaps_total{cause=\"heldBack\"} 1\n";
    assert!(shipper.metrics().contains(metric));
    let said = shipper.terminate().stderr();
    assert!(said.contains("may be missing: reading was held back"), "{said}");
}

/// The kubelet's reader comes to the end of its file for the first time when that was renamed already, hears of no new one, and is silent.
#[test]
fn reader_that_is_left_on_a_renamed_file_is_given_up_soon_and_nothing_is_lost() {
    let (api, gate) = (Api::start(), Gate::closed());
    api.be_blind();
    let (shipper, mut expected) = held_back(&api, &gate, 1);
    // Whether it was rotated once or more often, nobody can tell.
    assert_eq!(shipper.gaps(), [0, 1, 0]);
    api.write("web", "more");
    expected.push("more".to_owned());
    eventually("the next line", || {
        (gate.taken().len() >= expected.len()).then_some(())
    });
    same(&gate.taken(), &expected);
    shipper.terminate();
}
