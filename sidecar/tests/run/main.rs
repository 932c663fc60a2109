//! The real binary on real files.
#![expect(clippy::unwrap_used, reason = "a helper that cannot go on fails the test")]

mod api;
mod once;
mod readme;
mod receiver;
mod recipes;
mod scripted;
mod server;
mod sinks;
#[expect(dead_code, reason = "shared with the tests of rotations")]
mod support;
mod terminal;
mod tls;

use receiver::Receiver;
use serde_json::{Value, json};
use std::net::{Ipv6Addr, TcpListener};
use support::{
    Place, Running, all_there, ask_admin, document, eventually, exists, finish, free_port, numbered,
};

fn http_sink(url: &str, compression: &str) -> Value {
    json!([{"name": "bus", "batch": {"maxBytes": 4096, "maxAgeMs": 50},
            "http": {"url": url, "headers": {}, "compression": compression, "timeoutMs": 2000}}])
}

fn stdout_sink(format: &str) -> Value {
    json!({"name": "out", "batch": {"maxBytes": 4096, "maxAgeMs": 50}, "stdout": {"format": format}})
}

#[test]
fn environment_mode_prints_every_line_once_and_drains_on_sigterm() {
    let place = Place::new();
    place.append("a.log", &numbered(0..100));
    place.append("ignored.txt", "no\n");
    let running = Running::start(&mut place.by_environment());
    place.wait_for_lines(100);
    place.append("a.log", "last without newline");
    assert_eq!(running.terminate(), Some(0));
    assert_eq!(place.stdout(), numbered(0..100) + "last without newline\n");
}

#[test]
fn environment_mode_makes_the_missing_directory_and_waits_for_files() {
    let place = Place::new();
    std::fs::remove_dir(place.path("logs")).unwrap();
    let running = Running::start(&mut place.by_environment());
    eventually("the directory is made", || exists(&place.path("logs")));
    place.append("new.log", "hello\n");
    place.wait_for_lines(1);
    assert_eq!(running.terminate(), Some(0));
}

#[test]
fn bad_environment_exits_with_64_and_names_variable_value_and_remedy() {
    let place = Place::new();
    let check = |variable: &str, value: Option<&str>, expected: &str| {
        let mut command = place.by_environment();
        match value {
            Some(value) => command.env(variable, value),
            None => command.env_remove(variable),
        };
        let output = finish(&mut command);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(64), "{variable}={value:?}: {said}");
        assert!(
            said.contains(variable) && said.contains(expected),
            "{variable}={value:?}: {said}"
        );
    };
    check("LOG_DIRECTORY", None, "not set");
    check("LOG_FILE_PATTERN", Some(""), "empty");
    check("LOG_FILE_PATTERN", Some("a("), "unclosed group");
    check("LOG_SCAN_INTERVAL", None, "not set");
    for bad in ["0", "-1", "1.5", "ten"] {
        check("LOG_SCAN_INTERVAL", Some(bad), bad);
    }
}

#[test]
fn all_mistakes_are_said_at_once() {
    let place = Place::new();
    let mut command = place.by_environment();
    command
        .env_remove("LOG_DIRECTORY")
        .env_remove("LOG_FILE_PATTERN")
        .env_remove("LOG_SCAN_INTERVAL");
    let said = String::from_utf8(finish(&mut command).stderr).unwrap();
    for variable in ["LOG_DIRECTORY", "LOG_FILE_PATTERN", "LOG_SCAN_INTERVAL"] {
        assert!(said.contains(variable), "{said}");
    }
}

#[test]
fn pod_name_without_namespace_exits_with_64() {
    let place = Place::new();
    for name in ["POD_NAME", "POD_NAMESPACE"] {
        let mut command = place.binary();
        command.env(name, "x");
        let output = finish(&mut command);
        let other = if name == "POD_NAME" {
            "POD_NAMESPACE"
        } else {
            "POD_NAME"
        };
        assert_eq!(output.status.code(), Some(64));
        assert!(
            String::from_utf8(output.stderr)
                .unwrap()
                .contains(&format!("{other} is not set"))
        );
    }
}

