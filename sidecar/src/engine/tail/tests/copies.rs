//! Whether a file is a copy, where its first bytes or its size do not tell.

use super::*;

/// Ends the process and begins the next one.
fn restart(world: &World) -> World {
    World::new(StartAt::Beginning, world.tail.positions())
}

#[test]
fn compressed_file_that_says_less_of_its_size_than_was_read_of_its_original_is_read_on_from_there() {
    let mut world = World::new(StartAt::Beginning, None);
    world.write("a.log", 1, "one\n");
    world.run(INTERVAL);
    let mut world = restart(&world);
    world.write("a.log.1.gz", 9, "one\nmissed\n");
    // It has more than 4 GiB, or several members.
    world.says.insert(9, 2);
    world.run(INTERVAL * 20);
    assert_eq!(world.shipped, "missed\n");
}

#[test]
fn compressed_file_that_says_less_of_its_size_than_was_read_of_itself_is_read_on_from_there() {
    let mut world = World::new(StartAt::Beginning, None);
    world.write("a.log", 1, "one\n");
    world.run(INTERVAL);
    let mut world = restart(&world);
    world.write("a.log.1.gz", 9, "one\nmissed\n");
    world.run(INTERVAL);
    let mut world = restart(&world);
    world.write("a.log.1.gz", 9, "one\nmissed\nappended\n");
    world.says.insert(9, 2);
    world.run(INTERVAL * 20);
    assert_eq!(world.shipped, "appended\n");
}

#[test]
fn compressed_file_that_says_more_of_its_size_than_is_there_is_no_copy_and_not_compared_for_ever() {
    let mut world = World::new(StartAt::Beginning, None);
    let text = format!("{}\n", "x".repeat(Trail::BYTES_MAX * 4));
    world.write("a.log", 1, &text);
    world.run(INTERVAL);
    let mut world = restart(&world);
    world.write("a.log.1.gz", 9, &text[9..]);
    world.says.insert(9, u32::MAX.into());
    world.run(INTERVAL * 20);
    assert_eq!(world.shipped, text[9..]);
}

#[test]
fn start_at_end_skips_all_of_a_compressed_file() {
    let mut world = World::new(StartAt::End, None);
    world.write("a.log.1.gz", 9, "unpacked, these are many more bytes\n");
    let mut entries = world.entries();
    entries[0].matches = true;
    world.tail.listed(world.now, entries, &mut world.next_id);
    world.run(Duration::ZERO);
    assert_eq!((world.opens, world.shipped.as_str()), (1, ""));
}

fn is_unreadable(report: &Report) -> bool {
    matches!(report, Report::FileUnreadable { .. })
}

#[test]
fn drain_reads_the_copy_of_a_file_that_was_truncated_before_its_first_read() {
    let mut world = World::new(StartAt::Beginning, None);
    world.write("a.log", 1, "one\n");
    world.tail.drain(world.now);
    world.list();
    world.poll_all();
    let copied = world.contents.insert(1, Vec::new()).unwrap();
    world.write("a.log.1", 9, std::str::from_utf8(&copied).unwrap());
    let drains = (0..600).any(|_| {
        world.run(Duration::from_millis(100));
        world.tail.is_drained()
    });
    assert!(drains);
    assert_eq!(world.shipped, "one\n");
}

#[test]
fn copy_of_a_rotated_file_that_was_found_alone_is_recognised() {
    let mut world = World::new(StartAt::Beginning, None);
    world.write("a.1.log", 1, "one\n");
    world.run(INTERVAL);
    world.names.remove("a.1.log");
    world.write("a.log", 2, "two\n");
    world.write("a.1.log.gz", 9, "one\n");
    world.run(INTERVAL * 60);
    assert_eq!(world.shipped, "one\ntwo\n");
}

#[test]
fn copy_of_a_file_that_is_known_by_another_of_its_names_is_recognised() {
    let mut world = World::new(StartAt::Beginning, None);
    world.write("b.log", 1, "one\n");
    world.run(INTERVAL);
    world.write("a.log", 1, "");
    world.write("a.1.log", 9, "one\n");
    world.run(INTERVAL * 9);
    assert_eq!(world.shipped, "one\n");
}

/// `a.1.log` begins like `a.log`, of which the checkpoint knows the heading and which cannot be opened.
fn beside_an_original_that_cannot_be_opened() -> World {
    let mut world = World::new(StartAt::Beginning, None);
    world.write("a.log", 1, "heading\n");
    world.run(INTERVAL);
    let mut world = restart(&world);
    world.write("a.log", 1, "heading\none\n");
    world.forbidden.insert(1);
    world.write("a.1.log", 9, "heading\ntwo\n");
    world.run(INTERVAL * 9);
    world
}

