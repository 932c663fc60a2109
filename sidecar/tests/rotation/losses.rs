//! Files that nobody can read any more, and clocks that jump.

use crate::follow::{ends_with_exactly, log, logs, logs_as, says};
use crate::support::{Place, Running, numbered};
use std::fs::{File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, SystemTime};

/// A user that is nobody else.
const UID: u32 = 54_322;

#[test]
fn file_deleted_before_it_could_be_opened_is_said_with_what_was_there_of_it() {
    let place = Place::new();
    place.append("a.log", &numbered(0..10));
    place.append("secret.log", "nobody reads this\n");
    std::fs::set_permissions(log(&place, "secret.log"), Permissions::from_mode(0o600)).unwrap();
    let running = Running::start(&mut logs_as(&place, UID));
    says(&place, "we run as uid");
    std::fs::remove_file(log(&place, "secret.log")).unwrap();
    says(&place, "18 bytes");
    ends_with_exactly(&place, running, 10);
}

/// Gives a file this time, as if the clock had been set before it was written.
fn set_time(place: &Place, name: &str, time: SystemTime) {
    let file = File::options().append(true).open(log(place, name)).unwrap();
    file.set_modified(time).unwrap();
}

#[test]
fn times_of_files_that_jump_back_and_forth_lose_and_repeat_nothing() {
    let place = Place::new();
    let past = SystemTime::UNIX_EPOCH + Duration::from_secs(1);
    let future = SystemTime::UNIX_EPOCH + Duration::from_secs(1 << 33);
    place.append("a.log", &numbered(0..10));
    set_time(&place, "a.log", future);
    let mut running = Running::start(&mut logs(&place));
    place.wait_for_lines(10);
    let mut written = 10;
    for time in [past, future, past] {
        place.append("a.log", &numbered(written..written + 10));
        set_time(&place, "a.log", time);
        place.wait_for_lines(written + 10);
        place.rename("a.log", "a.log.1");
        place.append("a.log", &numbered(written + 10..written + 20));
        place.wait_for_lines(written + 20);
        set_time(&place, "a.log", time);
        assert_eq!(running.terminate(), Some(0));
        running = Running::start(&mut logs(&place));
        written += 20;
    }
    place.append("a.log", &numbered(written..written + 10));
    ends_with_exactly(&place, running, written + 10);
}
