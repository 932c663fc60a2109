//! Sinks of the real binary against receivers that fail in every way that the protocols know.

mod alerts;
mod answers;
mod bursts;
mod dialects;
mod grpc;
mod queues;
mod renewal;
mod resets;
mod secrets;
mod status;
mod trust;

use crate::scripted::Scripted;
use crate::support::{PATIENCE_MS, Place, Running, ask_admin, document, eventually, free_port, numbered};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A document with this sink, of this kind, gathering everything that is there into one request.
fn one_sink(kind: &str, settings: Value) -> Value {
    document(&json!([named("bus", kind, settings)]))
}

fn named(name: &str, kind: &str, settings: Value) -> Value {
    let mut sink = json!({"name": name, "batch": {"maxBytes": 1 << 20, "maxAgeMs": 50}});
    sink[kind] = settings;
    sink
}

/// NDJSON to this URL, not compressed.
fn http(url: &str) -> Value {
    json!({"url": url, "compression": "none", "timeoutMs": PATIENCE_MS})
}

/// The settings with these instead of theirs.
fn with(mut settings: Value, more: Value) -> Value {
    let (Some(members), Value::Object(more)) = (settings.as_object_mut(), more) else {
        panic!("both are objects");
    };
    members.extend(more);
    settings
}

/// The binary with a document, and its administration.
struct Shipper {
    place: Place,
    running: Running,
    port: u16,
}

impl Shipper {
    /// Ships `line 0` to `line count-1`.
    fn start(document: &Value, count: usize) -> Self {
        let place = Place::new();
        place.append("a.log", &numbered(0..count));
        Self::start_in(place, document)
    }

    fn start_in(place: Place, document: &Value) -> Self {
        let port = free_port();
        let running = Running::start(&mut place.by_whole_document(document, port));
        Self { place, running, port }
    }

    /// The state of the first sink.
    fn sink(&self) -> Value {
        self.status()["sinks"][0].clone()
    }

    fn status(&self) -> Value {
        let answer = ask_admin(self.port, "/status");
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        serde_json::from_str::<Value>(body).unwrap()["pipelines"][0].clone()
    }

    /// Waits until the sink says that it fails for this reason.
    fn wait_for_error(&self, part: &str) {
        eventually(&format!("the error {part:?}, not {:?}", self.sink()), || {
            self.sink()["error"].as_str()?.contains(part).then_some(())
        });
    }

    fn dead_letters(&self) -> String {
        std::fs::read_to_string(self.place.path("state/shop.bus.rejected")).unwrap_or_default()
    }

    /// Ends as an operator ends it; with the place, to start again there.
    fn terminate(self) -> Place {
        assert_eq!(self.running.terminate(), Some(0));
        self.place
    }

    fn kill(self) -> Place {
        self.running.kill();
        self.place
    }
}

/// `line 0` to `line count-1`, once each.
fn once_each(count: usize) -> BTreeMap<String, usize> {
    numbered(0..count)
        .lines()
        .map(|line| (line.to_owned(), 1))
        .collect()
}

/// Waits until the receiver took each of so many lines at least once.
fn wait_for_all(receiver: &Scripted, count: usize) {
    eventually("every line was taken", || {
        (receiver.taken().len() >= count).then_some(())
    });
    assert!(receiver.taken().keys().eq(once_each(count).keys()));
}
