//! What a sidecar costs that follows one container: how soon its first line is there, and its memory at rest. `tests/bench/run` has it
//! measured with the program as it is shipped; `make bench` prints it.

use crate::kubelet::Api;
use crate::shipper::{document, to_stdout, with_api};
use crate::support::{Place, Running};
use logship::io::clock;
use std::process::Command;
use std::time::Duration;

/// The program that is measured.
const PROGRAM: &str = "LOGSHIP_MEASURED";
/// Starts; the one in the middle counts.
const STARTS: usize = 9;
const FIRST_LINE_MAX: Duration = Duration::from_millis(200);
const RESTING_BYTES_MAX: u64 = 12 << 20;

/// Starts it, and waits for its first line: how long that took.
fn start(api: &Api) -> (Running, Place, Duration) {
    let place = Place::new();
    let mut command = place.by_whole_document(&document(&["web"], &to_stdout()), 0);
    let mut program = Command::new(std::env::var_os(PROGRAM).unwrap());
    program.env_clear().args(with_api(&mut command, api).get_args());
    program.envs(
        command
            .get_envs()
            .filter_map(|(name, value)| Some((name, value?))),
    );
    place.redirect(&mut program);
    let begin = clock::wall();
    let running = Running::start(&mut program);
    while place.stdout().is_empty() {
        std::thread::park_timeout(Duration::from_micros(500));
        assert!(clock::wall() - begin < 10_000_000_000, "{}", place.stderr());
    }
    let took = Duration::from_nanos((clock::wall() - begin).cast_unsigned());
    (running, place, took)
}

#[test]
#[ignore = "measures the program that LOGSHIP_MEASURED names; tests/bench/run does it"]
fn measured_first_line_and_memory_at_rest() {
    let api = Api::start();
    api.write("web", "first");
    let mut first_lines = Vec::new();
    for _ in 0..STARTS {
        let (running, _place, took) = start(&api);
        running.kill();
        first_lines.push(took);
    }
    first_lines.sort_unstable();
    let first_line = first_lines[STARTS / 2];
    let (running, _place, _) = start(&api);
    std::thread::park_timeout(Duration::from_secs(5));
    let status = std::fs::read_to_string(format!("/proc/{}/status", running.child().id())).unwrap();
    let resting = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap();
    let resting_bytes = 1024 * resting.trim().trim_end_matches(" kB").parse::<u64>().unwrap();
    println!(
        "container output: first line {} ms after exec, {} KiB at rest",
        first_line.as_millis(),
        resting_bytes >> 10
    );
    assert!(first_line <= FIRST_LINE_MAX);
    assert!(resting_bytes <= RESTING_BYTES_MAX);
    running.kill();
}
