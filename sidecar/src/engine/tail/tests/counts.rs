//! What is lost, cut off, skipped or parked is counted; a time of day decides nothing.

use super::*;

#[test]
fn file_deleted_before_it_was_opened_is_counted_as_lost_and_reported() {
    let mut world = World::new(StartAt::Beginning, None);
    world.write("a.log", 1, "kept\n");
    world.run(INTERVAL);
    world.write("b.log", 2, "lost\n");
    world.list();
    world.names.remove("b.log");
    world.run(INTERVAL * 2);
    assert_eq!(world.shipped, "kept\n");
    let counts = world.tail.counts();
    assert_eq!((counts.lost_files, counts.lost_bytes), (1, 5));
    let lost = Report::FileLost {
        name: "b.log".to_owned(),
        bytes: 5,
    };
    assert_eq!(world.reports.iter().filter(|report| **report == lost).count(), 1);
}

#[test]
fn file_renamed_before_it_was_opened_is_not_lost() {
    let mut world = World::new(StartAt::Beginning, None);
    world.write("a.log", 1, "one\n");
    world.run(INTERVAL);
    world.write("b.log", 2, "two\n");
    world.list();
    world.names.remove("b.log");
    world.names.insert("c.log".to_owned(), 2);
    world.run(INTERVAL * 2);
    assert_eq!(world.shipped, "one\ntwo\n");
    assert_eq!(world.tail.counts(), TailCounts::default());
}

#[test]
fn truncation_and_the_hole_that_its_writer_leaves_are_counted() {
    let mut world = World::new(StartAt::Beginning, None);
    world.write("a.log", 1, "before the truncation\n");
    world.run(INTERVAL);
    world.contents.insert(1, b"\0\0\0\0after\n".to_vec());
    world.run(INTERVAL * 2);
    assert_eq!(world.shipped, "before the truncation\nafter\n");
    let expected = TailCounts {
        truncations: 1,
        nul_bytes: 4,
        ..TailCounts::default()
    };
    assert_eq!(world.tail.counts(), expected);
}

#[test]
fn bytes_that_were_cut_off_unread_and_have_no_copy_are_counted_as_lost() {
    let mut world = World::new(StartAt::Beginning, None);
    world.write("a.log", 1, "read\n");
    world.run(INTERVAL);
    world.write("a.log", 1, "never read\n");
    world.list();
    world.contents.insert(1, b"new\n".to_vec());
    world.run(INTERVAL * 10);
    assert_eq!(world.shipped, "read\nnew\n");
    let counts = world.tail.counts();
    assert_eq!((counts.truncations, counts.lost_bytes), (1, 11));
}

#[test]
fn each_descriptor_given_up_for_another_file_is_counted() {
    let few = TailSettings {
        open_files_max: 1,
        ..settings(StartAt::Beginning)
    };
    let mut world = World::with(few, None);
    for (name, inode) in [("a.log", 1), ("b.log", 2), ("c.log", 3)] {
        world.write(name, inode, "line\n");
    }
    world.run(INTERVAL * 2);
    assert_eq!(world.shipped, "line\nline\nline\n");
    assert_eq!(world.open.len(), 1);
    assert_eq!(world.tail.files(), 3);
    assert_eq!(world.tail.counts().parked, 2);
    let said = world
        .reports
        .iter()
        .filter(|report| **report == Report::TooManyFiles(1));
    assert_eq!(said.count(), 1);
}

#[test]
fn time_of_day_that_jumps_back_changes_nothing_but_the_time_of_the_records() {
    let mut world = World::new(StartAt::Beginning, None);
    world.wall = 2_000_000_000;
    world.write("a.log", 1, "one\n");
    world.run(INTERVAL);
    for (wall, text) in [(1, "two\n"), (i64::MAX, "three\n"), (0, "four\n")] {
        world.wall = wall;
        world.write("a.log", 1, text);
        world.run(INTERVAL);
    }
    assert_eq!(world.shipped, "one\ntwo\nthree\nfour\n");
    assert_eq!(world.tail.counts(), TailCounts::default());
}
