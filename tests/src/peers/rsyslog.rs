//! An rsyslog daemon that takes syslog over TCP and writes it to a file.

use super::process::{Process, free_port};
use anyhow::{Context, Result};
use serde_json::Value;
use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::path::PathBuf;
use std::process::Command;

/// A running daemon.
#[derive(Debug)]
pub struct Rsyslog {
    /// Port of the loopback address: syslog over TCP, with octet counting or one message a line.
    pub port: u16,
    /// The process: to stop, kill and start again at the same port.
    pub process: Process,
    output: PathBuf,
}

impl Rsyslog {
    /// Starts one.
    ///
    /// # Errors
    /// When it is not installed or does not get ready.
    pub async fn start() -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let output = directory.path().join("received.json");
        let port = free_port()?;
        let file = directory.path().join("rsyslog.conf");
        fs::write(&file, configuration(port, &output.display().to_string()))?;
        let mut command = Command::new("rsyslogd");
        command
            .arg("-n")
            .arg("-f")
            .arg(file)
            .arg("-i")
            .arg(directory.path().join("pid"));
        let process = Process::start("rsyslog", directory, &command)?;
        let mut daemon = Self {
            port,
            process,
            output,
        };
        daemon.wait_until_ready().await?;
        Ok(daemon)
    }

    /// Starts it again, at the same port and with what it had received, after it was stopped or killed.
    ///
    /// # Errors
    /// When it does not get ready.
    pub async fn start_again(&mut self) -> Result<()> {
        self.process.start_again()?;
        self.wait_until_ready().await
    }

    async fn wait_until_ready(&mut self) -> Result<()> {
        let address = (Ipv4Addr::LOCALHOST, self.port);
        self.process
            .wait_until("listens", async |_| TcpStream::connect(address).is_ok())
            .await
    }

    /// The messages that it took: objects with `message`, `severity`, `facility`, `host`, `app`, `procid`, `msgid`, `time` and
    /// `structured` as it understood them. An unfinished last line is left for the next look.
    ///
    /// # Errors
    /// When the file is not what the template writes.
    pub fn received(&self) -> Result<Vec<Value>> {
        let text = fs::read_to_string(&self.output).unwrap_or_default();
        text.split_inclusive('\n')
            .filter(|line| line.ends_with('\n'))
            .map(|line| serde_json::from_str(line).with_context(|| format!("failed to parse {line}")))
            .collect()
    }
}

fn configuration(port: u16, output: &str) -> String {
    let property = |name: &str, property: &str| {
        format!("property(outname=\"{name}\" name=\"{property}\" format=\"jsonf\")")
    };
    let fields = [
        property("message", "msg"),
        property("severity", "syslogseverity-text"),
        property("facility", "syslogfacility-text"),
        property("host", "hostname"),
        property("app", "app-name"),
        property("procid", "procid"),
        property("msgid", "msgid"),
        property("structured", "structured-data"),
        property("time", "timereported\" dateFormat=\"rfc3339"),
    ]
    .join("\n");
    format!(
        "global(maxMessageSize=\"1m\" parser.escapeControlCharactersOnReceive=\"off\")
module(load=\"imtcp\")
input(type=\"imtcp\" address=\"127.0.0.1\" port=\"{port}\")
template(name=\"object\" type=\"list\" option.jsonf=\"on\") {{
{fields}
}}
action(type=\"omfile\" file=\"{output}\" template=\"object\")
"
    )
}
