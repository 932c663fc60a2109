//! The edge: clocks, files, sockets and signals.

mod access;
pub mod clock;
pub mod fs;
pub mod net;
pub mod notices;
pub mod room;
pub mod secret;
pub mod signal;
pub mod spool;
pub mod terminal;

use std::io;
use std::os::fd::OwnedFd;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A descriptor whose readability can be waited for.
pub(crate) fn watch(descriptor: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    #[expect(
        deprecated,
        reason = "an owned descriptor keeps its number; the successor is unsafe to call"
    )]
    AsyncFd::with_interest(descriptor, Interest::READABLE)
}
