//! What several sources make of one file.

use crate::follow::{edit, ends_with_exactly, logs, matching};
use crate::support::{Place, Running, numbered};

#[test]
fn file_whose_names_match_two_patterns_of_a_source_is_read_once() {
    let place = Place::new();
    place.append("a.log", &numbered(0..10));
    let running = Running::start(&mut matching(&place, r"^a|\.log(\.1)?$"));
    place.wait_for_lines(10);
    place.rename("a.log", "a.log.1");
    place.append("a.log.1", &numbered(10..20));
    ends_with_exactly(&place, running, 20);
}

#[test]
fn file_that_two_sources_ask_for_is_read_by_each_and_goes_on_where_each_was() {
    let place = Place::new();
    place.append("a.log", &numbered(0..10));
    let start = || {
        let mut command = logs(&place);
        edit(&place, |document| {
            let mut second = document["sources"][0].clone();
            second["name"] = "second".into();
            document["sources"].as_array_mut().unwrap().push(second);
            document["sinks"][0]["stdout"]["format"] = "json".into();
        });
        command.env(
            "LOGSHIP_DIRECTORIES",
            serde_json::json!({"shop/access": place.path("logs"), "shop/second": place.path("logs")})
                .to_string(),
        );
        Running::start(&mut command)
    };
    let running = start();
    place.wait_for_lines(20);
    assert_eq!(running.terminate(), Some(0));
    place.append("a.log", &numbered(10..20));
    let running = start();
    place.wait_for_lines(40);
    assert_eq!(running.terminate(), Some(0));
    let lines = place.lines();
    for source in ["access", "second"] {
        let of_source = lines
            .iter()
            .filter(|line| line.contains(&format!("\"{source}\"")));
        assert_eq!(of_source.count(), 20, "{lines:?}");
    }
}
