//! What a spool has done on the disk, and what comes of it.

/// What is to be done on the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// Write, and leave nothing behind if not everything can be written.
    Write {
        /// By the address of its first entry.
        segment: u64,
        /// In its file; 0: the file is made.
        offset: u64,
        /// What to write there.
        bytes: Vec<u8>,
    },
    /// Make this segment durable.
    Sync(u64),
    /// Read from a segment.
    Read {
        /// By the address of its first entry.
        segment: u64,
        /// In its file.
        offset: u64,
        /// At most.
        bytes: usize,
    },
    /// Remove this segment.
    Remove(u64),
}

/// What came of it.
#[derive(Debug)]
pub enum Done<'a> {
    /// Of [`Act::Write`].
    Written(Result<(), String>),
    /// Of [`Act::Sync`].
    Synced(Result<(), String>),
    /// Of [`Act::Read`].
    Read(Result<&'a [u8], Unread>),
    /// Of [`Act::Remove`]. What could not be removed is found at the next start.
    Removed,
}

/// Why nothing could be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unread {
    /// It is not there.
    Gone,
    /// It may be there: it is tried again.
    Failed(String),
}
