//! Tells somebody of a record, by one line of JSON:
//! `{"alert": name, "timestamp": RFC 3339, "details": {"severity"?, "body", "labels"?, "fields"?}}`.

use super::Origin;
use super::condition::Condition;
use super::steps::Check;
use super::when::Undefined;
use crate::record::time::rfc3339;
use crate::record::{Fields, Labels, Record, Severity, Value};
use logship_crd::agent_config::{AlertStep, AlertTarget};
use std::fmt::Write as _;
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
            json: json(&self.name, origin.labels, record).into_bytes(),
        }))
    }
}

fn json(name: &str, labels: &Labels, record: &Record<'_>) -> String {
    let mut out = String::with_capacity(record.body.len() + 256);
    out.push_str("{\"alert\":");
    text(name, &mut out);
    out.push_str(",\"timestamp\":\"");
    out.extend(rfc3339(record.time).map(char::from));
    out.push_str("\",\"details\":{");
    if let Some(severity) = record.severity.map(Severity::name) {
        out.push_str("\"severity\":");
        text(severity, &mut out);
        out.push(',');
    }
    out.push_str("\"body\":");
    text(&String::from_utf8_lossy(&record.body), &mut out);
    out.push_str(",\"labels\":{");
    for (index, (name, value)) in labels.iter().enumerate() {
        member(index, name, &mut out);
        text(value, &mut out);
    }
    out.push('}');
    fields(&record.fields, &mut out);
    out.push_str("}}");
    out
}

fn fields(fields: &Fields<'_>, out: &mut String) {
    if fields.is_empty() {
        return;
    }
    out.push_str(",\"fields\":{");
    for (index, (name, value)) in fields.iter().enumerate() {
        member(index, name, out);
        // Writing to a string cannot fail.
        let _ = match value {
            Value::Null => out.write_str("null"),
            Value::Bool(value) => write!(out, "{value}"),
            Value::Int(value) => write!(out, "{value}"),
            Value::Uint(value) => write!(out, "{value}"),
            Value::Float(value) => out.write_str(&serde_json::Value::from(*value).to_string()),
            Value::Number(written) => out.write_str(written),
            // In valid JSON a newline stands only between values.
            Value::Json(written) => out.write_str(&written.replace(['\n', '\r'], " ")),
            Value::Text(bytes) => {
                text(&String::from_utf8_lossy(bytes), out);
                Ok(())
            }
        };
    }
    out.push('}');
}

fn member(index: usize, name: &str, out: &mut String) {
    if index > 0 {
        out.push(',');
    }
    text(name, out);
    out.push(':');
}

fn text(value: &str, out: &mut String) {
    // A text is always JSON.
    let _ = write!(out, "{}", serde_json::Value::from(value));
}
