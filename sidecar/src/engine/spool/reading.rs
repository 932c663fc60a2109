//! How a spool reads from its disk: how much at once, and when again after a failure.
//!
//! Guarantee: what the disk does not give is not waited for for ever, because everything behind it waits.

use super::{RETRY_INTERVAL, Tick};

/// What is read at once.
const READ_BYTES: usize = 64 << 10;
/// What cannot be read so often in a row is damaged.
const READS_MAX: u32 = 10;

/// The next read.
#[derive(Debug)]
pub struct Reading {
    bytes: usize,
    /// Failures in a row.
    failures: u32,
    again_at: Option<Tick>,
}

impl Default for Reading {
    fn default() -> Self {
        Self {
            bytes: READ_BYTES,
            failures: 0,
            again_at: None,
        }
    }
}

impl Reading {
    /// So many bytes, where there are as many.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Less did not hold an entry.
    pub fn needs(&mut self, bytes: usize) {
        self.bytes = bytes;
    }

    /// It failed; whether it is to be tried again. Otherwise it is given up.
    pub fn failed(&mut self, now: Tick) -> bool {
        self.failures += 1;
        let is_worth_it = self.failures < READS_MAX;
        self.again_at = is_worth_it.then_some(now + RETRY_INTERVAL);
        is_worth_it
    }

    /// It is time.
    pub fn look(&mut self, now: Tick) {
        self.again_at = self.again_at.filter(|at| now < *at);
    }

    /// When it is tried again.
    pub fn again_at(&self) -> Option<Tick> {
        self.again_at
    }
}
