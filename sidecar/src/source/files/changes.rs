//! What the kernel tells of changes in directories.
//!
//! Guarantees: a writer that never rests wakes us a few times a second and not for every line: after a change the kernel's
//! queue is left alone for a while, where equal changes fall together; an overflow of the queue means that anything may have changed.
//!
//! Where the kernel refuses watches (their number is limited per user), the scans alone notice changes; that is said once.

use crate::engine::Tick;
use crate::io::clock::{Alarm, Clock};
use crate::io::notices::Notices;
use inotify::{EventMask, WatchDescriptor, WatchMask};
use std::collections::{BTreeSet, HashMap};
use std::io;
use std::path::Path;
use std::time::Duration;

/// The kernel's queue is left alone for this time after a change.
const REST: Duration = Duration::from_millis(150);

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
    notices: Option<Notices>,
    /// The sources of each watch: those of one directory share it.
    watches: HashMap<WatchDescriptor, BTreeSet<usize>>,
    /// Until when the queue is left alone.
    rest_until: Option<Tick>,
    /// Of its own: only times of rest are compared.
    clock: Clock,
    alarm: Alarm,
}

impl Changes {
    /// No watches yet; `wanted` says whether there will be any.
    pub(super) fn new(wanted: bool) -> Self {
        let clock = Clock::start();
        let mut changes = Self {
            notices: None,
            watches: HashMap::new(),
            rest_until: None,
            clock,
            alarm: Alarm::new(clock),
        };
        if wanted {
            match Notices::new() {
                Ok(notices) => changes.notices = Some(notices),
                Err(error) => changes.give_up(&error),
            }
        }
        changes
    }

    /// Watches the directory of a source.
    pub(super) fn watch(&mut self, directory: &Path, source: usize) -> io::Result<()> {
        if let Some(notices) = &self.notices {
            let descriptor = notices.watch(directory, watch_mask())?;
            self.watches.entry(descriptor).or_default().insert(source);
        }
        Ok(())
    }

    /// Goes on without watches.
    pub(super) fn give_up(&mut self, error: &io::Error) {
        tracing::warn!(%error, "the kernel refuses file watches, changes are noticed at the scans only");
        self.notices = None;
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
                if let Some(notices) = &mut self.notices {
                    notices.rest();
                }
                self.rest_until = Some(self.clock.now() + REST);
                return taken;
            }
            let Some(notices) = &mut self.notices else {
                return std::future::pending().await;
            };
            if let Err(error) = notices.wait().await {
                self.give_up(&error);
            }
        }
    }

    /// Takes what is in the queue.
    fn take(&mut self) -> Vec<Change> {
        let mut taken = BTreeSet::new();
        let Self { notices, watches, .. } = self;
        let emptied = notices.as_mut().map(|notices| {
            notices.take(|event| {
                // After an overflow nobody knows what changed.
                if event.mask.contains(EventMask::Q_OVERFLOW) {
                    taken.insert(Change::Names(None));
                }
                let sources = watches.get(&event.wd).into_iter().flatten();
                let name = event.name.and_then(|name| name.to_str());
                taken.extend(sources.map(|source| match name {
                    Some(name) if event.mask == EventMask::MODIFY => {
                        Change::Contents(*source, name.to_owned())
                    }
                    _ => Change::Names(Some(*source)),
                }));
                if event.mask.contains(EventMask::IGNORED) {
                    watches.remove(&event.wd);
                }
            })
        });
        if let Some(Err(error)) = emptied {
            self.give_up(&error);
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
