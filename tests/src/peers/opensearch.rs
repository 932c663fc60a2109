//! One OpenSearch node, and questions to it.

use super::client::send;
use super::process::{Process, built, free_port};
use anyhow::{Context, Result, ensure};
use axum::http::{Method, StatusCode};
use bytes::Bytes;
use serde_json::Value;
use std::process::Command;

/// A running node with empty indices.
#[derive(Debug)]
pub struct OpenSearch {
    /// `http://127.0.0.1:PORT`.
    pub url: String,
    /// The process: to stop, kill and start again at the same port.
    pub process: Process,
}

impl OpenSearch {
    /// Starts one with settings besides its own, for instance `indexing_pressure.memory.limit=2kb`: then a whole request gets 429.
    ///
    /// # Errors
    /// When it cannot be built or does not get ready.
    pub async fn start(settings: &[&str]) -> Result<Self> {
        let folder = built("opensearch")?;
        let directory = tempfile::tempdir()?;
        let port = free_port()?;
        let mut command = Command::new("java");
        command
            // One thread for each phase and the first compiler only: half the time to start, and other tests use the machine.
            .args([
                "-Xms256m",
                "-Xmx512m",
                "-XX:+UseSerialGC",
                "-XX:TieredStopAtLevel=1",
                "-cp",
            ])
            .arg(format!("{0}:{0}/*", folder.display()))
            .arg("OpenSearchPeer")
            .arg(directory.path())
            .arg(port.to_string())
            .args(settings);
        let process = Process::start("OpenSearch", directory, &command)?;
        let url = format!("http://127.0.0.1:{port}");
        let mut node = Self { url, process };
        node.wait_until_ready().await?;
        Ok(node)
    }

    /// Starts it again, at the same port and with its indices, after it was stopped or killed.
    ///
    /// # Errors
    /// When it does not get ready.
    pub async fn start_again(&mut self) -> Result<()> {
        self.process.start_again()?;
        self.wait_until_ready().await
    }

    async fn wait_until_ready(&mut self) -> Result<()> {
        let health = format!("{}/_cluster/health?wait_for_status=yellow&timeout=1s", self.url);
        let is_ready = async |_: &Process| {
            let answer = send(Method::GET, &health, "application/json", Bytes::new()).await;
            answer.is_ok_and(|(status, _)| status == StatusCode::OK)
        };
        self.process.wait_until("answers", is_ready).await
    }

    /// A request with a JSON body (empty: none), whose answer has to be a success in JSON.
    ///
    /// # Errors
    /// When it is not.
    pub async fn ask(&self, method: Method, path: &str, body: &str) -> Result<Value> {
        let url = format!("{}{path}", self.url);
        let (status, answer) = send(method, &url, "application/json", body.to_owned()).await?;
        ensure!(status.is_success(), "{url} answered {status}: {answer}");
        serde_json::from_str(&answer).with_context(|| format!("{url} answered {answer}"))
    }

    /// How many documents an index or a data stream has, all that was acknowledged included; none when there is no such index.
    ///
    /// # Errors
    /// When the node does not answer.
    pub async fn count(&self, index: &str) -> Result<u64> {
        self.refresh(index).await?;
        let answer = self
            .ask(
                Method::GET,
                &format!("/{index}/_count?ignore_unavailable=true"),
                "",
            )
            .await?;
        answer["count"].as_u64().context("a count without a number")
    }

    /// The documents of an index or a data stream, at most 10 000.
    ///
    /// # Errors
    /// When the node does not answer.
    pub async fn documents(&self, index: &str) -> Result<Vec<Value>> {
        self.refresh(index).await?;
        let path = format!("/{index}/_search?size=10000&ignore_unavailable=true");
        let answer = self.ask(Method::GET, &path, "").await?;
        let hits = answer["hits"]["hits"]
            .as_array()
            .context("a search without hits")?;
        Ok(hits.iter().map(|hit| hit["_source"].clone()).collect())
    }

    /// Makes visible what was acknowledged.
    async fn refresh(&self, index: &str) -> Result<()> {
        self.ask(
            Method::POST,
            &format!("/{index}/_refresh?ignore_unavailable=true"),
            "",
        )
        .await?;
        Ok(())
    }
}
