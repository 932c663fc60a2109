//! Sinks that change: the very reason for a change may be that one is dead.

use crate::book::Book;
use crate::shipper::{Shipper, document, sink, wait_for_exactly};
use crate::support::{eventually, numbered, shortest};
use crate::writer::Writer;
use serde_json::json;
use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

/// A change may wait so long for a sink that fails, and be noticed so late.
const SOON: Duration = Duration::from_secs(3);

#[expect(clippy::disallowed_methods, reason = "the time of a change is real")]
fn measured(change: impl FnOnce()) -> Duration {
    let begin = Instant::now();
    change();
    begin.elapsed()
}

#[test]
fn dead_sink_is_replaced_by_a_living_one_soon_and_nothing_is_lost() {
    let refused = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    // The kernel takes connections, and nobody ever answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    for dead in [refused, silent.local_addr().unwrap()] {
        let time = shortest(SOON, || replace_dead_sink(dead));
        assert!(time < SOON, "{time:?}");
    }
}

/// How long it takes until a sink that fails is replaced.
fn replace_dead_sink(dead: SocketAddr) -> Duration {
    let book = Book::start();
    let mut fails = document(1, &format!("http://{dead}/"));
    fails["sinks"][0]["http"]["timeoutMs"] = 2000.into();
    let shipper = Shipper::start(&fails);
    shipper.place.append("app.log", &numbered(0..1000));
    eventually("it fails", || {
        shipper.status()["pipelines"][0]["sinks"][0]["error"]
            .is_string()
            .then_some(())
    });
    let time = measured(|| shipper.apply(&document(2, &book.url("bus"))));
    wait_for_exactly(&book, 1000);
    assert_eq!(
        book.versions(),
        ["v2"],
        "what was not acknowledged goes through the new steps"
    );
    shipper.terminate();
    time
}

#[test]
fn deleted_file_that_a_dead_sink_had_not_taken_is_read_again_by_its_descriptor() {
    let book = Book::start();
    book.close(true);
    let shipper = Shipper::start(&document(1, &book.url("old")));
    shipper.place.append("app.log", &numbered(0..2000));
    eventually("it fails", || {
        shipper.status()["pipelines"][0]["sinks"][0]["error"]
            .is_string()
            .then_some(())
    });
    std::fs::remove_file(shipper.place.path("logs/app.log")).unwrap();
    let living = Book::start();
    shipper.apply(&document(2, &living.url("bus")));
    wait_for_exactly(&living, 2000);
    assert_eq!(book.count(), 0);
    shipper.terminate();
}

#[test]
fn sink_that_answers_gets_what_was_read_before_the_change_and_the_new_one_the_rest() {
    let (old, new) = (Book::start(), Book::start());
    let shipper = Shipper::start(&document(1, &old.url("bus")));
    let writer = Writer::start(shipper.place.path("logs"));
    eventually("it ships", || (old.count() > 500).then_some(()));
    shipper.apply(&document(2, &new.url("bus")));
    eventually("the new one", || (new.count() > 500).then_some(()));
    let written = writer.finish();
    eventually("all lines", || {
        (old.count() + new.count() >= written).then_some(())
    });
    let came = [old.messages("bus"), new.messages("bus")].concat();
    let expected: Vec<String> = numbered(0..written).lines().map(str::to_owned).collect();
    assert!(came == expected, "{} of {written}", came.len());
    shipper.terminate();
}

#[test]
fn second_sink_gets_what_is_read_after_it_was_added() {
    let book = Book::start();
    let shipper = Shipper::start(&document(1, &book.url("first")));
    shipper.place.append("app.log", &numbered(0..100));
    eventually("the first lines", || (book.count() == 100).then_some(()));
    let mut both = document(2, &book.url("first"));
    both["sinks"]
        .as_array_mut()
        .unwrap()
        .push(sink("second", &book.url("second")));
    shipper.apply(&both);
    shipper.place.append("app.log", &numbered(100..200));
    eventually("the other lines", || (book.count() == 300).then_some(()));
    let lines = |range| -> Vec<String> { numbered(range).lines().map(str::to_owned).collect() };
    assert_eq!(book.messages("first"), lines(0..200));
    assert_eq!(book.messages("second"), lines(100..200));
    shipper.terminate();
}

/// The document stays the same; the file that it names does not.
#[test]
fn changed_password_is_sent_with_what_comes_after_it_without_a_restart() {
    let book = Book::start();
    let place = crate::support::Place::new();
    let path = place.path("token");
    std::fs::write(&path, "one").unwrap();
    let mut document = document(1, &book.url("bus"));
    document["sinks"][0]["http"]["auth"] = json!({"bearerFile": path});
    let shipper = Shipper::start_in(place, &document);
    let writer = Writer::start(shipper.place.path("logs"));
    for password in ["one", "two", "three"] {
        std::fs::write(&path, password).unwrap();
        eventually(password, || {
            let entries = book.entries();
            let last = entries.last()?;
            (last.authorization == format!("Bearer {password}")).then_some(())
        });
    }
    let written = writer.finish();
    wait_for_exactly(&book, written);
    assert_eq!(
        shipper.metric("logship_config_reloads_total{result=\"applied\"}"),
        0
    );
    shipper.terminate();
}

#[test]
fn summary_goes_on_counting_over_a_change() {
    let book = Book::start();
    let summing = |generation| {
        let mut document = document(generation, &book.url("bus"));
        let file = json!({"path": "summary.jsonl", "summary": {"intervalMs": 1000}});
        let summary = json!({"name": "summary", "batch": {"maxBytes": 4096, "maxAgeMs": 50}, "file": file});
        document["sinks"].as_array_mut().unwrap().push(summary);
        document
    };
    let shipper = Shipper::start(&summing(1));
    for generation in 2..6 {
        let count = book.count();
        shipper.place.append("app.log", &numbered(count..count + 50));
        eventually("the lines", || (book.count() == count + 50).then_some(()));
        shipper.apply(&summing(generation));
    }
    let path = shipper.place.path("state/summary.jsonl");
    let counted = || -> u64 {
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let lines = text
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        lines.map(|line| line["records"].as_u64().unwrap()).sum()
    };
    eventually("every record is counted", || (counted() >= 200).then_some(()));
    let _place = shipper.terminate();
    assert_eq!(counted(), 200);
}
