//! An application: appends numbered lines, a few thousand a second, each number once, and rotates its file when it is told to.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

const LINES_AT_ONCE: usize = 10;
const PAUSE: Duration = Duration::from_millis(3);

/// What it is told, and tells.
#[derive(Default)]
struct Told {
    stop: AtomicBool,
    /// Rotations that are wanted and not done.
    rotations: AtomicUsize,
    written: AtomicUsize,
}

/// A writer in a thread of its own.
pub struct Writer {
    told: Arc<Told>,
    thread: JoinHandle<()>,
}

impl Writer {
    /// Writes `app.log` in `directory`.
    pub fn start(directory: PathBuf) -> Self {
        let told = Arc::new(Told::default());
        let heard = Arc::clone(&told);
        let thread = std::thread::spawn(move || write(&directory, &heard));
        Self { told, thread }
    }

    /// How many lines are written by now.
    pub fn written(&self) -> usize {
        self.told.written.load(Ordering::Relaxed)
    }

    /// Renames its file and begins a new one, soon.
    pub fn rotate(&self) {
        self.told.rotations.fetch_add(1, Ordering::Relaxed);
    }

    /// Ends it. How many lines were written.
    pub fn finish(self) -> usize {
        self.told.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap();
        self.told.written.load(Ordering::Relaxed)
    }
}

fn write(directory: &Path, told: &Told) {
    let current = directory.join("app.log");
    let create = || File::options().create(true).append(true).open(&current).unwrap();
    let (mut file, mut written, mut rotated) = (create(), 0, 0);
    while !told.stop.load(Ordering::Relaxed) {
        append(&mut file, &mut written);
        if rotated < told.rotations.load(Ordering::Relaxed) {
            rotated += 1;
            std::fs::rename(&current, directory.join(format!("app.log.{rotated}"))).unwrap();
            // As nginx does, it goes on in the renamed file for a while.
            append(&mut file, &mut written);
            file = create();
        }
        told.written.store(written, Ordering::Relaxed);
        std::thread::park_timeout(PAUSE);
    }
}

/// Each line in two writes, so that a reader sees halves.
fn append(file: &mut File, written: &mut usize) {
    for number in *written..*written + LINES_AT_ONCE {
        let line = format!("line {number}\n");
        let (left, right) = line.split_at(number % line.len());
        file.write_all(left.as_bytes()).unwrap();
        file.write_all(right.as_bytes()).unwrap();
    }
    *written += LINES_AT_ONCE;
}
