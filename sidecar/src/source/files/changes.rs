//! What the kernel tells of changes in directories.
//!
//! Guarantees: a writer that never rests wakes us a few times a second and not for every line: after a change the kernel's
//! queue is left alone for a while, where equal changes fall together; an overflow of the queue means that anything may have changed.
//!
//! Where the kernel refuses watches (their number is limited per user), the scans alone notice changes; that is said once.

use crate::engine::Tick;
use crate::io::clock::{Alarm, Clock};
use crate::io::watch;
use inotify::{EventMask, Inotify, WatchDescriptor, WatchMask};
use std::collections::{BTreeSet, HashMap};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::Duration;
use tokio::io::unix::AsyncFd;

/// The kernel's queue is left alone for this time after a change.
const REST: Duration = Duration::from_millis(150);
const EVENT_BYTES: usize = 16 << 10;

/// A change in a directory.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// The names of this source, or of all, changed.
    Names(Option<usize>),
    /// The contents of a file of this source changed.
    Contents(usize, String),
}

/// The watches of one pipeline.
#[derive(Debug)]
pub(super) struct Changes {
    inotify: Option<Inotify>,
    /// The sources of each watch: those of one directory share it.
    watches: HashMap<WatchDescriptor, BTreeSet<usize>>,
    /// Until when the queue is left alone.
    rest_until: Option<Tick>,
    /// Of its own: only times of rest are compared.
    clock: Clock,
    alarm: Alarm,
    /// While we wait and do not rest; then nothing may wake us.
    waiting: Option<AsyncFd<OwnedFd>>,
    buffer: Vec<u8>,
}

impl Changes {
    /// No watches yet; `wanted` says whether there will be any.
    pub(super) fn new(wanted: bool) -> Self {
        let clock = Clock::start();
        let mut changes = Self {
            inotify: None,
            watches: HashMap::new(),
            rest_until: None,
            clock,
            alarm: Alarm::new(clock),
            waiting: None,
            buffer: Vec::new(),
        };
        if wanted {
            match Inotify::init() {
                Ok(inotify) => changes.inotify = Some(inotify),
                Err(error) => changes.give_up(&error),
            }
        }
        changes
    }

    /// Watches the directory of a source.
    pub(super) fn watch(&mut self, directory: &Path, source: usize) -> io::Result<()> {
        if let Some(inotify) = &self.inotify {
            let descriptor = inotify.watches().add(directory, watch_mask())?;
            self.watches.entry(descriptor).or_default().insert(source);
        }
        Ok(())
    }

    /// Goes on without watches.
    pub(super) fn give_up(&mut self, error: &io::Error) {
        tracing::warn!(%error, "the kernel refuses file watches, changes are noticed at the scans only");
        self.inotify = None;
    }

    /// Waits for changes.
    pub(super) async fn next(&mut self) -> Vec<Change> {
        loop {
            if self.rest_until.is_some() {
                self.alarm.wait_until(self.rest_until).await;
                self.rest_until = None;
            }
            let taken = self.take();
            if !taken.is_empty() {
                self.waiting = None;
                self.rest_until = Some(self.clock.now() + REST);
                return taken;
            }
            if let Err(error) = self.wait().await {
                self.give_up(&error);
            }
        }
    }

    /// Waits until something is in the queue; for ever without one.
    async fn wait(&mut self) -> io::Result<()> {
        let Some(inotify) = &self.inotify else {
            return std::future::pending().await;
        };
        if self.waiting.is_none() {
            let waiting = watch(inotify.as_fd().try_clone_to_owned()?)?;
            self.waiting = Some(waiting);
        }
        if let Some(waiting) = &self.waiting {
            waiting.readable().await?.clear_ready();
        }
        Ok(())
    }

    /// Takes what is in the queue.
    fn take(&mut self) -> Vec<Change> {
        let mut taken = BTreeSet::new();
        self.buffer.resize(EVENT_BYTES, 0);
        while let Some(inotify) = &mut self.inotify {
            let events = match inotify.read_events(&mut self.buffer) {
                Ok(events) => events,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => {
                    self.give_up(&error);
                    break;
                }
            };
            for event in events {
                // After an overflow nobody knows what changed.
                if event.mask.contains(EventMask::Q_OVERFLOW) {
                    taken.insert(Change::Names(None));
                }
                let sources = self.watches.get(&event.wd).into_iter().flatten();
                let name = event.name.and_then(|name| name.to_str());
                taken.extend(sources.map(|source| match name {
                    Some(name) if event.mask == EventMask::MODIFY => {
                        Change::Contents(*source, name.to_owned())
                    }
                    _ => Change::Names(Some(*source)),
                }));
                if event.mask.contains(EventMask::IGNORED) {
                    self.watches.remove(&event.wd);
                }
            }
        }
        taken.into_iter().collect()
    }
}

fn watch_mask() -> WatchMask {
    WatchMask::MODIFY
        | WatchMask::CREATE
        | WatchMask::MOVE
        | WatchMask::DELETE
        | WatchMask::DELETE_SELF
        | WatchMask::MOVE_SELF
}
