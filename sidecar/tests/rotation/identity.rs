//! Which file is which: names, links, inodes and contents.

use crate::follow::{ends_with_all, ends_with_exactly, log, logs, matching, says};
use crate::support::{Place, Running, numbered};
use std::os::unix::fs::symlink;

#[test]
fn files_with_the_same_first_4_kib_are_different_files() {
    let place = Place::new();
    let head = "the same header in every file\n".repeat(140);
    for name in ["a.log", "b.log"] {
        place.append(name, &head);
    }
    let running = Running::start(&mut matching(&place, r"^[ab]\.log(\.1)?$"));
    place.wait_for_lines(280);
    place.append("a.log", "a\n");
    place.append("b.log", "b\n");
    place.wait_for_lines(282);
    place.rename("a.log", "a.log.1");
    place.append("a.log", &(head + "new a\n"));
    place.wait_for_lines(282 + 141);
    assert_eq!(running.terminate(), Some(0));
    assert_eq!(place.lines().len(), 282 + 141);
}

#[test]
fn files_shorter_than_any_fingerprint_and_empty_ones_filled_later() {
    let place = Place::new();
    place.append("a.log", "");
    place.append("b.log", "x\n");
    place.append("c.log", "x\n");
    let running = Running::start(&mut logs(&place));
    place.wait_for_lines(2);
    assert_eq!(running.terminate(), Some(0));
    let running = Running::start(&mut logs(&place));
    place.append("a.log", "x\n");
    place.append("b.log", "y\n");
    place.wait_for_lines(4);
    assert_eq!(running.terminate(), Some(0));
    assert_eq!(place.stdout(), "x\nx\nx\ny\n");
}

#[test]
fn inode_reuse_while_up_and_while_down() {
    for stopped in [false, true] {
        let place = Place::new();
        place.append("a.log", &numbered(0..100));
        let mut running = Running::start(&mut logs(&place));
        place.wait_for_lines(100);
        if stopped {
            assert_eq!(running.terminate(), Some(0));
            std::fs::remove_file(log(&place, "a.log")).unwrap();
            // Most file systems give it the same inode.
            place.append("b.log", &numbered(100..190));
            running = Running::start(&mut logs(&place));
        } else {
            std::fs::remove_file(log(&place, "a.log")).unwrap();
            place.append("b.log", &numbered(100..190));
        }
        ends_with_exactly(&place, running, 190);
    }
}

#[test]
fn delete_and_recreate() {
    let place = Place::new();
    let running = Running::start(&mut logs(&place));
    for round in 0..5 {
        place.append("a.log", &numbered(round * 10..round * 10 + 10));
        place.wait_for_lines(round * 10 + 10);
        std::fs::remove_file(log(&place, "a.log")).unwrap();
    }
    ends_with_exactly(&place, running, 50);
}

#[test]
fn move_away_and_back_and_out_of_the_pattern_and_back() {
    let place = Place::new();
    place.append("a.log", &numbered(0..10));
    let mut running = Running::start(&mut logs(&place));
    place.wait_for_lines(10);
    let away = place.path("away.log");
    let mut written = 10;
    for restart in [false, true] {
        for target in [away.clone(), log(&place, "a.txt")] {
            if restart {
                assert_eq!(running.terminate(), Some(0));
                std::fs::rename(log(&place, "a.log"), &target).unwrap();
                running = Running::start(&mut logs(&place));
                place.append("b.log", &numbered(written..written + 1));
                written += 1;
                place.wait_for_lines(written);
            } else {
                std::fs::rename(log(&place, "a.log"), &target).unwrap();
            }
            std::fs::rename(&target, log(&place, "a.log")).unwrap();
            place.append("a.log", &numbered(written..written + 1));
            written += 1;
            place.wait_for_lines(written);
        }
    }
    ends_with_exactly(&place, running, written);
}

#[test]
fn hard_links_and_two_paths_to_one_file_are_read_once() {
    let place = Place::new();
    place.append("a.log", &numbered(0..10));
    std::fs::hard_link(log(&place, "a.log"), log(&place, "b.log")).unwrap();
    symlink("a.log", log(&place, "c.log")).unwrap();
    let running = Running::start(&mut logs(&place));
    place.wait_for_lines(10);
    std::fs::remove_file(log(&place, "a.log")).unwrap();
    place.append("b.log", &numbered(10..20));
    ends_with_exactly(&place, running, 20);
}

#[test]
fn symlink_retargeted_looping_and_dangling_and_a_directory_named_like_a_log() {
    let place = Place::new();
    std::fs::create_dir(log(&place, "directory.log")).unwrap();
    symlink("loop.log", log(&place, "loop.log")).unwrap();
    symlink("nowhere", log(&place, "dangling.log")).unwrap();
    std::fs::write(place.path("one"), numbered(0..10)).unwrap();
    std::fs::write(place.path("two"), numbered(10..20)).unwrap();
    symlink(place.path("one"), log(&place, "a.log")).unwrap();
    let running = Running::start(&mut logs(&place));
    place.wait_for_lines(10);
    symlink(place.path("two"), log(&place, "new")).unwrap();
    place.rename("new", "a.log");
    place.wait_for_lines(20);
    std::fs::write(log(&place, "nowhere"), numbered(20..30)).unwrap();
    ends_with_all(&place, running, 30);
    assert!(!place.stderr().contains("cannot be read"), "{}", place.stderr());
}

#[test]
fn file_of_the_checkpoint_that_is_gone_is_said() {
    let place = Place::new();
    place.append("a.log", &numbered(0..10));
    let running = Running::start(&mut logs(&place));
    place.wait_for_lines(10);
    assert_eq!(running.terminate(), Some(0));
    std::fs::remove_file(log(&place, "a.log")).unwrap();
    let running = Running::start(&mut logs(&place));
    says(&place, "is gone");
    ends_with_exactly(&place, running, 10);
}
