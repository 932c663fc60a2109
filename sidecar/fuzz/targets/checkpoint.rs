//! The checkpoint: what is read is written as it was, and an engine that goes on from it lives.

use super::life;
use logship::config::{Config, Environment, from_document};
use logship::engine::checkpoint::Checkpoint;
use std::sync::LazyLock;

/// As many files as this are there.
const FILES_MAX: usize = 8;

/// Every kind of source and of count that a checkpoint has something for.
const DOCUMENT: &str = "
version: 1
name: shop
sources:
  - {name: access, files: {directory: /logs, pattern: ., scanIntervalMs: 1000, startAt: Beginning}}
  - {name: pods, files: {directory: /pods, pattern: ., scanIntervalMs: 1000, startAt: End, framing: cri}}
  - {name: output, containerOutput: {}}
pipeline:
  - severity: {}
sinks:
  - {name: out, stdout: {}}
  - {name: counts, file: {path: /state/counts, summary: {intervalMs: 1000}}}
";

pub static CONFIG: LazyLock<Config> = LazyLock::new(|| {
    let pod = ["POD_NAME", "POD_NAMESPACE"].map(|name| (name.to_owned(), "shop".to_owned()));
    from_document(&Environment::from(pod), "shop.yaml", DOCUMENT, None).expect("the document is right")
});

/// The bytes are the checkpoint of the resource `shop`. Its files are there, as far as they begin with [`life::CONTENTS`].
pub fn target(bytes: &[u8]) {
    let Ok(checkpoint) = Checkpoint::parse(bytes, "shop") else {
        return;
    };
    let again = Checkpoint::parse(&checkpoint.to_bytes(), "shop").expect("what is written can be read");
    assert_eq!(again, checkpoint);
    let known = checkpoint.files.values().flatten();
    let files = known
        .map(|file| (file.name.clone(), file.identity))
        .take(FILES_MAX);
    let files = files.collect();
    let world = life::World {
        files,
        ..life::World::default()
    };
    life::live(&CONFIG, Some(checkpoint), world);
}
