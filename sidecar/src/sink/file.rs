//! A file that is appended to. The acknowledgement is the return of write(2).
//!
//! A batch that could be written in part only (a full volume) is taken back, so that its repetition leaves no torn record.

use super::verdict::Verdict;
use super::written;
use bytes::Bytes;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The file; it is opened for each batch, so that it may be moved away at any time.
#[derive(Debug)]
pub struct FileTransport {
    path: PathBuf,
}

impl FileTransport {
    /// Appends to `path`.
    pub fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// Appends a batch.
    pub async fn send(&self, body: Bytes) -> Verdict {
        let path = self.path.clone();
        written(tokio::task::spawn_blocking(move || append(&path, &body)).await)
    }
}

fn append(path: &Path, body: &[u8]) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    let mut file = File::options().create(true).append(true).open(path)?;
    let length = file.metadata()?.len();
    file.write_all(body).inspect_err(|_| {
        // If this fails too, the volume is beyond help; the error that matters is the first.
        let _ = file.set_len(length);
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn appends_and_makes_missing_directories() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a/b.log");
        append(&path, b"one\n").unwrap();
        append(&path, b"two\n").unwrap();
        assert_eq!(std::fs::read(path).unwrap(), b"one\ntwo\n");
    }
}
