//! Tokens are replaced below the sidecar, and an old one is refused from then on.

use super::writers::{have_arrived, numbered};
use anyhow::Result;
use logship_tests::cluster::Namespace;
use logship_tests::follower::{self, Follower, Task};
use logship_tests::peers::HttpSink;
use logship_tests::peers::proxy::Proxy;
use logship_tests::wait::{Look, PATIENCE, wait_for};
use logship_tests::{api_server, oracle};
use std::time::Duration;

const LINES: usize = 16_000;

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_refused_is_followed_by_its_successor_and_no_line_is_lost() -> Result<()> {
    let sink = HttpSink::start().await?;
    let namespace = Namespace::create("token", &[]).await?;
    follower::allow(&namespace).await?;
    namespace
        .must_kubectl(&["create", "secret", "generic", "lifetime"])
        .await?;
    let first = follower::token(&namespace, Some("lifetime")).await?;
    let mut proxy = Proxy::start(api_server::ADDRESS).await?;
    let program = numbered("web", 0..LINES, 100, "");
    namespace.apply(&super::writers::pod("web", &program)).await?;
    let task = Task {
        pod: "web",
        containers: &["web"],
        api_port: proxy.port,
        sink: &sink.url,
        token: &first,
    };
    let follower = Follower::start(&namespace, &task).await?;
    follower.wait_until_following().await?;

    // The API server forgets a token within ten seconds of the end of what it is bound to.
    namespace.must_kubectl(&["delete", "secret", "lifetime"]).await?;
    proxy.cut_every(Duration::from_secs(1));
    wait_for("the first token is refused", PATIENCE, async || {
        let said = follower.process.said();
        Ok(if said.contains("Unauthorized") {
            Look::Done(())
        } else {
            Look::NotYet(said)
        })
    })
    .await?;
    follower.rotate(&follower::token(&namespace, None).await?)?;
    wait_for("the last lines arrive", PATIENCE, async || {
        Ok(if have_arrived(&sink, LINES) {
            Look::Done(())
        } else {
            Look::NotYet(follower.process.said())
        })
    })
    .await?;
    oracle::each_once(&sink.received(), "web", LINES).map(drop)
}
