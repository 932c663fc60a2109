//! Answers that break off: where the status is the answer nothing is missing, where each record has its own everything is.

use super::answers::break_first_connection;
use super::dialects::items;
use super::{Shipper, once_each, one_sink, wait_for_all};
use crate::scripted::{Reply, Scripted};
use crate::support::{PATIENCE_MS, eventually};
use serde_json::json;
use std::io::{Read, Write};
use std::net::TcpStream;

/// Takes a request but for its last byte, so that closing the connection resets it.
fn take_almost_all(client: &mut TcpStream) {
    let (mut request, mut buffer) = (Vec::new(), [0; 1]);
    while !request.ends_with(b"\r\n\r\n") {
        client.read_exact(&mut buffer).unwrap();
        request.extend(buffer);
    }
    let head = String::from_utf8(request).unwrap();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let length: usize = length.unwrap().parse().unwrap();
    client.read_exact(&mut vec![0; length - 1]).unwrap();
}

#[test]
fn answer_of_a_bulk_that_is_reset_in_its_middle_is_no_delivery() {
    let receiver = Scripted::start(|asked| items(&[201], &asked.body));
    let front = break_first_connection(receiver.address, |client| {
        take_almost_all(client);
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 999\r\n\r\n{\"errors\":false,\"items\":[";
        client.write_all(answer).unwrap();
    });
    let settings = json!({"url": format!("http://{front}"), "index": "logs", "compression": "none", "timeoutMs": PATIENCE_MS});
    let shipper = Shipper::start(&one_sink("elasticsearch", settings), 10);
    wait_for_all(&receiver, 10);
    assert_eq!(receiver.taken(), once_each(10));
    eventually("everything is settled", || {
        (shipper.sink()["sent"] == 10).then_some(())
    });
    let sink = shipper.sink();
    assert_eq!((&sink["retries"], &sink["rejected"]), (&json!(1), &json!(0)));
    shipper.terminate();
}

#[test]
fn answer_whose_status_came_before_its_reset_is_a_delivery() {
    let receiver = Scripted::start(|_| Reply::status(204));
    let front = break_first_connection(receiver.address, |client| {
        take_almost_all(client);
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 999\r\n\r\nthank";
        client.write_all(answer).unwrap();
    });
    let settings = json!({"url": format!("http://{front}"), "compression": "none", "timeoutMs": PATIENCE_MS});
    let shipper = Shipper::start(&one_sink("http", settings), 10);
    eventually("everything is settled", || {
        (shipper.sink()["sent"] == 10).then_some(())
    });
    shipper.place.append("a.log", "the next\n");
    eventually("the next record arrives", || {
        receiver.taken().contains_key("the next").then_some(())
    });
    assert_eq!(receiver.taken().len(), 1);
    assert_eq!(shipper.sink()["retries"], 0);
    shipper.terminate();
}
