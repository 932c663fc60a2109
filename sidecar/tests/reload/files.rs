//! Files that are rotated, deleted and renamed while the document changes.

use crate::book::Book;
use crate::shipper::{Shipper, document, wait_for_each, wait_for_exactly};
use crate::support::{Place, eventually, numbered};
use crate::writer::Writer;

#[test]
fn rotations_at_the_moment_of_changes_lose_and_repeat_nothing() {
    for alone in [false, true] {
        let book = Book::start();
        let first = document(1, &book.url("bus"));
        let shipper = if alone {
            Shipper::start_alone(Place::new(), &first)
        } else {
            Shipper::start(&first)
        };
        let writer = Writer::start(shipper.place.path("logs"));
        eventually("it ships", || (book.count() > 100).then_some(()));
        for generation in 2..=8 {
            shipper.change(&document(generation, &book.url("bus")));
            writer.rotate();
            shipper.wait_for(generation);
            writer.rotate();
        }
        let written = writer.finish();
        wait_for_each(&book, written);
        shipper.terminate();
    }
}

#[test]
fn rest_of_a_deleted_file_is_read_after_the_change() {
    let (old, new) = (Book::start(), Book::start());
    let shipper = Shipper::start(&document(1, &old.url("bus")));
    shipper.place.append("app.log", &numbered(0..10));
    eventually("the first lines", || (old.count() == 10).then_some(()));
    // The sink takes nothing, so the rest is not read before the file is gone.
    old.close(true);
    shipper.place.append("app.log", &numbered(10..20_000));
    eventually("it fails", || {
        shipper.status()["pipelines"][0]["sinks"][0]["error"]
            .is_string()
            .then_some(())
    });
    std::fs::remove_file(shipper.place.path("logs/app.log")).unwrap();
    shipper.apply(&document(2, &new.url("bus")));
    eventually("the rest", || (new.count() >= 19_990).then_some(()));
    let came = [old.messages("bus"), new.messages("bus")].concat();
    let expected: Vec<String> = numbered(0..20_000).lines().map(str::to_owned).collect();
    assert!(came == expected, "{}", came.len());
    shipper.terminate();
}

/// Nobody asked for it at the first start, so a change is no reason either.
#[test]
fn rotated_file_from_before_the_first_start_stays_unsent() {
    let (book, place) = (Book::start(), Place::new());
    place.append("app.log.1", "long ago\n");
    place.append("app.log", &numbered(0..10));
    let shipper = Shipper::start_in(place, &document(1, &book.url("bus")));
    eventually("the first lines", || (book.count() == 10).then_some(()));
    shipper.apply(&document(2, &book.url("bus")));
    shipper.place.append("app.log", &numbered(10..20));
    wait_for_exactly(&book, 20);
    shipper.terminate();
}

#[test]
fn file_that_another_pattern_leaves_out_is_left_and_gone_on_with_when_it_is_wanted_again() {
    let book = Book::start();
    let matching = |generation, pattern: &str| {
        let mut document = document(generation, &book.url("bus"));
        document["sources"][0]["files"]["pattern"] = pattern.into();
        document
    };
    let shipper = Shipper::start(&matching(1, r"^(a|b)\.log$"));
    shipper.place.append("a.log", &numbered(0..10));
    eventually("the first lines", || (book.count() == 10).then_some(()));
    shipper.apply(&matching(2, r"^b\.log$"));
    shipper.place.append("a.log", &numbered(20..30));
    shipper.place.append("b.log", &numbered(10..20));
    eventually("the other file", || (book.count() == 20).then_some(()));
    shipper.apply(&matching(3, r"^(a|b)\.log$"));
    wait_for_exactly(&book, 30);
    assert_eq!(book.versions(), ["v1", "v2", "v3"]);
    shipper.terminate();
}

#[test]
fn another_directory_is_begun_as_at_a_first_start() {
    let book = Book::start();
    let place = Place::new();
    std::fs::create_dir_all(place.path("logs/other")).unwrap();
    place.append("app.log", &numbered(0..10));
    place.append("other/app.log", &numbered(10..20));
    let path = place.path("shop.yaml");
    let in_directory = |generation, directory: &str| {
        let mut document = document(generation, &book.url("bus"));
        document["sources"][0]["files"]["directory"] = place.path(directory).display().to_string().into();
        document.to_string()
    };
    let documents = [in_directory(1, "logs"), in_directory(2, "logs/other")];
    std::fs::write(&path, &documents[0]).unwrap();
    let port = crate::support::free_port();
    let mut command = place.binary();
    command
        .args(["run", "--config"])
        .arg(&path)
        .arg(format!("--admin-port={port}"));
    let shipper = Shipper::run(place, port, &mut command, path.clone());
    eventually("the first lines", || (book.count() == 10).then_some(()));
    crate::shipper::replace(&path, &documents[1]);
    wait_for_exactly(&book, 20);
    shipper.terminate();
}
