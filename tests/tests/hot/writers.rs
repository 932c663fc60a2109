//! Pods that write numbered lines without a pause, and the proof that each arrived once.

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use logship_crd::names::{CONFIG_KEY, config_map};
use logship_crd::v1alpha1::{ConditionType, LogShippingStatus};
use logship_tests::cluster::{Namespace, is_injected, is_ready, name};
use logship_tests::peers::HttpSink;
use logship_tests::wait::{Look, PATIENCE, wait_for};
use logship_tests::{TOOLS_IMAGE, oracle};
use std::collections::BTreeSet;

/// Numbers of one pod: the lines of its output from the beginning, those of its file from the middle.
const NUMBERS: usize = 1_000_000;

/// A hundred lines a second to standard output, and as many to a file, until it is told to stop; then it says how many it were.
const SCRIPT: &str = "mkdir -p /var/log/app; i=0; while [ ! -e /tmp/stop ]; do for _ in 1 2 3 4 5; do \
    echo \"/?request=$((BASE + i));\"; echo \"/?request=$((BASE + 500000 + i));\" >> /var/log/app/app.log; i=$((i + 1)); done; \
    sleep 0.05; done; echo $i > /tmp/count; exec sleep 100000";

/// The pods `web-0`, `web-1`, …, ready and injected.
pub async fn start(namespace: &Namespace, count: usize) -> Result<Vec<Pod>> {
    for number in 0..count {
        let base = number * NUMBERS;
        namespace
            .apply(&format!(
                "apiVersion: v1
kind: Pod
metadata: {{name: web-{number}, labels: {{app: web}}}}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: app
    image: {TOOLS_IMAGE}
    imagePullPolicy: Never
    env: [{{name: BASE, value: '{base}'}}]
    command: [sh, -c, '{SCRIPT}']
"
            ))
            .await?;
    }
    let mut pods = namespace
        .wait_pods("app=web", count, "ready and injected", |pod| {
            is_ready(pod) && is_injected(pod)
        })
        .await?;
    pods.sort_by_key(|pod| name(pod).to_owned());
    Ok(pods)
}

/// Has them stop; the numbers that they wrote to their output, and to their files if `files`.
pub async fn stop(namespace: &Namespace, pods: &[Pod], files: bool) -> Result<BTreeSet<usize>> {
    let mut written = BTreeSet::new();
    for (number, pod) in pods.iter().enumerate() {
        let script = "touch /tmp/stop; until [ -s /tmp/count ]; do sleep 0.05; done; cat /tmp/count";
        let count = namespace
            .must_kubectl(&["exec", name(pod), "-c", "app", "--", "sh", "-c", script])
            .await?;
        let count: usize = count.trim().parse().context("the writer says how many lines")?;
        let base = number * NUMBERS;
        written.extend(base..base + count);
        if files {
            written.extend(base + NUMBERS / 2..base + NUMBERS / 2 + count);
        }
    }
    Ok(written)
}

/// Waits until the sinks together have exactly these numbers, each once.
pub async fn wait_for_each_once(sinks: &[&HttpSink], written: &BTreeSet<usize>) -> Result<()> {
    let arrived = || {
        let all: String = sinks.iter().map(|sink| sink.received()).collect();
        oracle::requests(&all)
    };
    wait_for("every line arrived", PATIENCE, async || {
        let (numbers, _) = arrived();
        Ok(if numbers.is_superset(written) {
            Look::Done(())
        } else {
            let missing: Vec<_> = written.difference(&numbers).take(5).collect();
            Look::NotYet(format!(
                "{} of {}, without {missing:?}",
                numbers.len(),
                written.len()
            ))
        })
    })
    .await?;
    let (numbers, mentions) = arrived();
    ensure!(
        numbers == *written && mentions == written.len(),
        "{mentions} lines, {} of them different, for {} that were written",
        numbers.len(),
        written.len()
    );
    Ok(())
}

/// Waits until this sink takes lines that it did not have before.
pub async fn wait_for_more(sink: &HttpSink) -> Result<()> {
    let before = sink.received().len();
    wait_for("more lines arrive", PATIENCE, async || {
        Ok(match sink.received().len() {
            now if now > before => Look::Done(()),
            now => Look::NotYet(now),
        })
    })
    .await
}

/// Has the kubelet look at the volumes of the pods at once, because something about them changed.
pub async fn hasten(namespace: &Namespace) -> Result<()> {
    let now = format!("example.com/now={}", fastrand::u64(..));
    namespace
        .must_kubectl(&["annotate", "pod", "-l", "app=web", "--overwrite", &now])
        .await
        .map(drop)
}

/// The same, once the document of this generation is there.
pub async fn bring(namespace: &Namespace, shipping: &str, generation: i64) -> Result<()> {
    let written = format!("\"generation\": {generation},");
    let maps = namespace.api::<ConfigMap>();
    wait_for("the document is written", PATIENCE, async || {
        let map = maps.get(&config_map(shipping)).await?;
        let document = map
            .data
            .unwrap_or_default()
            .remove(CONFIG_KEY)
            .unwrap_or_default();
        Ok(if document.contains(&written) {
            Look::Done(())
        } else {
            Look::NotYet(document)
        })
    })
    .await?;
    hasten(namespace).await
}

/// No container of these pods was started twice.
pub async fn are_not_restarted(namespace: &Namespace, pods: &[Pod]) -> Result<()> {
    let found = namespace.pods("app=web").await?;
    ensure!(found.len() == pods.len(), "{} pods", found.len());
    for pod in found {
        let before = pods.iter().find(|before| name(before) == name(&pod));
        let is_same = before.is_some_and(|before| before.metadata.uid == pod.metadata.uid);
        ensure!(is_same, "{} is another pod", name(&pod));
        let status = pod.status.unwrap_or_default();
        let all = status
            .container_statuses
            .iter()
            .chain(&status.init_container_statuses)
            .flatten();
        for container in all {
            ensure!(container.restart_count == 0, "restarted: {container:?}");
        }
    }
    Ok(())
}

/// Status, reason and message of the condition `Applied`.
pub fn applied(status: &LogShippingStatus) -> (&str, &str, &str) {
    let name = ConditionType::Applied.name();
    let found = status.conditions.iter().find(|found| found.type_ == name);
    found.map_or(("", "", ""), |found| {
        (&found.status, &found.reason, &found.message)
    })
}

/// How many pods run which generation.
pub fn generations(status: &LogShippingStatus) -> Vec<(i64, i32)> {
    let counts = status.generations.iter();
    counts.map(|count| (count.generation, count.pods)).collect()
}
