//! Writers that keep the descriptor of a rotated file for long, and say nothing meanwhile.

use crate::follow::{ends_with_exactly, log, logs};
use crate::support::{Place, Running, numbered};
use std::fs::File;
use std::io::Write;
use std::time::Duration;

/// Far longer than all that is waited for in reading; the kept descriptor is what it is about.
const SILENCE: Duration = Duration::from_secs(10);

/// A place whose file was rotated while its writer kept the descriptor, and that writer.
fn rotated(is_deleted: bool) -> (Place, Running, File) {
    let place = Place::new();
    place.append("a.log", &numbered(0..10));
    let writer = File::options().append(true).open(log(&place, "a.log")).unwrap();
    let running = Running::start(&mut logs(&place));
    place.wait_for_lines(10);
    place.rename("a.log", "a.log.1");
    place.append("a.log", &numbered(10..20));
    place.wait_for_lines(20);
    if is_deleted {
        std::fs::remove_file(log(&place, "a.log.1")).unwrap();
    }
    (place, running, writer)
}

#[test]
fn what_is_written_to_a_rotated_file_after_ten_seconds_of_silence_is_read_even_if_it_is_deleted() {
    let cases = [false, true].map(rotated);
    std::thread::park_timeout(SILENCE);
    for (place, running, mut writer) in cases {
        writer.write_all(numbered(20..30).as_bytes()).unwrap();
        ends_with_exactly(&place, running, 30);
    }
}
