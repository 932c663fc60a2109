//! Files that are rotated and truncated, processes that are killed.

use crate::support::{Place, Running, all_there, eventually, finish, numbered};

#[test]
fn rotation_by_rename_loses_and_repeats_nothing() {
    let place = Place::new();
    place.append("a.log", &numbered(0..10));
    let running = Running::start(&mut place.by_environment());
    place.wait_for_lines(10);
    for round in 1..6 {
        place.append("a.log", &numbered(round * 10..round * 10 + 3));
        place.rename("a.log", &format!("a.log.{round}"));
        // The writer goes on in the renamed file for a while, as nginx does.
        place.append(
            &format!("a.log.{round}"),
            &numbered(round * 10 + 3..round * 10 + 5),
        );
        place.append("a.log", &numbered(round * 10 + 5..round * 10 + 10));
        place.wait_for_lines(round * 10 + 10);
    }
    assert_eq!(running.terminate(), Some(0));
    let mut lines = place.lines();
    lines.sort();
    let mut expected: Vec<String> = numbered(0..60).lines().map(str::to_owned).collect();
    expected.sort();
    assert_eq!(lines, expected);
}

#[test]
fn truncated_file_is_read_again_from_its_beginning() {
    let place = Place::new();
    place.append("a.log", "one\ntwo\n");
    let running = Running::start(&mut place.by_environment());
    place.wait_for_lines(2);
    std::fs::write(place.path("logs/a.log"), "longer than what was there before\n").unwrap();
    place.wait_for_lines(3);
    assert_eq!(running.terminate(), Some(0));
    assert_eq!(place.lines(), ["one", "two", "longer than what was there before"]);
}

#[test]
fn graceful_restart_neither_loses_nor_repeats_even_if_the_file_was_renamed_meanwhile() {
    let place = Place::new();
    place.append("a.log", &numbered(0..50));
    let running = Running::start(&mut place.by_environment());
    place.wait_for_lines(50);
    assert_eq!(running.terminate(), Some(0));
    place.append("a.log", &numbered(50..60));
    place.rename("a.log", "a.log.1");
    place.append("a.log", &numbered(60..70));
    let running = Running::start(&mut place.by_environment());
    place.wait_for_lines(70);
    assert_eq!(running.terminate(), Some(0));
    assert_eq!(place.stdout(), numbered(0..70));
}

#[test]
fn sigkill_and_restart_lose_nothing() {
    let place = Place::new();
    let mut written = 0;
    for round in 0..5 {
        let running = Running::start(&mut place.by_environment());
        place.append("a.log", &numbered(written..written + 2000));
        written += 2000;
        let seen = place.lines().len();
        eventually("some lines", || (place.lines().len() > seen).then_some(()));
        if round == 2 {
            place.rename("a.log", "a.log.1");
        }
        running.kill();
    }
    let running = Running::start(&mut place.by_environment());
    eventually("all lines", || {
        all_there(&place.lines(), 0..written).then_some(())
    });
    assert_eq!(running.terminate(), Some(0));
}

#[test]
fn second_process_on_one_state_directory_exits_with_69_and_says_so() {
    let place = Place::new();
    place.append("a.log", "x\n");
    let running = Running::start(&mut place.by_environment());
    place.wait_for_lines(1);
    let output = finish(&mut place.by_environment());
    assert_eq!(output.status.code(), Some(69));
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .contains("used by another process")
    );
    assert_eq!(running.terminate(), Some(0));
}
