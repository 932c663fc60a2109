//! The real cluster: a namespace for each test, objects applied as a user applies them, and what can be seen of pods.

use crate::manifests::quiet_pod;
use crate::wait::{Look, PATIENCE, wait_for};
use anyhow::{Context, Result, bail};
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use kube::api::{ListParams, LogParams};
use kube::{Api, Client};
use logship_crd::names;
use logship_crd::v1alpha1::{ConditionType, LogShipping, LogShippingStatus};
use serde_json::json;
use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// A namespace of one test; it is deleted when the test ends, also when it fails.
pub struct Namespace {
    /// Its name.
    pub name: String,
    client: Client,
}

/// What a command printed, and whether it succeeded.
#[derive(Debug)]
pub struct Outcome {
    /// Exit code 0.
    pub success: bool,
    /// Standard output, then standard error.
    pub text: String,
}

/// Runs a command with `input` on its standard input.
///
/// # Errors
/// When it cannot be started or written to; a failure of the command itself is an [`Outcome`].
pub async fn run(program: &str, arguments: &[&str], input: &str) -> Result<Outcome> {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("failed to start {program}"))?;
    let mut stdin = child.stdin.take().context("standard input was piped")?;
    stdin.write_all(input.as_bytes()).await?;
    drop(stdin);
    let output = child.wait_with_output().await?;
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(Outcome {
        success: output.status.success(),
        text,
    })
}

/// Runs a command that has to succeed, and returns what it printed.
///
/// # Errors
/// When it fails, with what it printed.
pub async fn must_run(program: &str, arguments: &[&str], input: &str) -> Result<String> {
    let outcome = run(program, arguments, input).await?;
    if !outcome.success {
        bail!("{program} {} failed: {}", arguments.join(" "), outcome.text);
    }
    Ok(outcome.text)
}

