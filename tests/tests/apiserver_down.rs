//! The API server ends under twenty followed pods: nothing is lost, and the sidecars do not come back all at once. A program of its
//! own, because every other test needs the API server.

use anyhow::{Context, Result, ensure};
use logship_tests::cluster::{Namespace, address, is_injected, is_ready};
use logship_tests::manifests::SHIP_OUTPUT;
use logship_tests::peers::HttpSink;
use logship_tests::wait::{Look, PATIENCE, wait_for, watch_for};
use logship_tests::{TOOLS_IMAGE, api_server, oracle, release};
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;
use tokio::time::Instant;

const PODS: usize = 20;
/// Of each pod, fifty a second: it writes before, while and after the API server is away.
const LINES: usize = 1_500;
/// Long enough for the sidecars' waits to have grown to their five seconds.
const OUTAGE: Duration = Duration::from_secs(8);
/// Without jitter all of them would come within one of these.
const HERD_WINDOW: Duration = Duration::from_millis(500);
/// How many of them it may see. Twenty sidecars that wait independently have 6 in their fullest half second, and 11 once in five
/// hundred times; the API server takes the processors for its start meanwhile, which delays sidecars into each other's company.
/// What the waits themselves are like is tested with a thousand sidecars in virtual time (`engine/follow/pause.rs`).
const HERD_MAX: usize = PODS * 3 / 4;
/// Between two looks at who is connected: small beside that half second.
const LOOK: Duration = Duration::from_millis(20);

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

/// When each of these addresses was first seen to be connected to the API server, from the first of them on.
async fn connection_times(addresses: &[Ipv4Addr]) -> Result<Vec<Duration>> {
    let mut seen: BTreeMap<Ipv4Addr, Instant> = BTreeMap::new();
    watch_for("every sidecar is connected again", PATIENCE, LOOK, async || {
        for address in api_server::connected()? {
            if addresses.contains(&address) {
                seen.entry(address).or_insert_with(Instant::now);
            }
        }
        Ok(if seen.len() == addresses.len() {
            Look::Done(())
        } else {
            Look::NotYet(seen.len())
        })
    })
    .await?;
    let first = seen.values().min().copied().context("there are some")?;
    Ok(seen.into_values().map(|time| time - first).collect())
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
    let pods = namespace
        .wait_pods("app=web", PODS, "ready and injected", |pod| {
            is_ready(pod) && is_injected(pod)
        })
        .await?;
    let addresses: Vec<Ipv4Addr> = pods
        .iter()
        .map(|pod| Ok(address(pod)?.parse()?))
        .collect::<Result<_>>()?;
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

    api_server::away_for(OUTAGE).await?;
    let mut times = connection_times(&addresses).await?;
    times.sort();
    let within = |start: &Duration| {
        let window = *start..*start + HERD_WINDOW;
        times.iter().filter(|time| window.contains(time)).count()
    };
    let herd = times.iter().map(within).max().unwrap_or_default();
    println!("at most {herd} of {PODS} within {HERD_WINDOW:?}: {times:.2?}");
    ensure!(
        herd <= HERD_MAX,
        "{herd} of {PODS} came within {HERD_WINDOW:?}: {times:?}"
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

    // The operator watches again, too: what is new since is known to every replica.
    let new = Namespace::enabled("apiserver-back").await?;
    new.ship("all", SHIP_OUTPUT).await?;
    new.wait_until_injected("the outage", PATIENCE).await
}
