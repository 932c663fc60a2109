//! The API server of the test cluster as a process: where it listens, what it was asked, and its end.

use crate::wait::{Look, wait_for};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;
use tokio::net::TcpStream;

/// Where it listens; its certificate is good for that address.
pub const ADDRESS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 6443);
/// As the kernel tells it: at most 15 letters.
const PROCESS: &str = "kube-apiserver";
/// A start takes five seconds on an idle machine.
const START: Duration = Duration::from_secs(90);

/// A request that a pod's account made for a pod or for its output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Name of the pod that was asked for.
    pub pod: String,
    /// Path and query.
    pub target: String,
    /// When it arrived, RFC 3339 with microseconds.
    pub at: String,
}

/// What the accounts of a namespace asked for in it, in order. It is in the audit log before the answer.
///
/// # Errors
/// When the log cannot be read.
pub fn asked(namespace: &str) -> Result<Vec<Asked>> {
    let path = state()?.join("logs/audit.log");
    let log = fs::read_to_string(&path).with_context(|| format!("failed to read {}", path.display()))?;
    let event = |line: &str| {
        // The last line may be half there.
        let event: Value = serde_json::from_str(line).ok()?;
        let text = |value: &Value| value.as_str().map(str::to_owned);
        (event["objectRef"]["namespace"] == namespace).then_some(())?;
        Some(Asked {
            pod: text(&event["objectRef"]["name"])?,
            target: text(&event["requestURI"])?,
            at: text(&event["requestReceivedTimestamp"])?,
        })
    };
    Ok(log.lines().filter_map(event).collect())
}

/// Kills it as a power cut would, and waits until it is back with the same arguments.
///
/// # Errors
/// When it does not come back in time.
pub async fn restart() -> Result<()> {
    let before = process()?.context("the API server does not run")?;
    // `tests/cluster/inner.d/control.sh` starts it again because of this file.
    fs::write(state()?.join("restart-apiserver"), "")?;
    let process_id = rustix::process::Pid::from_raw(before).context("a process has a number")?;
    rustix::process::kill_process(process_id, rustix::process::Signal::KILL)?;
    wait_for("the API server is back", START, async || {
        let runs = process()?.is_some_and(|now| now != before);
        let listens = TcpStream::connect(ADDRESS).await.is_ok();
        Ok(if runs && listens {
            Look::Done(())
        } else {
            Look::NotYet((runs, listens))
        })
    })
    .await
}

/// The only process of this name: a cluster has a process namespace of its own.
fn process() -> Result<Option<i32>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let entry = entry?;
        let Some(number) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        // It may have ended by now.
        let name = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
        if name.trim_end() == PROCESS {
            found.push(number);
        }
    }
    ensure!(
        found.len() < 2,
        "several processes are called {PROCESS}: {found:?}"
    );
    Ok(found.pop())
}

/// Where the cluster keeps its things.
fn state() -> Result<PathBuf> {
    let config = std::env::var_os("KUBECONFIG").context("KUBECONFIG is not set; run this by `make test`")?;
    let folder = PathBuf::from(config);
    Ok(folder
        .parent()
        .context("KUBECONFIG is a file in a folder")?
        .to_owned())
}