impl Namespace {
    /// Makes a namespace for the test `name`, with `labels` as `key=value`. The one of an earlier run may still be ending, so each
    /// process has names of its own.
    ///
    /// # Errors
    /// When the cluster is not reachable.
    pub async fn create(name: &str, labels: &[&str]) -> Result<Self> {
        let name = &format!("{name}-{}", std::process::id());
        let client = Client::try_default()
            .await
            .context("failed to reach the cluster; run this by `make test`")?;
        let labels: BTreeMap<&str, &str> = labels.iter().filter_map(|label| label.split_once('=')).collect();
        // With its labels from the first moment: webhooks are chosen by labels that the API server may remember.
        let manifest =
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}});
        must_run("kubectl", &["create", "-f", "-"], &manifest.to_string()).await?;
        Ok(Self {
            name: name.to_owned(),
            client,
        })
    }

    /// One that opts in.
    ///
    /// # Errors
    /// As [`Namespace::create`].
    pub async fn enabled(name: &str) -> Result<Self> {
        Self::create(
            name,
            &[&format!(
                "{}={}",
                names::INJECTION_LABEL,
                names::INJECTION_ENABLED
            )],
        )
        .await
    }

    /// Access to objects of this namespace.
    pub fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        Api::namespaced(self.client.clone(), &self.name)
    }

    /// The client, for objects of other namespaces.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// `kubectl` in this namespace.
    ///
    /// # Errors
    /// When it cannot be started.
    pub async fn kubectl(&self, arguments: &[&str]) -> Result<Outcome> {
        run("kubectl", &[&["-n", &self.name], arguments].concat(), "").await
    }

    /// `kubectl` in this namespace, which has to succeed.
    ///
    /// # Errors
    /// When it fails, with what it printed.
    pub async fn must_kubectl(&self, arguments: &[&str]) -> Result<String> {
        must_run("kubectl", &[&["-n", &self.name], arguments].concat(), "").await
    }

    /// `kubectl apply` of `yaml`, which may be refused.
    ///
    /// # Errors
    /// When `kubectl` cannot be started.
    pub async fn try_apply(&self, yaml: &str) -> Result<Outcome> {
        run("kubectl", &["-n", &self.name, "apply", "-f", "-"], yaml).await
    }

    /// `kubectl apply` of `yaml`, with what it printed (warnings of admission among it).
    ///
    /// # Errors
    /// When it is refused.
    pub async fn apply(&self, yaml: &str) -> Result<String> {
        let outcome = self.try_apply(yaml).await?;
        if !outcome.success {
            bail!("failed to apply: {}\n{yaml}", outcome.text);
        }
        Ok(outcome.text)
    }

    /// Applies a `LogShipping` and waits until pods can be injected because of it.
    ///
    /// # Errors
    /// When it is refused or does not become ready.
    pub async fn ship(&self, name: &str, spec: &str) -> Result<()> {
        self.apply(&shipping(name, spec)).await?;
        self.wait_status(name, "it is ready", |status| {
            is_true(status, ConditionType::Ready)
        })
        .await?;
        Ok(())
    }

    /// Waits until the status of the `LogShipping` fulfils `condition`.
    ///
    /// # Errors
    /// When it does not in time.
    pub async fn wait_status(
        &self,
        name: &str,
        what: &str,
        condition: impl Fn(&LogShippingStatus) -> bool,
    ) -> Result<LogShippingStatus> {
        let api = self.api::<LogShipping>();
        wait_for(&format!("{name}: {what}"), PATIENCE, async || {
            let object = api.get(name).await?;
            let current = object
                .status
                .filter(|status| status.observed_generation == object.metadata.generation);
            Ok(match current {
                Some(status) if condition(&status) => Look::Done(status),
                seen => Look::NotYet(seen),
            })
        })
        .await
    }

    /// Waits until admission injects pods of this namespace, whichever replica of the operator is asked.
    ///
    /// # Errors
    /// When it does not in time.
    pub async fn wait_until_injected(&self, after: &str, patience: Duration) -> Result<()> {
        /// Each goes to any of the replicas.
        const IN_A_ROW: usize = 8;
        let what = format!("pods are injected after {after}");
        wait_for(&what, patience, async || {
            for _ in 0..IN_A_ROW {
                let create = [
                    "-n",
                    &self.name,
                    "create",
                    "--dry-run=server",
                    "-o",
                    "yaml",
                    "-f",
                    "-",
                ];
                let answer = run("kubectl", &create, &quiet_pod("app")).await?;
                if !answer.success || !answer.text.contains(names::INJECTED_ANNOTATION) {
                    return Ok(Look::NotYet(answer.text));
                }
            }
            Ok(Look::Done(()))
        })
        .await
    }

    /// The pods with a label, as `key=value`.
    ///
    /// # Errors
    /// When the API server does not answer.
    pub async fn pods(&self, selector: &str) -> Result<Vec<Pod>> {
        Ok(self
            .api::<Pod>()
            .list(&ListParams::default().labels(selector))
            .await?
            .items)
    }

    /// Waits until `count` pods with a label, and no more, are there and every one fulfils `condition`.
    ///
    /// # Errors
    /// When they do not in time.
    pub async fn wait_pods(
        &self,
        selector: &str,
        count: usize,
        what: &str,
        condition: impl Fn(&Pod) -> bool,
    ) -> Result<Vec<Pod>> {
        wait_for(
            &format!("{count} pods {selector}: {what}"),
            PATIENCE,
            async || {
                let pods = self.pods(selector).await?;
                if pods.len() == count && pods.iter().all(&condition) {
                    return Ok(Look::Done(pods));
                }
                Ok(Look::NotYet(
                    pods.into_iter()
                        .map(|pod| (pod.metadata.name, pod.status))
                        .collect::<Vec<_>>(),
                ))
            },
        )
        .await
    }

    /// What a container printed; empty where it has not started yet: then the kubelet says so, or has not even heard of the pod.
    ///
    /// # Errors
    /// When the API server does not answer.
    pub async fn logs(&self, pod: &str, container: &str, previous: bool) -> Result<String> {
        let parameters = LogParams {
            container: Some(container.to_owned()),
            previous,
            ..LogParams::default()
        };
        match self.api::<Pod>().logs(pod, &parameters).await {
            Ok(text) => Ok(text),
            Err(kube::Error::Api(status)) if matches!(status.code, 400 | 404) => Ok(String::new()),
            Err(error) => Err(error.into()),
        }
    }

    /// Ends the processes of this namespace's pods with SIGKILL: those that hold their sandboxes, or all.
    ///
    /// # Errors
    /// When none runs.
    pub async fn kill_pods(&self, what: Kill) -> Result<()> {
        let of_namespace = format!("labels.\"io.kubernetes.pod.namespace\"=={}", self.name);
        let filter = match what {
            Kill::Sandboxes => format!("{of_namespace},labels.\"io.cri-containerd.kind\"==sandbox"),
            Kill::Everything => of_namespace,
        };
        let ids = must_run("ctr", &["-n", "k8s.io", "containers", "ls", "-q", &filter], "").await?;
        let mut killed = 0;
        // Beside warnings.
        for id in ids.lines().filter(|line| !line.contains(' ')) {
            // Those of before have ended long ago.
            let arguments = ["-n", "k8s.io", "tasks", "kill", "--signal", "SIGKILL", id];
            killed += usize::from(run("ctr", &arguments, "").await?.success);
        }
        anyhow::ensure!(killed > 0, "nothing of {} runs: {ids}", self.name);
        Ok(())
    }

    /// Ends a container's process with SIGKILL, as an out-of-memory kill does.
    ///
    /// # Errors
    /// When the container does not run.
    pub async fn kill_container(&self, pod: &Pod, container: &str) -> Result<()> {
        let status = container_status(pod, container).context("the container has a status")?;
        let id = status
            .container_id
            .as_deref()
            .and_then(|id| id.strip_prefix("containerd://"));
        let id = id.with_context(|| format!("container {container} has no id"))?;
        must_run(
            "ctr",
            &["-n", "k8s.io", "tasks", "kill", "--signal", "SIGKILL", id],
            "",
        )
        .await?;
        Ok(())
    }
}

