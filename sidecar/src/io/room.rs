//! The room on the state volume of a pod. The kubelet evicts a pod that has written more there than the volume's limit allows, so that limit
//! is none to run into.
//!
//! Who writes what grows (spools, dead letters, files of sinks) asks before; checkpoints need not, for a part is left to them. What is
//! there is measured as the kubelet does it, in blocks of all that has a name, so what nobody asked for counts as well.
//!
//! Guarantee: those who ask never write more than there is room for, however their own bounds add up.

use super::clock::Clock;
use crate::engine::Tick;
use logship_crd::agent_config::RESERVED_BYTES;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// What was measured is believed for so long while there is room,
const MEASURE_INTERVAL: Duration = Duration::from_secs(1);
/// and while there is none.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);
/// More names are not looked at.
const NAMES_MAX: usize = 100_000;
/// Of [`MetadataExt::blocks`].
const BLOCK_BYTES: u64 = 512;

/// The room on one volume.
#[derive(Debug)]
pub struct Room {
    directory: PathBuf,
    bytes_max: Option<u64>,
    clock: Clock,
    used: Mutex<Used>,
}

/// What is used.
#[derive(Debug, Clone, Copy, Default)]
struct Used {
    /// With what was taken since it was measured.
    bytes: u64,
    measured_at: Option<Tick>,
}

/// There is none left.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error(
    "the state volume is full: {used} bytes of {bytes_max} are used, and a pod that uses more is evicted; raise sidecar.state.emptyDir.sizeLimit"
)]
pub struct NoRoom {
    used: u64,
    bytes_max: u64,
}

impl Room {
    /// Below this directory; without a bound the disk says when it is full.
    pub fn new(directory: PathBuf, bytes_max: Option<u64>) -> Self {
        Self {
            directory,
            bytes_max,
            clock: Clock::start(),
            used: Mutex::default(),
        }
    }

    /// Takes room for so many bytes more, which are written next.
    pub fn take(&self, bytes: u64) -> io::Result<()> {
        let Some(bytes_max) = self.bytes_max else {
            return Ok(());
        };
        let free_of = |used: &Used| {
            bytes_max
                .saturating_sub(RESERVED_BYTES)
                .saturating_sub(used.bytes)
        };
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.now();
        let interval = if bytes <= free_of(&used) {
            MEASURE_INTERVAL
        } else {
            LOOK_INTERVAL
        };
        if used.measured_at.is_none_or(|at| at + interval <= now) {
            *used = Used {
                bytes: measure(&self.directory),
                measured_at: Some(now),
            };
        }
        if bytes > free_of(&used) {
            let used = used.bytes;
            return Err(io::Error::new(
                io::ErrorKind::StorageFull,
                NoRoom { used, bytes_max },
            ));
        }
        used.bytes += bytes;
        Ok(())
    }

    /// Bytes that are used, and how many there may be; none: there is no bound.
    pub fn bytes(&self) -> Option<(u64, u64)> {
        Some((measure(&self.directory), self.bytes_max?))
    }

    /// Whether a file of this path takes of this room.
    pub fn holds(&self, path: &Path) -> bool {
        path.starts_with(&self.directory)
    }
}

/// Blocks of everything below a directory, in bytes. What vanishes meanwhile is not there.
fn measure(directory: &Path) -> u64 {
    let mut bytes = 0;
    let mut directories = vec![directory.to_owned()];
    let mut names = 0;
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
            names += 1;
            if names > NAMES_MAX {
                return u64::MAX;
            }
            let Ok(metadata) = entry.metadata() else {
                continue;
            };
            bytes += metadata.blocks() * BLOCK_BYTES;
            if metadata.is_dir() {
                directories.push(entry.path());
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn with(bytes_max: u64) -> (tempfile::TempDir, Room) {
        let directory = tempfile::tempdir().unwrap();
        let room = Room::new(directory.path().to_owned(), Some(bytes_max));
        (directory, room)
    }

    #[test]
    fn what_was_taken_counts_before_it_is_written() {
        let (_directory, room) = with(4 * MIB);
        room.take(2 * MIB).unwrap();
        let error = room.take(2 * MIB).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert!(error.to_string().contains("of 4194304 are used"), "{error}");
        room.take(MIB).unwrap();
    }

    #[test]
    fn what_nobody_asked_for_counts_in_all_directories() {
        let (directory, room) = with(4 * MIB);
        std::fs::create_dir_all(directory.path().join("a/b")).unwrap();
        std::fs::write(directory.path().join("a/b/c"), vec![1; 2 << 20]).unwrap();
        assert!(room.take(MIB + 1).is_err());
        let (used, bytes_max) = room.bytes().unwrap();
        assert!((2 * MIB..3 * MIB).contains(&used), "{used}");
        assert_eq!(bytes_max, 4 * MIB);
    }

    #[test]
    fn removed_file_gives_its_room_back_soon() {
        let (directory, room) = with(4 * MIB);
        let file = directory.path().join("a");
        std::fs::write(&file, vec![1; 3 << 20]).unwrap();
        assert!(room.take(MIB).is_err());
        std::fs::remove_file(&file).unwrap();
        let deadline = Duration::from_secs(10);
        while room.take(MIB).is_err() {
            assert!(room.clock.now() < deadline);
            std::thread::yield_now();
        }
    }

    #[test]
    fn without_a_bound_everything_is_taken() {
        let room = Room::new(PathBuf::from("/nowhere"), None);
        room.take(u64::MAX).unwrap();
        assert_eq!(room.bytes(), None);
    }
}
