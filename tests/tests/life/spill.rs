//! A sink that is down for longer than the kubelet keeps output: what the sidecar spilled to the state volume outlives the sidecar's
//! death and arrives; what did not fit into the bound is a gap that is told, and costs the pod nothing else, also where two resources
//! fill its state volume. The cluster's kubelet rotates at 2 MiB and looks every three seconds; the API serves the newest file alone.

use super::ground::{Ground, SIDECAR, container, native, pod, restarts, status};
use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::jiff::Timestamp;
use logship_crd::names::{SIDECAR_ADMIN_PORT, STATE_VOLUME};
use logship_crd::v1alpha1::{LogShipping, SpillBound};
use logship_tests::cluster::{address, is_ready};
use logship_tests::manifests::torrent;
use logship_tests::node::{self, Rotated};
use logship_tests::oracle;
use logship_tests::peers::{self, HttpSink};
use logship_tests::wait::{Look, PATIENCE, wait_for};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

const MIB: u64 = 1 << 20;

fn spec(url: &str, spill: &str) -> Value {
    json!({
        "selector": {},
        "sources": [{"name": "output", "containerOutput": {"spill": {"maxBytes": spill}}}],
        // A request that is given up and answered later would arrive twice.
        "sinks": [{"name": "counter", "http": {"url": url, "timeout": "2m"}, "batch": {"maxBytes": "256Ki"}}],
        // So that a sink which does not answer is soon felt.
        "limits": {"inFlightBytes": "1Mi"},
    })
}

/// The least spill, and a state volume that has room for that and no more.
fn small(url: &str) -> Value {
    let mut spec = spec(url, "1Mi");
    spec["limits"]["deadLetterBytes"] = json!("0");
    spec["sidecar"] = json!({"state": {"emptyDir": {"sizeLimit": "2Mi"}}});
    spec
}

/// A pod whose container runs a program for awk.
fn writer(program: &str) -> Value {
    let script = format!("awk '{program}'; exec sleep 100000");
    pod(
        "web",
        &native("true"),
        &json!({"containers": [container(&script)]}),
    )
}

/// Where the sidecar of a pod keeps what sinks do not take.
fn spool(pod: &Pod) -> Result<PathBuf> {
    Ok(node::empty_dir(pod, STATE_VOLUME)?.join("all.output.spool"))
}

/// Whether the end of this line is on the disk.
fn is_kept(spool: &Path, line: &str) -> bool {
    let has_line = |bytes: Vec<u8>| memchr::memmem::find(&bytes, line.as_bytes()).is_some();
    let segments = node::files(spool);
    segments
        .iter()
        .any(|segment| std::fs::read(segment).is_ok_and(has_line))
}

/// What the sidecar's metrics say of it, over all labels.
async fn metric(pod: &Pod, name: &str) -> Result<u64> {
    let text = peers::get(&format!("http://{}:{SIDECAR_ADMIN_PORT}/metrics", address(pod)?)).await?;
    let samples = text
        .lines()
        .filter(|line| line.split(['{', ' ']).next() == Some(name));
    let values = samples.filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok());
    values
        .reduce(|sum, value| sum + value)
        .with_context(|| format!("there is no metric {name}"))
}

/// Waits until the status tells of the bytes that are on the disk, and their bound; returns the bytes.
async fn wait_until_told(pod: &Pod, bytes_max: u64) -> Result<u64> {
    let spool = spool(pod)?;
    wait_for("what is spilled is told", PATIENCE, async || {
        let there = node::bytes(&node::files(&spool));
        let told = status(pod).await.unwrap_or_default()["pipelines"][0]["spills"][0].clone();
        let metrics = (
            metric(pod, "logship_spill_bytes").await.ok(),
            metric(pod, "logship_spill_bytes_max").await.ok(),
        );
        let is_told = told["bytes"] == there
            && told["bytesMax"] == bytes_max
            && metrics == (Some(there), Some(bytes_max));
        Ok(if is_told && there > 0 {
            Look::Done(there)
        } else {
            Look::NotYet((there, told, metrics))
        })
    })
    .await
}

