//! The peers work as the harness says: each takes a request that we wrote by hand, and tells what it got.

use anyhow::Result;
use axum::http::{Method, StatusCode};
use logship_tests::peers::client::post;
use logship_tests::peers::collector::{Collector, Received};
use logship_tests::peers::loki::Loki;
use logship_tests::peers::opensearch::OpenSearch;
use logship_tests::peers::rsyslog::Rsyslog;
use logship_tests::wait::{Look, PATIENCE, wait_for};
use serde_json::json;
use std::io::Write;
use std::net::TcpStream;
use std::time::SystemTime;

/// What the Collector took, once it is `count` records.
async fn received(collector: &Collector, count: usize) -> Result<Vec<Received>> {
    wait_for("the Collector wrote the records", PATIENCE, async || {
        let received = collector.received()?;
        Ok(if received.len() == count {
            Look::Done(received)
        } else {
            Look::NotYet(received)
        })
    })
    .await
}

#[tokio::test]
async fn collector_takes_otlp_over_http() -> Result<()> {
    let mut collector = Collector::start().await?;
    let url = format!("http://127.0.0.1:{}/v1/logs", collector.ports.otlp_http);
    let request = json!({"resourceLogs": [{
        "resource": {"attributes": [{"key": "k8s.pod.name", "value": {"stringValue": "web-1"}}]},
        "scopeLogs": [{"logRecords": [
            {"timeUnixNano": "1700000000000000001", "severityNumber": 9, "body": {"stringValue": "first"},
             "attributes": [{"key": "status", "value": {"intValue": "200"}}]},
            {"timeUnixNano": "1700000000000000002", "body": {"stringValue": "second"}}
        ]}]
    }]});
    let (status, answer) = post(&url, "application/json", request.to_string()).await?;
    assert_eq!(
        (status, answer.as_str()),
        (StatusCode::OK, r#"{"partialSuccess":{}}"#)
    );
    let records = received(&collector, 2).await?;
    assert_eq!(
        (records[0].body.as_str(), records[1].body.as_str()),
        ("first", "second")
    );
    assert_eq!(records[0].resource["k8s.pod.name"], "web-1");
    assert_eq!(records[0].attributes["status"], "200");
    assert_eq!(records[1].record["timeUnixNano"], "1700000000000000002");

    let (status, _) = post(&url, "application/json", "{").await?;
    assert_eq!(status, StatusCode::BAD_REQUEST);

    // After a restart it listens at the same port and still has what it took.
    collector.process.stop().await?;
    assert!(post(&url, "application/json", request.to_string()).await.is_err());
    collector.start_again().await?;
    post(&url, "application/json", request.to_string()).await?;
    received(&collector, 4).await?;
    Ok(())
}

#[tokio::test]
async fn collector_takes_a_loki_push() -> Result<()> {
    let collector = Collector::start().await?;
    let url = format!("http://127.0.0.1:{}/loki/api/v1/push", collector.ports.loki);
    let request =
        json!({"streams": [{"stream": {"app": "web"}, "values": [["1700000000000000001", "first"]]}]});
    let (status, _) = post(&url, "application/json", request.to_string()).await?;
    assert_eq!(status, StatusCode::NO_CONTENT);
    let records = received(&collector, 1).await?;
    assert_eq!(records[0].body, "first");
    assert_eq!(records[0].attributes["app"], "web");
    Ok(())
}

#[tokio::test]
#[ignore = "Loki takes minutes to build: tests/peers/build loki, then cargo test … -- --ignored"]
async fn loki_takes_a_push_and_refuses_a_line_of_tomorrow() -> Result<()> {
    let loki = Loki::start().await?;
    let now = SystemTime::UNIX_EPOCH.elapsed()?.as_nanos();
    let push = |time: u128, line: &str| json!({"streams": [{"stream": {"app": "web"}, "values": [[time.to_string(), line, {"pod": "web-1"}]]}]});
    let (status, answer) = loki.push(&push(now, "first")).await?;
    assert_eq!(status, StatusCode::NO_CONTENT, "{answer}");
    let (status, answer) = loki.push(&push(now + 86_400_000_000_000, "poison")).await?;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(answer.contains("timestamp too new"), "{answer}");

    let entries = wait_for("the line can be queried", PATIENCE, async || {
        let entries = loki.query("{app=\"web\"}").await?;
        Ok(if entries.is_empty() {
            Look::NotYet(entries)
        } else {
            Look::Done(entries)
        })
    })
    .await?;
    assert_eq!(entries.len(), 1);
    assert_eq!(
        (entries[0].line.as_str(), entries[0].timestamp.clone()),
        ("first", now.to_string())
    );
    assert_eq!(entries[0].labels["pod"], "web-1");
    Ok(())
}

#[tokio::test]
async fn opensearch_answers_for_each_item_of_a_bulk() -> Result<()> {
    let node = OpenSearch::start(&[]).await?;
    let mapping = json!({"mappings": {"properties": {"status": {"type": "long"}}}});
    node.ask(Method::PUT, "/logs", &mapping.to_string()).await?;
    let bulk = [
        json!({"create": {"_index": "logs", "_id": "1"}}),
        json!({"message": "first", "status": 200}),
        json!({"create": {"_index": "logs"}}),
        json!({"message": "poison", "status": "not a number"}),
        json!({"create": {"_index": "logs", "_id": "1"}}),
        json!({"message": "first again", "status": 200}),
    ]
    .iter()
    .fold(String::new(), |bulk, line| bulk + &line.to_string() + "\n");
    let answer = node.ask(Method::POST, "/_bulk", &bulk).await?;
    let statuses: Vec<_> = answer["items"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|item| item["create"]["status"].as_u64().unwrap_or_default())
        .collect();
    assert_eq!(statuses, [201, 400, 409]);
    assert_eq!(node.count("logs").await?, 1);
    assert_eq!(
        node.documents("logs").await?,
        [json!({"message": "first", "status": 200})]
    );
    Ok(())
}

#[tokio::test]
async fn opensearch_refuses_a_whole_bulk_under_pressure() -> Result<()> {
    let node = OpenSearch::start(&["indexing_pressure.memory.limit=2kb"]).await?;
    let bulk = format!(
        "{{\"create\":{{\"_index\":\"logs\"}}}}\n{{\"message\":\"{}\"}}\n",
        "x".repeat(4_000)
    );
    let (status, _) = post(&format!("{}/_bulk", node.url), "application/x-ndjson", bulk).await?;
    assert_eq!(status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(node.count("logs").await?, 0);
    Ok(())
}

#[tokio::test]
async fn rsyslog_takes_octet_counted_messages() -> Result<()> {
    let daemon = Rsyslog::start().await?;
    let message = "<134>1 2026-01-02T03:04:05.000006Z web-1 nginx 42 access [meta@1 pod=\"a \\\"b\\\"\"] first \"line\"";
    let mut connection = TcpStream::connect(("127.0.0.1", daemon.port))?;
    write!(connection, "{} {message}", message.len())?;
    let received = wait_for("rsyslog wrote the message", PATIENCE, async || {
        let received = daemon.received()?;
        Ok(if received.len() == 1 {
            Look::Done(received)
        } else {
            Look::NotYet(received)
        })
    })
    .await?;
    let expected = json!({
        "message": "first \"line\"", "severity": "info", "facility": "local0", "host": "web-1", "app": "nginx", "procid": "42",
        "msgid": "access", "structured": "[meta@1 pod=\"a \\\"b\\\"\"]", "time": "2026-01-02T03:04:05.000006Z",
    });
    assert_eq!(received, [expected]);
    Ok(())
}
