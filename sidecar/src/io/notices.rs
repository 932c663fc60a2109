//! The kernel's notices of changes in directories (inotify(7)), for whoever waits for them.

use inotify::{Event, Inotify, WatchDescriptor, WatchMask};
use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use tokio::io::unix::AsyncFd;

const EVENT_BYTES: usize = 16 << 10;

/// A queue of notices.
#[derive(Debug)]
pub struct Notices {
    inotify: Inotify,
    /// While we wait; otherwise nothing may wake us.
    waiting: Option<AsyncFd<OwnedFd>>,
    buffer: Vec<u8>,
}

impl Notices {
    /// Of no directory yet.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            inotify: Inotify::init()?,
            waiting: None,
            buffer: Vec::new(),
        })
    }

    /// Watches a directory; it may be watched already.
    pub fn watch(&self, directory: &Path, mask: WatchMask) -> io::Result<WatchDescriptor> {
        self.inotify.watches().add(directory, mask)
    }

    /// Waits until there is something in the queue.
    pub async fn wait(&mut self) -> io::Result<()> {
        if self.waiting.is_none() {
            let queue = self.inotify.as_fd().try_clone_to_owned()?;
            self.waiting = Some(super::watch(queue)?);
        }
        if let Some(waiting) = &self.waiting {
            waiting.readable().await?.clear_ready();
        }
        Ok(())
    }

    /// Until the next [`Notices::wait`] nothing wakes us.
    pub fn rest(&mut self) {
        self.waiting = None;
    }

    /// Empties the queue.
    pub fn take(&mut self, mut each: impl FnMut(Event<&OsStr>)) -> io::Result<()> {
        self.buffer.resize(EVENT_BYTES, 0);
        loop {
            match self.inotify.read_events(&mut self.buffer) {
                Ok(events) => events.for_each(&mut each),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }
}
