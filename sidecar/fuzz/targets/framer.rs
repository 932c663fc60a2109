//! The framer, on a file that is pushed whole, in pieces, from a position in its middle and across a rotation: always the same
//! records, within bounded memory.
//!
//! The first byte chooses the maximum record, the second where the file is cut; with rules for records of several lines the third
//! chooses their kind, and their expression ends at the first newline. The rest is the file.

#[path = "framer/model.rs"]
mod model;
#[path = "framer/run.rs"]
mod run;

use logship::config::{Boundary, Multiline};
use logship::engine::framer::{FramePosition, FramerSettings};
use logship::record::Stream;
use logship_crd::agent_config::Framing;
use run::Run;
use std::sync::Arc;
use std::time::Duration;

/// By the low bits of the first byte, so the digits 0 to 7.
const RECORD_BYTES_MAX: [usize; 8] = [1, 2, 3, 12, 64, 1000, 20_000, 1 << 20];
/// By the low bits of the second byte.
const LINES_MAX: [u32; 4] = [1000, 1, 2, 3];
/// Compiling is the regex crate's work, and slow.
const PATTERN_BYTES_MAX: usize = 64;

/// Every line, or the pieces of it, is a record.
pub fn plain(framing: Framing, bytes: &[u8]) {
    if let [size, cuts, file @ ..] = bytes {
        check(&settings(framing, None, *size), *cuts, file);
    }
}

/// Lines are joined by an expression: at the `s`tart or `e`nd of a record in files of lines, `S` and `E` in those of containers.
pub fn multiline(bytes: &[u8]) {
    let [size, cuts, kind, rest @ ..] = bytes else {
        return;
    };
    let Some(end) = rest.iter().position(|byte| *byte == b'\n') else {
        return;
    };
    let pattern = String::from_utf8_lossy(&rest[..end.min(PATTERN_BYTES_MAX)]);
    let Ok(pattern) = logship::pipeline::pattern::compile(&pattern) else {
        return;
    };
    let (framing, boundary) = match kind {
        b'e' => (Framing::Lines, Boundary::End(pattern)),
        b'S' => (Framing::Cri, Boundary::Start(pattern)),
        b'E' => (Framing::Cri, Boundary::End(pattern)),
        _ => (Framing::Lines, Boundary::Start(pattern)),
    };
    let rules = Multiline {
        boundary,
        lines_max: LINES_MAX[usize::from(*cuts) % LINES_MAX.len()],
        timeout: Duration::from_secs(1),
    };
    check(&settings(framing, Some(rules), *size), *cuts, &rest[end + 1..]);
}

fn settings(framing: Framing, multiline: Option<Multiline>, size: u8) -> Arc<FramerSettings> {
    Arc::new(FramerSettings {
        framing,
        multiline,
        record_bytes_max: RECORD_BYTES_MAX[usize::from(size) % RECORD_BYTES_MAX.len()],
    })
}

fn check(settings: &Arc<FramerSettings>, cuts: u8, file: &[u8]) {
    let whole = Run::over(settings, [file]);
    assert_eq!(Run::over(settings, pieces(file, cuts)), whole, "cut into pieces");
    for record in &whole.records {
        assert!(record.body.len() <= settings.record_bytes_max);
        let body_bytes = record.body.len() as u64;
        assert!(record.original_bytes.is_none_or(|original| original > body_bytes));
    }
    match settings.framing {
        Framing::Lines => assert_eq!(whole.records, model::records(settings, file), "against the model"),
        Framing::Cri => keeps_order(&whole, file),
        Framing::DockerJson => file.split(|byte| *byte == b'\n').for_each(model::docker_line),
    }
    let at = usize::from(cuts) * 37 % (file.len() + 1);
    restarts(settings, file, at, cuts % 2 == 1);
    rotates(settings, file, at, &whole);
}

/// The same for each byte: all of one length, or of all lengths.
fn pieces(file: &[u8], cuts: u8) -> Vec<&[u8]> {
    let mut random = fastrand::Rng::with_seed(u64::from(cuts));
    let mut rest = file;
    let mut pieces = Vec::new();
    while !rest.is_empty() {
        let length = match usize::from(cuts) % 16 {
            0 => random.usize(0..300),
            fixed => fixed,
        };
        let (piece, behind) = rest.split_at(length.min(rest.len()));
        pieces.push(piece);
        rest = behind;
    }
    pieces
}

/// What each output got, or neither, stands in the file in this order.
fn keeps_order(run: &Run, file: &[u8]) {
    for stream in [None, Some(Stream::Stdout), Some(Stream::Stderr)] {
        let records = run.records.iter().filter(|record| record.stream == stream);
        let mut rest = file.iter();
        for byte in records.flat_map(|record| &record.body) {
            assert!(rest.any(|found| found == byte), "{stream:?} has bytes of nowhere");
        }
    }
}

/// From the position at `at` a new framer hands out exactly what the first one did from there on, also where what was open had
/// been handed out.
fn restarts(settings: &Arc<FramerSettings>, file: &[u8], at: usize, flush: bool) {
    let mut first = Run::at(settings, FramePosition::default());
    first.push(&file[..at]);
    if flush {
        first.flush();
    }
    let position = first.framer.position();
    let before = first.records.len();
    first.push(&file[at..]);
    first.flush();
    let from = usize::try_from(position.offset).expect("within the file");
    assert!(
        from <= at && position.furthest() <= at as u64,
        "{position:?} is beyond {at}"
    );
    let mut again = Run::at(settings, position);
    again.push(&file[from..at]);
    assert_eq!(again.records, [], "repeated at {position:?}");
    again.push(&file[at..]);
    again.flush();
    assert_eq!(again.records, first.records[before..], "from {position:?} on");
}

/// Two files, the first of which ends with the line at `at`, have the records of one.
fn rotates(settings: &Arc<FramerSettings>, file: &[u8], at: usize, whole: &Run) {
    let newline = file[at..].iter().position(|byte| *byte == b'\n');
    let Some(end) = newline.map(|newline| at + newline + 1) else {
        return;
    };
    // The beginning of each file says its encoding.
    let may_be_marked = [file, &file[end..]]
        .iter()
        .any(|file| matches!(file, [0xef | 0xfe | 0xff, ..]));
    if settings.framing == Framing::Lines && may_be_marked {
        return;
    }
    let mut before = Run::at(settings, FramePosition::default());
    before.push(&file[..end]);
    before.end_line();
    let mut after = Run::at(settings, FramePosition::default());
    after.framer.inherit(&mut before.framer);
    after.push(&file[end..]);
    after.flush();
    assert!(!after.framer.holds_inheritance());
    assert_eq!(
        [before.records, after.records].concat(),
        whole.records,
        "rotated at {end}"
    );
}
