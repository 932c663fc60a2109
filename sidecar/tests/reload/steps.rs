//! Steps that change under a writer that goes on.

use crate::book::Book;
use crate::shipper::{Shipper, document, wait_for_exactly};
use crate::support::{Place, eventually};
use crate::writer::Writer;
use serde_json::{Value, json};

/// Ships what a writer writes, through `changes` versions, each taken when the one before it was seen.
fn through(shipper: &Shipper, book: &Book, changes: i64) {
    let writer = Writer::start(shipper.place.path("logs"));
    for generation in 1..=changes {
        if generation > 1 {
            shipper.change(&document(generation, &book.url("bus")));
        }
        let version = format!("v{generation}");
        eventually(&format!("a record of {version}"), || {
            let entries = book.entries();
            entries
                .last()
                .is_some_and(|entry| entry.version == version)
                .then_some(())
        });
    }
    let written = writer.finish();
    wait_for_exactly(book, written);
    let versions: Vec<String> = (1..=changes).map(|generation| format!("v{generation}")).collect();
    assert_eq!(book.versions(), versions, "each change has one moment");
}

#[test]
fn changed_steps_are_taken_under_a_writer_without_a_line_lost_or_sent_twice() {
    let book = Book::start();
    let shipper = Shipper::start(&document(1, &book.url("bus")));
    through(&shipper, &book, 3);
    shipper.terminate();
}

#[test]
fn without_a_state_directory_positions_are_handed_over_in_memory() {
    let book = Book::start();
    let shipper = Shipper::start_alone(Place::new(), &document(1, &book.url("bus")));
    through(&shipper, &book, 3);
    shipper.terminate();
}

#[test]
fn ten_changes_in_quick_succession_lose_and_repeat_nothing_and_the_last_one_stays() {
    let book = Book::start();
    let shipper = Shipper::start(&document(1, &book.url("bus")));
    let writer = Writer::start(shipper.place.path("logs"));
    eventually("it ships", || (book.count() > 100).then_some(()));
    for generation in 2..=11 {
        shipper.change(&document(generation, &book.url("bus")));
        let written = writer.written();
        eventually("more lines", || (writer.written() > written + 50).then_some(()));
    }
    shipper.wait_for(11);
    eventually("the last version", || {
        book.entries()
            .last()
            .is_some_and(|entry| entry.version == "v11")
            .then_some(())
    });
    let written = writer.finish();
    wait_for_exactly(&book, written);
    shipper.terminate();
}

/// Where reading begins is decided once: not again for a file that is there when the document changes.
#[test]
fn start_at_the_end_is_not_meant_anew_for_a_changed_document() {
    let book = Book::start();
    let at_end = |generation| {
        let mut document = document(generation, &book.url("bus"));
        document["sources"][0]["files"]["startAt"] = "End".into();
        document
    };
    let place = Place::new();
    place.append("app.log", "before\n");
    for shipper in [
        Shipper::start_in(place, &at_end(1)),
        Shipper::start_alone(Place::new(), &at_end(1)),
    ] {
        let before = book.count();
        eventually("the directory is listed", || {
            shipper.place.append("new.log", "x\n");
            (book.count() > before).then_some(())
        });
        shipper.place.append("app.log", "written before the change\n");
        shipper.change(&at_end(2));
        shipper.place.append("app.log", "written at the change\n");
        shipper.wait_for(2);
        shipper.place.append("app.log", "written after the change\n");
        eventually("the last line", || {
            let entries = book.entries();
            let last = entries[before..]
                .iter()
                .any(|entry| entry.message == "written after the change");
            last.then_some(())
        });
        let entries = book.entries();
        let came = entries[before..]
            .iter()
            .filter(|entry| entry.message.starts_with("written"));
        assert_eq!(came.count(), 3);
        shipper.terminate();
    }
}

#[test]
fn counters_go_on_and_no_metric_goes_down() {
    let book = Book::start();
    let counting = |generation: i64, metric: &str, sink_name: &str| {
        let mut document = document(generation, &book.url("bus"));
        let steps = document["pipeline"].as_array_mut().unwrap();
        steps.push(json!({"count": {"name": metric, "labels": ["version"]}}));
        document["sinks"][0]["name"] = sink_name.into();
        document
    };
    let shipper = Shipper::start(&counting(1, "seen_total", "bus"));
    shipper.place.append("app.log", &crate::support::numbered(0..100));
    eventually("the first lines", || (book.count() == 100).then_some(()));
    let metrics = || {
        [
            "logship_records_total",
            "logship_sent_records_total",
            "logship_step_records_total{step=\"set\"}",
            "seen_total{version=\"v1\"}",
        ]
        .map(|name| shipper.metric(name))
    };
    eventually("the first acknowledgement", || {
        (metrics() == [100; 4]).then_some(())
    });
    // Another step, then another sink in its place.
    for (generation, name) in [(2, "bus"), (3, "other")] {
        shipper.apply(&counting(generation, "seen_total", name));
        assert_eq!(metrics(), [100; 4], "generation {generation}");
    }
    shipper
        .place
        .append("app.log", &crate::support::numbered(100..150));
    eventually("all acknowledged", || {
        (metrics() == [150, 150, 150, 100]).then_some(())
    });
    assert_eq!(shipper.metric("seen_total{version=\"v3\"}"), 50);
    assert_eq!(
        shipper.metric("logship_config_reloads_total{result=\"applied\"}"),
        2
    );
    let pipeline: Value = shipper.status()["pipelines"][0].clone();
    assert_eq!(pipeline["records"], 150);
    assert_eq!(pipeline["files"][0]["records"], 150);
    assert_eq!(
        (&pipeline["sinks"][0]["name"], &pipeline["sinks"][0]["sent"]),
        (&json!("other"), &json!(50))
    );
    shipper.terminate();
}
