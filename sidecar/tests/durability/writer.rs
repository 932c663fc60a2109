//! An application: appends numbered lines, each number once, rotates its file by renaming, and removes old files that were shipped.

use crate::ledger::Ledger;
use fastrand::Rng;
use std::collections::VecDeque;
use std::fs::File;
use std::io::Write;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Bytes of a line at least.
pub const LINE_BYTES: usize = 80;
/// Rotated files that are kept at least.
const KEPT: usize = 3;

/// A writer in a thread of its own.
pub struct Writer {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<usize>,
}

impl Writer {
    /// Writes `app.log` in `directory`.
    pub fn start(directory: PathBuf, ledger: Ledger, seed: u64) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || write(&directory, &ledger, seed, &stopped));
        Self { stop, thread }
    }

    /// Ends it. How many lines were written.
    pub fn finish(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

fn write(directory: &Path, ledger: &Ledger, seed: u64, stopped: &AtomicBool) -> usize {
    let mut random = Rng::with_seed(seed);
    let current = directory.join("app.log");
    let create = || File::options().create(true).append(true).open(&current).unwrap();
    let (mut file, mut begin, mut written) = (create(), 0, 0);
    let mut rotated: VecDeque<(PathBuf, Range<usize>)> = VecDeque::new();
    while !stopped.load(Ordering::Relaxed) {
        append(&mut file, &mut written, random.usize(1..20));
        if random.u32(..40) == 0 {
            let name = directory.join(format!("app.{written}.log"));
            std::fs::rename(&current, &name).unwrap();
            // As nginx does, it goes on in the renamed file for a while.
            append(&mut file, &mut written, random.usize(..5));
            file = create();
            rotated.push_back((name, begin..written));
            begin = written;
        }
        if rotated.len() > KEPT && ledger.has(rotated[0].1.clone()) {
            // Its inode is free for the next file.
            std::fs::remove_file(rotated.pop_front().unwrap().0).unwrap();
        }
        std::thread::park_timeout(Duration::from_millis(random.u64(1..8)));
    }
    written
}

/// Sometimes a line comes in two writes.
fn append(file: &mut File, written: &mut usize, count: usize) {
    for number in *written..*written + count {
        let line = format!("line {number} {:.>LINE_BYTES$}\n", "");
        let (left, right) = line.split_at(number % line.len());
        file.write_all(left.as_bytes()).unwrap();
        file.write_all(right.as_bytes()).unwrap();
    }
    *written += count;
}
