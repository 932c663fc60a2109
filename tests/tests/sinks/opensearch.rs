//! Elasticsearch's bulk API, taken by OpenSearch.

use super::input::{COUNT, assert_once_each, objects, requests};
use anyhow::{Context, Result};
use axum::http::Method;
use logship_tests::peers::opensearch::OpenSearch;
use logship_tests::peers::shipper::{Shipper, Task};
use serde_json::{Value, json};

fn task(framing: &'static str, pipeline: Value, url: &str, index: &str) -> Task {
    Task {
        framing,
        pipeline,
        sink: json!({
            "elasticsearch": {"url": url, "index": index},
            "batch": {"maxBytes": 100_000, "inFlight": 8},
        }),
        runner: Vec::new(),
    }
}

#[tokio::test]
async fn index_with_a_strict_mapping_has_what_it_takes_and_the_rest_are_dead_letters() -> Result<()> {
    let node = OpenSearch::start(&[]).await?;
    let open = json!({"type": "object", "dynamic": true});
    let mapping = json!({"mappings": {"dynamic": "strict", "properties": {
        "@timestamp": {"type": "date_nanos"}, "message": {"type": "text"},
        "log": open, "logship": open, "kubernetes": open, "labels": open,
        "n": {"type": "long"}, "level": {"type": "keyword"}, "big": {"type": "long"},
        "beyond": {"type": "keyword"}, "ratio": {"type": "double"}, "ok": {"type": "boolean"},
        "nothing": {"type": "keyword"}, "text": {"type": "keyword"}, "list": {"type": "keyword"},
    }}});
    node.ask(Method::PUT, "/strict", &mapping.to_string()).await?;
    let task = task("cri", objects::pipeline(), &node.url, "strict");
    let mut shipper = Shipper::start(task, &objects::text())?;
    let sink = shipper.wait_until_settled(COUNT).await?;
    shipper.process.stop().await?;
    let mut numbers = Vec::new();
    for document in node.documents("strict").await? {
        let number = document["n"].as_u64().context("no number")?;
        assert_is_object(&document, number);
        numbers.push(number);
    }
    assert_once_each(numbers, |number| !objects::is_odd_one(number));

    assert_eq!(sink["rejected"], COUNT / 100);
    let letters = shipper.dead_letters()?;
    let number = |letter: &String| {
        // The object is in the message as JSON in JSON in JSON.
        let (_, rest) = letter.split_once("n\\\\\\\":")?;
        rest.split(',').next()?.parse().ok()
    };
    assert_once_each(letters.iter().filter_map(number).collect(), objects::is_odd_one);
    for letter in &letters {
        assert!(letter.contains("strict_dynamic_mapping_exception"), "{letter}");
    }
    Ok(())
}

fn assert_is_object(document: &Value, number: u64) {
    let expected = json!({
        "@timestamp": objects::time(number), "message": objects::object(number),
        "n": number, "level": objects::level(number), "big": 9_007_199_254_740_993_u64,
        "beyond": "18446744073709551615", "ratio": 0.25, "ok": true, "nothing": null,
        "text": "ü \"q\"\n", "list": [1, "a"],
    });
    for (name, expected) in expected.as_object().into_iter().flatten() {
        assert_eq!(document[name], *expected, "{name} of {number}");
    }
    assert_eq!(document["log"]["level"], objects::level(number));
    assert_eq!(document["log"]["iostream"], objects::stream(number));
    assert_eq!(document["log"]["file"]["name"], "a.log");
    assert_eq!(document["kubernetes"]["pod"]["name"], "web-0");
    assert_eq!(document["kubernetes"]["namespace"], "shop");
}

#[tokio::test]
async fn data_stream_has_every_request() -> Result<()> {
    let node = OpenSearch::start(&[]).await?;
    let template = json!({
        "index_patterns": ["logs-*"], "data_stream": {},
        "template": {"mappings": {"properties": {"status_code": {"type": "short"}}}},
    });
    node.ask(Method::PUT, "/_index_template/logs", &template.to_string())
        .await?;
    let task = task("lines", requests::pipeline(), &node.url, "logs-shop-default");
    let mut shipper = Shipper::start(task, &requests::text())?;
    shipper.wait_until_settled(COUNT).await?;
    shipper.process.stop().await?;
    let stream = node
        .ask(Method::GET, "/_data_stream/logs-shop-default", "")
        .await?;
    assert_eq!(stream["data_streams"][0]["name"], "logs-shop-default");
    let mut numbers = Vec::new();
    for document in node.documents("logs-shop-default").await? {
        let line = document["message"].as_str().context("no message")?;
        let number = requests::number(line).context("no number")?;
        assert_eq!(line, requests::line(number));
        assert_eq!(document["status_code"], requests::status(number), "{document}");
        assert_eq!(document["log"]["level"], requests::level(number).to_lowercase());
        assert_eq!(document["@timestamp"], "2026-01-02T03:04:05.000000000Z");
        numbers.push(number);
    }
    assert_once_each(numbers, |_| true);
    Ok(())
}

#[tokio::test]
async fn node_under_pressure_refuses_bulks_and_has_every_request_in_the_end() -> Result<()> {
    // One bulk fits, several at once do not.
    let node = OpenSearch::start(&["indexing_pressure.memory.limit=150kb"]).await?;
    let task = task("lines", requests::pipeline(), &node.url, "logs");
    let mut shipper = Shipper::start(task, &requests::text())?;
    let sink = shipper.wait_until_settled(COUNT).await?;
    shipper.process.stop().await?;
    assert!(sink["retries"].as_u64() > Some(0), "{sink}");
    assert_eq!(sink["rejected"], 0);
    let documents = node.documents("logs").await?;
    let numbers = documents
        .iter()
        .filter_map(|document| requests::number(document["message"].as_str()?));
    assert_once_each(numbers.collect(), |_| true);
    Ok(())
}