/// What of pods is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kill {
    /// The kubelet makes new ones, and starts every container anew.
    Sandboxes,
    /// As when the node's power is cut.
    Everything,
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // A namespace that stays behind ends with the cluster; there is nobody left to tell of a failure here.
        let _ = std::process::Command::new("kubectl")
            .args(["delete", "namespace", &self.name, "--wait=false"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
    }
}

/// The manifest of a `LogShipping` with `spec` as YAML, indented as it is under `spec:`.
pub fn shipping(name: &str, spec: &str) -> String {
    format!("apiVersion: logship.dev/v1alpha1\nkind: LogShipping\nmetadata: {{name: {name}}}\nspec:\n{spec}")
}

/// Whether a condition is `True`.
pub fn is_true(status: &LogShippingStatus, condition: ConditionType) -> bool {
    status
        .conditions
        .iter()
        .any(|found| found.type_ == condition.name() && found.status == "True")
}

/// Status of a container, init containers among them.
pub fn container_status<'a>(pod: &'a Pod, container: &str) -> Option<&'a ContainerStatus> {
    let status = pod.status.as_ref()?;
    let all = status
        .container_statuses
        .iter()
        .chain(&status.init_container_statuses)
        .flatten();
    all.into_iter().find(|status| status.name == container)
}

/// Whether the pod is ready.
pub fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
    conditions.is_some_and(|all| {
        all.iter()
            .any(|found| found.type_ == "Ready" && found.status == "True")
    })
}

/// Phase of a pod.
pub fn phase(pod: &Pod) -> &str {
    pod.status
        .as_ref()
        .and_then(|status| status.phase.as_deref())
        .unwrap_or("Unknown")
}

/// Whether the pod carries our sidecar, native or classic, and the annotation that says so.
pub fn is_injected(pod: &Pod) -> bool {
    let Some(spec) = &pod.spec else { return false };
    let containers = spec
        .containers
        .iter()
        .chain(spec.init_containers.iter().flatten());
    let sidecars = containers
        .filter(|container| container.name == names::SIDECAR_CONTAINER)
        .count();
    let marked = pod
        .metadata
        .annotations
        .as_ref()
        .is_some_and(|all| all.contains_key(names::INJECTED_ANNOTATION));
    sidecars == 1 && marked
}

/// Name of a pod.
pub fn name(pod: &Pod) -> &str {
    pod.metadata.name.as_deref().unwrap_or_default()
}

/// Address of a pod.
///
/// # Errors
/// When it has none yet.
pub fn address(pod: &Pod) -> Result<&str> {
    pod.status
        .as_ref()
        .and_then(|status| status.pod_ip.as_deref())
        .with_context(|| format!("pod {} has no address", name(pod)))
}