#[test]
fn rotation_by_rename_loses_and_repeats_nothing() {
    let place = Place::new();
    place.append("a.log", &numbered(0..10));
    let running = Running::start(&mut place.by_environment());
    place.wait_for_lines(10);
    for round in 1..6 {
        place.append("a.log", &numbered(round * 10..round * 10 + 3));
        place.rename("a.log", &format!("a.log.{round}"));
        // The writer goes on in the renamed file for a while, as nginx does.
        place.append(
            &format!("a.log.{round}"),
            &numbered(round * 10 + 3..round * 10 + 5),
        );
        place.append("a.log", &numbered(round * 10 + 5..round * 10 + 10));
        place.wait_for_lines(round * 10 + 10);
    }
    assert_eq!(running.terminate(), Some(0));
    let mut lines = place.lines();
    lines.sort();
    let mut expected: Vec<String> = numbered(0..60).lines().map(str::to_owned).collect();
    expected.sort();
    assert_eq!(lines, expected);
}

#[test]
fn truncated_file_is_read_again_from_its_beginning() {
    let place = Place::new();
    place.append("a.log", "one\ntwo\n");
    let running = Running::start(&mut place.by_environment());
    place.wait_for_lines(2);
    std::fs::write(place.path("logs/a.log"), "longer than what was there before\n").unwrap();
    place.wait_for_lines(3);
    assert_eq!(running.terminate(), Some(0));
    assert_eq!(place.lines(), ["one", "two", "longer than what was there before"]);
}

#[test]
fn graceful_restart_neither_loses_nor_repeats_even_if_the_file_was_renamed_meanwhile() {
    let place = Place::new();
    place.append("a.log", &numbered(0..50));
    let running = Running::start(&mut place.by_environment());
    place.wait_for_lines(50);
    assert_eq!(running.terminate(), Some(0));
    place.append("a.log", &numbered(50..60));
    place.rename("a.log", "a.log.1");
    place.append("a.log", &numbered(60..70));
    let running = Running::start(&mut place.by_environment());
    place.wait_for_lines(70);
    assert_eq!(running.terminate(), Some(0));
    assert_eq!(place.stdout(), numbered(0..70));
}

#[test]
fn sigkill_and_restart_lose_nothing() {
    let place = Place::new();
    let mut written = 0;
    for round in 0..5 {
        let running = Running::start(&mut place.by_environment());
        place.append("a.log", &numbered(written..written + 2000));
        written += 2000;
        let seen = place.lines().len();
        eventually("some lines", || (place.lines().len() > seen).then_some(()));
        if round == 2 {
            place.rename("a.log", "a.log.1");
        }
        running.kill();
    }
    let running = Running::start(&mut place.by_environment());
    eventually("all lines", || {
        all_there(&place.lines(), 0..written).then_some(())
    });
    assert_eq!(running.terminate(), Some(0));
}

#[test]
fn second_process_on_one_state_directory_exits_with_69_and_says_so() {
    let place = Place::new();
    place.append("a.log", "x\n");
    let running = Running::start(&mut place.by_environment());
    place.wait_for_lines(1);
    let output = finish(&mut place.by_environment());
    assert_eq!(output.status.code(), Some(69));
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .contains("used by another process")
    );
    assert_eq!(running.terminate(), Some(0));
}

#[test]
fn torn_checkpoint_is_set_aside_and_everything_is_sent_again() {
    let place = Place::new();
    place.append("a.log", "x\n");
    std::fs::create_dir(place.path("state")).unwrap();
    std::fs::write(place.path("state/environment.checkpoint.json"), "{\"version\":1,").unwrap();
    let running = Running::start(&mut place.by_environment());
    place.wait_for_lines(1);
    assert_eq!(running.terminate(), Some(0));
    assert!(place.path("state/environment.checkpoint.unusable").exists());
    assert!(place.stderr().contains("setting it aside"));
}

