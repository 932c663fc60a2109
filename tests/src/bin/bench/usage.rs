//! What a process has used, as the kernel tells it while the process lives.

use anyhow::{Context, Result};
use std::fs;
use std::time::Duration;

/// Of one process with all its threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// User and system time.
    pub cpu: Duration,
    /// Resident memory.
    pub rss_bytes: u64,
    /// The most that it was.
    pub rss_bytes_max: u64,
}

impl Usage {
    /// Of the process now.
    ///
    /// # Errors
    /// When it has ended.
    pub fn of(process: u32) -> Result<Self> {
        let read = |file: String| fs::read_to_string(&file).with_context(|| format!("failed to read {file}"));
        let status = read(format!("/proc/{process}/status"))?;
        // The threads' time is exact but leaves out threads that have ended; the process's is in hundredths of a second.
        let mut threads = Duration::ZERO;
        for thread in fs::read_dir(format!("/proc/{process}/task"))? {
            let times = fs::read_to_string(thread?.path().join("schedstat")).unwrap_or_default();
            threads += running_time(&times).unwrap_or_default();
        }
        let whole = cpu_time(&read(format!("/proc/{process}/stat"))?).context("a stat without times")?;
        Ok(Self {
            cpu: threads.max(whole),
            rss_bytes: bytes(&status, "VmRSS").context("a status without VmRSS")?,
            rss_bytes_max: bytes(&status, "VmHWM").context("a status without VmHWM")?,
        })
    }
}

/// Of /proc/PID/task/TID/schedstat: the first number is the time on a core in nanoseconds.
fn running_time(schedstat: &str) -> Option<Duration> {
    Some(Duration::from_nanos(
        schedstat.split_whitespace().next()?.parse().ok()?,
    ))
}

/// Of /proc/PID/stat: `utime` and `stime`, fields 14 and 15, in ticks, which are hundredths of a second for every program. The name
/// of the program, field 2 in parentheses, may have anything in it (proc_pid_stat(5)).
fn cpu_time(stat: &str) -> Option<Duration> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut times = fields.split_whitespace().skip(11).map(str::parse::<u64>);
    let ticks = times.next()?.ok()? + times.next()?.ok()?;
    Some(Duration::from_millis(ticks * 10))
}

/// Of /proc/PID/status: `KEY:  NUMBER kB`.
fn bytes(status: &str, key: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
    line.split_whitespace()
        .next()?
        .parse::<u64>()
        .ok()
        .map(|kib| kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_times_behind_a_strange_name() {
        let stat = "42 (a) b (c) S 1 42 42 0 -1 4194560 100 0 0 0 150 25 0 0 20 0 1 0 1 1 1";
        assert_eq!(cpu_time(stat), Some(Duration::from_millis(1_750)));
        assert_eq!(running_time("1500 20 3"), Some(Duration::from_nanos(1_500)));
    }

    #[test]
    fn reads_memory_by_its_key() {
        let status = "Name:\tx\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\n";
        assert_eq!(
            (bytes(status, "VmRSS"), bytes(status, "VmHWM")),
            (Some(1 << 20), Some(2 << 20))
        );
        assert_eq!(bytes(status, "VmSwap"), None);
    }

    #[test]
    fn tells_of_this_process() {
        let usage = Usage::of(std::process::id()).unwrap();
        assert!(usage.rss_bytes > 0 && usage.rss_bytes_max >= usage.rss_bytes);
    }
}
