//! Connections that break: the API offers no cursor, and still every line is shipped once and in its stream's order.
//!
//! `LOGSHIP_REOPEN_SECONDS=660` runs as long as a token of ten minutes lasts; then start the cluster with
//! `CONTAINER_LOG_MAX_SIZE=1Gi`, because what the kubelet rotates away while nobody is connected cannot be read by anybody.

use super::writers::{REST, follow, goes_on, numbered};
use anyhow::{Result, ensure};
use logship_tests::cluster::Namespace;
use logship_tests::follower::{self, Follower};
use logship_tests::peers::HttpSink;
use logship_tests::peers::proxy::Proxy;
use logship_tests::wait::{Look, PATIENCE, wait_for};
use logship_tests::{api_server, oracle};
use std::time::Duration;
use tokio::time::Instant;

const LINES_PER_SECOND: usize = 1_000;
/// Well before a token expires.
const TOKEN_AGE_MAX: Duration = Duration::from_secs(300);

fn seconds() -> usize {
    let said = std::env::var_os("LOGSHIP_REOPEN_SECONDS");
    said.and_then(|text| text.to_str()?.parse().ok()).unwrap_or(8)
}

/// Waits until the sink has taken so many records, with fresh tokens all the while.
async fn wait_until_sent(
    namespace: &Namespace,
    follower: &Follower,
    records: u64,
    limit: Duration,
) -> Result<()> {
    let mut given = Instant::now();
    wait_for("every line is sent", limit, async || {
        if given.elapsed() > TOKEN_AGE_MAX {
            follower.rotate(&follower::token(namespace, None).await?)?;
            given = Instant::now();
        }
        // Nobody listens in the first moment.
        let status = follower.status().await.unwrap_or_default();
        let sent = status["sinks"][0]["sent"].as_u64().unwrap_or_default();
        Ok(if sent >= records {
            Look::Done(())
        } else {
            Look::NotYet((sent, follower.process.said()))
        })
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_line_arrives_once_and_in_order_although_all_connections_are_reset_each_second() -> Result<()> {
    let seconds = seconds();
    let lines = seconds * LINES_PER_SECOND;
    let sink = HttpSink::start().await?;
    let namespace = Namespace::create("reopen", &[]).await?;
    let mut proxy = Proxy::start(api_server::ADDRESS).await?;
    // The sidecar is there before most is written, so that there is something to cut.
    let burst = LINES_PER_SECOND / 10;
    let parts = [0..burst, burst..lines].map(|numbers| numbered("web", numbers, burst, ""));
    let program = parts.join(&format!(" {REST} "));
    let follower = follow(&namespace, "web", &program, proxy.port, &sink).await?;
    follower.wait_until_following().await?;
    proxy.cut_every(Duration::from_secs(1));
    goes_on(&namespace, "web").await?;

    let limit = PATIENCE + Duration::from_secs(2 * seconds as u64);
    let sent = wait_until_sent(&namespace, &follower, lines as u64, limit).await;
    // What is sent again would come with the next connections.
    let cuts = proxy.cuts();
    wait_for("three more connections", PATIENCE, async || {
        Ok(if proxy.cuts() >= cuts + 3 {
            Look::Done(())
        } else {
            Look::NotYet(proxy.cuts())
        })
    })
    .await?;
    let arrived = oracle::each_once(&sink.received(), "web", lines)?;
    sent?;
    ensure!(
        cuts >= seconds / 2,
        "only {cuts} cuts while {lines} lines were written"
    );
    for stream in [0, 1] {
        let of_stream = arrived.iter().filter(|number| *number % 2 == stream);
        ensure!(of_stream.is_sorted(), "stream {stream} is out of order");
    }
    Ok(())
}
