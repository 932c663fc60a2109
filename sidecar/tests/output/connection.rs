//! An answer of the API that goes on, with what is on its way to us.

use crate::container::{Container, Reader, Step};
use logship::engine::Tick;
use logship::engine::outlets::StreamId;
use std::time::Duration;

/// More is not on its way: then the kubelet's reader waits.
const PIPE_BYTES: usize = 192 << 10;
/// As the shell has it, see `container_output/patience.rs` and `reading.rs`.
const IDLE_MAX: Duration = Duration::from_secs(200);
const BUSY_MAX: Duration = Duration::from_millis(1500);
const MUCH_BYTES: usize = 1 << 20;
const HELD_BACK_MIN: Duration = Duration::from_secs(1);

/// How it ends once everything on its way has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Clean,
    Broken,
}

#[derive(Debug)]
pub struct Connection {
    pub stream: StreamId,
    pub question: u64,
    pub container: usize,
    reader: Reader,
    pipe: Vec<u8>,
    end: Option<End>,
    /// Nothing comes any more, and nobody says so.
    is_frozen: bool,
    bytes: usize,
    /// Since then nothing came, or nothing was taken.
    quiet_since: Tick,
    waits_since: Option<Tick>,
    was_held_back: bool,
}

/// What comes next.
#[derive(Debug)]
pub enum Part {
    /// Some bytes, and whether they waited for so long that it is told.
    Data(Vec<u8>, bool),
    Silent,
    End(End),
}

impl Connection {
    pub fn new(now: Tick, (stream, question): (StreamId, u64), container: usize, reader: Reader) -> Self {
        Self {
            stream,
            question,
            container,
            reader,
            pipe: Vec::new(),
            end: None,
            is_frozen: false,
            bytes: 0,
            quiet_since: now,
            waits_since: None,
            was_held_back: false,
        }
    }

    /// The run and the file of the first line that may still come.
    pub fn place(&self) -> Option<(usize, usize, usize)> {
        let (run, file) = self.reader.place();
        // What is on its way may be of any file before.
        let file = if self.pipe.is_empty() { file } else { 0 };
        (!self.is_frozen).then_some((self.container, run, file))
    }

    pub fn run(&self) -> usize {
        self.reader.place().0
    }

    /// The kubelet reads what is there, as far as it can send it.
    pub fn fill(&mut self, containers: &[Container]) {
        while self.end.is_none() && !self.is_frozen && self.pipe.len() < PIPE_BYTES {
            match self.reader.step(&containers[self.container]) {
                Step::Bytes(bytes) => self.pipe.extend(bytes),
                Step::Wait => return,
                Step::End => self.end = Some(End::Clean),
            }
        }
    }

    /// It ends with a part of what is on its way.
    pub fn cut(&mut self, part: usize, end: End) {
        self.pipe.truncate(part);
        self.end = Some(end);
    }

    /// What is on its way is gone, and its end too: one that came without it would say that all had come.
    pub fn freeze(&mut self) {
        self.pipe.clear();
        self.end = None;
        self.is_frozen = true;
    }

    pub fn pending(&self) -> usize {
        self.pipe.len()
    }

    /// Nobody takes what is there.
    pub fn wait(&mut self, now: Tick) {
        if !self.pipe.is_empty() {
            self.waits_since.get_or_insert(now);
        }
    }

    /// The next part now, of at most so many bytes.
    pub fn next(&mut self, now: Tick, bytes_max: usize) -> Option<Part> {
        if !self.pipe.is_empty() {
            let rest = self.pipe.split_off(bytes_max.min(self.pipe.len()));
            let bytes = std::mem::replace(&mut self.pipe, rest);
            let waited = self
                .waits_since
                .take()
                .is_some_and(|since| now >= since + HELD_BACK_MIN);
            self.was_held_back |= waited;
            self.bytes += bytes.len();
            self.quiet_since = now;
            return Some(Part::Data(bytes, waited));
        }
        if let Some(end) = self.end {
            return Some(Part::End(end));
        }
        (now >= self.silent_at()).then_some(Part::Silent)
    }

    pub fn silent_at(&self) -> Tick {
        let is_busy = self.was_held_back || self.bytes >= MUCH_BYTES;
        self.quiet_since + if is_busy { BUSY_MAX } else { IDLE_MAX }
    }
}
