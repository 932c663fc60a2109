//! The files of a spool: one for each segment, in a directory of the source's own, named by the address of its first entry. Nobody else
//! may read them: they hold lines as they were before any step.

use crate::engine::checkpoint::{ContainerPosition, SpoolPosition};
use crate::engine::spool::{Act, Done, FILE_BYTES_MAX, Fate, Found, Scan, Unread};
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// More names in the directory are not looked at.
const NAMES_MAX: usize = 10_000;
const EXTENSION: &str = "segment";
/// What is set aside lies here; the next one takes its place.
const ASIDE: &str = "unusable";

/// The files of one spool.
#[derive(Debug)]
pub struct SpoolFiles {
    directory: PathBuf,
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
    /// In this directory, which is made when something is written.
    pub fn new(directory: PathBuf) -> Self {
        Self {
            directory,
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
        if self.open.as_ref().is_none_or(|(open, _)| *open != segment) {
            std::fs::create_dir_all(&self.directory)?;
            let path = self.path(segment);
            let file = File::options()
                .create(true)
                .truncate(false)
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

    /// The directory as well: it has the name of the file.
    fn sync(&mut self, segment: u64) -> io::Result<()> {
        match &self.open {
            Some((open, file)) if *open == segment => file.sync_data()?,
            _ => File::open(self.path(segment))?.sync_data()?,
        }
        File::open(&self.directory)?.sync_all()
    }

    fn read(&mut self, segment: u64, offset: u64, bytes: usize) -> io::Result<&[u8]> {
        self.buffer.clear();
        self.buffer.resize(bytes, 0);
        File::open(self.path(segment))?.read_exact_at(&mut self.buffer, offset)?;
        Ok(&self.buffer)
    }

    fn path(&self, segment: u64) -> PathBuf {
        self.directory.join(format!("{segment:016x}.{EXTENSION}"))
    }
}

fn unread(error: &io::Error) -> Unread {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof => Unread::Gone,
        _ => Unread::Failed(error.to_string()),
    }
}

/// What is there of a spool. What is none of ours is set aside.
pub fn find(
    directory: &Path,
    position: SpoolPosition,
    containers: BTreeMap<String, ContainerPosition>,
) -> io::Result<Found> {
    let mut scan = Scan::new(position, containers);
    for (first, path) in segments(directory)? {
        let fate = if let Some(bytes) = contents(&path)? {
            scan.look(first, &bytes)
        } else {
            scan.set_aside(std::fs::metadata(&path)?.len());
            Fate::SetAside
        };
        match fate {
            Fate::Keep => {}
            Fate::Remove => std::fs::remove_file(&path)?,
            Fate::SetAside => std::fs::rename(&path, directory.join(ASIDE))?,
        }
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
        let is_segment = path.extension().is_some_and(|extension| extension == EXTENSION);
        let name = path.file_stem().filter(|_| is_segment)?.to_str()?;
        let first = u64::from_str_radix(name, 16).ok()?;
        Some((first, path))
    });
    Ok(segments.collect())
}

/// None: it is too long for a segment, or no file.
fn contents(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let metadata = std::fs::symlink_metadata(path)?;
    if !metadata.is_file() || metadata.len() > FILE_BYTES_MAX {
        return Ok(None);
    }
    std::fs::read(path).map(Some)
}