#[test]
fn http_receiver_gets_every_line_once_through_failures() {
    for compression in ["gzip", "none"] {
        let place = Place::new();
        let receiver = Receiver::start(&[503, 429, 302], None);
        place.append("a.log", &numbered(0..500));
        let running = Running::start(&mut place.by_document(&http_sink(&receiver.url, compression)));
        eventually("all records", || (receiver.accepted().len() >= 500).then_some(()));
        assert_eq!(running.terminate(), Some(0));
        let expected: Vec<String> = numbered(0..500).lines().map(str::to_owned).collect();
        assert_eq!(receiver.messages(), expected);
        let first: Value = serde_json::from_str(&receiver.accepted()[0]).unwrap();
        for (field, value) in [
            ("resource", "shop"),
            ("source", "access"),
            ("file", "a.log"),
            ("pod", "web-0"),
            ("namespace", "shop"),
        ] {
            assert_eq!(first[field], value);
        }
    }
}

#[test]
fn poison_record_goes_to_the_rejected_file_and_takes_no_other_with_it() {
    let place = Place::new();
    let receiver = Receiver::start(&[], Some("poison"));
    place.append("a.log", &(numbered(0..20) + "poison\n" + &numbered(20..40)));
    let running = Running::start(&mut place.by_document(&http_sink(&receiver.url, "none")));
    eventually("the good records", || {
        (receiver.accepted().len() >= 40).then_some(())
    });
    assert_eq!(running.terminate(), Some(0));
    assert!(all_there(&receiver.messages(), 0..40));
    assert_eq!(receiver.accepted().len(), 40);
    let rejected = std::fs::read_to_string(place.path("state/shop.bus.rejected")).unwrap();
    assert!(rejected.contains("poison") && rejected.lines().count() == 1);
}

#[test]
fn dead_letters_are_listed_and_sent_again() {
    let place = Place::new();
    let strict = Receiver::start(&[], Some("poison"));
    place.append("a.log", "good\npoison 1\npoison 2\n");
    let running = Running::start(&mut place.by_document(&http_sink(&strict.url, "none")));
    let path = place.path("state/shop.bus.rejected");
    let kept = || std::fs::read_to_string(&path).map_or(0, |text| text.lines().count());
    eventually("two dead letters", || (kept() == 2).then_some(()));
    assert_eq!(running.terminate(), Some(0));
    let letters = |arguments: &[&str]| {
        let mut command = place.binary();
        command
            .args(["deadletters", "--state-dir"])
            .arg(place.path("state"));
        let output = finish(command.args(arguments));
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let listed = letters(&[]);
    assert_eq!(listed.lines().count(), 2);
    assert!(
        listed.contains("shop bus records=1 error=\"the receiver answered with status 400"),
        "{listed}"
    );
    // The same receiver refuses them once more, so they stay; one that takes them ends it.
    let config = place.path("config").display().to_string();
    let resend = ["--resend", "--config-dir", &config];
    assert!(letters(&resend).contains("shop bus: 0 sent, 2 kept"));
    assert_eq!(kept(), 2);
    let lenient = Receiver::start(&[], None);
    place.by_document(&http_sink(&lenient.url, "gzip"));
    assert!(letters(&resend).contains("shop bus: 2 sent, 0 kept"));
    assert_eq!(lenient.messages(), ["poison 1", "poison 2"]);
    assert!(letters(&[]).starts_with("no dead letters"));
}

#[test]
fn unreachable_sink_holds_the_position_and_the_other_sink_goes_on() {
    let place = Place::new();
    let mut sinks = http_sink("http://127.0.0.1:9/", "none");
    sinks.as_array_mut().unwrap().push(stdout_sink("text"));
    place.append("a.log", &numbered(0..10));
    let mut command = place.by_document(&sinks);
    let running = Running::start(&mut command);
    place.wait_for_lines(10);
    running.kill();
    // Nothing was acknowledged by both, so the next start sends everything to a receiver that works.
    let receiver = Receiver::start(&[], None);
    let running = Running::start(&mut place.by_document(&http_sink(&receiver.url, "none")));
    eventually("all records", || (receiver.accepted().len() >= 10).then_some(()));
    assert_eq!(running.terminate(), Some(0));
    assert!(receiver.requests() >= 1 && all_there(&receiver.messages(), 0..10));
}

#[test]
fn file_sink_lies_on_the_state_volume() {
    let place = Place::new();
    let sinks = json!([{"name": "archive", "batch": {"maxBytes": 4096, "maxAgeMs": 50}, "file": {"path": "archive/all.log", "format": "text"}}]);
    place.append("a.log", &numbered(0..10));
    let running = Running::start(&mut place.by_document(&sinks));
    let archive = place.path("state/archive/all.log");
    eventually("the archive", || {
        (std::fs::read_to_string(&archive).ok()? == numbered(0..10)).then_some(())
    });
    assert_eq!(running.terminate(), Some(0));
}

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
    check(
        &good.replace(r".+\\.log$", "a("),
        64,
        &["sources[access].files.pattern", "unclosed group"],
    );
    check(
        &good.replace("\"version\":1", "\"version\":9"),
        64,
        &["version", "9"],
    );
}

