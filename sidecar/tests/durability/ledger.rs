//! A receiver that accepts everything and writes down which numbered line came when, and from which run of the process.

use crate::server;
use crate::writer::LINE_BYTES;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};
use serde_json::Value;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

/// One accepted batch.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// Which run of the process sent it.
    pub run: usize,
    /// When it was accepted.
    pub at: SystemTime,
    /// The numbers of its lines.
    pub numbers: Vec<usize>,
}

#[derive(Default)]
struct Book {
    arrivals: Vec<Arrival>,
    seen: Vec<bool>,
    distinct: usize,
    /// What is no numbered line: torn or mixed up.
    strange: Vec<String>,
}

/// Where it listens and what came; shared with the writer.
#[derive(Clone)]
pub struct Ledger {
    address: SocketAddr,
    book: Arc<Mutex<Book>>,
}

impl Ledger {
    pub fn start() -> Self {
        let book = Arc::new(Mutex::new(Book::default()));
        let kept = Arc::clone(&book);
        let address = server::start(None, move |request| answer(request, Arc::clone(&kept)));
        Self { address, book }
    }

    /// Where run number `run` sends to.
    pub fn url(&self, run: usize) -> String {
        format!("http://{}/{run}", self.address)
    }

    /// How many different lines came.
    pub fn distinct(&self) -> usize {
        self.book.lock().unwrap().distinct
    }

    /// Whether all of these came.
    pub fn has(&self, numbers: Range<usize>) -> bool {
        let book = self.book.lock().unwrap();
        book.seen
            .get(numbers)
            .is_some_and(|seen| seen.iter().all(|seen| *seen))
    }

    /// The first few of `count` lines that did not come.
    pub fn missing(&self, count: usize) -> Vec<usize> {
        let book = self.book.lock().unwrap();
        let came = |number: &usize| book.seen.get(*number).is_some_and(|seen| *seen);
        (0..count).filter(|number| !came(number)).take(5).collect()
    }

    pub fn arrivals(&self) -> Vec<Arrival> {
        self.book.lock().unwrap().arrivals.clone()
    }

    pub fn strange(&self) -> Vec<String> {
        self.book.lock().unwrap().strange.clone()
    }
}

impl Book {
    fn enter(&mut self, run: usize, at: SystemTime, text: &str) {
        let mut numbers = Vec::new();
        for line in text.lines() {
            match number(line) {
                Some(number) => numbers.push(number),
                None => self.strange.push(line.to_owned()),
            }
        }
        for &number in &numbers {
            if self.seen.len() <= number {
                self.seen.resize(number + 1, false);
            }
            self.distinct += usize::from(!std::mem::replace(&mut self.seen[number], true));
        }
        self.arrivals.push(Arrival { run, at, numbers });
    }
}

fn number(line: &str) -> Option<usize> {
    let record: Value = serde_json::from_str(line).ok()?;
    let rest = record["message"].as_str()?.strip_prefix("line ")?;
    let (number, padding) = rest.split_once(' ').unwrap_or((rest, ""));
    let is_whole = padding.is_empty() || padding.len() == LINE_BYTES;
    number.parse().ok().filter(|_| is_whole)
}

#[expect(
    clippy::disallowed_methods,
    reason = "compared with the times of files, which are real"
)]
async fn answer(request: Request<Incoming>, book: Arc<Mutex<Book>>) -> Response<server::Body> {
    let run = request.uri().path()[1..].parse().unwrap();
    let mut response = Response::new(Empty::<Bytes>::new().boxed_unsync());
    match request.into_body().collect().await {
        Ok(body) => {
            let body = body.to_bytes();
            let text = std::str::from_utf8(&body).unwrap();
            book.lock().unwrap().enter(run, SystemTime::now(), text);
        }
        // The sender was killed in the middle of it.
        Err(_) => *response.status_mut() = StatusCode::BAD_REQUEST,
    }
    response
}
