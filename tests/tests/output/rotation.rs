//! Files that the kubelet rotates while they are followed: the API serves the newest alone. The cluster's kubelet rotates at 2 MiB and
//! looks every three seconds (`tests/cluster/inner.d/runtime.sh`).

use super::writers::follow;
use anyhow::{Context, Result, bail, ensure};
use k8s_openapi::api::core::v1::Pod;
use logship_tests::cluster::Namespace;
use logship_tests::follower::Follower;
use logship_tests::manifests::{torrent, until_stopped};
use logship_tests::node::Rotated;
use logship_tests::peers::HttpSink;
use logship_tests::wait::{Look, PATIENCE, wait_for};
use logship_tests::{api_server, oracle};
use std::collections::BTreeSet;

/// The pod's files that the kubelet rotates.
async fn rotated(namespace: &Namespace, pod: &str) -> Result<Rotated> {
    let pod = namespace.api::<Pod>().get(pod).await?;
    Ok(Rotated::of(&pod, "web"))
}

/// Waits until the kubelet has rotated so many more files.
async fn wait_for_rotations(rotated: &mut Rotated, more: usize) -> Result<()> {
    let before = rotated.look()?;
    wait_for(&format!("{more} more rotations"), PATIENCE, async || {
        let now = rotated.look()?;
        Ok(if now >= before + more {
            Look::Done(())
        } else {
            Look::NotYet(now)
        })
    })
    .await
}

/// Has the pod stop, and waits until its last word is shipped: how many lines it has written.
async fn written_in_the_end(
    namespace: &Namespace,
    pod: &str,
    follower: &Follower,
    sink: &HttpSink,
) -> Result<usize> {
    namespace
        .must_kubectl(&["exec", pod, "--", "touch", "/tmp/stop"])
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
    let told = oracle::lines(&sink.received(), "end").pop();
    told.context("the end tells how many")
}

/// What the sidecar's status says about output that may be missing.
async fn gaps(follower: &Follower) -> Result<u64> {
    let status = follower.status().await?;
    let container = &status["containers"][0];
    let count = |name: &str| container[name].as_u64().unwrap_or_default();
    Ok(count("rotationGaps") + count("heldBackGaps"))
}

/// Some MB a second, in both streams.
fn flow() -> String {
    let line = format!("print \"web=\" i++ \";{}\"", "x".repeat(1_000));
    until_stopped(&format!(
        "for (j = 0; j < 50; j++) {{ {line}; {line} > \"/dev/stderr\" }}"
    ))
}

/// How often output that a pod wrote all the while the kubelet rotated it is said to be missing. If it is not, all of it has arrived, once.
async fn gaps_over_rotations(namespace: &Namespace, pod: &str) -> Result<u64> {
    const ROTATIONS: usize = 3;
    let sink = HttpSink::start().await?;
    let follower = follow(namespace, pod, &flow(), api_server::ADDRESS.port(), &sink).await?;
    follower.wait_until_following().await?;
    wait_for_rotations(&mut rotated(namespace, pod).await?, ROTATIONS).await?;
    let written = written_in_the_end(namespace, pod, &follower, &sink).await?;
    let what = "the other stream's last lines arrive, or some are said to be missing";
    let gaps = wait_for(what, PATIENCE, async || {
        let arrived = oracle::lines(&sink.received(), "web").len();
        let gaps = gaps(&follower).await?;
        Ok(if arrived >= written || gaps > 0 {
            Look::Done(gaps)
        } else {
            Look::NotYet((arrived, written, follower.process.said()))
        })
    })
    .await?;
    if gaps == 0 {
        oracle::each_once(&sink.received(), "web", written)?;
    }
    Ok(gaps)
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_when_the_kubelet_rotates_what_is_followed() -> Result<()> {
    /// A stream that stalls for two seconds is opened again, and what the kubelet rotates away just then nobody can read: it has to be told,
    /// and it is the machine's stall if it does not come again.
    const TRIES: usize = 3;
    let namespace = Namespace::create("rotated", &[]).await?;
    for attempt in 0..TRIES {
        if gaps_over_rotations(&namespace, &format!("web-{attempt}")).await? == 0 {
            return Ok(());
        }
    }
    bail!("there was a gap in each of {TRIES} tries");
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
    let mut rotated = rotated(&namespace, "web").await?;
    wait_for_rotations(&mut rotated, ROTATIONS).await?;
    let written = written_in_the_end(&namespace, "web", &follower, &sink).await?;
    let text = sink.received();
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
