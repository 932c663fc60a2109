//! The files of a spool: one for each segment, in a directory of the source's own, named by the address of its first entry. Nobody else
//! may read them: they hold lines as they were before any step.

use super::fs;
use super::room::Room;
use crate::engine::checkpoint::{ContainerPosition, SpoolPosition};
use crate::engine::spool::{Act, Done, FILE_BYTES_MAX, Fate, Found, Scan, Unread};
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// More names in the directory are not looked at.
const NAMES_MAX: usize = 10_000;
const EXTENSION: &str = "segment";
/// What is set aside lies here; the next one takes its place.
const ASIDE: &str = "unusable";

/// The files of one spool.
#[derive(Debug)]
pub struct SpoolFiles {
    directory: PathBuf,
    room: Arc<Room>,
    /// The segment that is written to.
    open: Option<(u64, File)>,
    buffer: Vec<u8>,
}

/// What was done, with bytes of its own.
#[derive(Debug)]
pub enum Performed<'a> {
    /// See [`Done`].
    Written(io::Result<()>),
    /// See [`Done`].
    Synced(io::Result<()>),
    /// See [`Done`].
    Read(Result<&'a [u8], Unread>),
    /// See [`Done`].
    Removed,
}

impl<'a> Performed<'a> {
    /// As the engine takes it.
    pub fn into_done(self) -> Done<'a> {
        match self {
            Self::Written(result) => Done::Written(result.map_err(|error| error.to_string())),
            Self::Synced(result) => Done::Synced(result.map_err(|error| error.to_string())),
            Self::Read(result) => Done::Read(result),
            Self::Removed => Done::Removed,
        }
    }
}

impl SpoolFiles {
    /// In this directory, which is made when something is written, and with this room.
    pub fn new(directory: PathBuf, room: Arc<Room>) -> Self {
        Self {
            directory,
            room,
            open: None,
            buffer: Vec::new(),
        }
    }

    /// Does it.
    pub fn perform(&mut self, act: Act) -> Performed<'_> {
        match act {
            Act::Write {
                segment,
                offset,
                bytes,
            } => Performed::Written(self.write(segment, offset, &bytes)),
            Act::Sync(segment) => Performed::Synced(self.sync(segment)),
            Act::Read {
                segment,
                offset,
                bytes,
            } => Performed::Read(self.read(segment, offset, bytes).map_err(|error| unread(&error))),
            Act::Remove(segment) => {
                self.open.take_if(|(open, _)| *open == segment);
                // What stays is found, and removed, at the next start.
                let _ = std::fs::remove_file(self.path(segment));
                // It succeeds with the last one.
                let _ = std::fs::remove_dir(&self.directory);
                Performed::Removed
            }
        }
    }

    fn write(&mut self, segment: u64, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.room.take(bytes.len() as u64)?;
        if self.open.as_ref().is_none_or(|(open, _)| *open != segment) {
            self.make_directory()?;
            let path = self.path(segment);
            let file = File::options()
                .create(true)
                // What could not be removed is none of a new one.
                .truncate(offset == 0)
                .write(true)
                .mode(0o600)
                .open(path)?;
            self.open = Some((segment, file));
        }
        let Some((_, file)) = &self.open else {
            return Ok(());
        };
        let written = file.write_all_at(bytes, offset);
        if written.is_err() {
            // Half an entry would be in the way of what is written there next.
            let _ = file.set_len(offset);
            if offset == 0 {
                let _ = std::fs::remove_file(self.path(segment));
            }
            self.open = None;
        }
        written
    }

    /// Its name is made durable as well, in the directory above, which has others' files.
    fn make_directory(&self) -> io::Result<()> {
        match std::fs::create_dir(&self.directory) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            made => made.and_then(|()| fs::sync_name(&self.directory)),
        }
    }

    /// The directory as well: it has the name of the file.
    fn sync(&mut self, segment: u64) -> io::Result<()> {
        match &self.open {
            Some((open, file)) if *open == segment => file.sync_data()?,
            _ => File::open(self.path(segment))?.sync_data()?,
        }
        fs::sync_name(&self.path(segment))
    }

    fn read(&mut self, segment: u64, offset: u64, bytes: usize) -> io::Result<&[u8]> {
        self.buffer.clear();
        self.buffer.resize(bytes, 0);
        File::open(self.path(segment))?.read_exact_at(&mut self.buffer, offset)?;
        Ok(&self.buffer)
    }

    fn path(&self, segment: u64) -> PathBuf {
        self.directory.join(name(segment))
    }
}

fn name(segment: u64) -> String {
    format!("{segment:016x}.{EXTENSION}")
}

fn unread(error: &io::Error) -> Unread {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof => Unread::Gone,
        _ => Unread::Failed(error.to_string()),
    }
}

/// What is there of a spool. What is none of ours, and what the disk cannot read any more, is set aside.
pub fn find(
    directory: &Path,
    position: SpoolPosition,
    containers: BTreeMap<String, ContainerPosition>,
) -> io::Result<Found> {
    let mut scan = Scan::new(position, containers);
    let aside = directory.join(ASIDE);
    if let Ok(metadata) = std::fs::symlink_metadata(&aside) {
        scan.was_set_aside(metadata.len());
    }
    for (first, path) in segments(directory)? {
        let fate = if let Some(bytes) = contents(&path)? {
            scan.look(first, &bytes)
        } else {
            scan.set_aside(std::fs::symlink_metadata(&path)?.len());
            Fate::SetAside
        };
        let _ = match fate {
            Fate::Keep => Ok(()),
            // What stays is found at the next start again, and no reason to leave the others.
            Fate::Remove => std::fs::remove_file(&path),
            Fate::SetAside => std::fs::rename(&path, &aside),
        };
    }
    Ok(scan.finish())
}

