//! Who a file is that was not there before: a copy of one that is read, one that was missed, or nobody's.

use super::*;

#[test]
fn file_that_could_not_be_opened_is_not_closed() {
    let mut world = World::new(StartAt::Beginning, None);
    world.write("a.log", 1, "gone\n");
    world.list();
    world.names.remove("a.log");
    // The shell of these tests complains about a descriptor that it did not give out.
    world.run(INTERVAL * 3);
    assert_eq!(world.shipped, "");
}

#[test]
fn start_at_end_skips_nothing_that_was_written_between_the_first_listing_and_the_open() {
    let mut world = World::new(StartAt::End, None);
    world.write("a.log", 1, "before\n");
    world.list();
    world.write("a.log", 1, "after\n");
    world.run(INTERVAL);
    assert_eq!(world.shipped, "after\n");
}

#[test]
fn compressed_copy_of_a_file_of_which_nothing_was_read_yet_waits_for_that() {
    let mut world = World::new(StartAt::Beginning, None);
    world.write("a.log", 1, "");
    world.run(INTERVAL);
    world.names.remove("a.log");
    world.write("a.log.1.gz", 9, "one\ntwo\n");
    world.contents.insert(1, b"one\ntwo\n".to_vec());
    world.run(INTERVAL * 9);
    assert_eq!(world.shipped, "one\ntwo\n");
}

#[test]
fn current_file_is_read_although_a_rotated_one_before_it_vanished() {
    let mut world = World::new(StartAt::Beginning, None);
    world.write("a.log", 1, "one\n");
    world.run(INTERVAL);
    let mut world = World::new(StartAt::Beginning, world.tail.positions());
    world.write("a.log", 1, "one\ntwo\n");
    world.write("a.log.2", 8, "old\n");
    world.write("a.log.1", 9, "older than what is known, too\n");
    world.list();
    world.names.remove("a.log.1");
    world.run(INTERVAL * 9);
    assert_eq!(world.shipped, "two\n");
}

#[test]
fn drain_reads_the_new_contents_of_a_rotated_file() {
    let mut world = World::new(StartAt::Beginning, None);
    world.write("a.log", 1, "one\n");
    world.run(INTERVAL);
    world.names.remove("a.log");
    world.write("a.log.1", 1, "");
    world.run(INTERVAL);
    world.contents.insert(1, b"other contents\n".to_vec());
    world.tail.drain(world.now);
    let drains = (0..600).any(|_| {
        world.run(Duration::from_millis(100));
        world.tail.is_drained()
    });
    assert!(drains);
    assert_eq!(world.shipped, "one\nother contents\n");
}

#[test]
fn inode_of_an_empty_file_says_nothing_about_a_stranger() {
    let mut world = World::new(StartAt::Beginning, None);
    world.write("a.log", 1, "");
    world.run(INTERVAL);
    let mut world = World::new(StartAt::Beginning, world.tail.positions());
    world.write("secret.txt", 1, "not a log\n");
    world.run(INTERVAL * 3);
    assert_eq!(world.shipped, "");
}

#[test]
fn empty_file_that_was_filled_and_renamed_while_we_were_away_is_read() {
    let mut world = World::new(StartAt::Beginning, None);
    world.write("a.log", 1, "");
    world.run(INTERVAL);
    let mut world = World::new(StartAt::Beginning, world.tail.positions());
    world.write("a.log.1", 1, "written while down\n");
    world.run(INTERVAL * 9);
    assert_eq!(world.shipped, "written while down\n");
}

#[test]
fn copy_is_looked_at_once_although_its_original_had_other_contents_before() {
    let mut world = World::new(StartAt::Beginning, None);
    world.write("a.log", 1, "first contents\n");
    world.run(INTERVAL);
    world.contents.insert(1, b"next\n".to_vec());
    world.run(INTERVAL * 2);
    world.write("a.log.1", 9, "next\n");
    world.run(INTERVAL * 20);
    assert_eq!(world.shipped, "first contents\nnext\n");
    assert_eq!(world.opens, 2);
}

