//! Inodes that go from one file to another, and files that only their inodes tell apart.

use crate::follow::{edit, ends_with_all, log, logs};
use crate::support::{Place, Running, numbered};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Files that are created until one gets a certain inode.
const ATTEMPTS: usize = 1000;

fn inode(path: &Path) -> u64 {
    std::fs::metadata(path).unwrap().ino()
}

/// Makes a file with this inode, which is free; false: this file system does not give it out again soon.
fn create_with_inode(place: &Place, name: &str, wanted: u64) -> bool {
    let mut others = Vec::new();
    let found = (0..ATTEMPTS).any(|number| {
        let path = place.path(&format!("attempt{number}"));
        std::fs::write(&path, "").unwrap();
        let found = inode(&path) == wanted;
        if found {
            std::fs::rename(&path, log(place, name)).unwrap();
        } else {
            others.push(path);
        }
        found
    });
    for path in others {
        std::fs::remove_file(path).unwrap();
    }
    found
}

#[test]
fn inode_of_a_deleted_file_without_a_descriptor_goes_to_another_file_while_up() {
    // Fewer, as many and more bytes than were read of the deleted file; under another name and under its own.
    for (name, lines) in [
        ("c.log", 5),
        ("c.log", 10),
        ("c.log", 50),
        ("a.log", 5),
        ("a.log", 10),
        ("a.log", 50),
    ] {
        let place = Place::new();
        place.append("a.log", &numbered(10..20));
        let mut command = logs(&place);
        edit(&place, |document| {
            document["limits"] = serde_json::json!({"openFiles": 1});
        });
        let running = Running::start(&mut command);
        place.wait_for_lines(10);
        let reused = inode(&log(&place, "a.log"));
        // The only descriptor goes to this one, so that deleting the other frees its inode.
        place.append("b.log", &numbered(20..30));
        place.wait_for_lines(20);
        std::fs::remove_file(log(&place, "a.log")).unwrap();
        if !create_with_inode(&place, name, reused) {
            return println!("skipped: inodes are not given out again");
        }
        place.append(name, &numbered(30..30 + lines));
        place.append("b.log", &numbered(0..10));
        ends_with_all(&place, running, 30 + lines);
    }
}

#[test]
fn files_with_the_same_first_4_kib_keep_their_positions_when_they_exchange_names_while_stopped() {
    let place = Place::new();
    let head = "the same header in every file\n".repeat(140);
    for name in ["a.log", "b.log"] {
        place.append(name, &head);
    }
    place.append("a.log", "longer than the other one\n");
    let running = Running::start(&mut logs(&place));
    place.wait_for_lines(281);
    assert_eq!(running.terminate(), Some(0));
    place.rename("a.log", "x");
    place.rename("b.log", "a.log");
    place.rename("x", "b.log");
    place.append("a.log", "new a\n");
    place.append("b.log", "new b\n");
    let running = Running::start(&mut logs(&place));
    place.wait_for_lines(283);
    assert_eq!(running.terminate(), Some(0));
    let mut new = place.lines().split_off(281);
    new.sort();
    assert_eq!(new, ["new a", "new b"]);
}
