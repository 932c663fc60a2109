//! The API server of the test cluster: where it listens, what it was asked, and its end.

use crate::program::{Program, state};
use crate::wait::{Look, wait_for};
use anyhow::{Context, Result};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use tokio::time::Instant;

/// Where it listens; its certificate is good for that address.
pub const ADDRESS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 6443);
const PROGRAM: Program = Program {
    process: "kube-apiserver",
    mark: "apiserver-away",
};

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

/// Kills it as a power cut would, and has it started again with the same arguments after this time.
///
/// # Errors
/// When it does not run.
pub async fn away_for(time: Duration) -> Result<()> {
    PROGRAM.kill()?;
    let killed = Instant::now();
    let over = wait_for("the outage is over", 2 * time, async || {
        let so_far = killed.elapsed();
        Ok(if so_far >= time {
            Look::Done(())
        } else {
            Look::NotYet(so_far)
        })
    });
    over.await?;
    PROGRAM.start()
}

/// The addresses that are connected to it, also those that it has not accepted yet: it listens seconds before it answers.
///
/// # Errors
/// When the kernel does not tell.
pub fn connected() -> Result<BTreeSet<Ipv4Addr>> {
    const ESTABLISHED: &str = "01";
    /// Hexadecimal digits of an address of version 4, also at the end of one that is mapped into version 6 (RFC 4291).
    const DIGITS: usize = 8;
    let here = format!(":{:04X}", ADDRESS.port());
    let client = |line: &str| {
        let mut words = line.split_whitespace().skip(1);
        let (local, remote, state) = (words.next()?, words.next()?, words.next()?);
        let remote = remote.split(':').next()?;
        let address = u32::from_str_radix(&remote[remote.len().checked_sub(DIGITS)?..], 16).ok()?;
        // proc(5): as it lies in memory.
        (local.ends_with(&here) && state == ESTABLISHED).then(|| Ipv4Addr::from(address.to_ne_bytes()))
    };
    let mut clients = BTreeSet::new();
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        clients.extend(fs::read_to_string(table)?.lines().filter_map(client));
    }
    Ok(clients)
}
