//! A changed pipeline and sink, a change that sidecars refuse, and one that running pods cannot take over.

use crate::writers::{
    applied, are_not_restarted, bring, generations, start, stop, wait_for_each_once, wait_for_more,
};
use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::jiff::Timestamp;
use logship_crd::names::{CONFIG_VOLUME, SIDECAR_CONTAINER};
use logship_tests::cluster::{Namespace, name, shipping};
use logship_tests::peers::HttpSink;
use logship_tests::release;
use std::path::Path;
use std::time::Duration;

/// What a change takes after the kubelet has brought it. The machine may stall just then, so several changes of several pods are measured, and
/// at least half of them have to be within it: a sidecar that does not notice at once looks every five seconds.
const OURS: Duration = Duration::from_secs(1);

/// Output and file of the pods to `sink`, marked with `version`; `more` sources and steps.
fn spec(sink: &HttpSink, version: &str, more: [&str; 2]) -> String {
    let [source, step] = more;
    format!(
        "  selector: {{matchLabels: {{app: web}}}}
  sources:
  - {{name: output, containerOutput: {{}}}}
  - {{name: file, files: {{directory: /var/log/app, pattern: 'app\\.log$', scanInterval: 1s}}}}
{source}  pipeline:
  - set: {{fields: {{version: {version}}}}}
{step}  sinks:
  - {{name: hub, http: {{url: '{}'}}}}
",
        sink.url
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_reaches_running_pods_without_restart_and_loss_and_the_status_says_who_runs_what()
-> Result<()> {
    release::ensure_installed().await?;
    let (old, new) = (HttpSink::start().await?, HttpSink::start().await?);
    let namespace = Namespace::enabled("hot").await?;
    namespace.ship("web", &spec(&old, "v1", ["", ""])).await?;
    let pods = start(&namespace, 3).await?;
    namespace
        .wait_status("web", "all run generation 1", |status| {
            generations(status) == [(1, 3)] && status.pods.current == 3 && applied(status).0 == "True"
        })
        .await?;
    wait_for_more(&old).await?;

    // Another sink and another pipeline, in the kubelet's own time.
    namespace
        .apply(&shipping("web", &spec(&new, "v2", ["", ""])))
        .await?;
    namespace
        .wait_status("web", "some still run generation 1", |status| {
            let is_pending = generations(status).contains(&(1, 3 - status.pods.current))
                && status.pods.current < 3
                && applied(status).1 == "Pending";
            // The kubelet may have brought it to all of them before anybody was asked.
            is_pending || status.pods.current == 3
        })
        .await?;
    namespace
        .wait_status("web", "all run generation 2", |status| {
            generations(status) == [(2, 3)] && status.pods.current == 3 && applied(status).0 == "True"
        })
        .await?;
    let mut took = our_parts(&namespace, &pods, 2).await?;
    wait_for_more(&new).await?;

    // `when` is compiled by the sidecar alone, so only it can find the mistake.
    let mistaken = spec(&new, "v3", ["", "  - drop: {when: 'status ='}\n"]);
    namespace.apply(&shipping("web", &mistaken)).await?;
    bring(&namespace, "web", 3).await?;
    let status = namespace
        .wait_status("web", "all refuse generation 3", |status| {
            status.refusals.len() == 3
        })
        .await?;
    let (status_text, reason, message) = applied(&status);
    ensure!((status_text, reason) == ("False", "Refused"), "{status:?}");
    for part in [
        "web-0 refuses generation 3 and goes on with generation 2",
        "web.json:",
        "when",
    ] {
        ensure!(message.contains(part), "{part} is not in: {message}");
    }
    let refusal = &status.refusals[2];
    ensure!(
        refusal.pod == "web-2" && refusal.generation == Some(3) && has_place(&refusal.message),
        "{refusal:?}"
    );
    ensure!(
        generations(&status) == [(2, 3)] && status.pods.current == 0,
        "{status:?}"
    );
    wait_for_more(&new).await?;

    // Corrected, and with a directory that running pods do not share.
    let source = "  - {name: other, files: {directory: /var/log/other, pattern: '.'}}\n";
    namespace
        .apply(&shipping("web", &spec(&new, "v4", [source, ""])))
        .await?;
    bring(&namespace, "web", 4).await?;
    let status = namespace
        .wait_status("web", "all run generation 4 and are outdated", |status| {
            generations(status) == [(4, 3)] && status.pods.outdated == 3 && applied(status).0 == "True"
        })
        .await?;
    took.extend(our_parts(&namespace, &pods, 4).await?);
    took.sort_unstable();
    ensure!(took[(took.len() - 1) / 2] <= OURS, "{took:?}");
    ensure!(
        status.refusals.is_empty() && applied(&status).2.contains("outdated"),
        "{status:?}"
    );
    let described = namespace
        .must_kubectl(&["describe", "logshipping", "web"])
        .await?;
    for part in ["Generations:", "Current:", "3 of 3 pods run generation 4"] {
        ensure!(described.contains(part), "{part} is not in: {described}");
    }
    wait_for_more(&new).await?;

    let written = stop(&namespace, &pods, true).await?;
    wait_for_each_once(&[&old, &new], &written).await?;
    let marks = |sink: &HttpSink, version: &str| {
        let mark = format!("\"version\":\"{version}\"");
        sink.received()
            .lines()
            .filter(|line| line.contains(&mark))
            .count()
    };
    let lines = |sink: &HttpSink| sink.received().lines().count();
    ensure!(
        marks(&old, "v1") == lines(&old),
        "the old sink has something else than v1"
    );
    ensure!(marks(&new, "v3") == 0, "a refused pipeline ran");
    ensure!(
        marks(&new, "v2") > 0 && marks(&new, "v2") + marks(&new, "v4") == lines(&new),
        "of the new sink"
    );
    are_not_restarted(&namespace, &pods).await
}

/// Whether the text names a line and a column of the document.
fn has_place(text: &str) -> bool {
    let Some((_, rest)) = text.split_once("web.json:") else {
        return false;
    };
    let mut numbers = rest.split(':').map(str::parse::<u32>);
    matches!((numbers.next(), numbers.next()), (Some(Ok(_)), Some(Ok(_))))
}

/// For each of the pods: see [`our_part`].
async fn our_parts(namespace: &Namespace, pods: &[Pod], generation: i64) -> Result<Vec<Duration>> {
    let mut took = Vec::new();
    for pod in pods {
        took.push(our_part(namespace, pod, generation).await?);
    }
    Ok(took)
}

/// From the moment when the kubelet exchanged the documents in the pod's volume to the one when the sidecar said that it runs them.
async fn our_part(namespace: &Namespace, pod: &Pod, generation: i64) -> Result<Duration> {
    let log = ["logs", name(pod), "-c", SIDECAR_CONTAINER, "--timestamps"];
    let log = namespace.must_kubectl(&log).await?;
    let generation = format!("\"generation\":{generation}");
    let said = log
        .lines()
        .find(|line| line.contains("the changed pipeline runs") && line.contains(&generation));
    let said = said.with_context(|| format!("{} says that it runs {generation}: {log}", name(pod)))?;
    let said: Timestamp = said.split(' ').next().unwrap_or_default().parse()?;
    let brought = Timestamp::try_from(brought(pod)?)?;
    ensure!(said >= brought, "{said} is before {brought}");
    Ok(Duration::try_from(said.duration_since(brought))?)
}

/// When the kubelet made the link to the newest documents. Kubelet and test are on one node.
fn brought(pod: &Pod) -> Result<std::time::SystemTime> {
    let kubeconfig = std::env::var_os("KUBECONFIG").context("tests/cluster/enter sets KUBECONFIG")?;
    let cluster = Path::new(&kubeconfig)
        .parent()
        .context("it is in the cluster's folder")?;
    let uid = pod.metadata.uid.as_deref().context("a pod has a uid")?;
    let volume = cluster
        .join("kubelet/pods")
        .join(uid)
        .join("volumes/kubernetes.io~projected")
        .join(CONFIG_VOLUME);
    let link = std::fs::symlink_metadata(volume.join("..data"))
        .with_context(|| format!("failed to look at {}", volume.display()))?;
    Ok(link.modified()?)
}
