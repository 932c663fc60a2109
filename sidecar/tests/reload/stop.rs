//! SIGTERM while a change is under way.

use crate::book::Book;
use crate::shipper::{Shipper, document, wait_for_exactly};
use crate::support::{Place, eventually, numbered, shortest};
use std::net::TcpListener;
use std::time::{Duration, Instant};

#[test]
fn stop_in_the_middle_of_a_change_ends_within_the_drain_time_and_loses_nothing() {
    // Of which the drain time is two seconds.
    let limit = Duration::from_secs(4);
    let time = shortest(limit, stop_in_the_middle_of_a_change);
    assert!(time < limit, "{time:?}");
}

#[expect(clippy::disallowed_methods, reason = "the time of a stop is real")]
fn stop_in_the_middle_of_a_change() -> Duration {
    // The kernel takes connections, and nobody ever answers: the change waits for the first answer.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", silent.local_addr().unwrap());
    let slow = |generation| {
        let mut document = document(generation, &url);
        document["drainMs"] = 2000.into();
        document["sinks"][0]["http"]["timeoutMs"] = 60_000.into();
        document
    };
    let (book, place) = (Book::start(), Place::new());
    place.append("app.log", &numbered(0..100));
    let shipper = Shipper::start_in(place, &slow(1));
    silent.accept().unwrap();
    shipper.change(&slow(2));
    eventually("the change is taken", || {
        (shipper.metric("logship_config_reloads_total{result=\"applied\"}") == 1).then_some(())
    });
    let begin = Instant::now();
    let place = shipper.terminate();
    let time = begin.elapsed();
    let shipper = Shipper::start_in(place, &document(3, &book.url("bus")));
    wait_for_exactly(&book, 100);
    shipper.terminate();
    time
}

#[test]
fn stop_at_the_moment_of_a_change_sends_what_is_there() {
    let book = Book::start();
    for round in 0..5 {
        let place = Place::new();
        let before = book.count();
        place.append("app.log", &numbered(0..500));
        let shipper = Shipper::start_in(place, &document(1, &book.url("bus")));
        eventually("it ships", || (book.count() > before).then_some(()));
        shipper.change(&document(2, &book.url("bus")));
        std::thread::park_timeout(Duration::from_millis(140 + 10 * round));
        shipper.terminate();
        assert_eq!(book.count(), before + 500);
    }
}
