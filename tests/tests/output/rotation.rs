//! Files that the kubelet rotates while they are followed: the API serves the newest alone. The cluster's kubelet rotates at 2 MiB and
//! looks every three seconds (`tests/cluster/inner.d/runtime.sh`).

use super::writers::{follow, have_arrived, numbered};
use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Pod;
use logship_tests::cluster::Namespace;
use logship_tests::follower::Follower;
use logship_tests::manifests::torrent;
use logship_tests::node::Rotated;
use logship_tests::peers::HttpSink;
use logship_tests::wait::{Look, PATIENCE, wait_for};
use logship_tests::{api_server, oracle};
use std::collections::BTreeSet;

/// Behind each number, so that a line has about a KiB.
fn filling() -> String {
    "x".repeat(1_000)
}

/// The pod's files that the kubelet rotates.
async fn rotated(namespace: &Namespace) -> Result<Rotated> {
    let pod = namespace.api::<Pod>().get("web").await?;
    Ok(Rotated::of(&pod, "web"))
}

/// What the sidecar's status says about output that may be missing.
async fn gaps(follower: &Follower) -> Result<u64> {
    let status = follower.status().await?;
    let container = &status["containers"][0];
    let count = |name: &str| container[name].as_u64().unwrap_or_default();
    Ok(count("rotationGaps") + count("heldBackGaps"))
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_when_the_kubelet_rotates_what_is_followed() -> Result<()> {
    const LINES: usize = 9_000;
    let sink = HttpSink::start().await?;
    let namespace = Namespace::create("rotated", &[]).await?;
    let program = numbered("web", 0..LINES, 100, &filling());
    let follower = follow(&namespace, "web", &program, api_server::ADDRESS.port(), &sink).await?;
    let mut rotated = rotated(&namespace).await?;
    wait_for("the last lines arrive", PATIENCE, async || {
        let files = rotated.look()?;
        Ok(if have_arrived(&sink, LINES) {
            Look::Done(())
        } else {
            Look::NotYet((files, sink.size(), follower.process.said()))
        })
    })
    .await?;
    ensure!(
        rotated.seen.len() >= 2,
        "the kubelet rotated only {:?}",
        rotated.seen
    );
    oracle::each_once(&sink.received(), "web", LINES)?;
    ensure!(
        gaps(&follower).await? == 0,
        "gaps are told of: {}",
        follower.process.said()
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_is_held_back_over_several_rotations_tells_of_the_gap() -> Result<()> {
    /// Once the spill is full, the buffers on the way take what is written between the first ones.
    const ROTATIONS: usize = 6;
    let sink = HttpSink::start().await?;
    let namespace = Namespace::create("held", &[]).await?;
    let follower = follow(&namespace, "web", &torrent(), api_server::ADDRESS.port(), &sink).await?;
    follower.wait_until_following().await?;
    sink.hold();
    wait_for("the spill is full", PATIENCE, async || {
        let spill = follower.status().await?["spills"][0].clone();
        Ok(if spill["isFull"] == true {
            Look::Done(())
        } else {
            Look::NotYet(spill)
        })
    })
    .await?;
    let mut rotated = rotated(&namespace).await?;
    let before = rotated.look()?;
    wait_for("the rotations", PATIENCE, async || {
        let now = rotated.look()?;
        Ok(if now >= before + ROTATIONS {
            Look::Done(())
        } else {
            Look::NotYet(now)
        })
    })
    .await?;
    namespace
        .must_kubectl(&["exec", "web", "--", "touch", "/tmp/stop"])
        .await?;
    sink.release();
    wait_for("the present is shipped", PATIENCE, async || {
        Ok(if sink.ends_with("end=") {
            Look::Done(())
        } else {
            Look::NotYet((sink.size(), follower.process.said()))
        })
    })
    .await?;
    let text = sink.received();
    let written = oracle::lines(&text, "end")
        .pop()
        .context("the end tells how many")?;
    let arrived: BTreeSet<usize> = oracle::lines(&text, "web").into_iter().collect();
    let missing = written - arrived.len();
    let said = follower.process.said();
    // Without a loss there is nothing to tell of: then the buffers on the way are larger than the test thinks.
    ensure!(
        missing > 0,
        "nothing was lost over {} rotations",
        rotated.seen.len()
    );
    ensure!(
        gaps(&follower).await? > 0,
        "{missing} of {written} lines were lost in silence: {said}"
    );
    ensure!(said.contains("may be missing"), "{said}");
    Ok(())
}
