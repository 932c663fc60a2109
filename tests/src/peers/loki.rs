//! Grafana Loki itself, which takes pushes and answers queries. It takes minutes to build, so only tests that are ignored by
//! default use it; the Collector's receiver serves the others.

use super::client::{get, post};
use super::process::{Process, built, free_port};
use anyhow::{Context, Result};
use axum::http::StatusCode;
use serde_json::{Map, Value};
use std::fmt::Write;
use std::fs;
use std::process::Command;

/// One line as a query gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Labels of its stream and its structured metadata.
    pub labels: Map<String, Value>,
    /// Nanoseconds since 1970.
    pub timestamp: String,
    /// The line.
    pub line: String,
}

/// A running Loki, all its parts in one process.
#[derive(Debug)]
pub struct Loki {
    /// `http://127.0.0.1:PORT`; it takes pushes at `/loki/api/v1/push` and OTLP at `/otlp/v1/logs`.
    pub url: String,
    /// The process: to stop, kill and start again at the same port.
    pub process: Process,
}

impl Loki {
    /// Starts one.
    ///
    /// # Errors
    /// When it cannot be built or does not get ready.
    pub async fn start() -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let port = free_port()?;
        let file = directory.path().join("loki.yaml");
        fs::write(
            &file,
            configuration(port, free_port()?, &directory.path().display().to_string()),
        )?;
        let mut command = Command::new(built("loki")?.join("loki"));
        command.arg("-config.file").arg(file);
        let process = Process::start("Loki", directory, &command)?;
        let mut loki = Self {
            url: format!("http://127.0.0.1:{port}"),
            process,
        };
        loki.wait_until_ready().await?;
        Ok(loki)
    }

    /// Starts it again, at the same port and with what it had written, after it was stopped or killed.
    ///
    /// # Errors
    /// When it does not get ready.
    pub async fn start_again(&mut self) -> Result<()> {
        self.process.start_again()?;
        self.wait_until_ready().await
    }

    /// It takes pushes as soon as its ingester is in the ring, ten seconds before `/ready` says so.
    async fn wait_until_ready(&mut self) -> Result<()> {
        let ring = format!("{}/ring", self.url);
        let is_ready = async |_: &Process| get(&ring).await.is_ok_and(|page| page.contains("ACTIVE"));
        self.process.wait_until("takes pushes", is_ready).await
    }

    /// A push in JSON; the status of its answer.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn push(&self, streams: &Value) -> Result<(StatusCode, String)> {
        post(
            &format!("{}/loki/api/v1/push", self.url),
            "application/json",
            streams.to_string(),
        )
        .await
    }

    /// What a LogQL query finds in the last hours, oldest first, at most 5 000 lines.
    ///
    /// # Errors
    /// When the query is refused.
    pub async fn query(&self, query: &str) -> Result<Vec<Entry>> {
        let url = format!(
            "{}/loki/api/v1/query_range?since=24h&limit=5000&direction=forward&query={}",
            self.url,
            percent_encoded(query)
        );
        let answer: Value = serde_json::from_str(&get(&url).await?)?;
        let streams = answer["data"]["result"]
            .as_array()
            .context("a query without a result")?;
        let mut entries = Vec::new();
        for stream in streams {
            let labels = stream["stream"].as_object().context("a stream without labels")?;
            for value in stream["values"].as_array().into_iter().flatten() {
                let text = |index: usize| value[index].as_str().unwrap_or_default().to_owned();
                entries.push(Entry {
                    labels: labels.clone(),
                    timestamp: text(0),
                    line: text(1),
                });
            }
        }
        entries.sort_by(|one, other| one.timestamp.cmp(&other.timestamp));
        Ok(entries)
    }
}

/// One process on loopback that forgets its members with its end and keeps its data in `directory`.
fn configuration(http: u16, grpc: u16, directory: &str) -> String {
    format!(
        "auth_enabled: false
server:
  http_listen_address: 127.0.0.1
  http_listen_port: {http}
  grpc_listen_address: 127.0.0.1
  grpc_listen_port: {grpc}
common:
  instance_addr: 127.0.0.1
  path_prefix: '{directory}'
  replication_factor: 1
  ring: {{kvstore: {{store: inmemory}}}}
  storage:
    filesystem: {{chunks_directory: '{directory}/chunks', rules_directory: '{directory}/rules'}}
schema_config:
  configs:
  - {{from: 2020-01-01, store: tsdb, object_store: filesystem, schema: v13, index: {{prefix: index_, period: 24h}}}}
limits_config:
  allow_structured_metadata: true
analytics:
  reporting_enabled: false
"
    )
}

fn percent_encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() {
            encoded.push(char::from(byte));
        } else {
            write!(encoded, "%{byte:02X}").expect("a text takes what is written to it");
        }
        encoded
    })
}
