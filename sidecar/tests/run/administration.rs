//! Health, metrics and status.

use crate::support::{Place, Running, ask_admin, eventually, free_port};
use std::net::{Ipv6Addr, TcpListener};
use std::time::{Duration, Instant};

#[test]
fn administration_tells_health_metrics_and_status() {
    let place = Place::new();
    place.append("a.log", "x\n");
    let port = free_port();
    let running = Running::start(&mut place.by_environment_with_admin(port));
    place.wait_for_lines(1);
    for (path, status, part) in [
        ("/healthz", "200", "ok"),
        ("/metrics", "200", "# TYPE"),
        ("/status", "200", "\"records\":1"),
        ("/other", "404", "try"),
    ] {
        let answer = ask_admin(port, path);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
        assert!(answer.contains(part), "{path}: {answer}");
    }
    assert_eq!(running.terminate(), Some(0));
}

#[test]
#[expect(clippy::disallowed_methods, reason = "tests wait in real time")]
fn taken_administration_port_is_said_once_shipping_goes_on_and_the_port_is_taken_when_it_is_free() {
    const SAID: &str = "the administration port cannot be used";
    let place = Place::new();
    place.append("a.log", "x\n");
    let taken = TcpListener::bind((Ipv6Addr::UNSPECIFIED, 0))
        .or_else(|_| TcpListener::bind("0.0.0.0:0"))
        .unwrap();
    let port = taken.local_addr().unwrap().port();
    let running = Running::start(&mut place.by_environment_with_admin(port));
    place.wait_for_lines(1);
    eventually("it is said", || place.stderr().contains(SAID).then_some(()));
    let begin = Instant::now();
    eventually("it has tried again in vain", || {
        (begin.elapsed() > Duration::from_secs(5)).then_some(())
    });
    place.append("a.log", "y\n");
    place.wait_for_lines(2);
    assert_eq!(place.stderr().matches(SAID).count(), 1, "{}", place.stderr());
    drop(taken);
    let answer = ask_admin(port, "/status");
    assert!(answer.contains("\"records\":2"), "{answer}");
    eventually("that is said", || {
        let said = place.stderr();
        said.contains("the administration port can be used now")
            .then_some(())
    });
    assert_eq!(running.terminate(), Some(0));
}
