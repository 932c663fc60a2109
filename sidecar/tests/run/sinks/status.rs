//! What the administration says of sources and sinks.

use super::{Shipper, http, named, wait_for_all};
use crate::scripted::{Reply, Scripted};
use crate::support::{ask_admin, document, eventually, free_port, numbered};
use serde_json::json;

#[test]
fn status_and_metrics_tell_generation_positions_lag_and_the_last_error_of_each_sink() {
    let healthy = Scripted::start(|_| Reply::status(204));
    let dead = format!("http://127.0.0.1:{}/", free_port());
    let sinks = json!([
        named("bus", "http", http(&healthy.url())),
        named("dead", "http", http(&dead))
    ]);
    let shipper = Shipper::start(&document(&sinks), 10);
    wait_for_all(&healthy, 10);
    let status = eventually("the dead sink fails, the other one does not", || {
        let status = shipper.status();
        let fails = status["sinks"][1]["error"].is_string() && status["sinks"][0]["sent"] == 10;
        fails.then_some(status)
    });
    assert_eq!(
        (&status["name"], &status["generation"]),
        (&json!("shop"), &json!(3))
    );
    assert_eq!(status["records"], 10);
    let bytes = numbered(0..10).replace('\n', "").len();
    let expected = [
        ("source", json!("access")),
        ("records", json!(10)),
        ("bytes", json!(bytes)),
        ("lagBytes", json!(0)),
        ("files", json!(1)),
        ("openFiles", json!(1)),
        // The dead sink has acknowledged nothing.
        ("positions", json!([["a.log", 0]])),
    ];
    for (name, expected) in expected {
        assert_eq!(status["files"][0][name], expected, "{name}: {status}");
    }
    let [bus, dead] = [0, 1].map(|sink| status["sinks"][sink].clone());
    assert_eq!((&bus["name"], &bus["error"]), (&json!("bus"), &json!(null)));
    assert_eq!((&dead["name"], &dead["sent"]), (&json!("dead"), &json!(0)));
    assert!(
        dead["error"].as_str().unwrap().contains("onnection refused"),
        "{dead}"
    );
    let metrics = ask_admin(shipper.port, "/metrics");
    for line in [
        "logship_records_total 10",
        "logship_sent_records_total 10",
        "logship_failing_sinks 1",
        "logship_open_files 1",
        "logship_lag_bytes 0",
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line}: {metrics}");
    }
    shipper.kill();
}
