//! Pods that end by themselves, with every restart policy, with a native and with a classic sidecar: they end as they would without
//! one, and every line of theirs has arrived, once.

use super::ground::{Ground, KINDS, SIDECAR, container, container_with, end, native, pod, restarts};
use k8s_openapi::api::core::v1::Pod;
use logship_tests::cluster::{is_injected, phase};
use serde_json::{Value, json};

/// Fails the first time and succeeds the second. The API has the output of a run until the next one has ended, so that one takes as long as a
/// sidecar may need to start on a machine that starts many pods at once.
const SECOND_TIME: &str = "[ -e /data/once ] && { echo again; sleep 15; exit 0; }; touch /data/once; echo 'first and failed'; exit 1";
/// Ends again and again.
const FOR_EVER: &str =
    "run=$(cat /data/run 2>/dev/null || echo 0); echo \"run $run\"; echo $((run + 1)) > /data/run; sleep 4";

/// Fails as often as it is started, each time with another line.
const AT_EACH_TIME: &str = "echo failed at $(cut -d' ' -f1 /proc/uptime); exit 3";

fn spec(url: &str) -> Value {
    json!({
        "selector": {},
        "sources": [{"name": "output", "containerOutput": {}}],
        "sinks": [{"name": "counter", "http": {"url": url}}],
    })
}

fn ending(name: &str, kind: &str, value: &str, restart_policy: &str, script: &str) -> Value {
    let mounts = json!({"volumeMounts": [{"name": "data", "mountPath": "/data"}]});
    pod(
        &format!("{name}-{kind}"),
        &native(value),
        &json!({
            "restartPolicy": restart_policy,
            "containers": [container_with(script, &mounts)],
            "volumes": [{"name": "data", "emptyDir": {}}],
        }),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn pods_of_every_restart_policy_end_as_without_a_sidecar() -> anyhow::Result<()> {
    let ground = Ground::new("ends", spec).await?;
    let cases = [
        ("never-good", "Never", "echo done", "Succeeded", &["done"][..]),
        (
            "never-bad",
            "Never",
            "echo failed; exit 3",
            "Failed",
            &["failed"][..],
        ),
        (
            "on-failure",
            "OnFailure",
            SECOND_TIME,
            "Succeeded",
            &["first and failed", "again"][..],
        ),
        ("always", "Always", FOR_EVER, "Running", &["run 0", "run 1"][..]),
    ];
    let mut pods = Vec::new();
    for (name, policy, script, ..) in cases {
        pods.extend(KINDS.map(|(kind, value)| ending(name, kind, value, policy, script)));
    }
    ground.apply(&pods).await?;
    for (name, policy, _, expected, lines) in cases {
        for (kind, _) in KINDS {
            let name = format!("{name}-{kind}");
            let is_settled = |pod: &Pod| match policy {
                "Always" => restarts(pod, "app") > Some(0),
                _ => end(pod, SIDECAR).is_some(),
            };
            let of_policy = |pod: &Pod| phase(pod) == expected && is_settled(pod);
            let pod = ground
                .wait_pod(&name, "it is as its policy has it", of_policy)
                .await?;
            assert!(is_injected(&pod), "{name}");
            let code = end(&pod, SIDECAR).map(|end| end.exit_code);
            let expected = (policy != "Always").then_some(0);
            assert_eq!(code, expected, "{name}: how the sidecar ended");
            assert_eq!(
                restarts(&pod, SIDECAR),
                Some(0),
                "{name}: restarts of the sidecar"
            );
            let lines: Vec<_> = lines
                .iter()
                .map(|line| (name.as_str(), "output", *line))
                .collect();
            ground.wait_for_each_once(&lines).await?;
        }
    }
    Ok(())
}

fn job(name: &str, kind: &str, value: &str, restart_policy: &str, script: &str) -> Value {
    json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": format!("{name}-{kind}")},
        "spec": {"backoffLimit": 0, "template": {
            "metadata": {"annotations": native(value)},
            "spec": {"restartPolicy": restart_policy, "containers": [container(script)]},
        }},
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_and_cron_jobs_finish_also_when_they_fail() -> anyhow::Result<()> {
    let ground = Ground::new("jobs", spec).await?;
    let cases = [
        ("good", "Never", "echo done", "complete"),
        ("bad", "Never", "echo failed; exit 3", "failed"),
        ("good-on-failure", "OnFailure", "echo done", "complete"),
        ("bad-on-failure", "OnFailure", AT_EACH_TIME, "failed"),
    ];
    let mut objects = Vec::new();
    for (name, policy, script, _) in cases {
        objects.extend(KINDS.map(|(kind, value)| job(name, kind, value, policy, script)));
    }
    for (kind, value) in KINDS {
        let mut cron = job("cron", kind, value, "Never", "echo done");
        cron["kind"] = json!("CronJob");
        cron["spec"] = json!({"schedule": "0 0 1 1 *", "jobTemplate": {"spec": cron["spec"]}});
        objects.push(cron);
    }
    ground.apply(&objects).await?;
    for (kind, _) in KINDS {
        let from = format!("--from=cronjob/cron-{kind}");
        let arguments = ["create", "job", &from, &format!("by-cron-{kind}")];
        ground.namespace.must_kubectl(&arguments).await?;
    }
    for (kind, _) in KINDS {
        for (name, _, script, condition) in cases.into_iter().chain([("by-cron", "", "done", "complete")]) {
            let job = format!("{name}-{kind}");
            let arguments = [
                "wait",
                &format!("--for=condition={condition}"),
                &format!("job/{job}"),
                "--timeout=240s",
            ];
            ground.namespace.must_kubectl(&arguments).await?;
            let line = if script.contains("done") { "done" } else { "failed" };
            ground
                .wait_for_each_once(&[(&format!("{job}-"), "output", line)])
                .await?;
        }
    }
    Ok(())
}
