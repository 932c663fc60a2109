//! Several resources that select one pod: one sidecar, and a pipeline of its own for each. What becomes of one is no affair of the
//! others.

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Pod;
use logship_crd::names::{LEFT_OUT_ANNOTATION, SIDECAR_ADMIN_PORT};
use logship_crd::v1alpha1::{ConditionType, LogShipping};
use logship_tests::cluster::{
    Namespace, address, container_status, is_injected, is_ready, is_true, shipping,
};
use logship_tests::peers::{self, HttpSink};
use logship_tests::wait::{Look, PATIENCE, wait_for};
use logship_tests::{TOOLS_IMAGE, oracle, release};
use serde_json::Value;

/// A resource whose pipeline takes the container's output to this sink.
fn output_to(url: &str) -> String {
    format!(
        "  selector: {{}}
  sources: [{{name: output, containerOutput: {{}}}}]
  sinks: [{{name: hub, http: {{url: '{url}'}}}}]
"
    )
}

/// A pod that writes numbered lines until it has written as many as its file /tmp/lines says, with a rest after each hundred.
fn counting_pod(rest_ms: usize) -> String {
    let script = format!(
        "n=0; while :; do while [ $n -lt $(cat /tmp/lines 2>/dev/null || echo 0) ]; do \
         i=0; while [ $i -lt 100 ]; do echo \"web=$n;\"; n=$((n + 1)); i=$((i + 1)); done; usleep {rest_ms}000; done; usleep 50000; done"
    );
    format!(
        "{{apiVersion: v1, kind: Pod, metadata: {{name: web, labels: {{app: web}}}}, spec: {{terminationGracePeriodSeconds: 1, \
         containers: [{{name: web, image: '{TOOLS_IMAGE}', imagePullPolicy: Never, command: [sh, -c, {}]}}]}}}}",
        Value::from(script)
    )
}

/// Has the pod write lines up to this number, a multiple of a hundred.
async fn write_up_to(namespace: &Namespace, lines: usize) -> Result<()> {
    let script = format!("echo {lines} >/tmp/new && mv /tmp/new /tmp/lines");
    namespace
        .must_kubectl(&["exec", "web", "-c", "web", "--", "sh", "-c", &script])
        .await
        .map(drop)
}

/// Waits until the sink has each of so many lines, and none twice.
async fn wait_for_lines(what: &str, sink: &HttpSink, lines: usize) -> Result<()> {
    wait_for(&format!("{what} has {lines} lines"), PATIENCE, async || {
        let found = oracle::lines(&sink.received(), "web").len();
        Ok(if found >= lines {
            Look::Done(())
        } else {
            Look::NotYet(found)
        })
    })
    .await?;
    oracle::each_once(&sink.received(), "web", lines).map(drop)
}

async fn started(namespace: &Namespace) -> Result<Pod> {
    let mut pods = namespace
        .wait_pods("app=web", 1, "ready and injected", |pod| {
            is_ready(pod) && is_injected(pod)
        })
        .await?;
    pods.pop().context("one pod")
}

