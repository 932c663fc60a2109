//! Several documents: what happens to one is nothing to the others.

use crate::book::Book;
use crate::shipper::{Shipper, document, replace};
use crate::support::{Place, eventually, free_port, numbered};
use serde_json::{Value, json};

/// A document of this name, which follows a directory of the same name.
fn named(name: &str, generation: i64, url: &str) -> Value {
    let mut document = document(generation, url);
    document["name"] = name.into();
    document
}

/// Runs `shop` and looks at it; the directories of `shop` and `bar` are there.
fn start(document: &Value) -> Shipper {
    let (place, port) = (Place::new(), free_port());
    for name in ["shop", "bar"] {
        std::fs::create_dir(place.path("logs").join(name)).unwrap();
    }
    let mut command = place.by_whole_document(document, port);
    let directory = |name| place.path("logs").join(name);
    command.env(
        "LOGSHIP_DIRECTORIES",
        json!({"shop/access": directory("shop"), "bar/access": directory("bar")}).to_string(),
    );
    let path = place.path("config/shop.json");
    Shipper::run(place, port, &mut command, path)
}

fn lines(range: std::ops::Range<usize>) -> Vec<String> {
    numbered(range).lines().map(str::to_owned).collect()
}

#[test]
fn pipeline_is_added_and_removed_beside_one_that_keeps_its_connection() {
    let (shop, bar) = (Book::start(), Book::start());
    let shipper = start(&named("shop", 1, &shop.url("bus")));
    shipper.place.append("shop/a.log", &numbered(0..10));
    eventually("the first lines", || (shop.count() == 10).then_some(()));
    let path = shipper.place.path("config/bar.json");
    replace(&path, &named("bar", 5, &bar.url("bus")).to_string());
    shipper.place.append("bar/a.log", &numbered(0..20));
    eventually("the new one ships", || (bar.count() == 20).then_some(()));
    assert_eq!(
        shipper.status()["configuration"]["appliedGenerations"],
        json!({"shop": 1, "bar": 5})
    );
    let records = shipper.metric("logship_records_total");
    // What is there when it is removed is still sent.
    shipper.place.append("bar/a.log", &numbered(20..1000));
    std::fs::remove_file(&path).unwrap();
    eventually("it is gone", || {
        let applied = shipper.status()["configuration"]["appliedGenerations"].clone();
        (applied == json!({"shop": 1})).then_some(())
    });
    assert_eq!(bar.messages("bus"), lines(0..1000));
    assert_eq!(shipper.metric("logship_records_total"), records + 980);
    shipper.place.append("bar/a.log", &numbered(1000..1010));
    shipper.place.append("shop/a.log", &numbered(10..20));
    eventually("the other goes on", || (shop.count() == 20).then_some(()));
    assert_eq!((shop.messages("bus"), shop.connections()), (lines(0..20), 1));
    // It returns where it was.
    replace(&path, &named("bar", 6, &bar.url("bus")).to_string());
    eventually("it is back", || (bar.count() == 1010).then_some(()));
    assert_eq!(bar.messages("bus"), lines(0..1010));
    shipper.terminate();
}

#[test]
fn last_pipeline_may_go_and_another_come() {
    let book = Book::start();
    let shipper = start(&named("shop", 1, &book.url("bus")));
    shipper.wait_for(1);
    let path = shipper.place.path("config/shop.json");
    std::fs::remove_file(&path).unwrap();
    eventually("it is gone", || {
        (shipper.status()["pipelines"] == json!([])).then_some(())
    });
    shipper.place.append("shop/a.log", &numbered(0..10));
    shipper.apply(&named("shop", 2, &book.url("bus")));
    eventually("it ships", || (book.count() == 10).then_some(()));
    std::fs::remove_file(&path).unwrap();
    eventually("it is gone again", || {
        (shipper.status()["pipelines"] == json!([])).then_some(())
    });
    shipper.terminate();
}

#[test]
fn source_that_is_taken_out_and_put_back_goes_on_where_it_was() {
    let book = Book::start();
    let with_second = |generation| {
        let mut document = document(generation, &book.url("bus"));
        let mut second = document["sources"][0].clone();
        second["name"] = "second".into();
        second["files"]["pattern"] = r".+\.txt$".into();
        document["sources"].as_array_mut().unwrap().push(second);
        document
    };
    let (place, port) = (Place::new(), free_port());
    let mut command = place.by_whole_document(&with_second(1), port);
    let logs = place.path("logs");
    command.env(
        "LOGSHIP_DIRECTORIES",
        json!({"shop/access": logs, "shop/second": logs}).to_string(),
    );
    let path = place.path("config/shop.json");
    let shipper = Shipper::run(place, port, &mut command, path);
    shipper.place.append("a.txt", &numbered(0..10));
    eventually("the first lines", || (book.count() == 10).then_some(()));
    shipper.apply(&document(2, &book.url("bus")));
    shipper.place.append("a.txt", &numbered(10..20));
    shipper.apply(&with_second(3));
    eventually("the others", || (book.count() == 20).then_some(()));
    assert_eq!(book.messages("bus"), lines(0..20));
    shipper.terminate();
}