#[test]
fn compressed_file_that_was_read_is_not_opened_again() {
    let mut world = World::new(StartAt::Beginning, None);
    world.write("a.log", 1, "one\n");
    world.run(INTERVAL);
    let mut world = World::new(StartAt::Beginning, world.tail.positions());
    world.write("a.log.1.gz", 9, "one\nmissed\n");
    world.run(INTERVAL * 100);
    assert_eq!(world.shipped, "missed\n");
    assert_eq!(world.opens, 1);
}

#[test]
fn name_that_has_come_into_the_pattern_counts_also_before_the_file_can_be_opened() {
    let mut world = World::new(StartAt::Beginning, None);
    world.write("a.log", 1, "one\n");
    world.run(INTERVAL);
    let mut world = World::new(StartAt::Beginning, world.tail.positions());
    world.write("a.old", 1, "quite other contents\n");
    world.list();
    world.names.remove("a.old");
    world.write("a.log", 1, "");
    world.run(INTERVAL * 3);
    assert_eq!(world.shipped, "quite other contents\n");
}

#[test]
fn file_that_begins_like_one_that_is_still_being_read_is_no_copy_of_it() {
    let mut world = World::new(StartAt::Beginning, None);
    let heading = "h".repeat(READ_BYTES * 2);
    world.write("a.log", 1, &format!("{heading}\none and more\n"));
    world.list();
    world.poll_all();
    let read = world.tail.next_read().unwrap();
    world.perform(read);
    world.write("a.log.1", 9, &format!("{heading}\ntwo\n"));
    world.list();
    world.poll_all();
    world.run(INTERVAL * 9);
    assert_eq!(
        world.shipped,
        format!("{heading}\none and more\n{heading}\ntwo\n")
    );
}

#[test]
fn copy_that_grows_is_no_copy() {
    let mut world = World::new(StartAt::Beginning, None);
    world.write("a.log", 1, "heading\n");
    world.run(INTERVAL);
    world.write("a.log.1", 9, "heading\n");
    world.run(INTERVAL * 9);
    world.write("a.log.1", 9, "words\n");
    world.run(INTERVAL * 9);
    assert!(world.shipped.ends_with("words\n"), "{}", world.shipped);
}

#[test]
fn known_file_that_shrinks_before_its_contents_are_compared_is_read_as_new() {
    let mut world = World::new(StartAt::Beginning, None);
    world.write("a.log", 1, &format!("{}\n", "x".repeat(READ_BYTES * 2)));
    world.run(INTERVAL);
    let known = world.tail.positions();
    let mut world = World::new(StartAt::Beginning, known);
    world.write("a.log", 1, &format!("{}\n", "x".repeat(READ_BYTES * 2)));
    world.list();
    // It is opened as it was, and shorter than what is known when it is read.
    let open = world.tail.poll(world.now, &mut world.outlets).unwrap();
    world.perform(open);
    world
        .contents
        .insert(1, format!("{}\n", "x".repeat(READ_BYTES * 2 - 9)).into_bytes());
    world.poll_all();
    world.run(INTERVAL);
    assert_eq!(world.shipped.len(), READ_BYTES * 2 - 8);
}

#[test]
fn file_that_was_left_alone_is_read_once_its_name_matches() {
    let mut world = World::new(StartAt::Beginning, None);
    world.write("a.log", 1, "one\n");
    world.run(INTERVAL);
    let mut world = World::new(StartAt::Beginning, world.tail.positions());
    world.write("a.old", 1, "quite other contents\n");
    world.run(INTERVAL * 3);
    assert_eq!(world.shipped, "");
    world.names.remove("a.old");
    world.write("b.log", 1, "");
    world.run(INTERVAL * 3);
    assert_eq!(world.shipped, "quite other contents\n");
}

#[test]
fn file_that_has_the_inode_of_another_goes_by_its_own_name() {
    let mut world = World::new(StartAt::Beginning, None);
    world.write("a.log", 1, "one\n");
    world.run(INTERVAL);
    let mut world = World::new(StartAt::Beginning, world.tail.positions());
    world.write("b.log", 1, "quite other contents\n");
    world.run(INTERVAL);
    let (name, offset) = ("b.log".to_owned(), 0);
    assert_eq!(world.reports, [Report::FileFollowed { name, offset }]);
    assert_eq!(world.tail.counts().truncations, 0);
}