/// The segments, by their addresses.
fn segments(directory: &Path) -> io::Result<BTreeMap<u64, PathBuf>> {
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(error) => return Err(error),
    };
    let paths = entries
        .take(NAMES_MAX)
        .filter_map(|entry| Some(entry.ok()?.path()));
    let segments = paths.filter_map(|path| {
        let found = path.file_name()?.to_str()?;
        let first = u64::from_str_radix(found.split('.').next()?, 16).ok()?;
        // There may be other words for the same number.
        (found == name(first)).then_some((first, path))
    });
    Ok(segments.collect())
}

/// None: it is too long for a segment, or no file, or damaged so that the disk does not give it.
fn contents(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let metadata = std::fs::symlink_metadata(path)?;
    if !metadata.is_file() || metadata.len() > FILE_BYTES_MAX {
        return Ok(None);
    }
    match std::fs::read(path) {
        Err(error) if error.raw_os_error() == Some(Errno::IO.raw_os_error()) => Ok(None),
        read => read.map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::spool::{Entry, HEADER_BYTES, Header};

    const MIB: u64 = 1 << 20;

    fn segment(first: u64) -> Vec<u8> {
        let header = Header {
            first,
            previous_end: 0,
        };
        let mut bytes = header.to_bytes().to_vec();
        let line = Entry::Line {
            container: "web",
            length: 0,
            bytes: b"2026-01-02T03:04:05Z a",
        };
        line.append(first, &mut bytes);
        bytes
    }

    fn write(segment: u64, offset: u64, bytes: &[u8]) -> Act {
        Act::Write {
            segment,
            offset,
            bytes: bytes.to_vec(),
        }
    }

    fn found(directory: &Path) -> Found {
        find(directory, SpoolPosition::default(), BTreeMap::new()).unwrap()
    }

    /// A spool on a volume with this room.
    fn with(bytes_max: Option<u64>) -> (tempfile::TempDir, PathBuf, SpoolFiles) {
        let state = tempfile::tempdir().unwrap();
        let directory = state.path().join("shop.output.spool");
        let room = Arc::new(Room::new(state.path().to_owned(), bytes_max));
        let files = SpoolFiles::new(directory.clone(), room);
        (state, directory, files)
    }

    #[test]
    fn what_was_written_is_found_and_what_was_removed_is_gone_with_its_directory() {
        let (_state, directory, mut files) = with(None);
        let bytes = segment(0);
        let (header, entry) = bytes.split_at(HEADER_BYTES);
        assert!(matches!(
            files.perform(write(0, 0, header)),
            Performed::Written(Ok(()))
        ));
        assert!(matches!(
            files.perform(write(0, HEADER_BYTES as u64, entry)),
            Performed::Written(Ok(()))
        ));
        assert!(matches!(files.perform(Act::Sync(0)), Performed::Synced(Ok(()))));
        assert_eq!(found(&directory).end, entry.len() as u64);
        files.perform(Act::Remove(0));
        assert!(!directory.exists());
        assert_eq!(found(&directory), Found::default());
    }

    #[test]
    fn new_segment_has_nothing_of_a_file_that_could_not_be_removed() {
        let (_state, directory, mut files) = with(None);
        let bytes = segment(0);
        std::fs::create_dir(&directory).unwrap();
        std::fs::write(files.path(0), [&bytes[..], &bytes[..]].concat()).unwrap();
        files.perform(write(0, 0, &bytes));
        assert_eq!(std::fs::read(files.path(0)).unwrap(), bytes);
    }

    #[test]
    fn full_state_volume_takes_nothing_and_nothing_is_left_of_it() {
        let (_state, directory, mut files) = with(Some(2 * MIB));
        let Performed::Written(Err(error)) = files.perform(write(0, 0, &vec![0; 2 << 20])) else {
            panic!("it was written");
        };
        assert!(error.to_string().contains("the state volume is full"), "{error}");
        assert!(!directory.exists());
        assert!(matches!(
            files.perform(write(0, 0, &segment(0))),
            Performed::Written(Ok(()))
        ));
    }

    #[test]
    fn what_was_set_aside_is_counted_at_every_start() {
        let (_state, directory, files) = with(None);
        std::fs::create_dir(&directory).unwrap();
        std::fs::write(files.path(0), [b'x'; 100]).unwrap();
        assert_eq!(found(&directory).aside_bytes, 100);
        assert!(!files.path(0).exists());
        assert_eq!(found(&directory).aside_bytes, 100);
    }

    #[test]
    fn only_names_that_are_ours_are_segments() {
        let (_state, directory, files) = with(None);
        std::fs::create_dir(&directory).unwrap();
        for name in [
            "0.segment",
            "+000000000000000.segment",
            "000000000000000A.segment",
            "notes",
        ] {
            std::fs::write(directory.join(name), segment(0)).unwrap();
        }
        assert_eq!(found(&directory), Found::default());
        std::fs::write(files.path(0), segment(0)).unwrap();
        assert_eq!(found(&directory).segments.len(), 1);
    }

    #[test]
    fn file_that_the_disk_does_not_give_is_none_and_no_reason_to_leave_the_others() {
        // Nothing is at its address 0, and the kernel says so as a broken disk does.
        assert_eq!(contents(Path::new("/proc/self/mem")).unwrap(), None);
    }
}