#[test]
fn administration_tells_health_metrics_and_status() {
    let place = Place::new();
    place.append("a.log", "x\n");
    let port = free_port();
    let running = Running::start(&mut place.by_environment_with_admin(port));
    place.wait_for_lines(1);
    for (path, status, part) in [
        ("/healthz", "200", "ok"),
        ("/metrics", "200", "# TYPE"),
        ("/status", "200", "\"records\":1"),
        ("/other", "404", "try"),
    ] {
        let answer = ask_admin(port, path);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
        assert!(answer.contains(part), "{path}: {answer}");
    }
    assert_eq!(running.terminate(), Some(0));
}

#[test]
fn taken_administration_port_is_said_and_shipping_goes_on() {
    let place = Place::new();
    place.append("a.log", "x\n");
    let taken = TcpListener::bind((Ipv6Addr::UNSPECIFIED, 0))
        .or_else(|_| TcpListener::bind("0.0.0.0:0"))
        .unwrap();
    let port = taken.local_addr().unwrap().port();
    let running = Running::start(&mut place.by_environment_with_admin(port));
    place.wait_for_lines(1);
    assert_eq!(running.terminate(), Some(0));
    assert!(place.stderr().contains("going on without it"));
}

#[test]
fn https_endpoint_is_trusted_by_the_given_authority_only() {
    let (receiver, authority) = Receiver::start_tls();
    let place = Place::new();
    std::fs::write(place.path("ca.pem"), authority).unwrap();
    place.append("a.log", "x\n");
    let mut command = place.by_document(&http_sink(&receiver.url, "none"));
    let stranger = Running::start(&mut command);
    eventually("the certificate is refused", || {
        place.stderr().contains("certificate").then_some(())
    });
    stranger.kill();
    assert!(receiver.messages().is_empty());
    let running = Running::start(command.env("SSL_CERT_FILE", place.path("ca.pem")));
    eventually("the record arrives", || {
        (receiver.messages() == ["x"]).then_some(())
    });
    assert_eq!(running.terminate(), Some(0));
}

#[test]
fn summary_counts_by_severity_and_a_restart_counts_nothing_twice() {
    let place = Place::new();
    let sinks = serde_json::json!([{"name": "summary", "file": {"path": "summary.ndjson", "summary": {"intervalMs": 1000}}}]);
    let start = || {
        let mut command = place.by_document(&sinks);
        let path = place.path("config/shop.json");
        let mut document: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        document["pipeline"] = serde_json::json!([{"severity": {}}]);
        std::fs::write(&path, document.to_string()).unwrap();
        Running::start(&mut command)
    };
    let lines = || -> Vec<Value> {
        let text = std::fs::read_to_string(place.path("state/summary.ndjson")).unwrap_or_default();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    };
    let total = |severity: &str| -> u64 {
        let counts = lines().into_iter();
        counts
            .filter_map(|line| line["severities"][severity].as_u64())
            .sum()
    };
    place.append("a.log", "ERROR one\nINFO two\n");
    let running = start();
    eventually("a first line", || (total("ERROR") == 1).then_some(()));
    place.append("a.log", "ERROR three\nINFO four\n");
    assert_eq!(running.terminate(), Some(0));
    let running = start();
    eventually("every record once", || {
        (total("ERROR") == 2 && total("INFO") == 2).then_some(())
    });
    assert_eq!(running.terminate(), Some(0));
    assert_eq!((total("ERROR"), total("INFO")), (2, 2));
}
