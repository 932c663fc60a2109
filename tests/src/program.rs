//! A program of the test cluster as a process that can be away for a while.

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::path::PathBuf;

/// One that `tests/cluster/inner.d` starts by `away`: again and again, unless its mark is there.
#[derive(Debug, Clone, Copy)]
pub struct Program {
    /// Its name as the kernel tells it: at most 15 letters.
    pub process: &'static str,
    /// The file that keeps it away.
    pub mark: &'static str,
}

/// The kubelet.
pub const KUBELET: Program = Program {
    process: "kubelet",
    mark: "kubelet-away",
};

impl Program {
    /// Kills it as a power cut would. It stays away until [`Program::start`].
    ///
    /// # Errors
    /// When it does not run.
    pub fn kill(self) -> Result<()> {
        let process = self
            .find()?
            .with_context(|| format!("{} does not run", self.process))?;
        fs::write(state()?.join(self.mark), "")?;
        Ok(kill_process(process, Signal::KILL)?)
    }

    /// Has it started again with the same arguments.
    ///
    /// # Errors
    /// When it was not away.
    pub fn start(self) -> Result<()> {
        Ok(fs::remove_file(state()?.join(self.mark))?)
    }

    /// The only process of this name: a cluster has a process namespace of its own.
    fn find(self) -> Result<Option<Pid>> {
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc")? {
            let entry = entry?;
            let Some(number) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
                continue;
            };
            // It may have ended by now.
            let name = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
            if name.trim_end() == self.process {
                found.extend(Pid::from_raw(number));
            }
        }
        ensure!(
            found.len() < 2,
            "several processes are called {}: {found:?}",
            self.process
        );
        Ok(found.pop())
    }
}

/// Where the cluster keeps its things.
///
/// # Errors
/// Outside of the cluster.
pub(crate) fn state() -> Result<PathBuf> {
    let config = std::env::var_os("KUBECONFIG").context("KUBECONFIG is not set; run this by `make test`")?;
    let folder = PathBuf::from(config);
    Ok(folder
        .parent()
        .context("KUBECONFIG is a file in a folder")?
        .to_owned())
}
