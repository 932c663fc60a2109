//! The real binary on a scripted API server, and what it made of it.

use crate::kubelet::Api;
use crate::support::{Place, Running, ask_admin, eventually, free_port};
use serde_json::{Value, json};
use std::process::Command;

/// The sink that writes lines to the standard output, without waiting for more.
pub fn to_stdout() -> Value {
    json!([{"name": "out", "batch": {"maxBytes": 4096, "maxAgeMs": 10}, "stdout": {"format": "text"}}])
}

/// A document that ships these containers.
pub fn document(containers: &[&str], sinks: &Value) -> Value {
    json!({
        "version": 1, "name": "shop", "generation": 1, "drainMs": 5000,
        "sources": [{"name": "output", "containerOutput": {"containers": containers}}],
        "sinks": sinks,
    })
}

pub struct Shipper {
    pub place: Place,
    pub port: u16,
    pub running: Option<Running>,
}

impl Shipper {
    /// Ships `web` to the standard output.
    pub fn start(api: &Api) -> Self {
        Self::with(api, &document(&["web"], &to_stdout()))
    }

    pub fn with(api: &Api, document: &Value) -> Self {
        Self::of("web-0", api, document)
    }

    /// In the pod of this name.
    pub fn of(pod: &str, api: &Api, document: &Value) -> Self {
        let (place, port) = (Place::new(), free_port());
        let mut command = place.by_whole_document(document, port);
        command.env("POD_NAME", pod);
        Self {
            running: Some(Running::start(with_api(&mut command, api))),
            place,
            port,
        }
    }

    /// Kills it and starts it again.
    pub fn crash(&mut self, api: &Api, document: &Value) {
        self.running.take().unwrap().kill();
        let mut command = self.place.by_whole_document(document, self.port);
        self.running = Some(Running::start(with_api(&mut command, api)));
    }

    /// Whether a saved position contains this.
    pub fn has_saved(&self, part: &str) -> Option<()> {
        let mut files = std::fs::read_dir(self.place.path("state")).ok()?;
        let is_it =
            |path: &std::path::Path| std::fs::read_to_string(path).is_ok_and(|text| text.contains(part));
        files.any(|file| is_it(&file.unwrap().path())).then_some(())
    }

    /// Waits until exactly these lines were shipped in this order.
    pub fn wait_for(&self, expected: &[String]) {
        eventually(&format!("{} lines", expected.len()), || {
            (self.place.lines().len() >= expected.len()).then_some(())
        });
        same(&self.place.lines(), expected);
    }

    /// The only source's status.
    pub fn source(&self) -> Value {
        let answer = ask_admin(self.port, "/status");
        let body = answer.split_once("\r\n\r\n").unwrap().1;
        let status: Value = serde_json::from_str(body).unwrap();
        status["pipelines"][0]["containers"][0].clone()
    }

    /// A counter of the source.
    pub fn count(&self, name: &str) -> u64 {
        self.source()[name].as_u64().unwrap()
    }

    /// All gaps.
    pub fn gaps(&self) -> [u64; 3] {
        ["missedInstances", "rotationGaps", "heldBackGaps"].map(|name| self.count(name))
    }

    pub fn metrics(&self) -> String {
        ask_admin(self.port, "/metrics")
    }

    /// Ends it as the kubelet does.
    pub fn terminate(mut self) -> Place {
        assert_eq!(self.running.take().unwrap().terminate(), Some(0));
        self.place
    }
}

/// With where the API is.
pub fn with_api<'a>(command: &'a mut Command, api: &Api) -> &'a mut Command {
    command
        .arg(format!("--token-dir={}", api.mount.path().display()))
        .env("KUBERNETES_SERVICE_HOST", "127.0.0.1")
        .env("KUBERNETES_SERVICE_PORT", api.port.to_string())
}

/// Fails at the first line that differs, without showing thousands.
pub fn same(lines: &[String], expected: &[String]) {
    let differ = lines
        .iter()
        .zip(expected)
        .position(|(line, expected)| line != expected);
    if let Some(at) = differ {
        let around = at.saturating_sub(2);
        panic!(
            "line {at}: {:?} instead of {:?}",
            lines.iter().skip(around).take(6).collect::<Vec<_>>(),
            expected.iter().skip(around).take(6).collect::<Vec<_>>()
        );
    }
    assert_eq!(lines.len(), expected.len());
}
