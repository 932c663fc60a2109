//! Files that the kubelet rotates while they are followed: the API serves the newest alone. The cluster's kubelet rotates at 2 MiB and
//! looks every three seconds (`tests/cluster/inner.d/runtime.sh`).

use super::writers::{follow, numbered};
use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::Pod;
use logship_tests::cluster::Namespace;
use logship_tests::follower::Follower;
use logship_tests::peers::HttpSink;
use logship_tests::wait::{Look, PATIENCE, wait_for};
use logship_tests::{api_server, oracle};
use std::collections::BTreeSet;
use std::fs;

/// Behind each number, so that a line has about a KiB.
fn filling() -> String {
    "x".repeat(1_000)
}

/// Names of the files that the kubelet made of the container's, as far as they were seen.
#[derive(Default)]
struct Rotated(BTreeSet<String>);

impl Rotated {
    /// Looks at the node's folder; returns how many were seen by now.
    async fn look(&mut self, namespace: &Namespace, pod: &str) -> Result<usize> {
        let uid = namespace
            .api::<Pod>()
            .get(pod)
            .await?
            .metadata
            .uid
            .unwrap_or_default();
        let folder = format!("/var/log/pods/{}_{pod}_{uid}/web", namespace.name);
        // It is not there before the container is.
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let name = entry?.file_name().to_string_lossy().into_owned();
            // 0.log.20060102-150405, later with .gz or, half-way, .tmp.
            let stamp = name
                .strip_prefix("0.log.")
                .and_then(|rest| rest.split('.').next());
            self.0.extend(stamp.map(str::to_owned));
        }
        Ok(self.0.len())
    }
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
    let mut rotated = Rotated::default();
    let last = format!("web={};", LINES - 1);
    wait_for("the last line arrives", PATIENCE, async || {
        let files = rotated.look(&namespace, "web").await?;
        let is_there = sink.ends_with(&last);
        Ok(if is_there {
            Look::Done(())
        } else {
            Look::NotYet((files, sink.size(), follower.process.said()))
        })
    })
    .await?;
    ensure!(rotated.0.len() >= 2, "the kubelet rotated only {:?}", rotated.0);
    oracle::each_once(&sink.received(), "web", LINES)?;
    ensure!(
        gaps(&follower).await? == 0,
        "gaps are told of: {}",
        follower.process.said()
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_is_held_back_over_two_rotations_tells_of_the_gap() -> Result<()> {
    const LINES: usize = 40_000;
    let sink = HttpSink::start().await?;
    let namespace = Namespace::create("held", &[]).await?;
    let program = numbered("web", 0..LINES, 400, &filling());
    let follower = follow(&namespace, "web", &program, api_server::ADDRESS.port(), &sink).await?;
    follower.wait_until_following().await?;
    sink.hold();
    let mut rotated = Rotated::default();
    let before = rotated.look(&namespace, "web").await?;
    wait_for("three rotations", PATIENCE, async || {
        let now = rotated.look(&namespace, "web").await?;
        Ok(if now >= before + 3 {
            Look::Done(())
        } else {
            Look::NotYet(now)
        })
    })
    .await?;
    sink.release();
    let last = format!("web={};", LINES - 1);
    wait_for("the last line arrives", PATIENCE, async || {
        Ok(if sink.received().contains(&last) {
            Look::Done(())
        } else {
            Look::NotYet((sink.size(), follower.process.said()))
        })
    })
    .await?;
    let arrived: BTreeSet<usize> = oracle::lines(&sink.received(), "web").into_iter().collect();
    let missing = LINES - arrived.len();
    let said = follower.process.said();
    // Without a loss there is nothing to tell of: then the buffers on the way were larger than the test thinks.
    ensure!(missing > 0, "nothing was lost over {} rotations", rotated.0.len());
    ensure!(
        gaps(&follower).await? > 0,
        "{missing} lines were lost in silence: {said}"
    );
    ensure!(said.contains("may be missing"), "{said}");
    Ok(())
}