#[test]
fn file_that_begins_like_one_that_cannot_be_opened_for_a_while_is_no_copy_of_it() {
    let mut world = beside_an_original_that_cannot_be_opened();
    assert_eq!(world.shipped, "");
    world.forbidden.clear();
    world.run(INTERVAL * 9);
    assert_eq!(world.shipped, "one\nheading\ntwo\n");
}

#[test]
fn file_that_begins_like_one_that_can_never_be_opened_is_read_on_after_some_time() {
    let mut world = beside_an_original_that_cannot_be_opened();
    world.run(INTERVAL * 60);
    assert_eq!(world.shipped, "two\n");
}

#[test]
fn drain_does_not_wait_for_a_file_that_cannot_be_opened() {
    let mut world = beside_an_original_that_cannot_be_opened();
    world.tail.drain(world.now);
    world.run(INTERVAL * 5);
    assert!(world.tail.is_drained());
    assert_eq!(world.shipped, "two\n");
    // Before the drain, too, it was looked at again and again.
    assert_eq!(
        world
            .reports
            .iter()
            .filter(|report| is_unreadable(report))
            .count(),
        1
    );
}

#[test]
fn file_that_begins_like_one_that_was_closed_to_save_descriptors_is_no_copy_of_it() {
    let settings = TailSettings {
        open_files_max: 1,
        ..settings(StartAt::Beginning)
    };
    let mut world = World::with(settings, None);
    world.write("a.log", 1, "heading\n");
    world.run(INTERVAL * 9);
    world.write("a.1.log", 9, "heading\ntwo\n");
    world.run(INTERVAL * 20);
    assert_eq!(world.shipped, "heading\nheading\ntwo\n");
}

/// The original was closed after it had left the pattern, has changed since, and cannot be opened for a while.
#[test]
fn copy_of_more_than_was_read_of_a_closed_file_waits_until_that_can_be_opened_again() {
    let mut world = World::new(StartAt::Beginning, None);
    world.write("a.log", 1, "one\n");
    world.run(INTERVAL);
    world.names.remove("a.log");
    world.write("a.log.old", 1, "");
    world.run(INTERVAL * 60);
    assert_eq!(world.open.len(), 0);
    world.forbidden.insert(1);
    world.write("a.log.old", 1, "two\n");
    world.run(INTERVAL);
    let copied = world.contents.insert(1, b"other\n".to_vec()).unwrap();
    world.write("a.log.1", 9, std::str::from_utf8(&copied).unwrap());
    world.run(INTERVAL * 9);
    assert_eq!(world.shipped, "one\n");
    world.forbidden.clear();
    world.run(INTERVAL * 9);
    assert_eq!(world.shipped, "one\ntwo\n");
}

#[test]
fn copy_of_a_file_that_a_rotation_named_while_it_goes_by_another_name_is_recognised() {
    let mut world = World::new(StartAt::Beginning, None);
    world.write("hard.log", 1, "one\n");
    world.write("a.log.1", 1, "");
    world.write("a.log", 2, "");
    world.run(INTERVAL);
    world.names.remove("a.log.1");
    world.run(INTERVAL);
    let copied = world.contents.insert(1, Vec::new()).unwrap();
    world.write("a.log.2", 9, std::str::from_utf8(&copied).unwrap());
    world.run(INTERVAL * 9);
    assert_eq!(world.shipped, "one\n");
}

#[test]
fn copy_of_a_file_that_was_rotated_under_the_other_of_its_names_is_recognised() {
    let mut world = World::new(StartAt::Beginning, None);
    world.write("a.log", 1, "one\n");
    world.write("other.log", 1, "");
    world.run(INTERVAL);
    let copied = world.contents.insert(1, Vec::new()).unwrap();
    world.write("other.1.log", 9, std::str::from_utf8(&copied).unwrap());
    world.run(INTERVAL * 9);
    assert_eq!(world.shipped, "one\n");
}

/// Of the contents before, only the heading was there when they were replaced.
#[test]
fn copy_is_of_the_contents_of_which_most_is_the_same_although_others_began_alike() {
    let mut world = World::new(StartAt::Beginning, None);
    world.write("a.log", 1, "heading\n");
    world.run(INTERVAL);
    world.contents.insert(1, Vec::new());
    world.run(INTERVAL);
    world.write("a.log", 1, "heading\none\n");
    world.run(INTERVAL);
    let copied = world.contents.insert(1, Vec::new()).unwrap();
    world.write("a.log.1", 9, std::str::from_utf8(&copied).unwrap());
    world.run(INTERVAL * 9);
    assert_eq!(world.shipped, "heading\nheading\none\n");
}
