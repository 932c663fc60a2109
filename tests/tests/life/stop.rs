//! A pod is deleted while its sink is dead: the sidecar takes the drain time and no longer, the pod's containers have ended within two
//! seconds more, what was not sent is counted in the sidecar's last words, and the pod is gone as soon as one without a sidecar would be
//! that takes the drain time to end.

use super::ground::{Ground, KINDS, SIDECAR, container, end, native, pod, status};
use anyhow::Context;
use futures::AsyncReadExt;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use kube::api::{DeleteParams, ListParams, LogParams};
use logship_tests::NODE_ADDRESS;
use logship_tests::wait::{Look, PATIENCE, wait_for};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::TcpListener;
use std::time::Duration;
use tokio::time::Instant;

const DRAIN: Duration = Duration::from_secs(3);
const SLACK: Duration = Duration::from_secs(2);
const LINES: usize = 40;
/// Of each kind, until one has ended in time: the machine may stall in any of them, in the sidecar or between the kubelet and containerd. What is
/// said of the end has to be right in all of them.
const TRIES: usize = 4;

/// What the kubelet takes to notice that all has ended and to clean up may differ by so much from one pod to the next while other tests keep
/// it busy (seen: 0.6 s for a pod without a sidecar, 4.2 s for one beside it). The grace period, which a sidecar that did not end in time would
/// take, is thirty seconds; how exactly the sidecar itself ends is the other test's matter.
const KUBELETS_SHARE: Duration = Duration::from_secs(10);
/// The pod without a sidecar.
const CONTROL: &str = "control";

/// A pod that has written and goes on until it is told to stop, which it does at once.
fn writer(name: &str, annotations: &Value) -> Value {
    let script = format!(
        "trap 'exit 0' TERM; for number in $(seq {LINES}); do echo \"line $number\"; done | tee /var/log/app/app.log; \
         while :; do sleep 0.1; done"
    );
    let manifest = json!({"terminationGracePeriodSeconds": 30, "containers": [container(&script)]});
    pod(name, annotations, &manifest)
}

/// The same, held, so that its end can be seen.
fn held(mut pod: Value) -> Value {
    pod["metadata"]["finalizers"] = json!(["example.org/held"]);
    pod
}

