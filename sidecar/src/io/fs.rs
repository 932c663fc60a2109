//! Files: listing, opening and reading logs, and the state directory.

use super::access::{self, Owner};
use super::room::Room;
use crate::engine::checkpoint::Identity;
use crate::engine::tail::{Entry, rotated};
use rustix::fs::{FlockOperation, Mode, OFlags};
use std::collections::HashSet;
use std::fs::{DirEntry, File, Metadata};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirEntryExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// More names of one directory are not looked at.
const ENTRIES_MAX: usize = 100_000;
/// How often a directory is looked at for a file that is wanted.
const LOOKS_MAX: usize = 5;

/// The regular files of `directory` whose name matches, or matched before a rotation, or whose inode is wanted whatever their name
/// is. Links are followed; what vanishes meanwhile is left out.
///
/// A file that is renamed at this moment is in neither place of one look, and a wanted one would be taken for gone and its
/// position forgotten; so the directory is looked at again while a wanted file is missing.
pub fn list(directory: &Path, pattern: &regex::bytes::Regex, wanted: &[u64]) -> io::Result<Vec<Entry>> {
    let wanted: HashSet<u64> = wanted.iter().copied().collect();
    let mut entries = look(directory, pattern, &wanted)?;
    for _ in 1..LOOKS_MAX {
        let found: HashSet<u64> = entries.iter().map(|entry| entry.identity.inode).collect();
        if wanted.is_subset(&found) {
            break;
        }
        entries = look(directory, pattern, &wanted)?;
    }
    Ok(entries)
}

fn look(directory: &Path, pattern: &regex::bytes::Regex, wanted: &HashSet<u64>) -> io::Result<Vec<Entry>> {
    let names = std::fs::read_dir(directory)?
        .take(ENTRIES_MAX)
        .filter_map(Result::ok);
    Ok(names.filter_map(|name| entry(&name, pattern, wanted)).collect())
}

fn entry(found: &DirEntry, pattern: &regex::bytes::Regex, wanted: &HashSet<u64>) -> Option<Entry> {
    let name = found.file_name();
    let matches = pattern.is_match(name.as_bytes());
    let was = || name.to_str().and_then(rotated);
    let has_matched = || was().is_some_and(|was| pattern.is_match(was.stem.as_bytes()));
    if !matches && !wanted.contains(&found.ino()) && !has_matched() {
        return None;
    }
    let metadata = std::fs::metadata(found.path()).ok().filter(Metadata::is_file)?;
    Some(Entry {
        name: name.into_string().ok()?,
        identity: identity(&metadata),
        size: metadata.len(),
        modified_ns: i128::from(metadata.mtime()) * 1_000_000_000 + i128::from(metadata.mtime_nsec()),
        matches,
    })
}

/// Opens a log for reading. Never waits, should the name be a pipe by now.
pub fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    Ok(File::from(rustix::fs::open(path, flags, Mode::empty())?))
}

/// Device and inode.
pub fn identity(metadata: &Metadata) -> Identity {
    Identity {
        device: metadata.dev(),
        inode: metadata.ino(),
    }
}

/// An error with what helps to solve it: a log that we may not read is a question of the uid.
pub fn explain(path: &Path, error: &io::Error) -> String {
    if error.kind() == io::ErrorKind::PermissionDenied {
        let owner = std::fs::metadata(path).ok().map(|metadata| Owner {
            user: metadata.uid(),
            group: metadata.gid(),
            mode: metadata.mode(),
        });
        let remedy = access::remedy(owner, rustix::process::geteuid().as_raw());
        return format!("{}: {error}; {remedy}", path.display());
    }
    format!("{}: {error}", path.display())
}

/// The state directory, ours alone while this value lives.
#[derive(Debug)]
pub struct StateDirectory {
    path: PathBuf,
    room: Arc<Room>,
    /// Holds the lock.
    _lock: File,
}

/// Why there is no state directory.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// It cannot be made or written.
    #[error("failed to use the state directory {}; make it writable for uid {}", .0.display(), rustix::process::geteuid().as_raw())]
    Unusable(PathBuf, #[source] io::Error),
    /// Another process has it.
    #[error("the state directory {} is used by another process; give each its own", .0.display())]
    Locked(PathBuf),
}

