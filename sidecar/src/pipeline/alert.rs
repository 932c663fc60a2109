//! Tells somebody of a record, by one line of JSON:
//! `{"alert": name, "timestamp": RFC 3339, "details": {"severity"?, "body", "labels"?, "fields"?}}`.

use super::Origin;
use super::condition::Condition;
use super::steps::Check;
use super::when::Undefined;
use crate::record::time::rfc3339;
use crate::record::{Labels, Record, Severity};
use crate::sink::encode::escape::text;
use crate::sink::encode::json::object;
use logship_crd::agent_config::{AlertStep, AlertTarget};
use std::sync::Arc;

/// One record that somebody is told of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    /// Its name in the document.
    pub name: Arc<str>,
    /// Whom.
    pub targets: Targets,
    /// What, without a newline.
    pub json: Vec<u8>,
}

/// Whom an alert goes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Targets {
    /// Our standard error.
    pub stderr: bool,
    /// Indices of sinks.
    pub sinks: Arc<[usize]>,
}

pub(super) struct AlertRule {
    name: Arc<str>,
    targets: Targets,
    when: Condition,
}

impl AlertRule {
    pub(super) fn compile(step: &AlertStep, sinks: &[String], check: &mut Check<'_>) -> Option<Self> {
        let when = check.when("alert.when", &step.when);
        if step.name.is_empty() {
            check.mistake("alert.name", "", "empty", "write a name by which people know it");
        }
        if step.to.is_empty() {
            check.mistake("alert.to", "[]", "tells nobody", "write stderr or names of sinks");
        }
        let mut usable = !step.name.is_empty() && !step.to.is_empty();
        let mut indices = Vec::new();
        for target in &step.to {
            let AlertTarget::Sink(name) = target else {
                continue;
            };
            match sinks.iter().position(|known| known == name) {
                Some(index) if indices.contains(&index) => {}
                Some(index) => indices.push(index),
                None => {
                    usable = false;
                    check.mistake(
                        "alert.to",
                        name,
                        "no such sink",
                        "write stderr or names of sinks of this resource",
                    );
                }
            }
        }
        let targets = Targets {
            stderr: step.to.contains(&AlertTarget::Stderr),
            sinks: indices.into(),
        };
        Some(Self {
            name: step.name.as_str().into(),
            targets,
            when: when.filter(|_| usable)?,
        })
    }

    /// The alert, if the record is worth one.
    pub(super) fn alert(&self, origin: Origin<'_>, record: &Record<'_>) -> Result<Option<Alert>, Undefined> {
        let matches = self.when.concerns(origin, record)?;
        Ok(matches.then(|| Alert {
            name: Arc::clone(&self.name),
            targets: self.targets.clone(),
            json: json(&self.name, origin.labels, record),
        }))
    }
}

fn json(name: &str, labels: &Labels, record: &Record<'_>) -> Vec<u8> {
    let mut out = Vec::with_capacity(record.body.len() + 256);
    out.extend_from_slice(b"{\"alert\":");
    text(name.as_bytes(), &mut out);
    out.extend_from_slice(b",\"timestamp\":\"");
    out.extend_from_slice(&rfc3339(record.time));
    out.extend_from_slice(b"\",\"details\":{");
    if let Some(severity) = record.severity.map(Severity::name) {
        out.extend_from_slice(b"\"severity\":");
        text(severity.as_bytes(), &mut out);
        out.push(b',');
    }
    out.extend_from_slice(b"\"body\":");
    text(&record.body, &mut out);
    out.extend_from_slice(b",\"labels\":");
    serde_json::to_writer(&mut out, labels).expect("a struct of texts always serialises");
    if !record.fields.is_empty() {
        out.extend_from_slice(b",\"fields\":");
        object(&record.fields, &mut out);
    }
    out.extend_from_slice(b"}}");
    out
}
