//! A line that is far too long, and the memory of the process that reads it.

use crate::follow::{edit, log, logs};
use crate::support::{Place, Running, numbered};
use serde_json::{Value, json};
use std::fs::File;
use std::io::{Read, Write, repeat};

const LINE_BYTES: u64 = 100 << 20;
/// A record of 1 MiB is in the framer, in the open batch, and in a batch that is written.
const MEMORY_KIB_MAX: u64 = 32 << 10;

/// The most memory that the process had.
fn peak_kib(running: &Running) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", running.child().id())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak = peak.unwrap().trim().trim_end_matches(" kB");
    peak.parse().unwrap()
}

#[test]
fn line_of_100_mib_is_cut_and_marked_with_its_length_in_bounded_memory_and_the_next_line_is_intact() {
    let place = Place::new();
    place.append("a.log", &numbered(0..1));
    let mut file = File::options().append(true).open(log(&place, "a.log")).unwrap();
    std::io::copy(&mut repeat(b'x').take(LINE_BYTES), &mut file).unwrap();
    file.write_all(b"\nline 1\n").unwrap();
    let mut command = logs(&place);
    edit(&place, |document| {
        document["sinks"][0]["stdout"] = json!({"format": "json"});
    });
    let running = Running::start(&mut command);
    place.wait_for_lines(3);
    let peak = peak_kib(&running);
    assert_eq!(running.terminate(), Some(0));
    let records: Vec<Value> = place
        .lines()
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let [first, long, next] = &records[..] else {
        panic!("{} records", records.len());
    };
    assert_eq!(
        (&first["message"], &next["message"]),
        (&json!("line 0"), &json!("line 1"))
    );
    assert_eq!(
        (&long["truncated"], &long["originalBytes"]),
        (&json!(true), &json!(LINE_BYTES))
    );
    assert_eq!(long["message"].as_str().unwrap().len(), 1 << 20);
    assert!(peak < MEMORY_KIB_MAX, "{peak} KiB");
    println!("{peak} KiB at most");
}
