//! SIGTERM: what the application wrote to its very end is shipped, and a sink that is dead does not hold the stop.

use crate::http_sink;
use crate::ledger::Ledger;
use crate::support::{PATIENCE_MS, Place, Running, document, eventually, numbered, shortest};
use std::net::TcpListener;
use std::process::Command;
use std::time::{Duration, Instant};

const DRAIN: Duration = Duration::from_secs(1);

/// Writes until it is told to stop, then a hundred lines more.
const APPLICATION: &str = r#"number=0 goes_on=1
line() { echo "line $number"; number=$((number + 1)); }
trap 'goes_on=0' TERM
while [ $goes_on = 1 ]; do line; sleep 0.002; done
last=$((number + 100))
while [ $number -lt $last ]; do line; done"#;

#[expect(clippy::disallowed_methods, reason = "the time of a stop is real")]
fn measured(running: Running) -> (Option<i32>, Duration) {
    let begin = Instant::now();
    (running.terminate(), begin.elapsed())
}

fn application(place: &Place) -> Command {
    let log = std::fs::File::create(place.path("logs/app.log")).unwrap();
    let mut command = Command::new("sh");
    command.args(["-c", APPLICATION]).stdout(log);
    command
}

#[test]
fn what_the_application_writes_at_its_very_end_is_shipped_within_the_drain_time() {
    let (place, ledger) = (Place::new(), Ledger::start());
    let running = Running::start(&mut place.by_document(&http_sink(&ledger.url(0), PATIENCE_MS)));
    let application = Running::start(&mut application(&place));
    eventually("it ships", || ledger.has(0..50).then_some(()));
    assert_eq!(application.terminate(), Some(0));
    // A native sidecar is told when the containers have ended.
    let (code, time) = measured(running);
    assert_eq!(code, Some(0));
    assert!(time < Duration::from_secs(5), "{time:?}");
    let text = std::fs::read_to_string(place.path("logs/app.log")).unwrap();
    let written = text.lines().count();
    assert_eq!(text, numbered(0..written));
    assert!(ledger.has(0..written), "{} of {written}", ledger.distinct());
    let came: usize = ledger
        .arrivals()
        .iter()
        .map(|arrival| arrival.numbers.len())
        .sum();
    assert_eq!(came, written);
    assert!(
        place.stderr().contains("everything was sent"),
        "{}",
        place.stderr()
    );
}

/// How long a stop takes whose sink answers no request within this time; the next start sends everything.
fn stop_with_a_dead_sink(timeout_ms: u64) -> Duration {
    let (place, ledger) = (Place::new(), Ledger::start());
    place.append("a.log", &numbered(0..100));
    // The kernel takes connections, and nobody ever answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let sinks = http_sink(&format!("http://{}/", silent.local_addr().unwrap()), timeout_ms);
    let mut command = place.by_document(&sinks);
    let short = document(&sinks)
        .to_string()
        .replace("\"drainMs\":5000", "\"drainMs\":1000");
    std::fs::write(place.path("config/shop.json"), short).unwrap();
    let running = Running::start(&mut command);
    silent.accept().unwrap();
    let (code, time) = measured(running);
    assert_eq!(code, Some(0));
    assert!(DRAIN <= time, "{time:?}");
    let said = place.stderr();
    assert!(said.contains("the drain time is over"), "{said}");
    assert!(said.contains("100 records not acknowledged by"), "{said}");
    let running = Running::start(&mut place.by_document(&http_sink(&ledger.url(1), PATIENCE_MS)));
    eventually("the rest", || ledger.has(0..100).then_some(()));
    assert_eq!(running.terminate(), Some(0));
    assert_eq!(ledger.distinct(), 100);
    time
}

#[test]
fn dead_sink_holds_the_stop_no_longer_than_the_drain_time_and_loses_nothing() {
    let limit = DRAIN + Duration::from_secs(1);
    // Requests that give up before the drain ends, and some that would wait for much longer.
    for timeout_ms in [300, 60_000] {
        let time = shortest(limit, || stop_with_a_dead_sink(timeout_ms));
        assert!(time < limit, "{time:?}");
    }
}
