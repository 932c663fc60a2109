//! Performs what the engine asks of files: lists, opens, reads, closes, and listens to the kernel for changes.
//!
//! Where the kernel refuses watches (their number is limited per user), the scans alone notice changes.

use crate::config::Files;
use crate::engine::outlets::StreamId;
use crate::engine::tail::{Chunk, Look};
use crate::engine::{Engine, Input, Tick};
use crate::io::{clock, fs};
use futures::StreamExt;
use inotify::{EventMask, EventStream, Inotify, WatchDescriptor, WatchMask};
use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Bytes of one read.
const READ_BYTES: usize = 128 << 10;
const EVENT_BYTES: usize = 4096;

/// The open files of one pipeline, its directories, and its one read buffer.
#[derive(Debug)]
pub struct OpenFiles {
    sources: Vec<Files>,
    files: HashMap<StreamId, (PathBuf, File)>,
    buffer: Vec<u8>,
    changes: Option<EventStream<Vec<u8>>>,
    /// The sources of each watch: those of one directory share it.
    watches: HashMap<WatchDescriptor, BTreeSet<usize>>,
}

impl OpenFiles {
    /// Nothing open yet. `sources` are numbered as the engine numbers them.
    pub fn new(sources: Vec<Files>) -> Self {
        let stream = || Inotify::init().and_then(|inotify| inotify.into_event_stream(vec![0; EVENT_BYTES]));
        let changes = if sources.is_empty() {
            None
        } else {
            stream().inspect_err(polling_only).ok()
        };
        let buffer = if sources.is_empty() {
            Vec::new()
        } else {
            vec![0; READ_BYTES]
        };
        Self {
            sources,
            files: HashMap::new(),
            buffer,
            changes,
            watches: HashMap::new(),
        }
    }

    /// Lists a source's directory. The watch is set first, so that no change falls between the two.
    pub fn list(&mut self, now: Tick, source: usize, wanted: &[u64], engine: &mut Engine) {
        let files = &self.sources[source];
        if files.create && !files.directory.exists() {
            // If this fails, the listing says why.
            let _ = std::fs::create_dir_all(&files.directory);
        }
        let watch = self
            .changes
            .as_ref()
            .map(|changes| changes.watches().add(&files.directory, watch_mask()));
        let listing = fs::list(&files.directory, &files.pattern, wanted);
        let listing = listing.map_err(|error| fs::explain(&files.directory, &error));
        match watch {
            Some(Ok(descriptor)) => {
                self.watches.entry(descriptor).or_default().insert(source);
            }
            // A missing directory is no reason to give up watching; a refusal is.
            Some(Err(error)) if listing.is_ok() => {
                polling_only(&error);
                self.changes = None;
            }
            Some(Err(_)) | None => {}
        }
        engine.handle(now, Input::Listed { source, listing });
    }

    /// Opens a file.
    pub fn open(&mut self, now: Tick, source: usize, file: StreamId, name: &str, engine: &mut Engine) {
        let path = self.sources[source].directory.join(name);
        match open(&path) {
            Ok((opened, size, identity, head)) => {
                engine.handle(
                    now,
                    Input::Opened {
                        file,
                        look: Look {
                            identity,
                            size,
                            head: &head,
                        },
                    },
                );
                self.files.insert(file, (path, opened));
            }
            Err(error) => engine.handle(
                now,
                Input::FileFailed {
                    file,
                    error: fs::explain(&path, &error),
                },
            ),
        }
    }

    /// Reads from an open file.
    pub fn read(&mut self, now: Tick, file: StreamId, offset: u64, look_at_head: bool, engine: &mut Engine) {
        let Some((path, opened)) = self.files.get(&file) else {
            return engine.handle(
                now,
                Input::FileFailed {
                    file,
                    error: "not open".to_owned(),
                },
            );
        };
        match read(opened, offset, look_at_head, &mut self.buffer) {
            Ok((size, head, count)) => {
                let bytes = &self.buffer[..count];
                let chunk = Chunk {
                    size,
                    head: head.as_deref(),
                    bytes,
                    wall: clock::wall(),
                };
                engine.handle(now, Input::Chunk { file, chunk });
            }
            Err(error) => engine.handle(
                now,
                Input::FileFailed {
                    file,
                    error: fs::explain(path, &error),
                },
            ),
        }
    }