/// Waits until the sidecar runs the pipelines of these resources.
async fn wait_for_pipelines(pod: &Pod, expected: &[&str]) -> Result<()> {
    let url = format!("http://{}:{SIDECAR_ADMIN_PORT}/status", address(pod)?);
    wait_for(&format!("the sidecar runs {expected:?}"), PATIENCE, async || {
        let status: Value =
            serde_json::from_str(&peers::get(&url).await.unwrap_or_default()).unwrap_or_default();
        let pipelines = status["pipelines"].as_array().cloned().unwrap_or_default();
        let mut names: Vec<String> = pipelines
            .iter()
            .filter_map(|pipeline| pipeline["name"].as_str().map(str::to_owned))
            .collect();
        names.sort();
        Ok(if names == expected {
            Look::Done(())
        } else {
            Look::NotYet((names, status))
        })
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resource_goes_and_comes_again_and_the_stream_of_the_other_is_untouched() -> Result<()> {
    release::ensure_installed().await?;
    let (stays, goes) = (HttpSink::start().await?, HttpSink::start().await?);
    let namespace = Namespace::enabled("several").await?;
    namespace.ship("goes", &output_to(&goes.url)).await?;
    namespace.ship("stays", &output_to(&stays.url)).await?;
    namespace.apply(&counting_pod(250)).await?;
    let pod = started(&namespace).await?;
    wait_for_pipelines(&pod, &["goes", "stays"]).await?;
    write_up_to(&namespace, 500).await?;
    wait_for_lines("the resource that stays", &stays, 500).await?;
    wait_for_lines("the resource that goes", &goes, 500).await?;

    // Lines are written all the while, so that a stream that is opened again or changed has something to lose.
    write_up_to(&namespace, 4_000).await?;
    namespace.must_kubectl(&["delete", "logshipping", "goes"]).await?;
    wait_for_pipelines(&pod, &["stays"]).await?;
    write_up_to(&namespace, 5_000).await?;
    wait_for_lines("the resource that stays", &stays, 5_000).await?;

    // Its ConfigMap has a place in this pod, so it comes back without a new one.
    namespace.ship("goes", &output_to(&goes.url)).await?;
    wait_for_pipelines(&pod, &["goes", "stays"]).await?;
    write_up_to(&namespace, 6_000).await?;
    wait_for_lines("the resource that stays", &stays, 6_000).await?;
    wait_for_lines("the resource that came again", &goes, 6_000).await?;
    let now = started(&namespace).await?;
    ensure!(now.metadata.uid == pod.metadata.uid);
    let restarts = container_status(&now, "logship").map(|status| status.restart_count);
    ensure!(restarts == Some(0), "restarts of the sidecar: {restarts:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resource_whose_sink_does_not_answer_holds_up_no_other() -> Result<()> {
    const LINES: usize = 20_000;
    release::ensure_installed().await?;
    let (alive, dead) = (HttpSink::start().await?, HttpSink::start().await?);
    dead.hold();
    let namespace = Namespace::enabled("dead-sink").await?;
    namespace.ship("alive", &output_to(&alive.url)).await?;
    let small = format!("{}  limits: {{inFlightBytes: 64Ki}}\n", output_to(&dead.url));
    namespace.ship("dead", &small).await?;
    namespace.apply(&counting_pod(1)).await?;
    let pod = started(&namespace).await?;
    wait_for_pipelines(&pod, &["alive", "dead"]).await?;
    write_up_to(&namespace, LINES).await?;
    wait_for_lines("the resource whose sink answers", &alive, LINES).await?;
    ensure!(dead.size() == 0, "the other sink answered");
    dead.release();
    wait_for_lines("the resource whose sink answers late", &dead, LINES).await
}

/// A resource that wants this volume at the application's log directory.
fn files_on(volume: &str, url: &str) -> String {
    format!(
        "  selector: {{}}
  sources: [{{name: log, files: {{directory: /logs, pattern: log$, volume: {{name: {volume}}}, scanInterval: 1s}}}}]
  sinks: [{{name: hub, http: {{url: '{url}'}}}}]
"
    )
}

fn logging_pod() -> String {
    format!(
        "{{apiVersion: v1, kind: Pod, metadata: {{name: web, labels: {{app: web}}}}, spec: {{terminationGracePeriodSeconds: 1, \
         volumes: [{{name: one, emptyDir: {{}}}}, {{name: other, emptyDir: {{}}}}], \
         containers: [{{name: web, image: '{TOOLS_IMAGE}', imagePullPolicy: Never, command: [sh, -c, 'echo \"web=0;\" >/logs/a.log; exec sleep 100000']}}]}}}}"
    )
}

/// Waits until the condition `Compatible` is as expected; returns its message.
async fn wait_for_compatible(namespace: &Namespace, name: &str, expected: bool) -> Result<String> {
    let status = namespace
        .wait_status(name, &format!("Compatible is {expected}"), |status| {
            is_true(status, ConditionType::Compatible) == expected
        })
        .await?;
    let condition = status
        .conditions
        .into_iter()
        .find(|condition| condition.type_ == ConditionType::Compatible.name());
    Ok(condition.context("it is there")?.message)
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_that_want_different_volumes_at_one_directory_the_older_is_served_and_both_say_so()
-> Result<()> {
    release::ensure_installed().await?;
    let (older, younger) = (HttpSink::start().await?, HttpSink::start().await?);
    let namespace = Namespace::enabled("conflict").await?;
    // Against the order of names. Times of creation are whole seconds.
    namespace.ship("z-older", &files_on("one", &older.url)).await?;
    let resources = namespace.api::<LogShipping>();
    let created =
        async |name: &str| -> Result<_> { Ok(resources.get(name).await?.metadata.creation_timestamp) };
    let first = created("z-older").await?;
    wait_for("the younger is younger", PATIENCE, async || {
        namespace
            .apply(&shipping("a-younger", &files_on("other", &younger.url)))
            .await?;
        if created("a-younger").await? > first {
            return Ok(Look::Done(()));
        }
        namespace
            .must_kubectl(&["delete", "logshipping", "a-younger"])
            .await?;
        Ok(Look::NotYet(()))
    })
    .await?;
    wait_for_compatible(&namespace, "a-younger", true).await?;

    let said = namespace.apply(&logging_pod()).await?;
    ensure!(
        said.contains("LogShipping a-younger is left out of this pod in favour of z-older"),
        "{said}"
    );
    let pod = started(&namespace).await?;
    ensure!(
        pod.metadata
            .annotations
            .is_some_and(|all| all.contains_key(LEFT_OUT_ANNOTATION))
    );
    wait_for_lines("the older", &older, 1).await?;
    let message = wait_for_compatible(&namespace, "z-older", false).await?;
    ensure!(
        message.contains("for example web: LogShipping a-younger is left out"),
        "{message}"
    );
    let message = wait_for_compatible(&namespace, "a-younger", false).await?;
    ensure!(
        message.contains("because LogShipping z-older came first"),
        "{message}"
    );
    let status = namespace
        .wait_status("a-younger", "its pod is counted as missed", |status| {
            status.pods.missed == 1
        })
        .await?;
    ensure!(
        status
            .recent_skips
            .first()
            .is_some_and(|skip| skip.reason == "Conflict"),
        "{status:?}"
    );
    ensure!(younger.size() == 0);

    namespace
        .must_kubectl(&["delete", "logshipping", "z-older"])
        .await?;
    namespace.must_kubectl(&["delete", "pod", "web"]).await?;
    let said = namespace.apply(&logging_pod()).await?;
    ensure!(!said.contains("left out"), "{said}");
    started(&namespace).await?;
    wait_for_lines("the younger", &younger, 1).await?;
    wait_for_compatible(&namespace, "a-younger", true).await.map(drop)
}
