//! What a receiver answers over HTTP, or fails to.

use super::{Shipper, http, once_each, one_sink, wait_for_all, with};
use crate::scripted::{Reply, Scripted, messages};
use crate::support::{eventually, shortest};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;
use std::io::{Read, Write, copy};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

#[test]
fn batch_that_is_too_large_is_split_until_it_fits() {
    let receiver = Scripted::start(|asked| {
        let fits = messages(&asked.body).len() <= 10;
        Reply::status(if fits { 204 } else { 413 })
    });
    let shipper = Shipper::start(&one_sink("http", http(&receiver.url())), 100);
    wait_for_all(&receiver, 100);
    assert_eq!(receiver.taken(), once_each(100));
    assert_eq!(shipper.dead_letters(), "");
    shipper.terminate();
}

/// The time between the first request, which gets this answer, and the second, which is taken.
fn pause_after(reply: Reply) -> Duration {
    let receiver = Scripted::start(move |asked| {
        if asked.number == 0 {
            reply.clone()
        } else {
            Reply::status(204)
        }
    });
    let shipper = Shipper::start(&one_sink("http", http(&receiver.url())), 10);
    wait_for_all(&receiver, 10);
    assert_eq!(receiver.taken(), once_each(10));
    shipper.terminate();
    let requests = receiver.requests();
    requests[1].at - requests[0].at
}

#[test]
fn overloaded_receiver_is_asked_again_soon_unless_it_says_when() {
    for status in [429, 503] {
        let soon = Duration::from_secs(1);
        let pause = shortest(soon, || pause_after(Reply::status(status)));
        assert!(pause >= Duration::from_millis(90), "{status}: {pause:?}");
        assert!(pause < soon, "{status}: {pause:?}");
    }
}

#[test]
fn overloaded_receiver_is_left_alone_for_the_seconds_that_it_says() {
    for status in [429, 503] {
        let pause = pause_after(Reply::with(status, &[("retry-after", "2")], ""));
        assert!(pause >= Duration::from_secs(2), "{status}: {pause:?}");
    }
}

#[test]
fn overloaded_receiver_is_left_alone_until_the_date_that_it_says() {
    let headers = [
        ("date", "Wed, 21 Oct 2015 07:28:00 GMT"),
        ("retry-after", "Wed, 21 Oct 2015 07:28:02 GMT"),
    ];
    let pause = pause_after(Reply::with(503, &headers, ""));
    assert!(pause >= Duration::from_secs(2), "{pause:?}");
}

#[test]
fn batch_that_was_taken_without_an_answer_is_sent_again() {
    let receiver = Scripted::start(|asked| {
        if asked.number < 2 {
            Reply::Silence
        } else {
            Reply::status(204)
        }
    });
    let impatient = with(http(&receiver.url()), json!({"timeoutMs": 300}));
    let shipper = Shipper::start(&one_sink("http", impatient), 50);
    eventually("the third answer", || {
        (shipper.sink()["sent"] == 50).then_some(())
    });
    let taken = receiver.taken();
    assert!(taken.keys().eq(once_each(50).keys()));
    // Where the machine stalls, an answer may come too late as well.
    let requests = receiver.requests().len();
    assert!(requests >= 3);
    assert!(taken.values().all(|&count| count == requests), "{taken:?}");
    assert_eq!(shipper.sink()["retries"], requests - 1);
    shipper.terminate();
}

/// In front of a receiver: `break_off` gets the first connection, which ends when it returns.
pub fn break_first_connection(
    receiver: SocketAddr,
    break_off: impl FnOnce(&mut TcpStream) + Send + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut first, _) = listener.accept().unwrap();
        break_off(&mut first);
        drop(first);
        for client in listener.incoming() {
            let (client, server) = (client.unwrap(), TcpStream::connect(receiver).unwrap());
            for (from, to) in [(&client, &server), (&server, &client)] {
                let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                std::thread::spawn(move || {
                    let _ = copy(&mut from, &mut to);
                    let _ = to.shutdown(Shutdown::Write);
                });
            }
        }
    });
    address
}

#[test]
fn connection_reset_in_the_middle_of_a_body_is_made_again() {
    let receiver = Scripted::start(|_| Reply::status(204));
    let front = break_first_connection(receiver.address, |first| {
        // The kernel resets a connection that is closed with something unread.
        first.read_exact(&mut [0; 2000]).unwrap();
    });
    let shipper = Shipper::start(&one_sink("http", http(&format!("http://{front}/"))), 5000);
    wait_for_all(&receiver, 5000);
    assert_eq!(receiver.taken(), once_each(5000));
    assert_eq!(shipper.sink()["retries"], 1);
    shipper.terminate();
}

#[test]
fn redirect_is_refused_and_said_and_nobody_else_gets_the_records() {
    let other = Scripted::start(|_| Reply::status(204));
    let location = other.url();
    let receiver = Scripted::start(move |_| Reply::with(308, &[("location", &location)], ""));
    let shipper = Shipper::start(&one_sink("http", http(&receiver.url())), 10);
    shipper.wait_for_error("status 308; redirects are not followed, set the final URL");
    eventually("another attempt", || {
        (receiver.requests().len() > 1).then_some(())
    });
    assert!(other.requests().is_empty());
    assert_eq!(shipper.dead_letters(), "");
    shipper.kill();
}

#[test]
fn compressed_error_is_shown_as_text() {
    let receiver = Scripted::start(|_| {
        let mut body = GzEncoder::new(Vec::new(), Compression::fast());
        body.write_all(b"the field is too long").unwrap();
        Reply::with(400, &[("content-encoding", "gzip")], body.finish().unwrap())
    });
    let shipper = Shipper::start(&one_sink("http", http(&receiver.url())), 1);
    let said = "status 400: the field is too long";
    shipper.wait_for_error(said);
    eventually("it is kept with that", || {
        shipper.dead_letters().contains(said).then_some(())
    });
    shipper.terminate();
}
