//! A process of the test's own: started in a folder of its own, waited for by a condition, gone with its handle.

use crate::wait::{Look, wait_for};
use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// The longest time for a start or a stop while other tests use the machine; the slowest peer takes 8 s on an idle one.
const PATIENCE: Duration = Duration::from_secs(90);
/// How many lines of what a process said are in the message about its failure.
const SAID_LINES: usize = 20;

/// A program that runs until it is stopped or the handle is dropped; its folder is removed with the handle.
#[derive(Debug)]
pub struct Process {
    name: &'static str,
    command: Command,
    child: Option<Child>,
    directory: TempDir,
}

impl Process {
    /// Runs `command` with `directory` as its working directory; what it says goes to a file there. It ends with the calling thread
    /// even if that is killed.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub fn start(name: &'static str, directory: TempDir, command: &Command) -> Result<Self> {
        let mut command = mortal(command);
        command.current_dir(directory.path()).stdin(Stdio::null());
        let mut process = Self {
            name,
            command,
            child: None,
            directory,
        };
        process.start_again()?;
        Ok(process)
    }

    /// Runs the same command again after [`Self::stop`] or [`Self::kill`].
    ///
    /// # Errors
    /// When the program cannot be started.
    pub fn start_again(&mut self) -> Result<()> {
        let log =
            File::create(self.log()).with_context(|| format!("failed to create the log of {}", self.name))?;
        self.command.stdout(log.try_clone()?).stderr(log);
        let child = self.command.spawn();
        self.child = Some(child.with_context(|| format!("failed to start {}", self.name))?);
        Ok(())
    }

    /// Its process id; none when it is stopped.
    pub fn id(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Where it keeps its things.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// What it has said on its standard output and error since it was started.
    pub fn said(&self) -> String {
        fs::read(self.log()).map_or_else(
            |_| String::new(),
            |bytes| String::from_utf8_lossy(&bytes).into_owned(),
        )
    }

    /// Waits for a condition that the process is to bring about.
    ///
    /// # Errors
    /// When the process ends before, or the time is over: with the end of what it said.
    pub async fn wait_until(&mut self, what: &str, mut holds: impl AsyncFnMut(&Self) -> bool) -> Result<()> {
        let what = format!("{} {what}", self.name);
        let look = async || {
            if let Some(status) = self.child.as_mut().map(Child::try_wait).transpose()?.flatten() {
                bail!("{} ended with {status}", self.name);
            }
            Ok(if holds(self).await {
                Look::Done(())
            } else {
                Look::NotYet(())
            })
        };
        let waited = wait_for(&what, PATIENCE, look).await;
        waited.with_context(|| {
            let said = self.said();
            let tail: Vec<&str> = said.lines().rev().take(SAID_LINES).collect();
            format!("{} said, latest first: {}", self.name, tail.join("\n"))
        })
    }

    /// Ends it as an operator of it would, with SIGTERM, and waits for its end.
    ///
    /// # Errors
    /// When it does not end in time; then it is killed.
    pub async fn stop(&mut self) -> Result<Option<ExitStatus>> {
        let Some(mut child) = self.child.take() else {
            return Ok(None);
        };
        kill_process(Pid::from_child(&child), Signal::TERM)?;
        let ended = wait_for("the process ends", PATIENCE, async || {
            Ok(child.try_wait()?.map_or(Look::NotYet(self.name), Look::Done))
        })
        .await;
        if ended.is_err() {
            end(&mut child);
        }
        ended.map(Some)
    }

    /// Ends it as a power cut would.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            end(&mut child);
        }
    }

    fn log(&self) -> PathBuf {
        self.directory.path().join("said.log")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The same command, started by setpriv(1), which has the kernel end it with its parent and then becomes it.
fn mortal(command: &Command) -> Command {
    let mut mortal = Command::new("setpriv");
    mortal
        .args(["--pdeathsig", "KILL", "--"])
        .arg(command.get_program())
        .args(command.get_args());
    mortal.envs(
        command
            .get_envs()
            .filter_map(|(name, value)| Some((name, value?))),
    );
    mortal
}

/// Both fail only for a child that was waited for.
fn end(child: &mut Child) {
    child.kill().ok();
    child.wait().ok();
}

/// A TCP port of the loopback address that was free a moment ago, for a program that cannot choose one itself. Not one of those that
/// the kernel gives to whoever connects or asks for any port (`ip_local_port_range`): it could be gone before the program listens.
///
/// # Errors
/// When there is none.
pub fn free_port() -> Result<u16> {
    let port = || fastrand::u16(10_000..32_000);
    let is_free = |port: &u16| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
    let mut ports = std::iter::repeat_with(port).take(100);
    ports.find(is_free).context("failed to find a free port")
}

/// The folder of a peer in the cache; `tests/peers/build` builds it when it is not there yet.
///
/// # Errors
/// When it cannot be built.
pub fn built(peer: &str) -> Result<PathBuf> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/build");
    let output = Command::new(&script)
        .arg(peer)
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("failed to run {}", script.display()))?;
    if !output.status.success() {
        bail!("failed to build the peer {peer}: {}", output.status);
    }
    Ok(PathBuf::from(String::from_utf8(output.stdout)?.trim_end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn wait_for_stat(process: u32, what: &str) {
        wait_for(what, PATIENCE, async || {
            let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
            Ok(if stat.contains(what) {
                Look::Done(())
            } else {
                Look::NotYet(stat)
            })
        })
        .await
        .unwrap();
    }

    #[tokio::test]
    async fn ends_with_the_thread_that_started_it_although_its_handle_is_lost() {
        let (to_main, started) = tokio::sync::oneshot::channel();
        let (to_thread, end) = std::sync::mpsc::channel::<()>();
        let thread = std::thread::spawn(move || {
            let mut command = Command::new("sleep");
            command.arg("1000");
            let process = Process::start("sleep", tempfile::tempdir().unwrap(), &command).unwrap();
            to_main.send(process.id().unwrap()).unwrap();
            std::mem::forget(process);
            end.recv().ok();
        });
        let process = started.await.unwrap();
        wait_for_stat(process, "(sleep) S").await;
        drop(to_thread);
        thread.join().unwrap();
        wait_for_stat(process, "(sleep) Z").await;
    }
}
