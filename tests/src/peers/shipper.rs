//! The sidecar's own binary, which ships one file as a document says.

use super::client::get;
use super::process::{Process, free_port};
use crate::wait::{Look, PATIENCE, wait_for};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;

/// Name of its only sink.
const SINK: &str = "bus";

/// What is shipped, and where to.
#[derive(Debug, Clone)]
pub struct Task {
    /// How records lie in the file.
    pub framing: &'static str,
    /// The steps of the pipeline.
    pub pipeline: Value,
    /// `{KIND: SETTINGS}` of the sink, with what else the document says of it.
    pub sink: Value,
    /// What runs the binary, for instance in a namespace of its own; empty: nothing.
    pub runner: Vec<String>,
}

/// A running sidecar in the pod `web-0` of the namespace `shop`.
#[derive(Debug)]
pub struct Shipper {
    /// The process: to stop, kill and start again.
    pub process: Process,
    port: u16,
}

impl Shipper {
    /// Starts one on a file with this text.
    ///
    /// # Errors
    /// When the binary is not built or cannot be started.
    pub fn start(task: Task, text: &str) -> Result<Self> {
        let Task {
            framing,
            pipeline,
            mut sink,
            runner,
        } = task;
        sink["name"] = json!(SINK);
        let document = json!({
            "version": 1, "name": "shop", "drainMs": 5000,
            "sources": [{"name": "access", "files": {
                "directory": "/var/log", "pattern": r"\.log$", "scanIntervalMs": 200, "framing": framing}}],
            "pipeline": pipeline,
            "sinks": [sink],
        });
        let directory = tempfile::tempdir()?;
        let [config, logs, state] = ["config", "logs", "state"].map(|name| directory.path().join(name));
        fs::create_dir(&config)?;
        fs::create_dir(&logs)?;
        fs::write(config.join("shop.json"), document.to_string())?;
        fs::write(logs.join("a.log"), text)?;
        let port = free_port()?;
        let mut arguments = runner;
        arguments.push(binary()?.display().to_string());
        let mut command = Command::new(&arguments[0]);
        command
            .args(&arguments[1..])
            .arg("run")
            .arg(format!("--admin-port={port}"))
            .arg("--config-dir")
            .arg(config)
            .arg("--state-dir")
            .arg(state)
            .env("POD_NAME", "web-0")
            .env("POD_NAMESPACE", "shop")
            .env("LOGSHIP_DIRECTORIES", json!({"shop/access": logs}).to_string());
        let process = Process::start("logship", directory, &command)?;
        Ok(Self { process, port })
    }

    /// Adds to the file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn append(&self, text: &str) -> Result<()> {
        let path = self.process.directory().join("logs/a.log");
        let mut file = File::options().append(true).open(path)?;
        Ok(file.write_all(text.as_bytes())?)
    }

    /// What `/status` says of the sink.
    ///
    /// # Errors
    /// When nobody answers.
    pub async fn sink(&self) -> Result<Value> {
        let status = get(&format!("http://127.0.0.1:{}/status", self.port)).await?;
        let status: Value = serde_json::from_str(&status)?;
        Ok(status["pipelines"][0]["sinks"][0].clone())
    }

    /// Waits until so many records are delivered or refused.
    ///
    /// # Errors
    /// When it takes too long.
    pub async fn wait_until_settled(&self, records: u64) -> Result<Value> {
        let settled = async || {
            // Nobody listens in the first moment.
            let sink = self.sink().await.unwrap_or_default();
            let count = |name: &str| sink[name].as_u64().unwrap_or_default();
            Ok(if count("sent") + count("rejected") >= records {
                Look::Done(sink)
            } else {
                Look::NotYet(sink)
            })
        };
        wait_for("every record is settled", PATIENCE, settled).await
    }

    /// The lines of `logship deadletters`.
    ///
    /// # Errors
    /// When it fails.
    pub fn dead_letters(&self) -> Result<Vec<String>> {
        let mut command = Command::new(binary()?);
        let state = self.process.directory().join("state");
        let output = command.args(["deadletters", "--state-dir"]).arg(state).output()?;
        ensure!(output.status.success(), "logship deadletters failed: {output:?}");
        let listed = String::from_utf8(output.stdout)?;
        Ok(listed.lines().map(str::to_owned).collect())
    }
}

/// The sidecar's binary: cargo puts it beside the folder of the test programs.
///
/// # Errors
/// When it is not built.
pub(crate) fn binary() -> Result<PathBuf> {
    let test = std::env::current_exe()?;
    let folder = test.parent().and_then(std::path::Path::parent);
    let binary = folder.context("a program without a folder")?.join("logship");
    ensure!(
        binary.exists(),
        "{} is not built: cargo build --package logship",
        binary.display()
    );
    Ok(binary)
}
