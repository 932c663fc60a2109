//! How much later an application starts because of its sidecar. Measured by the machine's own clock (`/proc/uptime`), because the times of
//! a pod's status are whole seconds: the application prints it as its first act, the test reads it when it creates the pod.
//!
//! The kubelet starts an application once it has noticed that the native sidecar runs, for which it looks once a second; that is part of what
//! is measured. The shortest of several starts is compared, because other tests use the machine, too; as long as it is too long, more rounds
//! are measured, because on a busy machine that second and the container's own start leave little to chance.
//! `LOGSHIP_START_ROUNDS=20` measures longer.

use super::ground::{Ground, container, native, pod};
use anyhow::{Context, Result};
use logship_tests::wait::{Look, PATIENCE, wait_for};
use serde_json::{Value, json};

/// Seconds that a start may take longer.
const DELAY_MAX: f64 = 1.0;
/// Rounds before the shortest starts are believed to be too long.
const ROUNDS_MAX: usize = 15;

fn uptime() -> Result<f64> {
    let text = std::fs::read_to_string("/proc/uptime")?;
    Ok(text.split(' ').next().context("it has two numbers")?.parse()?)
}

/// The kinds of pods that are compared: without a sidecar, and with one of each kind.
fn kinds() -> [(&'static str, Value); 3] {
    [
        ("none", json!({})),
        ("native", native("true")),
        ("classic", native("false")),
    ]
}

/// Seconds from the creation of a pod to the first act of its application.
async fn start(ground: &Ground, name: &str, kind: &(&str, Value)) -> Result<f64> {
    let (kind, annotations) = kind;
    let script = "cut -d' ' -f1 /proc/uptime; exec sleep 100000";
    let mut manifest = pod(name, annotations, &json!({"containers": [container(script)]}));
    if *kind == "none" {
        manifest["metadata"]["labels"] = json!({"logship.dev/injection": "disabled"});
    }
    let pods = ground.namespace.api::<k8s_openapi::api::core::v1::Pod>();
    let manifest = serde_json::from_value(manifest)?;
    let created = uptime()?;
    pods.create(&kube::api::PostParams::default(), &manifest).await?;
    let started: f64 = wait_for(&format!("{name} has started"), PATIENCE, async || {
        // Until the kubelet has heard of the pod it is "not found".
        let text = ground.namespace.logs(name, "app", false).await;
        let time = text.as_ref().ok().and_then(|text| text.trim().parse().ok());
        Ok(time.map_or(Look::NotYet(text), Look::Done))
    })
    .await?;
    ground.delete(name).await?;
    Ok(started - created)
}

/// How much longer the shortest start takes with a native and with a classic sidecar than without one.
fn delays(times: &[Vec<f64>; 3]) -> [f64; 2] {
    let [none, native, classic] = times
        .each_ref()
        .map(|times| times.iter().copied().fold(f64::INFINITY, f64::min));
    [native - none, classic - none]
}

#[tokio::test(flavor = "multi_thread")]
async fn sidecar_does_not_delay_the_start_of_the_application_by_more_than_a_second() -> anyhow::Result<()> {
    #[expect(
        clippy::disallowed_methods,
        reason = "sizes of runs come from the environment"
    )]
    let rounds = std::env::var("LOGSHIP_START_ROUNDS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(3);
    let ground = Ground::new("start", |url| {
        json!({
            "selector": {},
            "sources": [
                {"name": "output", "containerOutput": {}},
                {"name": "written", "files": {"directory": "/var/log/app", "pattern": "log$"}},
            ],
            "sinks": [{"name": "counter", "http": {"url": url}}],
        })
    })
    .await?;
    let kinds = kinds();
    let mut times = kinds.clone().map(|_| Vec::new());
    for round in 0..rounds.max(ROUNDS_MAX) {
        if round >= rounds && delays(&times).iter().all(|delay| *delay <= DELAY_MAX) {
            break;
        }
        for (kind, times) in kinds.iter().zip(&mut times) {
            times.push(start(&ground, &format!("{}-{round}", kind.0), kind).await?);
        }
    }
    for ((kind, _), times) in kinds.iter().zip(&times) {
        println!("{kind}: {times:.2?} s");
    }
    for (kind, delay) in ["native", "classic"].into_iter().zip(delays(&times)) {
        assert!(
            delay <= DELAY_MAX,
            "a {kind} sidecar delays the start by {delay:.2} s"
        );
    }
    Ok(())
}
