//! What arrives at the sinks, what is refused, and what waits.

use crate::receiver::Receiver;
use crate::support::{Place, Running, all_there, eventually, finish, numbered};
use crate::{http_sink, stdout_sink};
use serde_json::{Value, json};

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
    let sinks =
        json!([{"name": "summary", "file": {"path": "summary.ndjson", "summary": {"intervalMs": 1000}}}]);
    let start = || {
        let mut command = place.by_document(&sinks);
        let path = place.path("config/shop.json");
        let mut document: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        document["pipeline"] = json!([{"severity": {}}]);
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
