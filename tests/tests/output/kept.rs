//! Lines that a cursor made of time alone would confuse: many at once, equal ones, and two streams at the same moment.

use super::writers::follow;
use anyhow::{Result, ensure};
use logship_tests::cluster::Namespace;
use logship_tests::peers::HttpSink;
use logship_tests::peers::proxy::Proxy;
use logship_tests::wait::{Look, PATIENCE, wait_for};
use logship_tests::{api_server, oracle};
use std::time::Duration;

/// A thousand lines as fast as they can be written, and among them the same one, in both streams.
const BURST: &str = "BEGIN { for (i = 0; i < 1000; i++) { \
    if (i % 2) { print \"web=\" i \";\" > \"/dev/stderr\"; print \"same=7;\" > \"/dev/stderr\" } \
    else { print \"web=\" i \";\"; print \"same=7;\" } } }";

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_lines_at_once_and_as_many_equal_ones_are_kept_over_broken_connections() -> Result<()> {
    let sink = HttpSink::start().await?;
    let namespace = Namespace::create("burst", &[]).await?;
    let mut proxy = Proxy::start(api_server::ADDRESS).await?;
    // On a slow machine less would not do for one connection.
    proxy.cut_every(Duration::from_secs(1));
    let follower = follow(&namespace, "web", BURST, proxy.port, &sink).await?;
    let all = async || {
        let text = sink.received();
        let counts = (
            oracle::lines(&text, "web").len(),
            oracle::lines(&text, "same").len(),
        );
        Ok(if counts == (1000, 1000) {
            Look::Done(())
        } else {
            Look::NotYet((counts, follower.process.said()))
        })
    };
    wait_for("every line arrives", PATIENCE, all).await?;
    let cuts = proxy.cuts();
    wait_for("four more connections", PATIENCE, async || {
        Ok(if proxy.cuts() >= cuts + 4 {
            Look::Done(())
        } else {
            Look::NotYet(proxy.cuts())
        })
    })
    .await?;
    let text = sink.received();
    oracle::each_once(&text, "web", 1000)?;
    let same = oracle::lines(&text, "same").len();
    ensure!(same == 1000, "the equal line is there {same} times");
    Ok(())
}
