//! What is measured: the only place to add a scenario to. Each is a shipper, an input and a configuration in
//! `tests/bench/configurations`.

use crate::input::Content;
use crate::sink::Wire;
use anyhow::Result;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Who ships.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shipper {
    /// This project's sidecar.
    Logship,
    /// OpenTelemetry Collector with the filelog receiver.
    Collector,
    /// Filebeat with filestream.
    Filebeat,
    /// rsyslog with imfile.
    Rsyslog,
}

impl Shipper {
    /// As it stands in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Logship => "logship",
            Self::Collector => "OpenTelemetry Collector 0.111",
            Self::Filebeat => "Filebeat 7.17",
            Self::Rsyslog => "rsyslog",
        }
    }
}

/// One shipper at one task.
#[derive(Debug, Clone, Copy)]
pub struct Scenario {
    /// Who ships.
    pub shipper: Shipper,
    /// What is read.
    pub input: Content,
    /// What is done with it, for the report.
    pub task: &'static str,
    /// What the sink has to understand.
    pub wire: Wire,
    /// How often a shipped record has its line's number: the line itself, and again when a step extracted it.
    pub mentions: usize,
    /// Base name of its configuration.
    pub file: &'static str,
    /// Its configuration with `@DIRECTORY@`, `@STATE@` and `@PORT@`.
    configuration: &'static str,
}

/// A scenario with the configuration of that name.
macro_rules! scenario {
    ($shipper:ident, $input:ident, $task:literal, $wire:ident, $mentions:literal, $file:literal) => {
        Scenario {
            shipper: Shipper::$shipper,
            input: Content::$input,
            task: $task,
            wire: Wire::$wire,
            mentions: $mentions,
            file: $file,
            configuration: include_str!(concat!("../../../bench/configurations/", $file)),
        }
    };
}

/// In the order of the report. The first of a shipper is also its subject for everything but throughput.
#[rustfmt::skip]
pub const SCENARIOS: [Scenario; 11] = [
    scenario!(Logship, Cri, "CRI → OTLP over HTTP, gzip", Http, 1, "logship-cri-otlp.json"),
    scenario!(Logship, Cri, "CRI → Loki, snappy", Http, 1, "logship-cri-loki.json"),
    scenario!(Logship, Cri, "CRI → Elasticsearch bulk, gzip", Http, 1, "logship-cri-elasticsearch.json"),
    scenario!(Logship, Cri, "lines → NDJSON over HTTP, gzip", Http, 1, "logship-http.json"),
    scenario!(Collector, Cri, "CRI → OTLP over HTTP, gzip", Http, 1, "collector-cri.yaml"),
    scenario!(Filebeat, Cri, "CRI → Elasticsearch bulk, gzip", Http, 1, "filebeat-cri.yaml"),
    scenario!(Rsyslog, Cri, "lines → TCP, plain, not acknowledged", Lines, 1, "rsyslog-tcp.conf"),
    scenario!(Logship, CriJson, "CRI, JSON → OTLP over HTTP, gzip", Http, 2, "logship-json-otlp.json"),
    scenario!(Collector, CriJson, "CRI, JSON → OTLP over HTTP, gzip", Http, 2, "collector-cri-json.yaml"),
    scenario!(Logship, Nginx, "nginx, severity, alert → OTLP over HTTP, gzip", Http, 3, "logship-nginx-otlp.json"),
    scenario!(Collector, Nginx, "regex → OTLP over HTTP, gzip", Http, 2, "collector-nginx.yaml"),
];

/// Where the programs are and on which core they run.
#[derive(Debug, Clone)]
pub struct Programs {
    /// Release build of the sidecar.
    pub logship: PathBuf,
    /// The Collector.
    pub collector: PathBuf,
    /// Filebeat.
    pub filebeat: PathBuf,
    /// The core of the shipper.
    pub core: usize,
}

impl Scenario {
    /// Its name in the report and for a selection.
    pub fn name(&self) -> String {
        format!("{}: {}: {}", self.shipper.name(), self.input.name(), self.task)
    }

    /// Writes its configuration below `place` and gives the command that ships the files of `directory` to `port` with it, pinned
    /// to the shipper's core.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn command(&self, programs: &Programs, place: &Path, directory: &Path, port: u16) -> Result<Command> {
        let (state, documents) = (place.join("state"), place.join("documents"));
        fs::create_dir(&state)?;
        fs::create_dir(&documents)?;
        let configuration = self
            .configuration
            .replace("@DIRECTORY@", &directory.display().to_string())
            .replace("@STATE@", &state.display().to_string())
            .replace("@PORT@", &port.to_string());
        // The sidecar reads each file of its directory that has this ending; to the others it means nothing.
        let file = documents.join("bench.json");
        fs::write(&file, configuration)?;
        let mut command = Command::new("taskset");
        command.arg("--cpu-list").arg(programs.core.to_string());
        match self.shipper {
            Shipper::Logship => {
                command
                    .arg(&programs.logship)
                    .args(["run", "--admin-port=0", "--config-dir"])
                    .arg(documents);
                command.arg("--state-dir").arg(state);
                // The document names the application's directory; this is where the sidecar sees it.
                let directories = serde_json::json!({"bench/input": directory});
                command.env("LOGSHIP_DIRECTORIES", directories.to_string());
            }
            Shipper::Collector => {
                command.arg(&programs.collector).arg("--config").arg(file);
            }
            Shipper::Filebeat => {
                command
                    .arg(&programs.filebeat)
                    .arg("--path.home")
                    .arg(place)
                    .arg("--path.data")
                    .arg(state);
                command.args(["-e", "--strict.perms=false", "-c"]).arg(file);
            }
            Shipper::Rsyslog => {
                command
                    .args(["rsyslogd", "-n", "-f"])
                    .arg(file)
                    .arg("-i")
                    .arg(place.join("pid"));
            }
        }
        Ok(command)
    }
}
