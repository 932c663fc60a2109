//! A place whose files are followed, and what is expected of it.

use crate::support::{Place, Running, eventually, numbered};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{File, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// `logship run` on every file whose name ends in `.log`.
pub fn logs(place: &Place) -> Command {
    matching(place, r".+\.log$")
}

/// The same as another user, who can read and write what is made so in the place. The program lies there, too, because nobody else may be let into
/// the directories above the one that it was built in.
pub fn logs_as(place: &Place, user: u32) -> Command {
    let mode = |path: &Path, mode| std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    mode(place.root.path(), 0o755);
    std::fs::create_dir(place.path("state")).unwrap();
    mode(&place.path("state"), 0o777);
    let ours = logs(place);
    let program = place.path("logship");
    std::fs::copy(ours.get_program(), &program).unwrap();
    let mut command = Command::new(program);
    command.args(ours.get_args()).env_clear();
    for (name, value) in ours.get_envs() {
        command.env(name, value.unwrap());
    }
    place.redirect(&mut command);
    command.uid(user).gid(user);
    command
}

/// The same on names that match this pattern.
pub fn matching(place: &Place, pattern: &str) -> Command {
    let sink = serde_json::json!([{"name": "out", "batch": {"maxBytes": 65536, "maxAgeMs": 20}, "stdout": {"format": "text"}}]);
    let mut command = place.by_document(&sink);
    edit(place, |document| {
        document["sources"][0]["files"]["pattern"] = pattern.into();
    });
    command.env("RUST_LOG", "info");
    command
}

/// Changes the configuration before it is read.
pub fn edit(place: &Place, change: impl FnOnce(&mut serde_json::Value)) {
    let path = place.path("config/shop.json");
    let mut document = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    change(&mut document);
    std::fs::write(path, document.to_string()).unwrap();
}

pub fn log(place: &Place, name: &str) -> PathBuf {
    place.path("logs").join(name)
}

/// What `gzip` does: a new file with the name's end, then the old one goes.
pub fn gzip(place: &Place, name: &str) {
    let text = std::fs::read(log(place, name)).unwrap();
    let packed = File::create(log(place, &format!("{name}.gz"))).unwrap();
    let mut encoder = flate2::write::GzEncoder::new(packed, flate2::Compression::fast());
    encoder.write_all(&text).unwrap();
    encoder.finish().unwrap();
    std::fs::remove_file(log(place, name)).unwrap();
}

/// What `logrotate` does with `copytruncate`.
pub fn copy_and_truncate(place: &Place, name: &str, copy: &str) {
    std::fs::copy(log(place, name), log(place, copy)).unwrap();
    File::options()
        .write(true)
        .open(log(place, name))
        .unwrap()
        .set_len(0)
        .unwrap();
}

pub fn stall(running: &Running) {
    signal(running, Signal::STOP);
}

pub fn wake(running: &Running) {
    signal(running, Signal::CONT);
}

fn signal(running: &Running, signal: Signal) {
    kill_process(Pid::from_child(running.child()), signal).unwrap();
}

/// Waits until so many lines are there, ends the process, and compares everything, order included.
pub fn ends_with_exactly(place: &Place, running: Running, count: usize) {
    place.wait_for_lines(count);
    assert_eq!(running.terminate(), Some(0));
    assert_eq!(place.stdout(), numbered(0..count), "{}", place.stderr());
}

/// The same for files of `each` lines that are in order themselves and have no order among each other.
pub fn ends_with_files_in_order(place: &Place, running: Running, count: usize, each: usize) {
    ends_with_all(place, running, count);
    let lines = place.lines();
    let at = |number: usize| lines.iter().position(|line| *line == format!("line {number}"));
    for begin in (0..count).step_by(each) {
        assert!((begin..begin + each).is_sorted_by_key(at), "{lines:?}");
    }
}

/// Waits until so many lines are there, ends the process, and compares everything but the order.
pub fn ends_with_all(place: &Place, running: Running, count: usize) {
    place.wait_for_lines(count);
    assert_eq!(running.terminate(), Some(0));
    let mut lines = place.lines();
    lines.sort();
    let mut expected: Vec<String> = numbered(0..count).lines().map(str::to_owned).collect();
    expected.sort();
    assert_eq!(lines.len(), expected.len(), "{}", place.stderr());
    assert_eq!(lines, expected);
}

pub fn says(place: &Place, words: &str) {
    eventually(words, || place.stderr().contains(words).then_some(()));
}
