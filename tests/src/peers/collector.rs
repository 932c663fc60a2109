//! An OpenTelemetry Collector that takes what sinks send and writes it to a file.

use super::process::{Process, built, free_port};
use anyhow::{Context, Result, ensure};
use serde_json::{Map, Value};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// How each line of its file begins.
const EXPORT_BEGIN: &str = r#"{"resourceLogs":"#;

/// What the Collector says when all its parts listen.
const READY: &str = "Everything is ready";

/// Ports of the loopback address at which the receivers listen.
#[derive(Debug, Clone, Copy)]
pub struct Ports {
    /// OTLP over gRPC.
    pub otlp_grpc: u16,
    /// OTLP over HTTP: `/v1/logs`.
    pub otlp_http: u16,
    /// Loki: `/loki/api/v1/push`.
    pub loki: u16,
    /// Splunk HEC: `/services/collector`, acknowledgements at `/services/collector/ack`.
    pub splunk_hec: u16,
    /// Fluentd forward over TCP.
    pub forward: u16,
    /// Syslog after RFC 5424 over TCP with octet counting.
    pub syslog: u16,
}

/// One log record that the Collector took.
#[derive(Debug, Clone, PartialEq)]
pub struct Received {
    /// Attributes of its resource.
    pub resource: Map<String, Value>,
    /// Its own attributes.
    pub attributes: Map<String, Value>,
    /// The body when it is a text.
    pub body: String,
    /// The whole record in OTLP's JSON form.
    pub record: Value,
}

/// A running Collector.
#[derive(Debug)]
pub struct Collector {
    /// Where it listens.
    pub ports: Ports,
    /// The process: to stop, kill and start again at the same ports.
    pub process: Process,
    output: PathBuf,
}

impl Collector {
    /// Starts one with [`configuration`].
    ///
    /// # Errors
    /// When it cannot be built or does not get ready.
    pub async fn start() -> Result<Self> {
        Self::start_with(configuration).await
    }

    /// Starts one with a configuration made of the ports and the file that [`Self::received`] reads.
    ///
    /// # Errors
    /// When it cannot be built or does not get ready.
    pub async fn start_with(configuration: impl FnOnce(&Ports, &Path) -> String) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let output = directory.path().join("received.json");
        let ports = Ports {
            otlp_grpc: free_port()?,
            otlp_http: free_port()?,
            loki: free_port()?,
            splunk_hec: free_port()?,
            forward: free_port()?,
            syslog: free_port()?,
        };
        let file = directory.path().join("collector.yaml");
        fs::write(&file, configuration(&ports, &output))?;
        let mut command = Command::new(built("otelcol")?.join("otelcol"));
        command.arg("--config").arg(file);
        let process = Process::start("the Collector", directory, &command)?;
        let mut collector = Self {
            ports,
            process,
            output,
        };
        collector.wait_until_ready().await?;
        Ok(collector)
    }

    /// Starts it again, at the same ports and with what it had received, after it was stopped or killed.
    ///
    /// # Errors
    /// When it does not get ready.
    pub async fn start_again(&mut self) -> Result<()> {
        self.process.start_again()?;
        self.wait_until_ready().await
    }

    async fn wait_until_ready(&mut self) -> Result<()> {
        self.process
            .wait_until("is ready", async |process| process.said().contains(READY))
            .await
    }

    /// All log records that it took and wrote; an unfinished last line of the file is left for the next look, and so is what a kill
    /// has torn: the next export follows it on the same line.
    ///
    /// # Errors
    /// When the file is not what its exporter writes.
    pub fn received(&self) -> Result<Vec<Received>> {
        let text = fs::read_to_string(&self.output).unwrap_or_default();
        let mut received = Vec::new();
        for line in text.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
            let begin = line.rfind(EXPORT_BEGIN).unwrap_or_default();
            let export =
                serde_json::from_str(&line[begin..]).context("failed to parse what the Collector wrote")?;
            records(&export, &mut received)?;
        }
        Ok(received)
    }
}

/// All receivers, plaintext and on loopback; what they take is written to `output` at once.
pub fn configuration(ports: &Ports, output: &Path) -> String {
    let Ports {
        otlp_grpc,
        otlp_http,
        loki,
        splunk_hec,
        forward,
        syslog,
    } = ports;
    let output = output.display();
    format!(
        "extensions:
  ack: {{}}
receivers:
  otlp:
    protocols:
      grpc: {{endpoint: '127.0.0.1:{otlp_grpc}'}}
      http: {{endpoint: '127.0.0.1:{otlp_http}'}}
  loki:
    protocols:
      http: {{endpoint: '127.0.0.1:{loki}'}}
    use_incoming_timestamp: true
  splunk_hec:
    endpoint: 127.0.0.1:{splunk_hec}
    ack: {{extension: ack}}
  fluentforward: {{endpoint: '127.0.0.1:{forward}'}}
  syslog:
    protocol: rfc5424
    enable_octet_counting: true
    tcp: {{listen_address: '127.0.0.1:{syslog}'}}
exporters:
  file: {{path: '{output}', append: true, flush_interval: 50ms}}
service:
  extensions: [ack]
  telemetry: {{metrics: {{level: none}}}}
  pipelines:
    logs:
      receivers: [otlp, loki, splunk_hec, fluentforward, syslog]
      exporters: [file]
"
    )
}

/// The records of one line: `resourceLogs[].scopeLogs[].logRecords[]`.
fn records(export: &Value, received: &mut Vec<Received>) -> Result<()> {
    for resource_logs in members(export, "resourceLogs") {
        let resource = attributes(&resource_logs["resource"])?;
        for record in members(resource_logs, "scopeLogs")
            .iter()
            .flat_map(|scope| members(scope, "logRecords"))
        {
            received.push(Received {
                resource: resource.clone(),
                attributes: attributes(record)?,
                body: record["body"]["stringValue"]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned(),
                record: record.clone(),
            });
        }
    }
    Ok(())
}

/// `attributes[] {key, value: {stringValue | intValue | …: value}}` as a map; integers stay texts, as OTLP's JSON has them.
fn attributes(owner: &Value) -> Result<Map<String, Value>> {
    members(owner, "attributes")
        .iter()
        .map(|attribute| {
            let value = attribute["value"]
                .as_object()
                .and_then(|value| value.values().next());
            let key = attribute["key"].as_str();
            ensure!(key.is_some(), "an attribute without a key: {attribute}");
            Ok((
                key.unwrap_or_default().to_owned(),
                value.cloned().unwrap_or_default(),
            ))
        })
        .collect()
}

fn members<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}
