//! A file that is appended to, renamed when it is large or old enough, and made durable where that is asked for.
//!
//! The acknowledgement is the return of write(2), or of fsync(2) with `fsync: batch`. A batch that could be written in part only
//! (a full volume) is taken back, so that its repetition leaves no torn record. Records lie in one file each: a batch is never cut.

use super::verdict::Verdict;
use super::written;
use crate::config::FileSettings;
use crate::io::fs;
use crate::io::room::Room;
use crate::record::time::Nanos;
use bytes::Bytes;
use logship_crd::agent_config::{Fsync, Rotation};
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const NANOS_IN_MS: i128 = 1_000_000;

/// The file; it is opened for each batch, so that it may be moved away at any time.
#[derive(Debug)]
pub struct FileTransport {
    settings: FileSettings,
    /// None: it is not on the state volume.
    room: Option<Arc<Room>>,
}

impl FileTransport {
    /// Appends to the file of these settings. `room` is that of the state volume, where it may lie.
    pub fn new(settings: FileSettings, room: Option<Arc<Room>>) -> Self {
        let room = room.filter(|room| room.holds(&settings.path));
        Self { settings, room }
    }

    /// Appends a batch at this time of day.
    pub async fn send(&self, now: Nanos, body: Bytes) -> Verdict {
        let (settings, room) = (self.settings.clone(), self.room.clone());
        let append = move || append(&settings, room.as_deref(), now, &body);
        written(tokio::task::spawn_blocking(append).await)
    }
}

fn append(settings: &FileSettings, room: Option<&Room>, now: Nanos, body: &[u8]) -> io::Result<()> {
    let path = &settings.path;
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    if let Some(rotation) = settings.rotation
        && is_due(path, rotation, now, body.len() as u64)?
    {
        rotate(path, rotation.keep)?;
    }
    if let Some(room) = room {
        room.take(body.len() as u64)?;
    }
    let is_new = !path.exists();
    let mut file = File::options().create(true).append(true).open(path)?;
    let length = file.metadata()?.len();
    file.write_all(body).inspect_err(|_| {
        // If this fails too, the volume is beyond help; the error that matters is the first.
        let _ = file.set_len(length);
    })?;
    if settings.fsync == Fsync::Batch {
        file.sync_data()?;
        if is_new {
            fs::sync_name(path)?;
        }
    }
    Ok(())
}

/// Whether the file is to be renamed before `more` bytes are written. Its age is that of its inode, as far as the file system tells:
/// writing does not make it younger, a restart neither.
fn is_due(path: &Path, rotation: Rotation, now: Nanos, more: u64) -> io::Result<bool> {
    let metadata = match std::fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    let born = metadata
        .created()
        .ok()
        .and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
    let born = born.map_or(i128::from(metadata.mtime()) * 1_000_000_000, |since| {
        i128::try_from(since.as_nanos()).unwrap_or(i128::MAX)
    });
    let age_ms = (i128::from(now) - born) / NANOS_IN_MS;
    let is_large = rotation.max_bytes > 0 && metadata.len() + more > rotation.max_bytes;
    let is_old = rotation.max_age_ms > 0 && age_ms >= i128::from(rotation.max_age_ms);
    Ok(metadata.len() > 0 && (is_large || is_old))
}

/// `path` becomes `path.1`, that `path.2`, and so on; the oldest goes.
fn rotate(path: &Path, keep: u32) -> io::Result<()> {
    if keep == 0 {
        return std::fs::remove_file(path);
    }
    for number in (1..keep).rev() {
        rename_if_there(&numbered(path, number), &numbered(path, number + 1))?;
    }
    std::fs::rename(path, numbered(path, 1))
}

fn rename_if_there(from: &Path, to: &Path) -> io::Result<()> {
    match std::fs::rename(from, to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn numbered(path: &Path, number: u32) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(format!(".{number}"));
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(path: PathBuf, rotation: Option<Rotation>) -> FileSettings {
        FileSettings {
            path,
            rotation,
            fsync: Fsync::Batch,
        }
    }

    fn read(path: &Path) -> String {
        std::fs::read_to_string(path).unwrap_or_default()
    }

    #[test]
    fn appends_and_makes_missing_directories() {
        let directory = tempfile::tempdir().unwrap();
        let settings = settings(directory.path().join("a/b.log"), None);
        append(&settings, None, 0, b"one\n").unwrap();
        append(&settings, None, 0, b"two\n").unwrap();
        assert_eq!(read(&settings.path), "one\ntwo\n");
    }

    #[test]
    fn file_that_the_state_volume_has_no_room_for_waits() {
        let directory = tempfile::tempdir().unwrap();
        let settings = settings(directory.path().join("a.log"), None);
        let room = Room::new(directory.path().to_owned(), Some(2 << 20));
        append(&settings, Some(&room), 0, &vec![b'x'; 600 << 10]).unwrap();
        let error = append(&settings, Some(&room), 0, &vec![b'x'; 600 << 10]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert_eq!(read(&settings.path).len(), 600 << 10);
    }

    #[test]
    fn batch_is_made_durable_only_where_that_is_asked_for() {
        // What is no file cannot be made durable, and says so.
        let path = PathBuf::from("/dev/null");
        let asked = settings(path.clone(), None);
        let error = append(&asked, None, 0, b"one\n").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        let not_asked = FileSettings {
            fsync: Fsync::Never,
            ..settings(path, None)
        };
        append(&not_asked, None, 0, b"one\n").unwrap();
    }

    #[test]
    fn full_file_is_renamed_and_only_so_many_are_kept() {
        let directory = tempfile::tempdir().unwrap();
        let rotation = Rotation {
            max_bytes: 8,
            max_age_ms: 0,
            keep: 2,
        };
        let settings = settings(directory.path().join("a.log"), Some(rotation));
        for body in [&b"1\n"[..], b"2\n", b"3333333\n", b"4444444444444\n", b"5\n"] {
            append(&settings, None, 0, body).unwrap();
        }
        let name = |number| read(&numbered(&settings.path, number));
        assert_eq!(
            (read(&settings.path), name(1), name(2)),
            ("5\n".into(), "4444444444444\n".into(), "3333333\n".into())
        );
        assert_eq!(name(3), "");
    }

    #[test]
    fn old_file_is_renamed_although_it_was_just_written() {
        let directory = tempfile::tempdir().unwrap();
        let rotation = Rotation {
            max_bytes: 0,
            max_age_ms: 60_000,
            keep: 1,
        };
        let settings = settings(directory.path().join("a.log"), Some(rotation));
        let now = crate::io::clock::wall();
        append(&settings, None, now, b"1\n").unwrap();
        append(&settings, None, now + 59_000_000_000, b"2\n").unwrap();
        append(&settings, None, now + 61_000_000_000, b"3\n").unwrap();
        assert_eq!(
            (read(&numbered(&settings.path, 1)), read(&settings.path)),
            ("1\n2\n".into(), "3\n".into())
        );
    }

    #[test]
    fn clock_that_was_set_back_renames_nothing_and_loses_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let rotation = Rotation {
            max_bytes: 0,
            max_age_ms: 1,
            keep: 0,
        };
        let settings = settings(directory.path().join("a.log"), Some(rotation));
        for now in [0, Nanos::MIN, -1] {
            append(&settings, None, now, b"1\n").unwrap();
        }
        assert_eq!(read(&settings.path), "1\n1\n1\n");
    }
}
