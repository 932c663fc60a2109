//! What the shell saw of a directory and its files.

use crate::engine::checkpoint::Identity;
use crate::record::time::Nanos;

/// A regular file in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Base name.
    pub name: String,
    /// Device and inode.
    pub identity: Identity,
    /// Bytes.
    pub size: u64,
    /// Nanoseconds since 1970.
    pub modified_ns: i128,
    /// The name matches the pattern; others are listed when the checkpoint knows their inode.
    pub matches: bool,
}

/// What an open file looks like.
#[derive(Debug, Clone, Copy)]
pub struct Look<'a> {
    /// Device and inode.
    pub identity: Identity,
    /// Bytes; of a compressed file what it says itself of its unpacked size, which is that of its last member alone, modulo 2³²: nothing
    /// follows from its being small.
    pub size: u64,
    /// Its first bytes, at most [`Fingerprint::BYTES_MAX`](crate::engine::checkpoint::Fingerprint::BYTES_MAX).
    pub head: &'a [u8],
}

/// What a read found.
#[derive(Debug, Clone, Copy)]
pub struct Chunk<'a> {
    /// The file at this moment; `head` only where [`Output::Read`](crate::engine::Output::Read) asked for it.
    pub size: u64,
    /// Its first bytes, where asked for.
    pub head: Option<&'a [u8]>,
    /// The bytes at the offset that was asked for.
    pub bytes: &'a [u8],
    /// The time of day of the read.
    pub wall: Nanos,
}
