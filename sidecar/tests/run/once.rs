//! `logship run --config FILE --once`: a pipeline tried on files, without a pod.

use crate::receiver::Receiver;
use crate::support::{Place, all_there, finish, numbered};
use serde_json::{Value, json};
use std::net::TcpListener;
use std::process::Command;

/// `run --once` with one document on the place's log directory.
fn once(place: &Place, name: &str, files: &Value, rest: &Value) -> Command {
    let mut files = files.clone();
    files["directory"] = json!("logs");
    files["pattern"] = json!(r"\.log$");
    let mut document =
        json!({"version": 1, "name": "try", "drainMs": 1500, "sources": [{"name": "logs", "files": files}]});
    for (name, value) in rest.as_object().unwrap() {
        document[name] = value.clone();
    }
    std::fs::write(place.path(name), document.to_string()).unwrap();
    let mut command = place.binary();
    command
        .current_dir(place.root.path())
        .args(["run", "--once", "--config", name]);
    command
}

fn stdout() -> Value {
    json!({"sinks": [{"name": "out", "stdout": {"format": "text"}}]})
}

#[test]
fn every_file_is_read_to_its_end_and_the_exit_code_is_0() {
    let place = Place::new();
    place.append("a.log", &numbered(0..50_000));
    place.append("b.log", "last without newline");
    let output = finish(&mut once(&place, "try.yaml", &json!({}), &stdout()));
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{said}");
    let printed = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<String> = printed.lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), 50_001);
    assert!(all_there(&lines, 0..50_000) && printed.contains("last without newline\n"));
    let left: Vec<_> = std::fs::read_dir(place.root.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(
        left.len(),
        4,
        "nothing is kept without a state directory: {left:?}"
    );
}

#[test]
fn open_record_at_the_end_is_sent_also_of_a_containers_file() {
    let place = Place::new();
    place.append("0.log", "2024-01-01T00:00:00Z stdout F first\n2024-01-01T00:00:01Z stdout F  at second\n2024-01-01T00:00:02Z stdout P open");
    let files = json!({"framing": "cri", "multiline": {"start": r"^\S", "timeoutMs": 60000}});
    let mut command = once(&place, "try.yaml", &files, &stdout());
    command.args(["--state-dir", "state"]);
    let output = finish(&mut command);
    assert_eq!(output.status.code(), Some(0));
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(
        printed.starts_with("first\n at second\n") && printed.contains("open"),
        "{printed}"
    );
}

#[test]
fn state_directory_keeps_positions_so_that_nothing_is_sent_twice() {
    let place = Place::new();
    for expected in ["one\n", "two\n", ""] {
        if !expected.is_empty() {
            place.append("a.log", expected);
        }
        let mut command = once(&place, "try.yaml", &json!({}), &stdout());
        command.args(["--state-dir", "state"]);
        let output = finish(&mut command);
        assert_eq!(
            (
                output.status.code(),
                String::from_utf8(output.stdout).unwrap().as_str()
            ),
            (Some(0), expected)
        );
    }
}

#[test]
fn sink_that_takes_nothing_ends_it_with_69_and_its_name() {
    let place = Place::new();
    place.append("a.log", "x\n");
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let sinks = json!({"sinks": [{"name": "bus", "http": {"url": format!("http://{closed}/")}}]});
    let output = finish(&mut once(&place, "try.yaml", &json!({}), &sinks));
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(69), "{said}");
    assert!(
        said.contains("not everything was acknowledged") && said.contains("bus: "),
        "{said}"
    );
}

#[test]
fn refused_records_end_it_with_65() {
    let place = Place::new();
    place.append("a.log", "good\npoison\n");
    let receiver = Receiver::start(&[], Some("poison"));
    let sinks = json!({"sinks": [{"name": "bus", "http": {"url": receiver.url, "compression": "none"}}]});
    let output = finish(&mut once(&place, "try.yaml", &json!({}), &sinks));
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(65), "{said}");
    assert!(said.contains("1 records were refused for good; by bus"), "{said}");
}

#[test]
fn missing_directory_ends_it_with_69() {
    let place = Place::new();
    let mut command = once(&place, "try.yaml", &json!({}), &stdout());
    std::fs::remove_dir(place.path("logs")).unwrap();
    let output = finish(&mut command);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(69), "{said}");
    assert!(
        said.contains("not everything could be read") && said.contains("logs"),
        "{said}"
    );
}

#[test]
fn check_points_at_line_and_column_of_every_mistake() {
    let place = Place::new();
    std::fs::write(
        place.path("try.yaml"),
        "version: 1\nname: try\nsources:\n- name: a\n  files: {directory: ., pattern: '('}\nsinks:\n- name: o\n  batchh: {}\n  stdout: {}\n",
    )
    .unwrap();
    let mut command = place.binary();
    let output = finish(command.current_dir(place.root.path()).args(["check", "try.yaml"]));
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(64));
    let places: Vec<_> = said
        .lines()
        .map(|line| line.split(": ").next().unwrap())
        .collect();
    assert_eq!(places, ["try.yaml:5:35", "try.yaml:8:3"], "{said}");
}
