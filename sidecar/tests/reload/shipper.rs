//! The real binary with documents that the test changes.

use crate::book::Book;
use crate::support::{PATIENCE_MS, Place, Running, ask_admin, eventually, free_port, numbered};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A document whose records carry this version.
pub fn document(generation: i64, url: &str) -> Value {
    json!({
        "version": 1, "name": "shop", "generation": generation, "drainMs": 5000,
        "sources": [{"name": "access", "files": {
            "directory": "/var/log/nginx", "pattern": r".+\.log$", "scanIntervalMs": 200, "startAt": "Beginning"}}],
        "pipeline": [{"set": {"fields": {"version": format!("v{generation}")}}}],
        "sinks": [sink("bus", url)],
    })
}

/// NDJSON to this URL.
pub fn sink(name: &str, url: &str) -> Value {
    json!({"name": name, "batch": {"maxBytes": 4096, "maxAgeMs": 50},
           "http": {"url": url, "compression": "none", "timeoutMs": PATIENCE_MS}})
}

/// The binary, its administration, and the document that it runs by.
pub struct Shipper {
    pub place: Place,
    pub running: Running,
    pub port: u16,
    document: PathBuf,
}

impl Shipper {
    /// As in a pod: a directory of documents, and a state volume.
    pub fn start(document: &Value) -> Self {
        Self::start_in(Place::new(), document)
    }

    pub fn start_in(place: Place, document: &Value) -> Self {
        let port = free_port();
        let mut command = place.by_whole_document(document, port);
        let document = place.path("config/shop.json");
        Self::run(place, port, &mut command, document)
    }

    /// By one document and without a state directory. The logs are where the document says.
    pub fn start_alone(place: Place, document: &Value) -> Self {
        let port = free_port();
        let path = place.path("shop.yaml");
        std::fs::write(&path, alone(&place, document).to_string()).unwrap();
        let mut command = place.binary();
        command
            .args(["run", "--config"])
            .arg(&path)
            .arg(format!("--admin-port={port}"));
        Self::run(place, port, &mut command, path)
    }

    /// By this command, which reads this document.
    pub fn run(place: Place, port: u16, command: &mut Command, document: PathBuf) -> Self {
        let running = Running::start(command);
        Self {
            place,
            running,
            port,
            document,
        }
    }

    /// Another document in the place of the one that it runs by.
    pub fn change(&self, document: &Value) {
        let is_alone = self
            .document
            .extension()
            .is_some_and(|extension| extension == "yaml");
        let document = if is_alone {
            alone(&self.place, document)
        } else {
            document.clone()
        };
        replace(&self.document, &document.to_string());
    }

    pub fn status(&self) -> Value {
        self.ask("/status")
    }

    /// What the operator asks for.
    pub fn configuration(&self) -> Value {
        self.ask("/configuration")
    }

    fn ask(&self, path: &str) -> Value {
        let answer = ask_admin(self.port, path);
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        serde_json::from_str::<Value>(body).unwrap()
    }

    /// Waits until this generation of `shop` is applied.
    pub fn wait_for(&self, generation: i64) {
        eventually(&format!("generation {generation}"), || {
            let status = self.status();
            (status["configuration"]["appliedGenerations"]["shop"] == generation).then_some(())
        });
    }

    /// Changes the document and waits until it is applied.
    pub fn apply(&self, document: &Value) {
        self.change(document);
        self.wait_for(document["generation"].as_i64().unwrap());
    }

    /// The value of a line of `/metrics`.
    pub fn metric(&self, line: &str) -> u64 {
        let answer = ask_admin(self.port, "/metrics");
        let value = answer
            .lines()
            .find_map(|found| found.strip_prefix(line)?.strip_prefix(' '));
        value
            .unwrap_or_else(|| panic!("{line}: {answer}"))
            .parse()
            .unwrap()
    }

    /// Ends as an operator ends it; with the place, to start again there.
    pub fn terminate(self) -> Place {
        assert_eq!(self.running.terminate(), Some(0), "{}", self.place.stderr());
        self.place
    }
}

/// Replaces a file as editors and tools do.
pub fn replace(path: &Path, text: &str) {
    let next = path.with_extension("next");
    std::fs::write(&next, text).unwrap();
    std::fs::rename(next, path).unwrap();
}

fn alone(place: &Place, document: &Value) -> Value {
    let mut document = document.clone();
    for source in document["sources"].as_array_mut().unwrap() {
        source["files"]["directory"] = place.path("logs").display().to_string().into();
    }
    document
}

/// Waits until so many records came, and demands each line once and in order.
pub fn wait_for_exactly(book: &Book, count: usize) {
    eventually(&format!("{count} lines, of which {} came", book.count()), || {
        (book.count() >= count).then_some(())
    });
    let came: Vec<String> = book.entries().into_iter().map(|entry| entry.message).collect();
    let expected: Vec<String> = numbered(0..count).lines().map(str::to_owned).collect();
    let differs = came
        .iter()
        .zip(&expected)
        .position(|(came, expected)| came != expected);
    assert!(
        came == expected,
        "{} of {count}; differs at {differs:?}: {:?}",
        came.len(),
        differs.map(|at| &came[at.saturating_sub(3)..came.len().min(at + 3)])
    );
}

/// The same where several files are read at once, so that only the order within each is certain.
pub fn wait_for_each(book: &Book, count: usize) {
    eventually(&format!("{count} lines"), || {
        (book.count() >= count).then_some(())
    });
    let mut came: Vec<String> = book.entries().into_iter().map(|entry| entry.message).collect();
    let mut expected: Vec<String> = numbered(0..count).lines().map(str::to_owned).collect();
    came.sort_unstable();
    expected.sort_unstable();
    assert!(came == expected, "{} of {count}", came.len());
}
