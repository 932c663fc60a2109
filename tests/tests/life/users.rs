//! Files that not everybody may read. Where the pod says who writes them, the sidecar runs as that user and reads them; where it does
//! not, the log, `/status` and `/metrics` say so, with the path, whose file it is, who we are and what to set. Set that, and it ships.

use super::ground::{Ground, SIDECAR, container, pod, restarts, status};
use anyhow::Result;
use k8s_openapi::api::core::v1::Pod;
use logship_tests::cluster::address;
use logship_tests::peers;
use logship_tests::wait::{Look, PATIENCE, wait_for};
use serde_json::{Value, json};

/// Nobody's uid in the image of the tests.
const NOBODY: u32 = 65534;

/// Writes a file of this mode.
fn script(mode: &str) -> String {
    format!(
        "cd /var/log/app; echo \"of $HOSTNAME\" > new; chmod {mode} new; mv new app.log; exec sleep 100000"
    )
}

/// The same as a user that only the container knows.
fn as_nobody(mode: &str) -> String {
    format!("exec su nobody -s /bin/sh -c '{}'", script(mode))
}

fn writer(name: &str, pod_context: &Value, container_context: &Value, script: &str) -> Value {
    let mut container = container(script);
    container["securityContext"] = container_context.clone();
    pod(
        name,
        &json!({}),
        &json!({"securityContext": pod_context, "containers": [container]}),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_their_owner_alone_are_shipped_or_it_is_said_what_to_set() -> anyhow::Result<()> {
    let ground = Ground::new("users", |url| {
        json!({
            "selector": {},
            "sources": [{"name": "written", "files": {"directory": "/var/log/app", "pattern": "^app.log$", "scanInterval": "1s"}}],
            "sinks": [{"name": "counter", "http": {"url": url}}],
        })
    })
    .await?;
    let none = json!({});
    let (only_owner, group) = (script("600"), script("640"));
    ground
        .apply(&[
            writer(
                "user-of-container",
                &none,
                &json!({"runAsUser": 1000, "runAsGroup": 1000}),
                &only_owner,
            ),
            writer("user-of-pod", &json!({"runAsUser": 1001}), &none, &only_owner),
            writer(
                "user-and-group",
                &json!({"runAsUser": 1001, "fsGroup": 2000}),
                &json!({"runAsUser": 1002}),
                &only_owner,
            ),
            writer("root-and-group", &json!({"fsGroup": 2000}), &none, &group),
            writer("as-said", &json!({"runAsUser": NOBODY}), &none, &only_owner),
            writer("root-alone", &none, &none, &only_owner),
            writer("unknown-user", &none, &none, &as_nobody("600")),
        ])
        .await?;
    let shipped = [
        "user-of-container",
        "user-of-pod",
        "user-and-group",
        "root-and-group",
        "as-said",
    ];
    let lines: Vec<String> = shipped.iter().map(|name| format!("of {name}")).collect();
    let expected: Vec<_> = shipped
        .iter()
        .zip(&lines)
        .map(|(name, line)| (*name, "written", line.as_str()))
        .collect();
    ground.wait_for_each_once(&expected).await?;

    let root = [
        "app.log: Permission denied",
        "uid 0's",
        "mode 0600",
        "we run as uid 65532",
        "securityContext.runAsUser",
    ];
    is_reported(&ground, "root-alone", &root).await?;
    // What it asks for is what the pod "as-said" has.
    let owner = format!("uid {NOBODY}'s");
    let remedy = format!("set securityContext.runAsUser: {NOBODY}");
    is_reported(
        &ground,
        "unknown-user",
        &[
            "app.log: Permission denied",
            &owner,
            "mode 0600",
            "we run as uid 65532",
            &remedy,
        ],
    )
    .await?;
    assert_eq!(ground.arrivals().len(), shipped.len(), "{:?}", ground.arrivals());
    Ok(())
}

/// Whether the log, the status and the metrics of a pod's sidecar speak of a file that it cannot read, and the pod is well otherwise.
async fn is_reported(ground: &Ground, name: &str, parts: &[&str]) -> Result<()> {
    let pod: Pod = ground.wait_ready(name).await?;
    let metrics = format!("http://{}:9465/metrics", address(&pod)?);
    wait_for(
        &format!("{name}: status, log and metrics say it"),
        PATIENCE,
        async || {
            let status = status(&pod).await.unwrap_or_default();
            let source = &status["pipelines"][0]["files"][0];
            let reason = source["unreadableBecause"][0].as_str().unwrap_or_default();
            let log = ground.namespace.logs(name, SIDECAR, false).await?;
            let metrics = peers::get(&metrics).await.unwrap_or_default();
            let missing: Vec<_> = parts
                .iter()
                .filter(|part| !reason.contains(**part) || !log.contains(**part))
                .collect();
            let is_counted = source["unreadable"] == 1 && metrics.contains("\nlogship_unreadable_files 1\n");
            Ok(if missing.is_empty() && is_counted {
                Look::Done(())
            } else {
                Look::NotYet(format!("without {missing:?}: {status} {log} {metrics}"))
            })
        },
    )
    .await?;
    anyhow::ensure!(restarts(&pod, SIDECAR) == Some(0), "{name}: {:?}", pod.status);
    Ok(())
}
