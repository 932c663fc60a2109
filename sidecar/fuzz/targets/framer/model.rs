//! What a framer must hand out, in the plainest words: with all of the file in memory, and no regard to speed.

use super::run::{Kept, Run};
use logship::config::{Boundary, Multiline};
use logship::engine::framer::{FramePosition, FramerSettings};
use logship::record::Stream;
use logship_crd::agent_config::Framing;
use serde::Deserialize;
use std::sync::Arc;

/// The records of a file of lines.
pub fn records(settings: &FramerSettings, file: &[u8]) -> Vec<Kept> {
    let max = settings.record_bytes_max;
    let lines = lines(&text(file));
    let records = match &settings.multiline {
        None => lines,
        Some(rules) => joined(rules, lines, max),
    };
    let record = |whole: Vec<u8>| Kept {
        original_bytes: (whole.len() > max).then_some(whole.len() as u64),
        body: whole[..whole.len().min(max)].to_vec(),
        time: None,
        stream: None,
    };
    records.into_iter().map(record).collect()
}

/// What the bytes stand for, by their byte order mark. Half a character at the end is not handed out.
fn text(file: &[u8]) -> Vec<u8> {
    let decode: fn([u8; 2]) -> u16 = match file {
        [0xff, 0xfe, ..] => u16::from_le_bytes,
        [0xfe, 0xff, ..] => u16::from_be_bytes,
        [0xef, 0xbb, 0xbf, rest @ ..] => return rest.to_vec(),
        _ => return file.to_vec(),
    };
    let (units, _) = file[2..].as_chunks::<2>();
    let mut units: Vec<u16> = units.iter().map(|unit| decode(*unit)).collect();
    units.pop_if(|last| matches!(last, 0xd800..=0xdbff));
    String::from_utf16_lossy(&units).into_bytes()
}

fn lines(text: &[u8]) -> Vec<Vec<u8>> {
    let mut lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
    lines.pop_if(|last| last.is_empty());
    let line = |line: &[u8]| line.strip_suffix(b"\r").unwrap_or(line).to_vec();
    lines.into_iter().map(line).collect()
}

/// The expression sees of a line what a record may have of it.
fn joined(rules: &Multiline, lines: Vec<Vec<u8>>, max: usize) -> Vec<Vec<u8>> {
    let mut records: Vec<Vec<u8>> = Vec::new();
    let mut open = 0;
    for line in lines {
        let seen = &line[..line.len().min(max)];
        let (begins, ends) = match &rules.boundary {
            Boundary::Start(pattern) => (pattern.is_match(seen), false),
            Boundary::End(pattern) => (false, pattern.is_match(seen)),
        };
        match records.last_mut() {
            Some(record) if open > 0 && !begins => {
                record.push(b'\n');
                record.extend(line);
                open += 1;
            }
            _ => {
                records.push(line);
                open = 1;
            }
        }
        if ends || open >= rules.lines_max {
            open = 0;
        }
    }
    records
}

/// What a library reads in a line, the framer hands out, unless the line is malformed to it.
pub fn docker_line(line: &[u8]) {
    #[derive(Deserialize)]
    struct Written {
        log: String,
        stream: String,
    }
    let settings = Arc::new(FramerSettings {
        framing: Framing::DockerJson,
        multiline: None,
        record_bytes_max: 1 << 20,
    });
    let mut run = Run::at(&settings, FramePosition::default());
    run.push(line);
    run.push(b"\n");
    run.flush();
    let [record] = &run.records[..] else {
        panic!("{} records of one line", run.records.len());
    };
    let (Some(stream), Ok(written)) = (record.stream, serde_json::from_slice::<Written>(line)) else {
        return;
    };
    let log = written.log.strip_suffix('\n').unwrap_or(&written.log);
    assert_eq!(record.body, log.strip_suffix('\r').unwrap_or(log).as_bytes());
    assert_eq!(
        written.stream,
        if stream == Stream::Stdout {
            "stdout"
        } else {
            "stderr"
        }
    );
}
