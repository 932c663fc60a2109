//! How much later an application starts because of its sidecar. Measured by the machine's own clock (`/proc/uptime`), because the times of
//! a pod's status are whole seconds: the application prints it as its first act, the test reads it when it creates the pod.
//!
//! With a native sidecar, the kubelet looks at a pod again when it has noticed that the sidecar runs, which it looks for once a second:
//! that second is the kubelet's for every native sidecar, whatever it does. So each is compared with one that only sleeps.
//! `LOGSHIP_START_ROUNDS=20` measures longer.

use super::ground::{Ground, container, native, pod};
use anyhow::{Context, Result};
use logship_tests::TOOLS_IMAGE;
use logship_tests::wait::{Look, PATIENCE, wait_for};
use serde_json::{Value, json};

/// Seconds that a start may take longer.
const DELAY_MAX: f64 = 1.0;

fn uptime() -> Result<f64> {
    let text = std::fs::read_to_string("/proc/uptime")?;
    Ok(text.split(' ').next().context("it has two numbers")?.parse()?)
}

/// The kinds of pods that are compared: without a sidecar, with one that sleeps, with ours.
fn kinds() -> [(&'static str, Value, Value); 4] {
    let (plain, sleeping) = (
        json!([]),
        json!([{
            "name": "sleeping", "image": TOOLS_IMAGE, "imagePullPolicy": "Never", "restartPolicy": "Always",
            "command": ["sleep", "100000"],
        }]),
    );
    [
        ("none", json!({}), plain.clone()),
        ("sleeping", json!({}), sleeping),
        ("native", native("true"), plain.clone()),
        ("classic", native("false"), plain),
    ]
}

/// Seconds from the creation of a pod to the first act of its application.
async fn start(ground: &Ground, name: &str, kind: &(&str, Value, Value)) -> Result<f64> {
    let (kind, annotations, init) = kind;
    let script = "cut -d' ' -f1 /proc/uptime; exec sleep 100000";
    let mut manifest = pod(
        name,
        annotations,
        &json!({"initContainers": init, "containers": [container(script)]}),
    );
    if matches!(*kind, "none" | "sleeping") {
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

fn median(times: &mut [f64]) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
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
    for round in 0..rounds {
        for (kind, times) in kinds.iter().zip(&mut times) {
            times.push(start(&ground, &format!("{}-{round}", kind.0), kind).await?);
        }
    }
    for ((kind, ..), times) in kinds.iter().zip(&times) {
        println!("{kind}: {times:.2?} s");
    }
    let [none, sleeping, native, classic] = times.map(|mut times| median(&mut times));
    println!(
        "medians: without {none:.2} s, sleeping {sleeping:.2} s, native {native:.2} s, classic {classic:.2} s"
    );
    assert!(
        classic - none <= DELAY_MAX,
        "a classic sidecar delays by {:.2} s",
        classic - none
    );
    assert!(
        native - sleeping <= DELAY_MAX,
        "a native sidecar delays by {:.2} s more than one that sleeps",
        native - sleeping
    );
    Ok(())
}
