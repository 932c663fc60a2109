//! Loki's push API, taken by a Collector.

use super::input::{assert_once_each, objects};
use super::otlp::received;
use anyhow::{Context, Result};
use logship_tests::peers::collector::Collector;
use logship_tests::peers::shipper::{Shipper, Task};
use serde_json::{Value, json};

#[tokio::test]
async fn loki_receiver_of_the_collector_has_every_line_under_its_labels() -> Result<()> {
    let collector = Collector::start().await?;
    let url = format!("http://127.0.0.1:{}", collector.ports.loki);
    let task = Task {
        framing: "cri",
        pipeline: objects::pipeline(),
        sink: json!({"loki": {"url": url, "labels": {"team": "payments"}}, "batch": {"maxBytes": 100_000}}),
        runner: Vec::new(),
    };
    let mut shipper = Shipper::start(task, &objects::text())?;
    let mut numbers = Vec::new();
    for record in received(&mut shipper, &collector).await? {
        let line: Value = serde_json::from_str(&record.body)?;
        let number = line["n"].as_u64().context("no number")?;
        assert_eq!(record.body, objects::object(number));
        let labels = [
            ("namespace", "shop"),
            ("pod", "web-0"),
            ("source", "access"),
            ("team", "payments"),
        ];
        for (name, expected) in labels {
            assert_eq!(record.attributes[name], expected, "{name}");
        }
        assert_eq!(record.record["timeUnixNano"], objects::nanos(number).to_string());
        numbers.push(number);
    }
    assert_once_each(numbers, |_| true);
    Ok(())
}
