//! Performs what the engine asks of files: lists, opens, reads, closes, and listens to the kernel for changes.
//!
//! Where the kernel refuses watches (their number is limited per user), the scans alone notice changes.

mod changes;
mod contents;

pub use self::changes::Change;
use self::changes::Changes;
use self::contents::Contents;
use crate::config::Files;
use crate::engine::outlets::StreamId;
use crate::engine::tail::{Chunk, Look};
use crate::engine::{Engine, Input, Tick};
use crate::io::{clock, fs};
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

/// Bytes of one read.
const READ_BYTES: usize = 256 << 10;

/// The open files of one pipeline, its directories, and its one read buffer.
#[derive(Debug)]
pub struct OpenFiles {
    sources: Vec<Files>,
    files: HashMap<StreamId, (PathBuf, Contents)>,
    buffer: Vec<u8>,
    changes: Changes,
}

impl OpenFiles {
    /// Nothing open yet. `sources` are numbered as the engine numbers them.
    pub fn new(sources: Vec<Files>) -> Self {
        let changes = Changes::new(!sources.is_empty());
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
        }
    }

    /// From now on these are the sources. What is open stays open.
    pub fn follow(&mut self, sources: Vec<Files>) {
        let Self { files, .. } = std::mem::replace(self, Self::new(sources));
        self.files = files;
    }

    /// Lists a source's directory. The watch is set first, so that no change falls between the two.
    pub fn list(&mut self, now: Tick, source: usize, wanted: &[u64], engine: &mut Engine) {
        let files = &self.sources[source];
        if files.create && !files.directory.exists() {
            // If this fails, the listing says why.
            let _ = std::fs::create_dir_all(&files.directory);
        }
        let watched = self.changes.watch(&files.directory, source);
        let listing = fs::list(&files.directory, &files.pattern, wanted);
        let listing = listing.map_err(|error| fs::explain(&files.directory, &error));
        // A missing directory is no reason to give up watching; a refusal is.
        if let Err(error) = watched
            && listing.is_ok()
        {
            self.changes.give_up(&error);
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
        let Some((path, opened)) = self.files.get_mut(&file) else {
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

    /// Waits for changes.
    pub async fn changed(&mut self) -> Vec<Change> {
        self.changes.next().await
    }
}

type Opened = (Contents, u64, crate::engine::checkpoint::Identity, Vec<u8>);

fn open(path: &Path) -> io::Result<Opened> {
    let file = fs::open(path)?;
    let identity = fs::identity(&file.metadata()?);
    let packed = path.extension().is_some_and(|extension| extension == "gz");
    let contents = Contents::new(file, packed)?;
    let (size, head) = (contents.size()?, contents.head()?);
    Ok((contents, size, identity, head))
}

fn read(
    contents: &mut Contents,
    offset: u64,
    look_at_head: bool,
    buffer: &mut [u8],
) -> io::Result<(u64, Option<Vec<u8>>, usize)> {
    let head = if look_at_head {
        Some(contents.head()?)
    } else {
        None
    };
    let found = contents.read(offset, buffer)?;
    Ok((found.size, head, found.count))
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
        let pipeline = Pipeline::empty();
        let start = Start {
            pod: &Pod::default(),
            checkpoint: None,
            spools: std::collections::BTreeMap::new(),
            persistent: false,
            is_first: true,
            once: false,
            seed: 1,
        };
        let mut engine = Engine::new(&pipeline, start);
        let mut open_files = OpenFiles::new(vec![files.clone(), files]);
        for source in 0..2 {
            open_files.list(Tick::ZERO, source, &[], &mut engine);
        }
        std::fs::write(directory.path().join("a.log"), "x\n").unwrap();
        let changes = open_files.changed().await;
        for source in 0..2 {
            assert!(changes.contains(&Change::Names(Some(source))), "{changes:?}");
        }
    }
}
