//! The API server ends under twenty followed pods: nothing is lost, and the sidecars do not come back all at once. A program of its
//! own, because every other test needs the API server.

use anyhow::{Context, Result, ensure};
use logship_tests::cluster::{Namespace, is_injected, is_ready};
use logship_tests::peers::HttpSink;
use logship_tests::wait::{Look, PATIENCE, wait_for};
use logship_tests::{TOOLS_IMAGE, api_server, oracle, release};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

const PODS: usize = 20;
/// Of each pod, fifty a second: it writes before, while and after the API server is away.
const LINES: usize = 1_500;
/// Without jitter all of them would come within one retry's connection time.
const HERD_WINDOW_MS: i64 = 250;

/// Each pod's lines have the last part of its name before the number, so that one sink can tell them apart.
fn writers() -> String {
    let script = format!(
        "n=0; while [ $n -lt {LINES} ]; do i=0; while [ $i -lt 10 ]; do echo \"$HOSTNAME=$n;\"; n=$((n + 1)); i=$((i + 1)); done; \
         usleep 200000; done; exec sleep 100000"
    );
    format!(
        "{{apiVersion: apps/v1, kind: StatefulSet, metadata: {{name: web}}, spec: {{replicas: {PODS}, podManagementPolicy: Parallel, \
         serviceName: web, selector: {{matchLabels: {{app: web}}}}, template: {{metadata: {{labels: {{app: web}}}}, spec: \
         {{terminationGracePeriodSeconds: 1, containers: [{{name: web, image: '{TOOLS_IMAGE}', imagePullPolicy: Never, \
         command: [sh, -c, {}]}}]}}}}}}}}",
        Value::from(script)
    )
}

/// Milliseconds since 1970 of each pod's first request after `since`.
fn first_requests(namespace: &Namespace, since: usize) -> Result<BTreeMap<String, i64>> {
    let mut first = BTreeMap::new();
    for asked in api_server::asked(&namespace.name)?.into_iter().skip(since) {
        let at: k8s_openapi::jiff::Timestamp = asked.at.parse().context("the audit log has times")?;
        first.entry(asked.pod).or_insert_with(|| at.as_millisecond());
    }
    Ok(first)
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_sidecars_lose_nothing_and_come_back_one_after_the_other() -> Result<()> {
    release::ensure_installed().await?;
    let sink = HttpSink::start().await?;
    let namespace = Namespace::enabled("apiserver-down").await?;
    let spec = format!(
        "  selector: {{}}
  sources: [{{name: output, containerOutput: {{}}}}]
  sinks: [{{name: hub, http: {{url: '{}'}}}}]
",
        sink.url
    );
    namespace.ship("all", &spec).await?;
    namespace.apply(&writers()).await?;
    namespace
        .wait_pods("app=web", PODS, "ready and injected", |pod| {
            is_ready(pod) && is_injected(pod)
        })
        .await?;
    let names: Vec<String> = (0..PODS).map(|number| format!("web-{number}")).collect();
    wait_for("every pod is followed", PATIENCE, async || {
        let text = sink.received();
        let silent: Vec<_> = names
            .iter()
            .filter(|name| oracle::lines(&text, name).is_empty())
            .collect();
        Ok(if silent.is_empty() {
            Look::Done(())
        } else {
            Look::NotYet(format!("{silent:?}"))
        })
    })
    .await?;

    let before = api_server::asked(&namespace.name)?.len();
    api_server::restart().await?;
    let first = wait_for("every sidecar is back", PATIENCE, async || {
        let first = first_requests(&namespace, before)?;
        Ok(if first.len() == PODS {
            Look::Done(first)
        } else {
            Look::NotYet(first)
        })
    })
    .await?;
    let mut times: Vec<i64> = first.into_values().collect();
    times.sort_unstable();
    let within = |start: &i64| {
        times
            .iter()
            .filter(|time| (*start..start + HERD_WINDOW_MS).contains(time))
            .count()
    };
    let herd = times.iter().map(within).max().unwrap_or_default();
    let spread: BTreeSet<i64> = times.iter().map(|time| time - times[0]).collect();
    ensure!(
        herd <= PODS / 2,
        "{herd} of {PODS} came within {HERD_WINDOW_MS} ms: {spread:?}"
    );

    wait_for("every line arrives", PATIENCE, async || {
        let text = sink.received();
        let counts: Vec<usize> = names
            .iter()
            .map(|name| oracle::lines(&text, name).len())
            .collect();
        Ok(if counts.iter().all(|count| *count >= LINES) {
            Look::Done(())
        } else {
            Look::NotYet(counts)
        })
    })
    .await?;
    let text = sink.received();
    for name in &names {
        oracle::each_once(&text, name, LINES)?;
    }
    Ok(())
}
