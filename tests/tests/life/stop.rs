//! A pod is deleted while its sink is dead: the sidecar takes the drain time and no longer, the pod's containers have ended within two
//! seconds more, and what was not sent is counted in the sidecar's last words. (When the object is removed after that is the kubelet's
//! matter, with a sidecar and without.)

use super::ground::{Ground, KINDS, SIDECAR, container, end, native, pod, status};
use anyhow::Context;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::jiff::Timestamp;
use logship_tests::NODE_ADDRESS;
use logship_tests::wait::{Look, PATIENCE, wait_for};
use serde_json::{Value, json};
use std::net::TcpListener;
use std::time::Duration;

const DRAIN: Duration = Duration::from_secs(3);
const SLACK: Duration = Duration::from_secs(2);
const LINES: usize = 40;

/// A pod that has written and goes on until it is told to stop, which it does at once. It is held, so that its end can be seen.
fn writer(name: &str, value: &str) -> Value {
    let script = format!(
        "trap 'exit 0' TERM; for number in $(seq {LINES}); do echo \"line $number\"; done | tee /var/log/app/app.log; \
         while :; do sleep 0.1; done"
    );
    let mut pod = pod(
        name,
        &native(value),
        &json!({"terminationGracePeriodSeconds": 30, "containers": [container(&script)]}),
    );
    pod["metadata"]["finalizers"] = json!(["example.org/held"]);
    pod
}

/// From the sidecar's first line about its stop to its last, by its own log.
fn own_share(log: &str) -> Option<Duration> {
    let time = |message: &str| {
        let line = log.lines().find(|line| line.contains(message))?;
        let line: Value = serde_json::from_str(line).ok()?;
        line["timestamp"].as_str()?.parse::<Timestamp>().ok()
    };
    let (told, over) = (time("told to stop")?, time("the drain time is over")?);
    over.duration_since(told).try_into().ok()
}

/// From the deletion to the end of the last container, in whole seconds, by the times that the pod has of them: when a busy kubelet tells
/// of an end is another matter.
fn time_to_end(pod: &Pod) -> Option<Duration> {
    let grace = Duration::from_secs(u64::try_from(pod.metadata.deletion_grace_period_seconds?).ok()?);
    let deleted = pod.metadata.deletion_timestamp.as_ref()?.0 - grace;
    let ends = [SIDECAR, "app"].map(|container| Some(end(pod, container)?.finished_at.as_ref()?.0));
    ends.into_iter().max()??.duration_since(deleted).try_into().ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_sink_holds_a_deletion_for_the_drain_time_and_what_is_left_is_counted() -> anyhow::Result<()> {
    // The kernel takes connections, and nobody ever answers.
    let silent = TcpListener::bind((NODE_ADDRESS, 0))?;
    let url = format!("http://{}/", silent.local_addr()?);
    let ground = Ground::new("dead-sink", |_| {
        json!({
            "selector": {},
            "sources": [
                {"name": "output", "containerOutput": {}},
                {"name": "written", "files": {"directory": "/var/log/app", "pattern": "log$"}},
            ],
            "sinks": [{"name": "silent", "http": {"url": url}}],
            "sidecar": {"drain": format!("{}s", DRAIN.as_secs())},
        })
    })
    .await?;
    ground
        .apply(&KINDS.map(|(kind, value)| writer(kind, value)))
        .await?;
    for (kind, _) in KINDS {
        let pod = ground.wait_ready(kind).await?;
        wait_for(&format!("{kind}: all is read and waits"), PATIENCE, async || {
            let status = status(&pod).await?;
            let waiting = status["pipelines"][0]["sinks"][0]["unacknowledged"].as_u64();
            Ok(if waiting == Some(2 * LINES as u64) {
                Look::Done(())
            } else {
                Look::NotYet(status)
            })
        })
        .await?;
    }

    for (kind, _) in KINDS {
        ground.delete(kind).await?;
        let all_ended = |pod: &Pod| end(pod, SIDECAR).is_some() && end(pod, "app").is_some();
        let pod = ground.wait_pod(kind, "its containers ended", all_ended).await?;
        let whole = time_to_end(&pod).with_context(|| format!("{kind}: it says when it ended"))?;
        // The last lines of a container reach its log after its end is told.
        let what = format!("{kind}: its log says when it was told to stop, and when it did");
        let own = wait_for(&what, PATIENCE, async || {
            let log = ground.namespace.logs(kind, SIDECAR, false).await?;
            Ok(match own_share(&log) {
                Some(own) => Look::Done(own),
                None => Look::NotYet(log),
            })
        })
        .await?;
        ground.release(kind).await?;
        println!("{kind}: drain {DRAIN:?}, the sidecar took {own:?}, all containers ended after {whole:?}");
        assert!(own <= DRAIN + Duration::from_millis(500), "{kind}: {own:?}");
        assert!(whole <= DRAIN + SLACK, "{kind}: {whole:?}");

        let end = end(&pod, SIDECAR).expect("it ended");
        assert_eq!(end.exit_code, 0, "{end:?}");
        let words = end.message.as_deref().unwrap_or_default();
        let expected = format!(
            "all: not sent at the end: {} records not acknowledged by silent",
            2 * LINES
        );
        assert!(words.starts_with(&expected), "{kind}: {words:?}");
    }
    Ok(())
}
