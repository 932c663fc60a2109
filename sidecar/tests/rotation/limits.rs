//! Many files, few descriptors, refused watches, denied permissions, noisy neighbours.

use crate::follow::{edit, ends_with_all, ends_with_exactly, log, logs, logs_as, says, stall, wake};
use crate::support::{Place, Running, eventually, numbered};
use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

/// A user that is nobody else.
const UID: u32 = 54_321;

/// The sidecar, started by another program, which gets it as the arguments of its last one, a script.
fn below(place: &Place, program: &str, arguments: &[&str]) -> Running {
    let command = logs(place);
    let mut limited = Command::new(program);
    limited
        .args(arguments)
        .arg("sh")
        .arg(command.get_program())
        .args(command.get_args())
        .envs(
            command
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        );
    place.redirect(&mut limited);
    Running::start(&mut limited)
}

#[test]
fn watch_queue_overflow_with_50_000_creations_loses_no_file() {
    let place = Place::new();
    let mut command = logs(&place);
    edit(&place, |document| {
        // What overflowed is noticed as such, not by the next look around.
        document["sources"][0]["files"]["scanIntervalMs"] = 3_600_000.into();
    });
    let running = Running::start(&mut command);
    place.append("first.log", &numbered(0..1));
    place.wait_for_lines(1);
    stall(&running);
    // One in fifty is ours; the kernel's queue holds 16 384 events.
    for number in 1..50_001 {
        if number % 50 == 0 {
            let text = numbered(number / 50..number / 50 + 1);
            std::fs::write(log(&place, &format!("{number}.log")), text).unwrap();
        } else {
            std::fs::write(log(&place, &format!("{number}.txt")), "").unwrap();
        }
    }
    wake(&running);
    ends_with_all(&place, running, 1001);
}

#[test]
fn ten_thousand_files_with_a_thousand_descriptors_are_read_in_turns() {
    let place = Place::new();
    for number in 0..10_000 {
        std::fs::write(
            log(&place, &format!("{number}.log")),
            numbered(number..number + 1),
        )
        .unwrap();
    }
    // Were more descriptors held, opening would fail.
    let running = below(&place, "sh", &["-c", "ulimit -n 1040; exec \"$@\""]);
    place.wait_for_lines(10_000);
    for number in [0, 5000, 9999] {
        place.append(
            &format!("{number}.log"),
            &numbered(10_000 + number..10_001 + number),
        );
    }
    place.wait_for_lines(10_003);
    assert_eq!(running.terminate(), Some(0));
    assert_eq!(place.lines().len(), 10_003);
    let said = place.stderr();
    assert_eq!(said.matches("more than 1000 files").count(), 1);
    assert!(!said.contains("cannot be read"), "{said}");
}

#[test]
fn limit_of_open_files_is_taken_from_the_document() {
    let place = Place::new();
    for number in 0..20 {
        place.append(&format!("{number}.log"), &numbered(number..number + 1));
    }
    let mut command = logs(&place);
    edit(&place, |document| {
        document["limits"] = serde_json::json!({"openFiles": 3});
    });
    let running = Running::start(&mut command);
    ends_with_all(&place, running, 20);
    assert_eq!(place.stderr().matches("more than 3 files").count(), 1);
}

#[test]
fn where_the_kernel_refuses_watches_changes_are_noticed_by_polling_and_that_is_said_once() {
    let place = Place::new();
    place.append("a.log", &numbered(0..10));
    let limit = "echo 0 > /proc/sys/user/max_inotify_watches && exec \"$@\"";
    let running = below(
        &place,
        "unshare",
        &["--user", "--map-root-user", "sh", "-c", limit],
    );
    place.wait_for_lines(10);
    place.append("a.log", &numbered(10..20));
    place.wait_for_lines(20);
    place.append("b.log", &numbered(20..30));
    ends_with_exactly(&place, running, 30);
    assert_eq!(place.stderr().matches("refuses file watches").count(), 1);
}

