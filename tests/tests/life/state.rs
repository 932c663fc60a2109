//! State on a PersistentVolumeClaim: a pod of a StatefulSet that is made anew goes on where the old one stopped, nothing twice and nothing
//! lost, although its sink was dead meanwhile; the archive of errors and the summary outlive it.

use super::ground::{Ground, container_with};
use super::volume::Volume;
use anyhow::Result;
use logship_tests::wait::{Look, PATIENCE, wait_for};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;

const POD: &str = "web-0";
/// Lines that are written before the sink dies, and while it is dead; every tenth is an error.
const BEFORE: usize = 100;
const MEANWHILE: usize = 150;

/// Writes lines of these numbers when it is told to.
const WRITE: &str = r#"for number in $(seq $0 $1); do
    [ $((number % 10)) = 0 ] && level=ERROR || level=INFO
    echo "$level line $number"
done >> /var/log/app/app.log"#;

fn spec(url: &str) -> Value {
    json!({
        "selector": {},
        "sources": [{"name": "written", "files": {"directory": "/var/log/app", "pattern": "log$"}}],
        "pipeline": [{"severity": {}}],
        "sinks": [
            {"name": "counter", "http": {"url": url}},
            {"name": "errors", "when": "severity == 'ERROR'", "file": {"path": "archive/errors.log", "format": "text"}},
            {"name": "summary", "file": {"path": "summary.log", "format": "text", "summary": {"interval": "1s"}}},
        ],
        "sidecar": {"drain": "1s", "state": {"persistentVolumeClaim": {"claimName": "state"}}},
    })
}

fn web() -> Value {
    let logs = json!({"volumeMounts": [{"name": "logs", "mountPath": "/var/log/app"}]});
    json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "web"},
        "spec": {
            "serviceName": "none",
            "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": {
                // Time enough for the sidecar to end by itself: one that is killed may write a line of its summary again.
                "terminationGracePeriodSeconds": 20,
                "containers": [container_with("trap 'exit 0' TERM; while :; do sleep 0.1; done", &logs)],
                "volumes": [{"name": "logs", "persistentVolumeClaim": {"claimName": "logs"}}],
            }},
        },
    })
}

async fn write(ground: &Ground, from: usize, to: usize) -> Result<()> {
    let (from, to) = (from.to_string(), (to - 1).to_string());
    let command = ["exec", POD, "-c", "app", "--", "sh", "-c", WRITE, &from, &to];
    ground.namespace.must_kubectl(&command).await.map(drop)
}

/// The numbers of the lines that arrived; none may have arrived twice.
fn numbers(ground: &Ground) -> Result<BTreeSet<usize>> {
    let arrivals = ground.arrivals();
    let twice: Vec<_> = arrivals.iter().filter(|(_, count)| **count > 1).collect();
    anyhow::ensure!(twice.is_empty(), "arrived more than once: {twice:?}");
    let number = |text: &str| text.rsplit(' ').next()?.parse().ok();
    Ok(arrivals.keys().filter_map(|(_, _, text)| number(text)).collect())
}

async fn wait_for_lines(ground: &Ground, count: usize) -> Result<()> {
    wait_for("the lines arrived", PATIENCE, async || {
        let arrived = numbers(ground)?;
        Ok(if arrived == (0..count).collect() {
            Look::Done(())
        } else {
            Look::NotYet(arrived.len())
        })
    })
    .await
}

/// Records that the lines of the summary speak of, all together.
fn summed(path: &Path) -> Result<(u64, u64)> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let mut sum = (0, 0);
    // The last line may be half there.
    for line in text.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
        let line: Value = serde_json::from_str(line)?;
        sum.0 += line["records"].as_u64().unwrap_or_default();
        sum.1 += line["severities"]["ERROR"].as_u64().unwrap_or_default();
    }
    Ok(sum)
}

#[tokio::test(flavor = "multi_thread")]
async fn recreated_pod_of_a_stateful_set_goes_on_and_its_archive_outlives_it() -> anyhow::Result<()> {
    let ground = Ground::new("state", spec).await?;
    let state = Volume::new(&ground, "state", 0o777).await?;
    let logs = Volume::new(&ground, "logs", 0o777).await?;
    ground.apply(&[web()]).await?;
    let first = ground.wait_ready(POD).await?;
    write(&ground, 0, BEFORE).await?;
    wait_for_lines(&ground, BEFORE).await?;

    ground.sink.refuse(true);
    write(&ground, BEFORE, BEFORE + MEANWHILE).await?;
    ground.delete(POD).await?;
    let is_new = |pod: &k8s_openapi::api::core::v1::Pod| {
        pod.metadata.uid != first.metadata.uid && logship_tests::cluster::is_ready(pod)
    };
    ground.wait_pod(POD, "it is made anew", is_new).await?;
    assert_eq!(numbers(&ground)?.len(), BEFORE, "the sink was dead");
    ground.sink.refuse(false);
    wait_for_lines(&ground, BEFORE + MEANWHILE).await?;

    let total = (BEFORE + MEANWHILE) as u64;
    let summary = state.path(POD).join("summary.log");
    let all_summed = async || {
        let sum = summed(&summary)?;
        Ok(if sum == (total, total / 10) {
            Look::Done(())
        } else {
            Look::NotYet(sum)
        })
    };
    wait_for("the summary counts every record once", PATIENCE, all_summed).await?;
    ground
        .namespace
        .must_kubectl(&["delete", "statefulset", "web", "--wait=true"])
        .await?;
    ground.namespace.wait_pods("app=web", 0, "gone", |_| true).await?;
    let archive = std::fs::read_to_string(state.path(POD).join("archive/errors.log"))?;
    let expected: BTreeSet<String> = (0..BEFORE + MEANWHILE)
        .step_by(10)
        .map(|number| format!("ERROR line {number}"))
        .collect();
    let archived: Vec<&str> = archive.lines().collect();
    let distinct: BTreeSet<String> = archived.iter().map(|&line| line.to_owned()).collect();
    assert_eq!(distinct, expected, "the archive has every error");
    assert_eq!(
        summed(&summary)?,
        (total, total / 10),
        "the summary outlives the pod"
    );
    assert!(logs.path("app.log").exists());
    Ok(())
}