impl StateDirectory {
    /// Makes the directory if it is missing, and locks it.
    pub fn lock(path: &Path) -> Result<Self, StateError> {
        let unusable = |error| StateError::Unusable(path.to_owned(), error);
        std::fs::create_dir_all(path).map_err(unusable)?;
        let lock = File::options()
            .create(true)
            .append(true)
            .open(path.join("lock"))
            .map_err(unusable)?;
        match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self {
                path: path.to_owned(),
                room: Arc::new(Room::new(path.to_owned(), None)),
                _lock: lock,
            }),
            Err(rustix::io::Errno::WOULDBLOCK) => Err(StateError::Locked(path.to_owned())),
            Err(error) => Err(unusable(error.into())),
        }
    }

    /// On a volume with room for so many bytes.
    #[must_use]
    pub fn within(self, bytes_max: Option<u64>) -> Self {
        let room = Arc::new(Room::new(self.path.clone(), bytes_max));
        Self { room, ..self }
    }

    /// The room for what grows.
    pub fn room(&self) -> &Arc<Room> {
        &self.room
    }

    /// The checkpoint of a pipeline.
    pub fn checkpoint(&self, pipeline: &str) -> PathBuf {
        self.path.join(format!("{pipeline}.checkpoint.json"))
    }

    /// What sinks do not take of a source's output.
    pub fn spool(&self, pipeline: &str, source: &str) -> PathBuf {
        self.path.join(format!("{pipeline}.{source}.spool"))
    }

    /// The records that a sink refused.
    pub fn rejected(&self, pipeline: &str, sink: &str) -> PathBuf {
        dead_letters(&self.path, pipeline, sink)
    }
}

/// The dead-letter file of a sink in a state directory.
pub fn dead_letters(state: &Path, pipeline: &str, sink: &str) -> PathBuf {
    state.join(format!("{pipeline}.{sink}.rejected"))
}

/// Replaces a file so that after a crash either the old or the new contents are there.
pub fn replace(path: &Path, contents: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension("tmp");
    let written = File::create(&temporary).and_then(|mut file| {
        file.write_all(contents)?;
        file.sync_all()
    });
    if let Err(error) = written.and_then(|()| std::fs::rename(&temporary, path)) {
        // On a full volume it takes what others need.
        let _ = std::fs::remove_file(&temporary);
        return Err(error);
    }
    sync_name(path)
}

/// Makes the name of a file or directory durable, which is in the directory above it.
pub fn sync_name(path: &Path) -> io::Result<()> {
    let above = path.parent().filter(|above| !above.as_os_str().is_empty());
    File::open(above.unwrap_or(Path::new(".")))?.sync_all()
}

/// Appends to a file unless it would grow beyond `bytes_max`. Whether it did. Of what could not be written whole nothing is left, so that
/// what is appended next does not stand on a torn line.
pub fn append_bounded(path: &Path, contents: &[u8], bytes_max: u64) -> io::Result<bool> {
    let mut file = File::options().create(true).append(true).open(path)?;
    let length = file.metadata()?.len();
    if length + contents.len() as u64 > bytes_max {
        return Ok(false);
    }
    file.write_all(contents).inspect_err(|_| {
        // If this fails too, the volume is beyond help; the error that matters is the first.
        let _ = file.set_len(length);
    })?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    #[test]
    fn wanted_file_that_is_being_renamed_is_never_missed() {
        let directory = tempfile::tempdir().unwrap();
        let names = ["a.log", "a.1.log"].map(|name| directory.path().join(name));
        std::fs::write(&names[0], "x\n").unwrap();
        let inode = std::fs::metadata(&names[0]).unwrap().ino();
        let pattern = regex::bytes::Regex::new(r".+\.log$").unwrap();
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for (from, to) in [(0, 1), (1, 0)].into_iter().cycle() {
                    if done.load(Ordering::Relaxed) {
                        return;
                    }
                    std::fs::rename(&names[from], &names[to]).unwrap();
                    std::thread::park_timeout(Duration::from_micros(300));
                }
            });
            let misses = (0..3000)
                .filter(|_| list(directory.path(), &pattern, &[inode]).unwrap().is_empty())
                .count();
            done.store(true, Ordering::Relaxed);
            assert_eq!(misses, 0);
        });
    }
}