/// A sink that takes connections and never answers, and who ships to it.
async fn dead_sink(name: &str) -> anyhow::Result<(TcpListener, Ground)> {
    // The kernel takes the connections.
    let silent = TcpListener::bind((NODE_ADDRESS, 0))?;
    let url = format!("http://{}/", silent.local_addr()?);
    let ground = Ground::new(name, |_| {
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
    Ok((silent, ground))
}

/// Waits until the sidecar of each of these pods has read everything, which nobody takes.
async fn wait_until_all_is_read(ground: &Ground, pods: &[&str]) -> anyhow::Result<()> {
    for name in pods {
        let pod = ground.wait_ready(name).await?;
        wait_for(&format!("{name}: all is read and waits"), PATIENCE, async || {
            let status = status(&pod).await;
            let waiting = status
                .as_ref()
                .map(|status| &status["pipelines"][0]["sinks"][0]["unacknowledged"]);
            Ok(match waiting {
                Ok(waiting) if *waiting == json!(2 * LINES) => Look::Done(()),
                _ => Look::NotYet(format!("{status:?}")),
            })
        })
        .await?;
    }
    Ok(())
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

/// When a pod was deleted, by the answer to the deletion: the kubelet deletes it again when all has ended, and then it has another time.
fn deletion(pod: &Pod) -> Option<Timestamp> {
    let grace = Duration::from_secs(u64::try_from(pod.metadata.deletion_grace_period_seconds?).ok()?);
    Some(pod.metadata.deletion_timestamp.as_ref()?.0 - grace)
}

/// From the deletion to the end of the last container, in whole seconds, by the times that the pod has of them: when a busy kubelet tells
/// of an end is another matter.
fn time_to_end(deleted: Timestamp, pod: &Pod) -> Option<Duration> {
    let ends = [SIDECAR, "app"].map(|container| Some(end(pod, container)?.finished_at.as_ref()?.0));
    ends.into_iter().max()??.duration_since(deleted).try_into().ok()
}

/// Deletes the pod and looks at its end: what the sidecar took by its own account, and all containers by the pod's.
async fn end_of(ground: &Ground, name: &str) -> anyhow::Result<[Duration; 2]> {
    let all_ended = |pod: &Pod| end(pod, SIDECAR).is_some() && end(pod, "app").is_some();
    let pods = ground.namespace.api::<Pod>();
    // The kubelet may remove a container, and its log with it, as soon as it has ended.
    let follow = LogParams {
        container: Some(SIDECAR.to_owned()),
        follow: true,
        ..LogParams::default()
    };
    let mut stream = std::pin::pin!(pods.log_stream(name, &follow).await?);
    let deleted = pods.delete(name, &DeleteParams::default()).await?.left();
    let mut log = String::new();
    stream.read_to_string(&mut log).await?;
    let pod = ground.wait_pod(name, "its containers ended", all_ended).await?;
    let deleted = deleted
        .as_ref()
        .and_then(deletion)
        .with_context(|| format!("{name}: the answer says when it was deleted"))?;
    let whole = time_to_end(deleted, &pod).with_context(|| format!("{name}: it says when it ended"))?;
    let own = own_share(&log)
        .with_context(|| format!("{name}: its log says when it was told to stop, and when it did: {log}"))?;
    ground.release(name).await?;

    let end = end(&pod, SIDECAR).expect("it ended");
    assert_eq!(end.exit_code, 0, "{end:?}");
    let words = end.message.as_deref().unwrap_or_default();
    let expected = format!(
        "all: not sent at the end: {} records not acknowledged by silent",
        2 * LINES
    );
    assert!(words.starts_with(&expected), "{name}: {words:?}");
    Ok([own, whole])
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_sink_holds_a_deletion_for_the_drain_time_and_what_is_left_is_counted() -> anyhow::Result<()> {
    let (_silent, ground) = dead_sink("dead-sink").await?;
    let mut late = KINDS.to_vec();
    let mut times = Vec::new();
    for attempt in 0..TRIES {
        let names: Vec<String> = late.iter().map(|(kind, _)| format!("{kind}-{attempt}")).collect();
        let pods = late.iter().zip(&names);
        let pods: Vec<Value> = pods
            .map(|((_, value), name)| held(writer(name, &native(value))))
            .collect();
        ground.apply(&pods).await?;
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        wait_until_all_is_read(&ground, &names).await?;
        let mut still_late = Vec::new();
        for (kind, name) in late.into_iter().zip(names) {
            let [own, whole] = end_of(&ground, name).await?;
            if own > DRAIN + Duration::from_millis(500) || whole > DRAIN + SLACK {
                still_late.push(kind);
            }
            println!(
                "{name}: drain {DRAIN:?}, the sidecar took {own:?}, all containers ended after {whole:?}"
            );
            times.push((name.to_owned(), own, whole));
        }
        if still_late.is_empty() {
            return Ok(());
        }
        late = still_late;
    }
    panic!("never within the drain time and {SLACK:?}: {late:?} of {times:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn pod_with_a_dead_sink_is_gone_the_drain_time_after_one_without_a_sidecar() -> anyhow::Result<()> {
    let (_silent, ground) = dead_sink("gone").await?;
    let mut pods = KINDS.map(|(kind, value)| writer(kind, &native(value))).to_vec();
    let mut control = writer(CONTROL, &json!({}));
    control["metadata"]["labels"] = json!({"logship.dev/injection": "disabled"});
    // The sidecars share a directory with it on a volume that is made for that.
    control["spec"]["volumes"] = json!([{"name": "logs", "emptyDir": {}}]);
    control["spec"]["containers"][0]["volumeMounts"] = json!([{"name": "logs", "mountPath": "/var/log/app"}]);
    pods.push(control);
    ground.apply(&pods).await?;
    wait_until_all_is_read(&ground, &KINDS.map(|(kind, _)| kind)).await?;
    ground.wait_ready(CONTROL).await?;

    let api = ground.namespace.api::<Pod>();
    let deleted = Instant::now();
    let names = KINDS.map(|(kind, _)| kind).into_iter().chain([CONTROL]);
    let deletions = names.map(async |name| api.delete(name, &DeleteParams::default()).await);
    futures::future::try_join_all(deletions).await?;
    let mut gone: BTreeMap<&str, Duration> = BTreeMap::new();
    let names: Vec<&str> = KINDS.map(|(kind, _)| kind).into_iter().chain([CONTROL]).collect();
    wait_for("every pod is gone", PATIENCE, async || {
        let left = api.list_metadata(&ListParams::default()).await?;
        let left: Vec<String> = left.items.iter().map(ResourceExt::name_any).collect();
        for name in &names {
            if !left.iter().any(|found| found == name) {
                gone.entry(name).or_insert_with(|| deleted.elapsed());
            }
        }
        Ok(if gone.len() == names.len() {
            Look::Done(())
        } else {
            Look::NotYet(left)
        })
    })
    .await?;
    println!("drain {DRAIN:?}, gone after: {gone:?}");
    let bound = (DRAIN + SLACK).max(gone[CONTROL] + DRAIN + KUBELETS_SHARE);
    for (kind, _) in KINDS {
        assert!(gone[kind] <= bound, "{kind}: {gone:?}");
    }
    Ok(())
}
