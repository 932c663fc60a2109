//! OTLP, taken by a Collector.

use super::input::{COUNT, assert_once_each, objects, requests};
use anyhow::{Context, Result};
use logship_tests::peers::collector::{Collector, Received};
use logship_tests::peers::shipper::{Shipper, Task};
use logship_tests::wait::{Look, PATIENCE, wait_for};
use serde_json::{Value, json};

/// What the Collector has once the shipper has ended; it writes a little later than it answers.
pub async fn received(shipper: &mut Shipper, collector: &Collector) -> Result<Vec<Received>> {
    shipper.wait_until_settled(COUNT).await?;
    shipper.process.stop().await?;
    wait_until_written(collector, COUNT).await
}

async fn wait_until_written(collector: &Collector, records: u64) -> Result<Vec<Received>> {
    wait_for("the Collector wrote the records", PATIENCE, async || {
        let received = collector.received()?;
        Ok(if received.len() as u64 >= records {
            Look::Done(received)
        } else {
            Look::NotYet(received.len())
        })
    })
    .await
}

/// The value of an attribute with its type.
fn attribute<'a>(record: &'a Received, name: &str) -> &'a Value {
    let attributes = record.record["attributes"].as_array();
    let mut attributes = attributes.into_iter().flatten();
    attributes
        .find(|attribute| attribute["key"] == name)
        .map_or(&Value::Null, |attribute| &attribute["value"])
}

fn assert_is_object(record: &Received, number: u64) {
    let texts = [
        ("n", json!({"intValue": number.to_string()})),
        ("big", json!({"intValue": "9007199254740993"})),
        ("beyond", json!({"stringValue": "18446744073709551615"})),
        ("ratio", json!({"doubleValue": 0.25})),
        ("ok", json!({"boolValue": true})),
        ("nothing", json!({})),
        ("text", json!({"stringValue": "ü \"q\"\n"})),
        ("list", json!({"stringValue": "[1,\"a\"]"})),
        ("log.file.name", json!({"stringValue": "a.log"})),
        ("log.iostream", json!({"stringValue": objects::stream(number)})),
    ];
    for (name, expected) in texts {
        assert_eq!(*attribute(record, name), expected, "{name} of {number}");
    }
    assert_eq!(record.body, objects::object(number));
    let time = objects::nanos(number).to_string();
    assert_eq!(record.record["timeUnixNano"], time);
    let level = objects::level(number);
    let severity = [("debug", 5), ("info", 9), ("warn", 13), ("error", 17)];
    let (_, severity) = severity[usize::try_from(number % 4).expect("a small number")];
    assert_eq!(record.record["severityNumber"], severity, "{level}");
    assert_eq!(record.record["severityText"], level.to_uppercase());
    let resource = json!({
        "service.name": "web-0", "k8s.pod.name": "web-0", "k8s.namespace.name": "shop",
        "logship.source": "access", "logship.resource": "shop", "team": "payments",
    });
    assert_eq!(json!(record.resource), resource);
}

/// Ships the objects to a port of a Collector and compares what it has.
async fn check(collector: &Collector, port: u16, settings: Value) -> Result<()> {
    let mut settings = settings;
    settings["url"] = json!(format!("http://127.0.0.1:{port}"));
    settings["resource"] = json!({"team": "payments"});
    let task = Task {
        framing: "cri",
        pipeline: objects::pipeline(),
        sink: json!({"otlp": settings, "batch": {"maxBytes": 100_000, "inFlight": 2}}),
        runner: Vec::new(),
    };
    let mut shipper = Shipper::start(task, &objects::text())?;
    let records = received(&mut shipper, collector).await?;
    let mut numbers = Vec::new();
    for record in &records {
        let number = record.attributes["n"].as_str().context("no number")?.parse()?;
        assert_is_object(record, number);
        numbers.push(number);
    }
    assert_once_each(numbers, |_| true);
    Ok(())
}

#[tokio::test]
async fn collector_has_every_record_by_http_and_gzip() -> Result<()> {
    let collector = Collector::start().await?;
    let settings = json!({"protocol": "http", "compression": "gzip"});
    check(&collector, collector.ports.otlp_http, settings).await
}

#[tokio::test]
async fn collector_has_every_record_by_http_and_zstd() -> Result<()> {
    let collector = Collector::start().await?;
    let settings = json!({"protocol": "http", "compression": "zstd"});
    check(&collector, collector.ports.otlp_http, settings).await
}

#[tokio::test]
async fn collector_has_every_record_by_grpc() -> Result<()> {
    for compression in ["none", "gzip", "zstd"] {
        let collector = Collector::start().await?;
        let settings = json!({"protocol": "grpc", "compression": compression});
        check(&collector, collector.ports.otlp_grpc, settings)
            .await
            .context(compression)?;
    }
    Ok(())
}

#[tokio::test]
async fn collector_that_is_killed_meanwhile_has_every_record_after_its_return() -> Result<()> {
    let mut collector = Collector::start().await?;
    let url = format!("http://127.0.0.1:{}", collector.ports.otlp_grpc);
    let task = Task {
        framing: "lines",
        pipeline: requests::pipeline(),
        sink: json!({"otlp": {"url": url, "protocol": "grpc"}, "batch": {"maxBytes": 20_000}}),
        runner: Vec::new(),
    };
    let text = requests::text();
    let (first, second) = text.split_at(text.len() / 2);
    let mut shipper = Shipper::start(task, first)?;
    shipper.wait_until_settled(COUNT / 2 - 1).await?;
    // It answers before it writes, and what it has not written ends with it: that is no affair of the shipper.
    wait_until_written(&collector, COUNT / 2 - 1).await?;
    collector.process.kill();
    shipper.append(second)?;
    wait_for("the failure is noticed", PATIENCE, async || {
        let sink = shipper.sink().await?;
        Ok(if sink["error"].is_null() {
            Look::NotYet(sink)
        } else {
            Look::Done(())
        })
    })
    .await?;
    collector.start_again().await?;
    let records = received(&mut shipper, &collector).await?;
    let mut numbers: Vec<u64> = records
        .iter()
        .filter_map(|record| requests::number(&record.body))
        .collect();
    // What was taken without an answer came twice.
    numbers.sort_unstable();
    numbers.dedup();
    assert_once_each(numbers, |_| true);
    Ok(())
}
