//! A pod is deleted while its sink is dead: it is gone within the drain time and two seconds more, and what was not sent is counted in
//! the sidecar's last words.

use super::ground::{Ground, KINDS, SIDECAR, container, end, native, pod};
use anyhow::Result;
use k8s_openapi::api::core::v1::Pod;
use logship_tests::NODE_ADDRESS;
use logship_tests::wait::{Look, PATIENCE, wait_for};
use serde_json::{Value, json};
use std::net::TcpListener;
use std::time::{Duration, Instant};

const DRAIN: Duration = Duration::from_secs(3);
const SLACK: Duration = Duration::from_secs(2);
const LINES: usize = 40;

/// A pod that has written and goes on until it is told to stop, which it does at once.
fn writer(name: &str, value: &str) -> Value {
    let script = format!(
        "trap 'exit 0' TERM; for number in $(seq {LINES}); do echo \"line $number\"; done | tee /var/log/app/app.log; \
         while :; do sleep 0.1; done"
    );
    pod(
        name,
        &native(value),
        &json!({"terminationGracePeriodSeconds": 30, "containers": [container(&script)]}),
    )
}

async fn wait_until_gone(ground: &Ground, name: &str) -> Result<Duration> {
    #[expect(clippy::disallowed_methods, reason = "the time of a stop is real")]
    let begin = Instant::now();
    ground.delete(name).await?;
    let pods = ground.namespace.api::<Pod>();
    wait_for(&format!("{name} is gone"), PATIENCE, async || {
        Ok(match pods.get_opt(name).await? {
            None => Look::Done(begin.elapsed()),
            Some(pod) => Look::NotYet(pod.status),
        })
    })
    .await
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
    let mut pods: Vec<Value> = KINDS.iter().map(|(kind, value)| writer(kind, value)).collect();
    pods.extend(KINDS.map(|(kind, value)| {
        let mut held = writer(&format!("held-{kind}"), value);
        held["metadata"]["finalizers"] = json!(["example.org/held"]);
        held
    }));
    let mut none = writer("none", "true");
    none["metadata"]["labels"] = json!({"logship.dev/injection": "disabled"});
    none["spec"]["containers"][0]["volumeMounts"] = json!([{"name": "logs", "mountPath": "/var/log/app"}]);
    none["spec"]["volumes"] = json!([{"name": "logs", "emptyDir": {}}]);
    ground.apply(&[none]).await?;
    ground.wait_ready("none").await?;
    ground.apply(&pods).await?;
    let names = pods.iter().filter_map(|pod| pod["metadata"]["name"].as_str());
    for name in names {
        let pod = ground.wait_ready(name).await?;
        wait_for(&format!("{name}: all is read and waits"), PATIENCE, async || {
            let status = super::ground::status(&pod).await?;
            let waiting = status["pipelines"][0]["sinks"][0]["unacknowledged"].as_u64();
            Ok(if waiting == Some(2 * LINES as u64) {
                Look::Done(())
            } else {
                Look::NotYet(status)
            })
        })
        .await?;
    }
    let [none, native, classic] = ["none", "native", "classic"].map(|name| wait_until_gone(&ground, name));
    let (none, native, classic) = futures::try_join!(none, native, classic)?;
    println!(
        "gone after: without {none:?}, native {native:?}, classic {classic:?}, with a drain time of {DRAIN:?}"
    );
    for (kind, _) in KINDS {
        let name = format!("held-{kind}");
        println!("{} delete", jiffy()?);
        ground.delete(&name).await?;
        println!("{} deleted", jiffy()?);
        let ended = |pod: &Pod| end(pod, SIDECAR).is_some();
        let pod = ground.wait_pod(&name, "the sidecar ended", ended).await?;
        println!("{} seen", jiffy()?);
        println!("{}", ground.namespace.logs(&name, SIDECAR, false).await?);
        println!("{:?}", pod.status);
        ground.release(&name).await?;
        let end = end(&pod, SIDECAR).expect("it ended");
        assert_eq!(end.exit_code, 0, "{end:?}");
        let words = end.message.as_deref().unwrap_or_default();
        let expected = format!(
            "all: not sent at the end: {} records not acknowledged by silent",
            2 * LINES
        );
        assert!(words.starts_with(&expected), "{kind}: {words:?}");
    }
    // A cluster that is busy takes its time for every pod.
    let own = SLACK.max(none + Duration::from_secs(1));
    for (kind, time) in [("native", native), ("classic", classic)] {
        assert!(time <= DRAIN + own, "{kind}: gone only after {time:?}");
    }
    Ok(())
}

fn jiffy() -> Result<String> { Ok(String::from_utf8(std::process::Command::new("date").arg("+%T.%N").output()?.stdout)?.trim().to_owned()) }
