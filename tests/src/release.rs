//! The operator as Helm installs it.

use crate::cluster::{address, is_ready, must_run, name, run};
use crate::peers;
use crate::wait::{Look, PATIENCE, wait_for};
use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use kube::{Api, Client};
use logship_crd::names::{OPERATOR_ADMIN_PORT, WEBHOOK_PORT};
use std::path::Path;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio::time::timeout;

/// Where the operator lives.
pub const NAMESPACE: &str = "logship-system";
/// Of one connection.
const ATTEMPT: Duration = Duration::from_secs(5);

static INSTALLED: OnceCell<()> = OnceCell::const_new();

/// Installs or upgrades the chart of this tree and waits as a user does, with `--wait`. `settings` are `--set` arguments.
///
/// # Errors
/// When helm fails.
pub async fn install(settings: &[&str]) -> Result<String> {
    let chart = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/chart/logship");
    let chart = chart.to_str().context("the path of the tree is UTF-8")?;
    let images = "image.registry=localhost,image.tag=dev,image.pullPolicy=Never";
    let mut arguments = vec![
        "upgrade",
        "--install",
        "logship",
        chart,
        "-n",
        NAMESPACE,
        "--create-namespace",
        "--wait",
        "--timeout=6m",
        "--set",
        images,
    ];
    for setting in settings {
        arguments.extend(["--set", setting]);
    }
    let said = must_run("helm", &arguments, "").await?;
    wait_until_reachable().await?;
    Ok(said)
}

/// Waits until the webhook's Service leads somewhere. A replica that is ready listens, that is ours; that kube-proxy has heard of it is the
/// cluster's affair, and on a busy machine it may take a second longer.
async fn wait_until_reachable() -> Result<()> {
    let client = Client::try_default().await?;
    let is_staying = |pod: &&Pod| is_ready(pod) && pod.metadata.deletion_timestamp.is_none();
    for pod in replicas(&client).await?.iter().filter(is_staying) {
        TcpStream::connect((address(pod)?, WEBHOOK_PORT))
            .await
            .with_context(|| format!("{} is ready and does not listen", name(pod)))?;
    }
    let service = [
        "-n",
        NAMESPACE,
        "get",
        "service",
        "logship-webhook",
        "-o",
        "jsonpath={.spec.clusterIP}",
    ];
    let service = must_run("kubectl", &service, "").await?;
    wait_for("the webhook's Service leads to a replica", PATIENCE, async || {
        // Packets to a Service without endpoints are refused, or, for a moment, nobody's.
        let connected = timeout(ATTEMPT, TcpStream::connect((&*service, 443))).await;
        Ok(match connected {
            Ok(Ok(_)) => Look::Done(()),
            other => Look::NotYet(other.map(drop)),
        })
    })
    .await
}

/// Removes the release and waits until it is gone.
///
/// # Errors
/// When helm fails.
pub async fn uninstall() -> Result<String> {
    must_run(
        "helm",
        &["uninstall", "logship", "-n", NAMESPACE, "--wait", "--timeout=4m"],
        "",
    )
    .await
}

/// Sees to it that the operator is there, once in each test program.
///
/// # Errors
/// When helm fails.
pub async fn ensure_installed() -> Result<()> {
    INSTALLED
        .get_or_try_init(async || install(&[]).await.map(drop))
        .await
        .copied()
}

/// The replicas of the operator.
///
/// # Errors
/// When the API server does not answer.
pub async fn replicas(client: &Client) -> Result<Vec<Pod>> {
    let api = Api::<Pod>::namespaced(client.clone(), NAMESPACE);
    Ok(api
        .list(&ListParams::default().labels("app.kubernetes.io/component=operator"))
        .await?
        .items)
}

/// The sum over all replicas of a metric, over all its labels.
///
/// # Errors
/// When a replica does not answer.
pub async fn metric(client: &Client, name: &str) -> Result<f64> {
    let mut sum = 0.0;
    for pod in replicas(client).await? {
        let text = peers::get(&format!(
            "http://{}:{OPERATOR_ADMIN_PORT}/metrics",
            crate::cluster::address(&pod)?
        ))
        .await?;
        let samples = text
            .lines()
            .filter(|line| line.split(['{', ' ']).next() == Some(name));
        sum += samples
            .filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok())
            .sum::<f64>();
    }
    Ok(sum)
}

/// Sets the number of replicas and waits until it holds.
///
/// # Errors
/// When it does not in time.
pub async fn scale(replicas: u32) -> Result<()> {
    let replicas = format!("--replicas={replicas}");
    must_run(
        "kubectl",
        &["-n", NAMESPACE, "scale", "deployment/logship-operator", &replicas],
        "",
    )
    .await?;
    must_run(
        "kubectl",
        &[
            "-n",
            NAMESPACE,
            "rollout",
            "status",
            "deployment/logship-operator",
            "--timeout=4m",
        ],
        "",
    )
    .await?;
    if replicas.ends_with("=0") {
        let gone = [
            "-n",
            NAMESPACE,
            "wait",
            "--for=delete",
            "pod",
            "-l",
            "app.kubernetes.io/component=operator",
            "--timeout=4m",
        ];
        let outcome = run("kubectl", &gone, "").await?;
        anyhow::ensure!(
            outcome.success || outcome.text.contains("no matching resources"),
            "{}",
            outcome.text
        );
        return Ok(());
    }
    wait_until_reachable().await
}
