//! `logship run` for somebody who looks: standard error is a terminal.

use crate::support::{Place, Running, eventually};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use serde_json::json;
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

/// A terminal of 60 columns, and what was written to it so far.
struct Terminal {
    shown: Arc<Mutex<Vec<u8>>>,
}

impl Terminal {
    /// Becomes the standard error of the command.
    fn of(command: &mut Command) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let size = Winsize {
            ws_col: 60,
            ws_row: 24,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&master, size).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let path = Path::new(std::ffi::OsStr::from_bytes(name.as_bytes()));
        command.stderr(File::options().read(true).write(true).open(path).unwrap());
        let shown = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&shown);
        std::thread::spawn(move || {
            let mut master = File::from(master);
            let mut buffer = [0; 4096];
            // Ends with the last process that has the terminal open.
            while let Ok(count @ 1..) = master.read(&mut buffer) {
                seen.lock().unwrap().extend_from_slice(&buffer[..count]);
            }
        });
        Self { shown }
    }

    fn shown(&self) -> String {
        String::from_utf8_lossy(&self.shown.lock().unwrap()).into_owned()
    }
}

fn run(place: &Place) -> Command {
    let document = json!({
        "version": 1, "name": "try",
        "sources": [{"name": "logs", "files": {"directory": "logs", "pattern": "log$"}}],
        "sinks": [{"name": "copy", "file": {"path": "copy.json"}}],
    });
    std::fs::write(place.path("try.json"), document.to_string()).unwrap();
    let mut command = place.binary();
    command
        .current_dir(place.root.path())
        .args(["run", "--config", "try.json"]);
    command
}

#[test]
fn block_is_drawn_again_in_its_place_and_the_end_is_summed_up() {
    let place = Place::new();
    let long = "n".repeat(100) + ".log";
    place.append(&long, "one\ntwo\n");
    let mut command = run(&place);
    let terminal = Terminal::of(&mut command);
    let running = Running::start(&mut command);
    drop(command);
    eventually("the records are shown", || {
        terminal.shown().contains("sink copy  2 sent").then_some(())
    });
    place.append(&long, "three\n");
    eventually("the new record is shown", || {
        terminal.shown().contains("sink copy  3 sent").then_some(())
    });
    assert_eq!(running.terminate(), Some(0));
    eventually("the summary is the last line", || {
        let shown = terminal.shown();
        let last = shown.lines().last().unwrap_or_default().to_owned();
        (last.starts_with("try: 3 records read, 3 sent to copy, in ") && shown.ends_with('\n')).then_some(())
    });
    let shown = terminal.shown();
    assert!(
        shown.contains("\x1b[4A\r"),
        "four lines are overwritten: {shown:?}"
    );
    let block = shown.lines().find(|line| line.contains("    nnn")).unwrap();
    assert_eq!(
        block.replace("\x1b[K", "").trim_end().chars().count(),
        60,
        "{block:?}"
    );
    assert!(
        shown.contains("everything was sent") && !shown.contains("{\""),
        "plain words: {shown:?}"
    );
}

#[test]
fn without_a_terminal_every_line_is_json() {
    let place = Place::new();
    place.append("a.log", "x\n");
    let running = Running::start(&mut run(&place));
    eventually("the file is followed", || {
        place.stderr().contains("following file").then_some(())
    });
    assert_eq!(running.terminate(), Some(0));
    for line in place.stderr().lines() {
        assert!(serde_json::from_str::<serde_json::Value>(line).is_ok(), "{line}");
    }
}
