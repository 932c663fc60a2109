//! What a receiver answers, in every dialect: whatever it says, every record of the batch is in the end delivered or given up, once.

use logship::config::Dialect;
use logship::engine::Tick;
use logship::engine::batch::{Lane, LaneSettings};
use logship::record::{Labels, Record};
use logship::sink::answer::Answer;
use logship::sink::encode::Text;
use logship::sink::verdict::{Verdict, judge};
use std::sync::Arc;
use std::time::Duration;

const DIALECTS: [Dialect; 5] = [
    Dialect::Ndjson,
    Dialect::Loki,
    Dialect::OtlpHttp,
    Dialect::OtlpGrpc,
    Dialect::Elasticsearch,
];
const RECORDS: usize = 3;
/// Attempts after which a batch of this size is split and judged to its end.
const ATTEMPTS_MAX: usize = 20;
/// Of what is told to people.
const ERROR_CHARS_MAX: usize = 1000;
/// What a receiver can make us wait.
const WAIT_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// The status, lines of headers, an empty line, the body.
pub fn target(bytes: &[u8]) {
    let answer = answer(bytes);
    for dialect in DIALECTS {
        settles(dialect, &answer);
    }
}

fn answer(bytes: &[u8]) -> Answer {
    let end = bytes.windows(2).position(|pair| pair == b"\n\n");
    let (head, body) = bytes.split_at(end.unwrap_or(bytes.len()));
    let head = String::from_utf8_lossy(head);
    let mut lines = head.lines();
    let status = lines.next().and_then(|status| status.parse().ok());
    let header = |line: &str| {
        let (name, value) = line.split_once(": ")?;
        let name = name.parse::<http::HeaderName>().ok()?;
        Some((name, value.parse::<http::HeaderValue>().ok()?))
    };
    Answer {
        status: status.unwrap_or(200),
        headers: lines.filter_map(header).collect(),
        body: body.get(2..).unwrap_or_default().to_vec().into(),
        complete: !body.ends_with(b"torn"),
    }
}

/// The first answers to a batch are this one, until it cannot go on like that.
fn settles(dialect: Dialect, answer: &Answer) {
    let settings = LaneSettings {
        age_max: Duration::ZERO,
        ..LaneSettings::of(Arc::new(Text))
    };
    let mut lane = Lane::new(settings);
    let common = lane.prepare(&Labels::default());
    for (sequence, body) in (1..).zip([b"a", b"b", b"c"]) {
        lane.append(Tick::ZERO, &common, &Record::new(0, body), sequence);
    }
    let mut now = Tick::ZERO;
    let mut attempts = 0;
    while !lane.is_empty() {
        let Some((id, batch)) = lane.poll(now, true) else {
            now = lane.deadline().expect("what is not settled is sent again");
            continue;
        };
        attempts += 1;
        let verdict = judge(dialect, answer, batch.records());
        is_sound(&verdict, batch.records());
        let verdict = if attempts > ATTEMPTS_MAX {
            Verdict::Delivered
        } else {
            verdict
        };
        lane.settle(now, id, verdict, 0.5);
    }
    assert_eq!(
        lane.counts.sent + lane.counts.rejected,
        RECORDS as u64,
        "{dialect:?}"
    );
    assert_eq!((lane.bytes(), lane.acknowledged(3)), (0, 3));
}

fn is_sound(verdict: &Verdict, records: usize) {
    let (error, after) = match verdict {
        Verdict::Delivered => return,
        Verdict::Retry { after, error } => (error, after),
        Verdict::Refused { error } => (error, &None),
        Verdict::Lost { records: lost, error } => {
            assert!(*lost <= records as u64);
            (error, &None)
        }
        Verdict::Partly {
            failures,
            after,
            error,
        } => {
            let numbers = failures.iter().map(|(number, _)| *number);
            assert!(numbers.is_sorted_by(|one, other| one < other));
            (error, after)
        }
    };
    assert!(error.chars().count() <= ERROR_CHARS_MAX, "{error}");
    assert!(after.is_none_or(|after| after <= WAIT_MAX), "{after:?}");
}
