//! Health, metrics and status.

use crate::support::{Place, Running, ask_admin, free_port};
use std::net::{Ipv6Addr, TcpListener};

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
fn taken_administration_port_is_said_and_shipping_goes_on() {
    let place = Place::new();
    place.append("a.log", "x\n");
    let taken = TcpListener::bind((Ipv6Addr::UNSPECIFIED, 0))
        .or_else(|_| TcpListener::bind("0.0.0.0:0"))
        .unwrap();
    let port = taken.local_addr().unwrap().port();
    let running = Running::start(&mut place.by_environment_with_admin(port));
    place.wait_for_lines(1);
    assert_eq!(running.terminate(), Some(0));
    assert!(place.stderr().contains("going on without it"));
}