    /// Closes a file.
    pub fn close(&mut self, file: StreamId) {
        self.files.remove(&file);
    }

    /// Waits for a change: the source, or none for all of them, and whether names changed.
    pub async fn changed(&mut self) -> (Option<usize>, bool) {
        loop {
            let Some(changes) = &mut self.changes else {
                return std::future::pending().await;
            };
            match changes.next().await {
                Some(Ok(event)) => {
                    let sources = self.watches.get(&event.wd);
                    let is_ours = sources.is_some();
                    let source = sources
                        .filter(|sources| sources.len() == 1)
                        .and_then(|sources| sources.first().copied());
                    if event.mask.contains(EventMask::IGNORED) {
                        self.watches.remove(&event.wd);
                    }
                    // After an overflow nobody knows what changed.
                    if is_ours || event.mask.contains(EventMask::Q_OVERFLOW) {
                        return (source, event.mask != EventMask::MODIFY);
                    }
                }
                Some(Err(error)) => {
                    polling_only(&error);
                    self.changes = None;
                }
                None => self.changes = None,
            }
        }
    }
}

fn watch_mask() -> WatchMask {
    WatchMask::MODIFY
        | WatchMask::CREATE
        | WatchMask::MOVE
        | WatchMask::DELETE
        | WatchMask::DELETE_SELF
        | WatchMask::MOVE_SELF
}

fn polling_only(error: &io::Error) {
    tracing::warn!(%error, "the kernel refuses file watches, changes are noticed at the scans only");
}

type Opened = (File, u64, crate::engine::checkpoint::Identity, Vec<u8>);

fn open(path: &Path) -> io::Result<Opened> {
    let file = fs::open(path)?;
    let metadata = file.metadata()?;
    let head = fs::head(&file)?;
    Ok((file, metadata.len(), fs::identity(&metadata), head))
}

fn read(
    file: &File,
    offset: u64,
    look_at_head: bool,
    buffer: &mut [u8],
) -> io::Result<(u64, Option<Vec<u8>>, usize)> {
    let size = file.metadata()?.len();
    let head = if look_at_head { Some(fs::head(file)?) } else { None };
    let count = file.read_at(buffer, offset)?;
    Ok((size, head, count))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Pipeline, Pod};
    use crate::engine::Start;
    use logship_crd::agent_config::{Framing, StartAt};
    use std::time::Duration;

    #[tokio::test]
    async fn change_in_a_directory_of_two_sources_is_told_to_both() {
        let directory = tempfile::tempdir().unwrap();
        let files = Files {
            directory: directory.path().to_owned(),
            pattern: regex::bytes::Regex::new(".+").unwrap(),
            scan_interval: Duration::from_secs(1),
            start_at: StartAt::Beginning,
            create: false,
            framing: Framing::Lines,
            multiline: None,
        };
        let pipeline = Pipeline {
            name: "shop".to_owned(),
            resource: None,
            generation: 0,
            sources: Vec::new(),
            steps: crate::pipeline::Steps::default(),
            sinks: Vec::new(),
            drain: Duration::ZERO,
            record_bytes_max: 1 << 20,
            dead_letter_bytes_max: 1 << 20,
            in_flight_bytes_max: 1 << 20,
        };
        let start = Start {
            pod: &Pod::default(),
            checkpoint: None,
            persistent: false,
            once: false,
            seed: 1,
        };
        let mut engine = Engine::new(&pipeline, start);
        let mut open_files = OpenFiles::new(vec![files.clone(), files]);
        for source in 0..2 {
            open_files.list(Tick::ZERO, source, &[], &mut engine);
        }
        std::fs::write(directory.path().join("a.log"), "x\n").unwrap();
        assert_eq!(open_files.changed().await, (None, true));
    }
}
