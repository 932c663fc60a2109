//! The end of a pod: what it writes last is shipped before it is gone.

use super::writers::{container, numbered};
use anyhow::Result;
use k8s_openapi::api::core::v1::Pod;
use logship_tests::cluster::{Namespace, is_injected, is_ready};
use logship_tests::peers::HttpSink;
use logship_tests::wait::{Look, PATIENCE, wait_for};
use logship_tests::{oracle, release};

#[tokio::test(flavor = "multi_thread")]
async fn lines_that_a_pod_writes_when_it_is_deleted_arrive() -> Result<()> {
    const LINES: usize = 2_000;
    release::ensure_installed().await?;
    let sink = HttpSink::start().await?;
    let namespace = Namespace::enabled("deleted").await?;
    let spec = format!(
        "  selector: {{}}
  sources: [{{name: output, containerOutput: {{}}}}]
  sinks: [{{name: hub, http: {{url: '{}'}}}}]
",
        sink.url
    );
    namespace.ship("all", &spec).await?;
    let (first, last) = (
        numbered("web", 0..LINES / 2, 100, ""),
        numbered("web", LINES / 2..LINES, 1_000, ""),
    );
    let script = format!(
        "first='{first}'; last='{last}'; trap 'awk \"$last\"; exit 0' TERM; awk \"$first\"; while :; do sleep 0.1; done"
    );
    let web = container("web", &script);
    namespace
        .apply(&format!(
            "{{apiVersion: v1, kind: Pod, metadata: {{name: web, labels: {{app: web}}}}, spec: {{containers: [{web}]}}}}"
        ))
        .await?;
    namespace
        .wait_pods("app=web", 1, "ready and injected", |pod| {
            is_ready(pod) && is_injected(pod)
        })
        .await?;
    // It is told to stop only once it is there to hear it.
    wait_for("the first line arrives", PATIENCE, async || {
        Ok(match sink.size() {
            0 => Look::NotYet(()),
            _ => Look::Done(()),
        })
    })
    .await?;
    namespace
        .must_kubectl(&["delete", "pod", "web", "--wait=false"])
        .await?;
    let pods = namespace.api::<Pod>();
    wait_for("the pod is gone", PATIENCE, async || {
        Ok(match pods.get_opt("web").await? {
            None => Look::Done(()),
            Some(pod) => Look::NotYet(pod.status),
        })
    })
    .await?;
    oracle::each_once(&sink.received(), "web", LINES).map(drop)
}
