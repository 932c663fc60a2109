//! The sidecar's own binary, which follows the output of a real pod's containers through the real API server, with a token of a
//! real account. It is a process on the node, so that the test decides about its connections and its token.

use crate::cluster::Namespace;
use crate::peers::get;
use crate::peers::process::{Process, free_port};
use crate::peers::shipper::binary;
use crate::wait::{Look, PATIENCE, wait_for};
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::Command;

/// Where the kubelet mounts tokens; the process has a mount of its own there.
const MOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// Mounts its first argument there and becomes the rest.
const MOUNTED: &str = "mkdir -p \"$1\" && mount --bind \"$0\" \"$1\" && shift && exec \"$@\"";
/// The account whose tokens are used.
const ACCOUNT: &str = "follower";

/// What is followed, and where to.
#[derive(Debug)]
pub struct Task<'a> {
    /// The pod.
    pub pod: &'a str,
    /// Its containers.
    pub containers: &'a [&'a str],
    /// Port of the API server on 127.0.0.1.
    pub api_port: u16,
    /// Where a [`crate::peers::HttpSink`] is.
    pub sink: &'a str,
    /// The token, of [`token`].
    pub token: &'a str,
}

/// A running sidecar.
#[derive(Debug)]
pub struct Follower {
    /// The process: to stop, kill and start again.
    pub process: Process,
    port: u16,
}

/// The account that may read the output of pods of a namespace.
///
/// # Errors
/// When the API server refuses it.
pub async fn allow(namespace: &Namespace) -> Result<()> {
    let rights = format!(
        "apiVersion: v1
kind: ServiceAccount
metadata: {{name: {ACCOUNT}}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {{name: {ACCOUNT}}}
rules: [{{apiGroups: [''], resources: [pods, pods/log], verbs: [get]}}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{name: {ACCOUNT}}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: {ACCOUNT}}}
subjects: [{{kind: ServiceAccount, name: {ACCOUNT}}}]
"
    );
    namespace.apply(&rights).await.map(drop)
}

/// A token of that account, for ten minutes, which is the least that the API server gives. With the name of a Secret it ends with that.
///
/// # Errors
/// When the API server refuses it.
pub async fn token(namespace: &Namespace, bound_to: Option<&str>) -> Result<String> {
    let mut arguments = vec!["create", "token", ACCOUNT, "--duration=10m"];
    if let Some(secret) = bound_to {
        arguments.extend(["--bound-object-kind=Secret", "--bound-object-name", secret]);
    }
    let token = namespace.must_kubectl(&arguments).await?;
    Ok(token.trim().to_owned())
}

impl Follower {
    /// Starts one in the namespace.
    ///
    /// # Errors
    /// When the binary is not built or cannot be started.
    pub async fn start(namespace: &Namespace, task: &Task<'_>) -> Result<Self> {
        let authority = [
            "get",
            "configmap",
            "kube-root-ca.crt",
            "-o",
            r"jsonpath={.data.ca\.crt}",
        ];
        let authority = namespace.must_kubectl(&authority).await?;
        let document = json!({
            "version": 1, "name": "shop", "drainMs": 5000,
            "sources": [{"name": "output", "containerOutput": {"containers": task.containers}}],
            "sinks": [{"name": "hub", "http": {"url": task.sink, "timeoutMs": 120_000, "compression": "none"}, "batch": {"maxBytes": 262_144, "maxAgeMs": 100}}],
            // So that a sink which does not answer is soon felt.
            "limits": {"inFlightBytes": 1 << 20},
        });
        let directory = tempfile::tempdir()?;
        let [config, state, mount] = ["config", "state", "mount"].map(|name| directory.path().join(name));
        for folder in [&config, &state, &mount] {
            fs::create_dir(folder)?;
        }
        fs::write(config.join("shop.json"), document.to_string())?;
        fs::write(mount.join("ca.crt"), authority)?;
        write_token(&mount, task.token)?;
        let port = free_port()?;
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "sh", "-c", MOUNTED])
            .arg(&mount)
            .arg(MOUNT)
            .arg(binary()?)
            .args(["run", &format!("--admin-port={port}")])
            .arg("--config-dir")
            .arg(config)
            .arg("--state-dir")
            .arg(state)
            .env("POD_NAME", task.pod)
            .env("POD_NAMESPACE", &namespace.name)
            .env("KUBERNETES_SERVICE_HOST", "127.0.0.1")
            .env("KUBERNETES_SERVICE_PORT", task.api_port.to_string());
        let process = Process::start("logship", directory, &command)?;
        Ok(Self { process, port })
    }

    /// Puts another token in the place of the one before, at once, as the kubelet does.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn rotate(&self, token: &str) -> Result<()> {
        write_token(&self.process.directory().join("mount"), token)
    }

    /// What `/status` says of its only pipeline.
    ///
    /// # Errors
    /// When nobody answers.
    pub async fn status(&self) -> Result<Value> {
        let status = get(&format!("http://127.0.0.1:{}/status", self.port)).await?;
        let status: Value = serde_json::from_str(&status)?;
        Ok(status["pipelines"][0].clone())
    }

    /// The value of one of its metrics that has no labels.
    ///
    /// # Errors
    /// When nobody answers, or it has no such metric.
    pub async fn metric(&self, name: &str) -> Result<u64> {
        let text = get(&format!("http://127.0.0.1:{}/metrics", self.port)).await?;
        let sample = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        Ok(sample
            .with_context(|| format!("there is no metric {name}"))?
            .parse()?)
    }

    /// Waits until it has read the output of every container to some extent.
    ///
    /// # Errors
    /// When it takes too long.
    pub async fn wait_until_following(&self) -> Result<()> {
        wait_for("the sidecar follows", PATIENCE, async || {
            // Nobody listens in the first moment.
            let status = self.status().await.unwrap_or_default();
            let containers = status["containers"].as_array().cloned().unwrap_or_default();
            let reads = |container: &Value| container["records"].as_u64().unwrap_or_default() > 0;
            Ok(if !containers.is_empty() && containers.iter().all(reads) {
                Look::Done(())
            } else {
                Look::NotYet((status, self.process.said()))
            })
        })
        .await
    }
}

/// A new file in the place of the old, because half a token must never be read.
fn write_token(mount: &Path, token: &str) -> Result<()> {
    let new = mount.join("token.new");
    fs::write(&new, token)?;
    Ok(fs::rename(new, mount.join("token"))?)
}
