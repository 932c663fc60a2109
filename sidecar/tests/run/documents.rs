//! Documents of the configuration that come late, and those that are wrong.

use crate::stdout_sink;
use crate::support::{Place, Running, document, eventually, finish};
use serde_json::{Value, json};

#[test]
fn empty_configuration_directory_is_waited_for() {
    let place = Place::new();
    place.append("a.log", "x\n");
    let mut command = place.by_document(&json!([stdout_sink("json")]));
    let document = place.path("config/shop.json");
    let aside = place.path("shop.json");
    std::fs::rename(&document, &aside).unwrap();
    let running = Running::start(&mut command);
    eventually("it says that it waits", || {
        place
            .stderr()
            .contains("no configuration document yet")
            .then_some(())
    });
    std::fs::rename(&aside, &document).unwrap();
    place.wait_for_lines(1);
    assert_eq!(running.terminate(), Some(0));
    let record: Value = serde_json::from_str(&place.lines()[0]).unwrap();
    assert_eq!(record["message"], "x");
}

#[test]
fn process_told_to_stop_without_configuration_says_that_nothing_was_shipped() {
    let place = Place::new();
    let mut command = place.by_document(&json!([stdout_sink("json")]));
    std::fs::remove_file(place.path("config").join("shop.json")).unwrap();
    let running = Running::start(&mut command);
    eventually("the process waits", || {
        place.stderr().contains("waiting for one").then_some(())
    });
    assert_eq!(running.terminate(), Some(0));
    assert!(
        place.stderr().contains("nothing was shipped"),
        "{}",
        place.stderr()
    );
}

#[test]
fn configuration_that_came_with_the_signal_still_ships_what_is_there() {
    let place = Place::new();
    place.append("a.log", "x\n");
    let mut command = place.by_document(&json!([stdout_sink("json")]));
    let (document, aside) = (place.path("config").join("shop.json"), place.path("aside"));
    std::fs::rename(&document, &aside).unwrap();
    let running = Running::start(&mut command);
    eventually("the process waits", || {
        place.stderr().contains("waiting for one").then_some(())
    });
    std::fs::rename(&aside, &document).unwrap();
    assert_eq!(running.terminate(), Some(0));
    assert_eq!(place.lines().len(), 1, "{}", place.stderr());
}

#[test]
fn check_accepts_a_good_document_and_places_the_mistakes_of_a_bad_one() {
    let place = Place::new();
    let check = |text: &str, code: i32, expected: &[&str]| {
        let path = place.path("document.json");
        std::fs::write(&path, text).unwrap();
        let output = finish(place.binary().arg("check").arg(&path));
        let said =
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{said}");
        for part in expected {
            assert!(said.contains(part), "{part}: {said}");
        }
    };
    let good = document(&json!([stdout_sink("json")])).to_string();
    check(&good, 0, &["OK"]);
    check("{\n \"version\": x}", 64, &[":2:2: version: invalid type"]);
    check("{\n \"version\": 1", 64, &[":1:1: unclosed bracket"]);
    let unclosed = good.replace(r".+\\.log$", "a(");
    let column = unclosed.find("a(").unwrap() + 2;
    check(
        &unclosed,
        64,
        &[
            "sources[access].files.pattern",
            "unclosed group",
            &format!(":1:{column}: "),
        ],
    );
    check(
        &good.replace("\"version\":1", "\"version\":9"),
        64,
        &["version", "9"],
    );
}
