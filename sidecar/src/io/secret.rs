//! Files that hold secrets or certificates and change while we run: a mounted Secret is replaced by the swap of a link.
//!
//! They are compared by contents, at most once in [`INTERVAL`], so that any kind of replacement is noticed.

use crate::engine::Tick;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Between two looks.
const INTERVAL: Duration = Duration::from_secs(1);
/// Of one file.
const BYTES_MAX: u64 = 1 << 20;

/// Some files that belong together.
#[derive(Debug)]
pub struct Watched {
    paths: Vec<PathBuf>,
    contents: Option<Vec<Vec<u8>>>,
    next_look: Tick,
}

/// A file of the set cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("failed to read {}", .0.display())]
pub struct Error(PathBuf, #[source] io::Error);

impl Watched {
    /// Nothing read yet.
    pub fn new(paths: Vec<PathBuf>) -> Self {
        Self {
            paths,
            contents: None,
            next_look: Tick::ZERO,
        }
    }

    /// The contents in the order of the paths, if they are others than at the last look.
    pub fn changed(&mut self, now: Tick) -> Result<Option<&[Vec<u8>]>, Error> {
        if self.contents.is_some() && now < self.next_look {
            return Ok(None);
        }
        self.next_look = now + INTERVAL;
        let read = |path: &PathBuf| read(path).map_err(|error| Error(path.clone(), error));
        let contents = self.paths.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        if self.contents.as_ref() == Some(&contents) {
            return Ok(None);
        }
        Ok(Some(self.contents.insert(contents)))
    }

    /// Forgets what was read, so that the next look gives it again.
    pub fn forget(&mut self) {
        self.contents = None;
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut contents = Vec::new();
    let count = File::open(path)?.take(BYTES_MAX + 1).read_to_end(&mut contents)?;
    if count as u64 > BYTES_MAX {
        return Err(io::Error::other(format!("larger than {BYTES_MAX} bytes")));
    }
    Ok(contents)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Tick {
        Duration::from_secs(seconds)
    }

    #[test]
    fn two_swaps_of_a_link_are_both_noticed_and_what_stays_is_not_told_twice() {
        let directory = tempfile::tempdir().unwrap();
        let link = directory.path().join("data");
        let mut watched = Watched::new(vec![link.join("token")]);
        assert!(watched.changed(at(0)).is_err());
        for (number, second) in [("1", 10), ("2", 20), ("3", 30)] {
            let target = directory.path().join(number);
            std::fs::create_dir(&target).unwrap();
            std::fs::write(target.join("token"), number).unwrap();
            let next = directory.path().join("next");
            std::os::unix::fs::symlink(&target, &next).unwrap();
            std::fs::rename(&next, &link).unwrap();
            assert_eq!(
                watched.changed(at(second)).unwrap(),
                Some(&[number.as_bytes().to_vec()][..])
            );
            assert_eq!(watched.changed(at(second + 5)).unwrap(), None);
        }
    }
}
