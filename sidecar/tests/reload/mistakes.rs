//! Documents with mistakes: the one before goes on, and it is said what is wrong and where.

use crate::book::Book;
use crate::shipper::{Shipper, document, replace, wait_for_exactly};
use crate::support::{Place, eventually, finish, free_port, numbered};
use serde_json::{Value, json};

const REJECTED: &str = "logship_config_reloads_total{result=\"rejected\"}";

#[test]
fn mistake_keeps_the_old_document_and_says_line_and_column_until_it_is_corrected() {
    let book = Book::start();
    let shipper = Shipper::start(&document(1, &book.url("bus")));
    shipper.place.append("app.log", &numbered(0..10));
    eventually("the first lines", || (book.count() == 10).then_some(()));
    let path = shipper.place.path("config/shop.json");
    let wrong = "{\"version\": 1, \"name\": \"shop\", \"generation\": 7,\n \"sources\": [],\n  \"sinks\": [{\"name\": \"bus\", \"htp\": {}}]}";
    replace(&path, wrong);
    let rejected = eventually("it is rejected", || {
        let rejected = shipper.status()["configuration"]["rejected"].clone();
        (!rejected.as_array()?.is_empty()).then_some(rejected)
    });
    assert_eq!(
        (&rejected[0]["document"], &rejected[0]["generation"]),
        (&"shop.json".into(), &7.into())
    );
    let errors: Vec<&str> = rejected[0]["errors"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .collect();
    for place in ["shop.json:2:2: ", "shop.json:3:"] {
        assert!(
            errors.iter().any(|error| error.starts_with(place)),
            "{place}: {errors:?}"
        );
    }
    let said = shipper.place.stderr();
    let lines: Vec<&str> = said.lines().filter(|line| line.contains("\"ERROR\"")).collect();
    assert_eq!(lines.len(), 1, "{said}");
    assert!(
        lines[0].contains("shop.json:2:2: ") && lines[0].contains("shop.json:3:"),
        "{said}"
    );
    assert_eq!(shipper.metric(REJECTED), 1);
    assert_eq!(shipper.metric("logship_config_rejected"), 1);
    // The old one goes on.
    shipper.place.append("app.log", &numbered(10..20));
    eventually("lines of the old one", || (book.count() == 20).then_some(()));
    assert_eq!(book.versions(), ["v1"]);
    assert_eq!(book.connections(), 1, "nothing was touched");
    shipper.apply(&document(2, &book.url("bus")));
    assert_eq!(
        shipper.status()["configuration"]["rejected"],
        Value::Array(Vec::new())
    );
    assert_eq!(
        (
            shipper.metric(REJECTED),
            shipper.metric("logship_config_rejected")
        ),
        (1, 0)
    );
    shipper.place.append("app.log", &numbered(20..30));
    wait_for_exactly(&book, 30);
    assert_eq!(book.versions(), ["v1", "v2"]);
    shipper.terminate();
}

#[test]
fn mistake_in_one_document_does_not_hold_up_another() {
    let book = Book::start();
    let shipper = Shipper::start(&document(1, &book.url("bus")));
    shipper.wait_for(1);
    replace(&shipper.place.path("config/wrong.json"), "{");
    shipper.apply(&document(2, &book.url("bus")));
    eventually("the other is rejected", || {
        let rejected = shipper.status()["configuration"]["rejected"].clone();
        (rejected[0]["document"] == "wrong.json").then_some(())
    });
    shipper.place.append("app.log", &numbered(0..10));
    wait_for_exactly(&book, 10);
    assert_eq!(book.versions(), ["v2"]);
    shipper.terminate();
}

#[test]
fn document_that_vanishes_alone_is_said_and_its_return_is_taken() {
    let book = Book::start();
    let place = Place::new();
    let shipper = Shipper::start_alone(place, &document(1, &book.url("bus")));
    shipper.wait_for(1);
    std::fs::remove_file(shipper.place.path("shop.yaml")).unwrap();
    eventually("it is missed", || {
        shipper
            .place
            .stderr()
            .contains("shop.yaml: No such file")
            .then_some(())
    });
    shipper.place.append("app.log", &numbered(0..10));
    eventually("the old one goes on", || (book.count() == 10).then_some(()));
    shipper.apply(&document(2, &book.url("bus")));
    shipper.place.append("app.log", &numbered(10..20));
    wait_for_exactly(&book, 20);
    assert_eq!(book.versions(), ["v1", "v2"]);
    shipper.terminate();
}

#[test]
fn mistake_that_is_there_at_the_start_holds_up_its_own_pipeline_alone_and_its_correction_is_taken() {
    let book = Book::start();
    let (place, port) = (Place::new(), free_port());
    let mut command = place.by_whole_document(&document(1, &book.url("bus")), port);
    let wrong = place.path("config/other.json");
    replace(&wrong, "{\"generation\": 4,\n \"sinks\": 5}");
    let path = place.path("config/shop.json");
    let shipper = Shipper::run(place, port, &mut command, path);
    shipper.wait_for(1);
    shipper.place.append("app.log", &numbered(0..10));
    eventually("the right one ships", || (book.count() == 10).then_some(()));
    let told = shipper.configuration();
    assert_eq!(told["pod"], json!({"namespace": "shop", "name": "web-0"}));
    assert_eq!(told["appliedGenerations"], json!({"shop": 1}));
    assert_eq!(told["rejected"][0]["document"], "other.json");
    assert_eq!(told["rejected"][0]["generation"], 4);
    let error = told["rejected"][0]["errors"][0].as_str().unwrap();
    assert!(error.starts_with("other.json:"), "{error}");
    assert!(
        shipper
            .place
            .stderr()
            .contains("nothing is shipped by it until it is corrected")
    );

    let mut corrected = document(5, &book.url("bus"));
    corrected["name"] = "other".into();
    corrected["sources"][0]["files"]["pattern"] = "^other$".into();
    replace(&wrong, &corrected.to_string());
    eventually("the corrected one runs", || {
        let told = shipper.configuration();
        (told["appliedGenerations"] == json!({"other": 5, "shop": 1}) && told["rejected"] == json!([]))
            .then_some(())
    });
    shipper.terminate();
}

#[test]
fn only_document_with_a_mistake_is_waited_for_and_whoever_runs_once_is_told_by_the_exit_code() {
    let book = Book::start();
    let (place, port) = (Place::new(), free_port());
    let mut command = place.by_whole_document(&document(2, &book.url("bus")), port);
    let path = place.path("config/shop.json");
    replace(&path, "{");
    let shipper = Shipper::run(place, port, &mut command, path);
    eventually("it is refused", || {
        (shipper.configuration()["rejected"][0]["document"] == "shop.json").then_some(())
    });
    shipper.place.append("app.log", &numbered(0..10));
    shipper.apply(&document(2, &book.url("bus")));
    wait_for_exactly(&book, 10);
    let place = shipper.terminate();

    let mut command = place.by_whole_document(&document(3, &book.url("bus")), free_port());
    replace(&place.path("config/shop.json"), "{");
    let ended = finish(command.arg("--once"));
    assert_eq!(ended.status.code(), Some(64), "{}", place.stderr());
}
