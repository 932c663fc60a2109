//! From the first init container's line to the last line after SIGTERM: all of it is shipped, of output and of files, because a native
//! sidecar is the first to start and the last to stop, and a classic one waits for the others.

use super::ground::{Ground, KINDS, SIDECAR, container, container_with, end, native, pod};
use logship_tests::cluster::container_status;
use serde_json::json;

/// Says each thing on standard output and in a file; goes on for a second after SIGTERM.
const APPLICATION: &str = r#"say() { echo "$1"; echo "$1" >> /var/log/app/app.log; }
trap 'say "on SIGTERM"; sleep 1; say "at the very end"; exit 0' TERM
say started
while :; do sleep 0.1; done"#;
const PRE_STOP: &str = "echo 'in preStop' > /proc/1/fd/1; echo 'in preStop' >> /var/log/app/app.log; sleep 1";
const DRAIN_SECONDS: i64 = 6;
/// Until it is told that the application has ended, and until the kubelet sees that it has, too. How exactly it ends is `stop.rs`'s matter.
const KUBELETS_SECONDS: i64 = 10;

#[tokio::test(flavor = "multi_thread")]
async fn init_containers_and_the_last_words_of_pre_stop_and_sigterm_are_shipped() -> anyhow::Result<()> {
    let ground = Ground::new("last-words", |url| {
        json!({
            "selector": {},
            "sources": [
                {"name": "output", "containerOutput": {"containers": ["setup", "app"]}},
                {"name": "written", "files": {"directory": "/var/log/app", "pattern": "log$", "container": "app"}},
            ],
            "sinks": [{"name": "counter", "http": {"url": url}}],
            "sidecar": {"drain": format!("{DRAIN_SECONDS}s")},
        })
    })
    .await?;
    let pre_stop = json!({"lifecycle": {"preStop": {"exec": {"command": ["sh", "-c", PRE_STOP]}}}});
    let mut setup = container("echo 'from setup'");
    setup["name"] = json!("setup");
    for (kind, value) in KINDS {
        let mut pod = pod(
            kind,
            &native(value),
            &json!({
                "terminationGracePeriodSeconds": 30,
                "initContainers": [setup],
                "containers": [container_with(APPLICATION, &pre_stop)],
            }),
        );
        // So that its end can be seen.
        pod["metadata"]["finalizers"] = json!(["example.org/held"]);
        ground.apply(&[pod]).await?;
    }

    for (kind, _) in KINDS {
        let pod = ground.wait_ready(kind).await?;
        let spec = pod.spec.as_ref().expect("a pod has a spec");
        let first = spec.init_containers.as_ref().map(|all| all[0].name.as_str());
        assert_eq!(first, Some(if kind == "native" { SIDECAR } else { "setup" }));
        ground
            .wait_for_each_once(&[(kind, "output", "started"), (kind, "written", "started")])
            .await?;
        ground.delete(kind).await?;
    }
    let mut expected = Vec::new();
    for (kind, _) in KINDS {
        expected.push((kind, "output", "from setup"));
        for source in ["output", "written"] {
            for text in ["started", "in preStop", "on SIGTERM", "at the very end"] {
                expected.push((kind, source, text));
            }
        }
    }
    ground.wait_for_each_once(&expected).await?;
    for (kind, _) in KINDS {
        let ended = |pod: &k8s_openapi::api::core::v1::Pod| {
            ["app", SIDECAR]
                .iter()
                .all(|container| end(pod, container).is_some())
        };
        let pod = ground.wait_pod(kind, "its containers ended", ended).await?;
        ground.release(kind).await?;
        let (app, sidecar) = (
            end(&pod, "app").expect("it ended"),
            end(&pod, SIDECAR).expect("it ended"),
        );
        assert_eq!((app.exit_code, sidecar.exit_code), (0, 0), "{kind}");
        let second = |end: &k8s_openapi::api::core::v1::ContainerStateTerminated| {
            end.finished_at
                .as_ref()
                .map(|time| time.0.as_second())
                .unwrap_or_default()
        };
        let longer = second(sidecar) - second(app);
        assert!(
            (0..=DRAIN_SECONDS + KUBELETS_SECONDS).contains(&longer),
            "{kind}: the sidecar ended {longer} s after the application"
        );
        assert_eq!(
            container_status(&pod, SIDECAR).map(|status| status.restart_count),
            Some(0)
        );
    }
    Ok(())
}
