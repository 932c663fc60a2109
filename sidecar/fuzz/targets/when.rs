//! Conditions and expressions: one that compiles has for every record the value of its negation's opposite, and the same each time.

use logship::pipeline::parse::{Memory, Parser};
use logship::pipeline::when::{Expression, When};
use logship::record::{Labels, Record, Severity, Stream, Value};
use logship_crd::agent_config::{ParseFormat, ParseStep};

/// The first line is the expression, the rest is the record, from which JSON has taken the fields.
pub fn target(bytes: &[u8]) {
    let end = bytes
        .iter()
        .position(|byte| *byte == b'\n')
        .unwrap_or(bytes.len());
    let (text, body) = bytes.split_at(end);
    let text = String::from_utf8_lossy(text);
    let step = ParseStep {
        format: ParseFormat::Json,
        pattern: None,
    };
    let mut record = Record::new(1_767_323_045_000_000_000, body);
    Parser::compile(&step)
        .expect("the step is right")
        .run(&mut record, &mut Memory::default());
    record.severity = Some(Severity::Error);
    record.stream = Some(Stream::Stderr);
    let labels = Labels {
        source: "access".to_owned(),
        pod: Some("shop-0".to_owned()),
        ..Labels::default()
    };
    if let Ok(expression) = Expression::compile(&text) {
        let value = expression.evaluate(&record, &labels);
        // NaN is not itself.
        let is_number = matches!(value, Ok(Value::Float(_)));
        assert!(is_number || expression.evaluate(&record, &labels) == value);
    }
    let Ok(when) = When::compile(&text) else { return };
    let truth = when.evaluate(&record, &labels);
    assert_eq!(when.matches(&record, &labels), truth == Ok(true));
    // On a line of its own, because the expression may end in a comment. One level more may be too deep.
    if let Ok(negation) = When::compile(&format!("!({text}\n)")) {
        assert_eq!(negation.evaluate(&record, &labels), truth.map(|truth| !truth));
    }
}
