//! What the kernel could not tell, because too much happened before.

use crate::follow::{edit, ends_with_all, log, logs, stall, wake};
use crate::support::{Place, Running, numbered};
use std::fs::File;
use std::io::Write;

/// More than the kernel's queue of events holds.
const CHANGES: usize = 20_000;

#[test]
fn file_whose_creation_the_watch_queue_had_no_room_for_is_found_without_waiting_for_the_next_scan() {
    let place = Place::new();
    let mut command = logs(&place);
    edit(&place, |document| {
        document["sources"][0]["files"]["scanIntervalMs"] = 3_600_000.into();
    });
    let followed = ["a.log", "b.log"].map(|name| File::create(log(&place, name)).unwrap());
    let running = Running::start(&mut command);
    // In turns, since the kernel joins an event with an equal one before it.
    let write = |number: usize| {
        let mut file = &followed[number % 2];
        file.write_all(numbered(number..number + 1).as_bytes()).unwrap();
    };
    (0..10).for_each(write);
    place.wait_for_lines(10);
    stall(&running);
    (10..CHANGES).for_each(write);
    place.append("c.log", &numbered(CHANGES..CHANGES + 1));
    wake(&running);
    ends_with_all(&place, running, CHANGES + 1);
}
