//! What the tests of framing have in common.

mod containers;
mod multiline;
mod properties;
mod speed;
mod text;

use super::*;
use crate::config::{Boundary, Multiline};
use crate::record::time::parse_rfc3339;

const MAX: usize = 64;

/// A record that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Kept {
    body: Vec<u8>,
    original_bytes: Option<u64>,
    time: Option<Nanos>,
    stream: Option<Stream>,
}

impl Kept {
    fn of(frame: Frame<'_>) -> Self {
        Self {
            body: frame.body.to_vec(),
            original_bytes: frame.original_bytes,
            time: frame.time,
            stream: frame.stream,
        }
    }
}

/// A framer and what it has handed out.
struct Run {
    framer: Framer,
    now: Tick,
    records: Vec<Kept>,
}

impl Run {
    fn new(framing: Framing, multiline: Option<Multiline>) -> Self {
        Self::at(&settings(framing, multiline), FramePosition::default())
    }

    fn at(settings: &Arc<FramerSettings>, at: FramePosition) -> Self {
        Self {
            framer: Framer::new(settings.clone(), at),
            now: Tick::ZERO,
            records: Vec::new(),
        }
    }

    fn push(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        let Self { framer, now, records } = self;
        framer.push(*now, bytes.as_ref(), |frame| records.push(Kept::of(frame)));
        self
    }

    fn flush(&mut self) -> &mut Self {
        let Self { framer, now, records } = self;
        framer.flush(*now, |frame| records.push(Kept::of(frame)));
        self
    }

    /// Lets time pass at the end of the file.
    fn wait(&mut self, time: Duration) -> &mut Self {
        let until = self.now + time;
        while let Some(at) = self.framer.deadline().filter(|at| *at <= until) {
            self.now = at;
            let Self { framer, now, records } = self;
            framer.flush_due(*now, |frame| records.push(Kept::of(frame)));
        }
        self.now = until;
        self
    }

    /// The bodies that were handed out since the last call.
    fn take(&mut self) -> Vec<String> {
        let records = std::mem::take(&mut self.records).into_iter();
        records
            .map(|record| String::from_utf8(record.body).expect("the test writes text"))
            .collect()
    }
}

fn settings(framing: Framing, multiline: Option<Multiline>) -> Arc<FramerSettings> {
    Arc::new(FramerSettings {
        framing,
        multiline,
        record_bytes_max: MAX,
    })
}

fn large(framing: Framing, multiline: Option<Multiline>) -> Run {
    let settings = FramerSettings {
        framing,
        multiline,
        record_bytes_max: 1 << 20,
    };
    Run::at(&Arc::new(settings), FramePosition::default())
}

fn starting(pattern: &str) -> Option<Multiline> {
    rules(Boundary::Start(regex::bytes::Regex::new(pattern).unwrap()))
}

fn ending(pattern: &str) -> Option<Multiline> {
    rules(Boundary::End(regex::bytes::Regex::new(pattern).unwrap()))
}

#[expect(clippy::unnecessary_wraps, reason = "every caller needs the option")]
fn rules(boundary: Boundary) -> Option<Multiline> {
    Some(Multiline {
        boundary,
        lines_max: 1000,
        timeout: Duration::from_secs(2),
    })
}

/// Every line with a newline behind it.
fn text_of<S: AsRef<str>>(lines: &[S]) -> String {
    lines.iter().flat_map(|line| [line.as_ref(), "\n"]).collect()
}

fn cri(stream: &str, tag: &str, content: &str) -> String {
    format!("2026-01-02T03:04:05.000000006Z {stream} {tag} {content}\n")
}

fn docker(stream: &str, log: &str) -> String {
    let line = serde_json::json!({"log": log, "stream": stream, "time": "2026-01-02T03:04:05.000000006Z"});
    format!("{line}\n")
}
