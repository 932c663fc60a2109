//! Records that are open when the document changes.

use crate::book::Book;
use crate::shipper::{Shipper, document};
use crate::support::{Place, eventually};
use serde_json::{Value, json};

const TRACE: &str = "Exception in thread main\n\tat a.A.a(A.java:1)";
const REST: &str = "\tat b.B.b(B.java:2)";

fn tracing(generation: i64, url: &str, start: &str) -> Value {
    let mut document = document(generation, url);
    document["sources"][0]["files"]["multiline"] = json!({"start": start, "timeoutMs": 60_000});
    document
}

fn wait_for_trace(book: &Book) {
    eventually("the trace", || (book.count() >= 2).then_some(()));
    assert_eq!(
        book.messages("bus"),
        ["first".to_owned(), format!("{TRACE}\n{REST}")]
    );
}

#[test]
fn trace_that_is_open_at_the_change_comes_whole_and_once() {
    let check = |start: fn(Place, &Value) -> Shipper, pattern: &str| {
        let book = Book::start();
        let shipper = start(Place::new(), &tracing(1, &book.url("bus"), r"^\S"));
        shipper.place.append("app.log", &format!("first\n{TRACE}\n"));
        eventually("what is complete", || (book.count() == 1).then_some(()));
        shipper.apply(&tracing(2, &book.url("bus"), pattern));
        assert_eq!(book.count(), 1, "the trace stays open");
        shipper.place.append("app.log", &format!("{REST}\nnext\n"));
        wait_for_trace(&book);
        assert_eq!(book.entries()[1].version, "v2");
        shipper.terminate();
    };
    for start in [Shipper::start_in, Shipper::start_alone] {
        check(start, r"^\S");
        // Other rules: it is gathered anew by them.
        check(start, r"^[^\s]");
    }
}

#[test]
fn trace_goes_on_behind_a_rotation_and_a_change() {
    let book = Book::start();
    let shipper = Shipper::start(&tracing(1, &book.url("bus"), r"^\S"));
    shipper.place.append("app.log", &format!("first\n{TRACE}\n"));
    eventually("what is complete", || (book.count() == 1).then_some(()));
    shipper.place.rename("app.log", "app.log.1");
    shipper.apply(&tracing(2, &book.url("bus"), r"^\S"));
    shipper.place.append("app.log", &format!("{REST}\nnext\n"));
    wait_for_trace(&book);
    shipper.terminate();
}

#[test]
fn line_that_is_half_written_at_the_change_comes_whole_and_once() {
    for start in [Shipper::start_in, Shipper::start_alone] {
        let book = Book::start();
        let shipper = start(Place::new(), &document(1, &book.url("bus")));
        shipper.place.append("app.log", "first\nhalf ");
        eventually("what is complete", || (book.count() == 1).then_some(()));
        shipper.apply(&document(2, &book.url("bus")));
        shipper.place.append("app.log", "and half\n");
        eventually("the line", || (book.count() == 2).then_some(()));
        assert_eq!(book.messages("bus"), ["first", "half and half"]);
        shipper.terminate();
    }
}