/// Waits until the sidecar has sent what it kept.
async fn wait_until_sent(pod: &Pod) -> Result<()> {
    let spool = spool(pod)?;
    wait_for("nothing is kept any more", PATIENCE, async || {
        let left = node::files(&spool);
        let told = metric(pod, "logship_spill_bytes").await?;
        Ok(if left.is_empty() && told == 0 {
            Look::Done(())
        } else {
            Look::NotYet((left, told))
        })
    })
    .await
}

/// Lines of a KiB, a MiB a second; in the middle it waits for a file /tmp/go.
fn halves(lines: usize) -> String {
    let (half, filling) = (lines / 2, "x".repeat(1_000));
    format!(
        "BEGIN {{ for (i = 0; i < {lines}; i++) {{ \
         if (i == {half}) while (system(\"test -e /tmp/go\")) system(\"usleep 50000\"); \
         print \"web=\" i \";{filling}\"; if (i % 100 == 99) {{ fflush(); system(\"usleep 85000\") }} }} }}"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn output_that_was_rotated_away_while_the_sink_was_down_arrives_once_although_the_sidecar_died()
-> Result<()> {
    const LINES: usize = 14_000;
    let ground = Ground::new("spill", |url| spec(url, "32Mi")).await?;
    ground.sink.hold();
    ground.apply(&[writer(&halves(LINES))]).await?;
    let pod = ground.wait_ready("web").await?;
    let mut rotated = Rotated::of(&pod, "app");
    let spool = spool(&pod)?;
    // Each half is more than the kubelet leaves in one file, however late it looks.
    let mut wait_until_kept = async |line: usize, rotations: usize| {
        let text = format!("web={line};");
        let what = format!("{text} is on the state volume, and {rotations} files were rotated");
        wait_for(&what, PATIENCE, async || {
            let seen = rotated.look()?;
            Ok(if seen >= rotations && is_kept(&spool, &text) {
                Look::Done(())
            } else {
                Look::NotYet(seen)
            })
        })
        .await
    };
    wait_until_kept(LINES / 2 - 1, 1).await?;
    let before = wait_until_told(&pod, 32 * MIB).await?;
    let resource = ground.namespace.api::<LogShipping>().get("all").await?;
    let bound = SpillBound {
        source: "output".to_owned(),
        max_bytes: "32Mi".to_owned(),
    };
    ensure!(resource.status.unwrap_or_default().spills == [bound]);

    ground.namespace.kill_container(&pod, SIDECAR).await?;
    let is_back = |pod: &Pod| restarts(pod, SIDECAR) == Some(1) && is_ready(pod);
    let pod = ground.wait_pod("web", "the sidecar is back", is_back).await?;
    ground
        .namespace
        .must_kubectl(&["exec", "web", "-c", "app", "--", "touch", "/tmp/go"])
        .await?;
    wait_until_kept(LINES - 1, 2).await?;
    let all = wait_until_told(&pod, 32 * MIB).await?;
    ensure!(
        all > before + (LINES as u64 / 2) * 1_000,
        "{before}, then {all} bytes"
    );
    ensure!(ground.sink.size() == 0, "the sink was down");

    ground.sink.release();
    let last = format!("web={};", LINES - 1);
    wait_for("the last line arrives", PATIENCE, async || {
        Ok(if ground.sink.ends_with(&last) {
            Look::Done(())
        } else {
            Look::NotYet(ground.sink.size())
        })
    })
    .await?;
    let order = oracle::each_once(&ground.sink.received(), "web", LINES)?;
    ensure!(order.is_sorted(), "not in the order in which they were written");
    wait_until_sent(&pod).await?;
    // Gaps may be suspected all the same: a file that was rotated while the sidecar was dead looks like one.
    for nothing in ["logship_spill_lost_bytes_total", "logship_spill_failures_total"] {
        ensure!(metric(&pod, nothing).await? == 0, "{nothing}");
    }
    let said = ground.namespace.logs("web", SIDECAR, false).await?;
    ensure!(
        said.contains("are on the state volume and are sent first"),
        "{said}"
    );
    let pod = ground.wait_ready("web").await?;
    ensure!(restarts(&pod, "app") == Some(0) && restarts(&pod, SIDECAR) == Some(1));
    Ok(())
}

/// Since when the pod is ready.
fn ready_since(pod: &Pod) -> Option<Timestamp> {
    let conditions = pod.status.as_ref()?.conditions.as_ref()?;
    let ready = conditions.iter().find(|condition| condition.type_ == "Ready")?;
    Some(ready.last_transition_time.as_ref()?.0)
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_the_bound_is_a_gap_that_is_told_and_the_pod_stays_ready() -> Result<()> {
    /// The buffers on the way take what is written between the first two.
    const ROTATIONS: usize = 4;
    let ground = Ground::new("spill-bound", small).await?;
    let other = HttpSink::start().await?;
    let second = format!("  {}\n", small(&other.url));
    ground.namespace.ship("other", &second).await?;
    ground.sink.hold();
    other.hold();
    ground.apply(&[writer(&torrent())]).await?;
    let pod = ground.wait_ready("web").await?;
    let since = ready_since(&pod);
    let mut rotated = Rotated::of(&pod, "app");
    let spool = spool(&pod)?;
    wait_for(
        "the bound is reached, and the rotations after it",
        PATIENCE,
        async || {
            let there = node::bytes(&node::files(&spool));
            ensure!(there <= MIB, "{there} bytes on the state volume");
            let told = status(&pod).await.unwrap_or_default();
            let pipelines = told["pipelines"].as_array().cloned().unwrap_or_default();
            let is_full = |spill: &Value| spill["isFull"] == true && spill["full"].as_u64() > Some(0);
            let is_full = pipelines.len() == 2 && pipelines.iter().all(|one| is_full(&one["spills"][0]));
            let seen = rotated.look()?;
            Ok(if is_full && seen >= ROTATIONS {
                Look::Done(())
            } else {
                Look::NotYet((seen, told))
            })
        },
    )
    .await?;
    // The volume has room for both resources, and how much of it is used is told.
    let state = status(&pod).await?["state"].clone();
    let used = state["bytes"].as_u64().context("it is a number")?;
    ensure!(
        state["bytesMax"] == 4 * MIB && used > MIB * 16 / 10 && used < 4 * MIB,
        "{state}"
    );
    ensure!(metric(&pod, "logship_state_bytes_max").await? == 4 * MIB);
    other.release();
    ground
        .namespace
        .must_kubectl(&["exec", "web", "-c", "app", "--", "touch", "/tmp/stop"])
        .await?;
    ground.sink.release();
    wait_for("the present is shipped", PATIENCE, async || {
        Ok(if ground.sink.ends_with("end=") {
            Look::Done(())
        } else {
            Look::NotYet(ground.sink.size())
        })
    })
    .await?;
    let text = ground.sink.received();
    let written = oracle::lines(&text, "end")
        .pop()
        .context("the end tells how many")?;
    let arrived = oracle::lines(&text, "web");
    let wrong: Vec<_> = arrived.windows(2).filter(|pair| pair[0] >= pair[1]).collect();
    ensure!(wrong.is_empty(), "not once, or not in order: {wrong:?}");
    // Without a loss there is nothing to tell of: then the buffers on the way are larger than the test thinks.
    ensure!(
        arrived.len() < written,
        "nothing was lost over {} rotations",
        rotated.seen.len()
    );
    let said = ground.namespace.logs("web", SIDECAR, false).await?;
    ensure!(
        metric(&pod, "logship_output_gaps_total").await? > 0,
        "lost in silence: {said}"
    );
    ensure!(
        said.contains("may be missing") && said.contains("that is the bound"),
        "{said}"
    );
    wait_until_sent(&pod).await?;
    let pod = ground.wait_ready("web").await?;
    ensure!(ready_since(&pod) == since, "the pod was unready meanwhile");
    ensure!(restarts(&pod, "app") == Some(0) && restarts(&pod, SIDECAR) == Some(0));
    Ok(())
}
