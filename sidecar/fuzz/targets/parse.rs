//! The steps `parse`, and `severity` on what they find. An owned body must give what a borrowed one gives, and a failure must
//! leave the record as it was.

use logship::pipeline::parse::{Memory, Parser};
use logship::pipeline::severity::Rule;
use logship::record::Record;
use logship_crd::agent_config::{ParseFormat, ParseStep, SeverityStep};

/// One of the formats that need no expression.
pub fn step(format: ParseFormat, bytes: &[u8]) {
    let step = ParseStep {
        format,
        pattern: None,
    };
    let parser = Parser::compile(&step).expect("the step is right");
    check(&parser, bytes);
}

/// The first line is the expression, the rest is the body.
pub fn regex(bytes: &[u8]) {
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
