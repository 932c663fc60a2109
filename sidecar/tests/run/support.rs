//! The real binary in a directory of its own, and conditions with a deadline.

use serde_json::{Value, json};
use std::fs::File;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Long enough for ten thousand files on a disk that others use, too. Only a test that fails takes so long.
pub const DEADLINE: Duration = Duration::from_secs(180);
/// How long a sink of a test waits for an answer: longer than a machine stalls, because what is given up is sent again.
pub const PATIENCE_MS: u64 = 30_000;

/// Waits until `condition` gives a value; fails with `what` after the deadline.
#[expect(clippy::disallowed_methods, reason = "tests wait in real time")]
pub fn eventually<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(begin.elapsed() < DEADLINE, "deadline: {what}");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

/// The time of an attempt that took less than `limit`, or the shortest of several: the machine may stall in one of them, what is too slow is so in
/// all of them.
pub fn shortest(limit: Duration, mut attempt: impl FnMut() -> Duration) -> Duration {
    const ATTEMPTS: usize = 4;
    let mut shortest = Duration::MAX;
    for _ in 0..ATTEMPTS {
        shortest = shortest.min(attempt());
        if shortest < limit {
            break;
        }
    }
    shortest
}

/// A place with a log directory, a state directory and a file for the standard output.
pub struct Place {
    pub root: TempDir,
}

impl Place {
    pub fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("logs")).unwrap();
        Self { root }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    pub fn append(&self, file: &str, text: &str) {
        let mut file = File::options()
            .create(true)
            .append(true)
            .open(self.path("logs").join(file))
            .unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    pub fn rename(&self, from: &str, to: &str) {
        std::fs::rename(self.path("logs").join(from), self.path("logs").join(to)).unwrap();
    }

    pub fn stdout(&self) -> String {
        std::fs::read_to_string(self.path("stdout")).unwrap_or_default()
    }

    pub fn stderr(&self) -> String {
        std::fs::read_to_string(self.path("stderr")).unwrap_or_default()
    }

    pub fn lines(&self) -> Vec<String> {
        self.stdout().lines().map(str::to_owned).collect()
    }

    /// `logship run` configured by environment variables.
    pub fn by_environment(&self) -> Command {
        self.by_environment_with_admin(0)
    }

    /// The same with the administration on this port.
    pub fn by_environment_with_admin(&self, port: u16) -> Command {
        let mut command = self.binary();
        command
            .arg("run")
            .arg(format!("--admin-port={port}"))
            .arg(format!("--config-dir={}", self.path("none").display()))
            .env("LOG_DIRECTORY", self.path("logs"))
            .env("LOG_FILE_PATTERN", r".+\.log$")
            .env("LOG_SCAN_INTERVAL", "1")
            .env("LOG_STATE_DIRECTORY", self.path("state"));
        command
    }

    /// `logship run` configured by one document with a files source `access` and these sinks.
    pub fn by_document(&self, sinks: &Value) -> Command {
        self.by_whole_document(&document(sinks), 0)
    }

    /// `logship run` configured by this document, with the administration on this port.
    pub fn by_whole_document(&self, document: &Value, admin_port: u16) -> Command {
        let directory = self.path("config");
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(directory.join("shop.json"), document.to_string()).unwrap();
        let mut command = self.binary();
        command
            .arg("run")
            .arg(format!("--admin-port={admin_port}"))
            .arg(format!("--config-dir={}", directory.display()))
            .arg(format!("--state-dir={}", self.path("state").display()))
            .env("POD_NAME", "web-0")
            .env("POD_NAMESPACE", "shop")
            .env(
                "LOGSHIP_DIRECTORIES",
                json!({"shop/access": self.path("logs")}).to_string(),
            );
        command
    }

    pub fn binary(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_logship"));
        command.env_clear();
        self.redirect(&mut command);
        command
    }

    /// Sends the output of a command to our files.
    pub fn redirect(&self, command: &mut Command) {
        let output = |name| {
            File::options()
                .create(true)
                .append(true)
                .open(self.path(name))
                .unwrap()
        };
        command
            .stdin(Stdio::null())
            .stdout(output("stdout"))
            .stderr(output("stderr"));
    }

    pub fn wait_for_lines(&self, count: usize) {
        eventually(&format!("{count} lines on stdout"), || {
            (self.lines().len() >= count).then_some(())
        });
    }
}

pub fn document(sinks: &Value) -> Value {
    json!({
        "version": 1, "name": "shop", "generation": 3, "drainMs": 5000,
        "sources": [{"name": "access", "files": {"directory": "/var/log/nginx", "pattern": r".+\.log$", "scanIntervalMs": 200, "startAt": "Beginning"}}],
        "sinks": sinks,
    })
}

/// A process that is killed when the test ends.
pub struct Running(Child);

impl Running {
    pub fn start(command: &mut Command) -> Self {
        Self(command.spawn().unwrap())
    }

    pub fn child(&self) -> &Child {
        &self.0
    }

    pub fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    pub fn terminate(mut self) -> Option<i32> {
        let pid = rustix::process::Pid::from_child(&self.0);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        eventually("the process ends", || self.0.try_wait().unwrap()).code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs to the end, with the output captured.
pub fn finish(command: &mut Command) -> Output {
    command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .output()
        .unwrap()
}

/// `line 0` to `line count-1`.
pub fn numbered(range: std::ops::Range<usize>) -> String {
    range
        .flat_map(|number| ["line ".to_owned(), number.to_string(), "\n".to_owned()])
        .collect()
}

/// Whether every number of `range` is among the lines.
pub fn all_there(lines: &[String], range: std::ops::Range<usize>) -> bool {
    let seen: std::collections::HashSet<&str> = lines.iter().map(String::as_str).collect();
    range
        .into_iter()
        .all(|number| seen.contains(format!("line {number}").as_str()))
}

pub fn exists(path: &Path) -> Option<()> {
    path.exists().then_some(())
}

/// A port that was free a moment ago, for a process that is told its port. Not one that the kernel gives to whoever connects.
pub fn free_port() -> u16 {
    let mut ports = std::iter::repeat_with(|| fastrand::u16(10_000..32_000)).take(100);
    let is_free = |port: &u16| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
    ports.find(is_free).unwrap()
}

/// The answer of the administration, head and body, once it listens.
pub fn ask_admin(port: u16, path: &str) -> String {
    let mut stream = eventually("the administration listens", || {
        TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()
    });
    write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}
