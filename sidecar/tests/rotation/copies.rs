//! Rotation by copy and truncation, and contents that are replaced in place.

use crate::follow::{copy_and_truncate, ends_with_exactly, log, logs, matching, says, stall, wake};
use crate::support::{Place, Running, numbered};
use std::fs::File;
use std::io::{Seek, Write};

const WITH_ROTATED: &str = r"^a\.log(\.\d+)?$";

#[test]
fn copytruncate_with_the_copy_inside_and_outside_the_pattern() {
    for pattern in [r".+\.log$", WITH_ROTATED] {
        let place = Place::new();
        place.append("a.log", &numbered(0..200));
        let running = Running::start(&mut matching(&place, pattern));
        place.wait_for_lines(200);
        copy_and_truncate(&place, "a.log", "a.log.1");
        says(&place, "truncated or rewritten");
        place.append("a.log", &numbered(200..300));
        place.wait_for_lines(300);
        place.rename("a.log.1", "a.log.2");
        copy_and_truncate(&place, "a.log", "a.log.1");
        place.append("a.log", &numbered(300..310));
        ends_with_exactly(&place, running, 310);
    }
}

#[test]
fn what_only_the_copy_still_holds_is_read_from_the_copy() {
    for pattern in [r".+\.log$", WITH_ROTATED] {
        let place = Place::new();
        place.append("a.log", &numbered(0..200));
        let running = Running::start(&mut matching(&place, pattern));
        place.wait_for_lines(200);
        stall(&running);
        place.append("a.log", &numbered(200..300));
        copy_and_truncate(&place, "a.log", "a.log.1");
        wake(&running);
        place.wait_for_lines(300);
        place.append("a.log", &numbered(300..310));
        ends_with_exactly(&place, running, 310);
    }
}

#[test]
fn copytruncate_while_stopped() {
    let place = Place::new();
    place.append("a.log", &numbered(0..200));
    let running = Running::start(&mut logs(&place));
    place.wait_for_lines(200);
    assert_eq!(running.terminate(), Some(0));
    place.append("a.log", &numbered(200..300));
    copy_and_truncate(&place, "a.log", "a.log.1");
    let running = Running::start(&mut logs(&place));
    place.wait_for_lines(300);
    place.append("a.log", &numbered(300..310));
    ends_with_exactly(&place, running, 310);
}

#[test]
fn copytruncate_under_a_writer_that_does_not_append_leaves_nul_bytes_that_are_skipped() {
    let place = Place::new();
    let mut writer = File::create(log(&place, "a.log")).unwrap();
    writer.write_all(numbered(0..1000).as_bytes()).unwrap();
    let running = Running::start(&mut logs(&place));
    place.wait_for_lines(1000);
    for round in 1..3 {
        copy_and_truncate(&place, "a.log", "a.log.1");
        writer
            .write_all(numbered(round * 1000..round * 1000 + 1000).as_bytes())
            .unwrap();
        place.wait_for_lines(round * 1000 + 1000);
    }
    assert!(writer.stream_position().unwrap() > 20_000);
    ends_with_exactly(&place, running, 3000);
}

#[test]
fn truncate_and_rewrite_to_a_smaller_equal_and_larger_size_between_two_looks() {
    // All contents begin with the same 4 KiB.
    let head = numbered(0..500);
    for lines in [10, 100, 1000] {
        let place = Place::new();
        let old: String = head.clone() + &"old line\n".repeat(100);
        let new: String = head.clone() + &"new line\n".repeat(lines);
        place.append("a.log", &old);
        let running = Running::start(&mut logs(&place));
        place.wait_for_lines(600);
        stall(&running);
        std::fs::write(log(&place, "a.log"), &new).unwrap();
        wake(&running);
        place.wait_for_lines(1100 + lines);
        assert_eq!(running.terminate(), Some(0));
        assert_eq!(place.stdout(), old + &new, "{lines} lines");
    }
}
