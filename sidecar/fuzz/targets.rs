//! What is fuzzed. libFuzzer runs these (`sidecar/fuzz/README.md`), and `cargo test` runs them on the committed corpora and on
//! mutations of them (`sidecar/tests/fuzz.rs`).
//!
//! A target is a function that must not panic on any bytes. A new one is a line in [`TARGETS`], a function, and a folder
//! `sidecar/fuzz/corpus/NAME` with at least one input.

use logship::pipeline::parse::{Memory, Parser};
use logship::pipeline::severity::Rule;
use logship::record::Record;
use logship_crd::agent_config::{ParseFormat, ParseStep, SeverityStep};

/// A function that must not panic on any bytes.
pub type Target = fn(&[u8]);

/// All targets by name.
pub const TARGETS: &[(&str, Target)] = &[
    ("parse_json", |bytes| parse(ParseFormat::Json, bytes)),
    ("parse_logfmt", |bytes| parse(ParseFormat::Logfmt, bytes)),
    ("parse_nginx", |bytes| parse(ParseFormat::NginxCombined, bytes)),
    ("parse_apache", |bytes| parse(ParseFormat::ApacheCommon, bytes)),
    ("parse_syslog", |bytes| parse(ParseFormat::Syslog, bytes)),
    ("parse_cri", |bytes| parse(ParseFormat::Cri, bytes)),
    ("parse_regex", parse_regex),
];

/// One of the steps `parse`, and `severity` on what it finds. An owned body must give what a borrowed one gives, and a failure
/// must leave the record as it was.
fn parse(format: ParseFormat, bytes: &[u8]) {
    let step = ParseStep {
        format,
        pattern: None,
    };
    let parser = Parser::compile(&step).expect("the step is right");
    check(&parser, bytes);
}

/// The first line is the expression, the rest is the body.
fn parse_regex(bytes: &[u8]) {
    let end = bytes
        .iter()
        .position(|byte| *byte == b'\n')
        .unwrap_or(bytes.len());
    let (pattern, body) = bytes.split_at(end);
    let step = ParseStep {
        format: ParseFormat::Regex,
        pattern: Some(String::from_utf8_lossy(pattern).into_owned()),
    };
    if let Ok(parser) = Parser::compile(&step) {
        check(&parser, body);
    }
}

fn check(parser: &Parser, body: &[u8]) {
    let before = Record::new(1_767_323_045_000_000_000, body);
    let mut borrowed = before.clone();
    parser.run(&mut borrowed, &mut Memory::default());
    let mut owned = Record {
        body: body.to_vec().into(),
        ..before.clone()
    };
    parser.run(&mut owned, &mut Memory::default());
    assert_eq!(borrowed, owned);
    if borrowed.parse_failed {
        assert_eq!(
            borrowed,
            Record {
                parse_failed: true,
                ..before
            }
        );
    }
    Rule::new(&SeverityStep::default()).run(&mut borrowed);
}