#[test]
fn unreadable_file_is_said_with_our_uid_and_read_once_it_is_readable() {
    let place = Place::new();
    let everybody = |mode| {
        let path = log(&place, "a.log");
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    place.append("a.log", &numbered(0..10));
    everybody(0o600);
    let running = Running::start(&mut logs_as(&place, UID));
    says(&place, &format!("we run as uid {UID}"));
    says(&place, "mode 0600");
    everybody(0o644);
    ends_with_exactly(&place, running, 10);
    assert_eq!(place.stderr().matches("we run as uid").count(), 1);
}

#[test]
fn directory_missing_at_the_start_is_said_and_followed_once_it_is_there() {
    let place = Place::new();
    std::fs::remove_dir(place.path("logs")).unwrap();
    let running = Running::start(&mut logs(&place));
    says(&place, "directory cannot be read");
    std::fs::create_dir(place.path("logs")).unwrap();
    place.append("a.log", &numbered(0..10));
    ends_with_exactly(&place, running, 10);
}

/// Each of them may be a copy of another, which must not mean that each waits for all the others.
#[test]
fn a_thousand_rotated_files_that_nobody_has_seen_are_read_without_waiting_for_each_other() {
    let place = Place::new();
    for file in 0..1000 {
        place.append(&format!("a.{}.log", file + 1), &numbered(file..file + 1));
    }
    place.append("a.log", &numbered(1000..1010));
    let running = Running::start(&mut logs(&place));
    ends_with_all(&place, running, 1010);
}

/// More than there are descriptors: files are opened in turns, and opening them may not keep the others from being read.
#[test]
fn thousands_of_rotated_files_are_read_after_a_kill_in_the_midst_of_them() {
    let (files, lines) = (2500, 50);
    let place = Place::new();
    for file in 0..files {
        let name = match files - 1 - file {
            0 => "a.log".to_owned(),
            age => format!("a.{age}.log"),
        };
        place.append(&name, &numbered(file * lines..(file + 1) * lines));
    }
    let running = Running::start(&mut logs(&place));
    eventually("positions are saved", || {
        place.path("state/shop.checkpoint.json").exists().then_some(())
    });
    running.kill();
    let running = Running::start(&mut logs(&place));
    let distinct = || place.lines().into_iter().collect::<BTreeSet<_>>().len();
    eventually("every line", || (distinct() == files * lines).then_some(()));
    assert_eq!(running.terminate(), Some(0));
}

/// Waits for the line of the quiet file, which has to come long before the noise has ended.
fn quiet_line_comes_early(place: &Place, mut command: Command) {
    let noise = "noise noise noise noise noise noise noise noise noise\n".repeat(10_000);
    for _ in 0..100 {
        place.append("noisy.log", &noise);
    }
    place.append("quiet.log", "quiet\n");
    let running = Running::start(&mut command);
    let read = eventually("the quiet line", || {
        let output = place.stdout();
        output.contains("quiet\n").then_some(output.len())
    });
    assert!(read < noise.len() * 50, "{read} bytes came first");
    running.kill();
}

#[test]
fn quiet_files_line_arrives_while_a_noisy_file_has_50_mb_to_read() {
    let place = Place::new();
    quiet_line_comes_early(&place, logs(&place));
}

#[test]
fn quiet_sources_line_arrives_while_the_source_before_it_has_50_mb_to_read() {
    let place = Place::new();
    let mut command = logs(&place);
    edit(&place, |document| {
        let mut quiet = document["sources"][0].clone();
        quiet["name"] = "quiet".into();
        quiet["files"]["pattern"] = "^quiet".into();
        document["sources"][0]["files"]["pattern"] = "^noisy".into();
        document["sources"].as_array_mut().unwrap().push(quiet);
    });
    let logs = place.path("logs");
    let directories = serde_json::json!({"shop/access": logs, "shop/quiet": logs});
    command.env("LOGSHIP_DIRECTORIES", directories.to_string());
    quiet_line_comes_early(&place, command);
}
