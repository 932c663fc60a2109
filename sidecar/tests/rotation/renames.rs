//! Rotation by rename, and by rename and compression.

use crate::follow::{
    ends_with_all, ends_with_exactly, ends_with_files_in_order, gzip, log, logs, stall, wake,
};
use crate::support::{Place, Running, numbered};
use std::fs::File;
use std::io::Write;

#[test]
fn rename_and_create_with_a_writer_that_keeps_the_old_descriptor() {
    let place = Place::new();
    place.append("a.log", &numbered(0..10));
    let mut old = File::options().append(true).open(log(&place, "a.log")).unwrap();
    let running = Running::start(&mut logs(&place));
    place.wait_for_lines(10);
    place.rename("a.log", "a.log.1");
    place.append("a.log", "");
    for round in 10..30 {
        let text = numbered(round..round + 1);
        if round % 2 == 0 {
            old.write_all(text.as_bytes()).unwrap();
        } else {
            place.append("a.log", &text);
        }
        place.wait_for_lines(round + 1);
    }
    ends_with_exactly(&place, running, 30);
}

/// Rotates three times, each time after some lines; the two oldest are compressed, a third one is being compressed.
fn rotate_three_times(place: &Place) {
    place.append("a.log", &numbered(10..20));
    place.rename("a.log", "a.log.1");
    place.append("a.log", &numbered(20..30));
    gzip(place, "a.log.1");
    place.rename("a.log.1.gz", "a.log.2.gz");
    place.rename("a.log", "a.log.1");
    place.append("a.log", &numbered(30..40));
    place.rename("a.log.2.gz", "a.log.3.gz");
    gzip(place, "a.log.1");
    place.rename("a.log.1.gz", "a.log.2.gz");
    place.rename("a.log", "a.log.1");
    place.append("a.log", &numbered(40..50));
    std::fs::copy(log(place, "a.log.2.gz"), log(place, "a.log.1.gz.tmp")).unwrap();
}

#[test]
fn three_rotations_while_the_reader_is_stalled_two_of_them_already_gzipped() {
    let place = Place::new();
    place.append("a.log", &numbered(0..10));
    let running = Running::start(&mut logs(&place));
    place.wait_for_lines(10);
    stall(&running);
    rotate_three_times(&place);
    wake(&running);
    ends_with_files_in_order(&place, running, 50, 10);
}

#[test]
fn three_rotations_while_stopped_two_of_them_already_gzipped() {
    let place = Place::new();
    place.append("a.log", &numbered(0..10));
    let running = Running::start(&mut logs(&place));
    place.wait_for_lines(10);
    assert_eq!(running.terminate(), Some(0));
    rotate_three_times(&place);
    ends_with_files_in_order(&place, Running::start(&mut logs(&place)), 50, 10);
}

#[test]
fn rename_and_rename_with_gzip_while_stopped() {
    for compress in [false, true] {
        let place = Place::new();
        place.append("a.log", &numbered(0..200));
        let running = Running::start(&mut logs(&place));
        place.wait_for_lines(200);
        assert_eq!(running.terminate(), Some(0));
        place.append("a.log", &numbered(200..300));
        place.rename("a.log", "a.log.1");
        if compress {
            gzip(&place, "a.log.1");
        }
        place.append("a.log", &numbered(300..400));
        ends_with_exactly(&place, Running::start(&mut logs(&place)), 400);
    }
}

#[test]
fn rotated_files_from_before_the_first_start_are_left_alone_even_when_they_are_compressed_later() {
    let place = Place::new();
    place.append("a.log.1", "old\n");
    place.append("a.log", &numbered(0..10));
    let running = Running::start(&mut logs(&place));
    place.wait_for_lines(10);
    gzip(&place, "a.log.1");
    place.rename("a.log.1.gz", "a.log.2.gz");
    place.rename("a.log", "a.log.1");
    place.append("a.log", &numbered(10..20));
    ends_with_exactly(&place, running, 20);
}

#[test]
fn burst_larger_than_the_sink_can_take_rotated_meanwhile() {
    let place = Place::new();
    let running = Running::start(&mut logs(&place));
    place.append("a.log", &numbered(0..100_000));
    place.rename("a.log", "a.log.1");
    place.append("a.log", &numbered(100_000..200_000));
    place.rename("a.log.1", "a.log.2");
    place.rename("a.log", "a.log.1");
    place.append("a.log", &numbered(200_000..200_010));
    ends_with_all(&place, running, 200_010);
}

#[test]
fn rotated_file_deleted_before_it_was_read_to_its_end_is_kept_by_its_descriptor() {
    let place = Place::new();
    place.append("a.log", &numbered(0..10));
    let running = Running::start(&mut logs(&place));
    place.wait_for_lines(10);
    stall(&running);
    place.append("a.log", &numbered(10..5000));
    place.rename("a.log", "a.log.1");
    std::fs::remove_file(log(&place, "a.log.1")).unwrap();
    place.append("a.log", &numbered(5000..5010));
    wake(&running);
    ends_with_exactly(&place, running, 5010);
}
