//! The value of an expression for one record. Nothing is allocated here.

use super::Undefined;
use super::expression::{Node, Search, Variable};
use super::value::Operand;
use crate::record::{Labels, Record, Severity, Stream};

/// What an expression is evaluated for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Subject<'r> {
    pub(super) record: &'r Record<'r>,
    pub(super) labels: &'r Labels,
}

impl Node {
    /// Its value.
    pub(super) fn evaluate<'r>(&'r self, subject: Subject<'r>) -> Result<Operand<'r>, Undefined> {
        match self {
            Self::Constant(constant) => Ok(Operand::of_constant(constant)),
            Self::Variable(variable) => variable.value(subject).ok_or(Undefined),
            Self::Conditional(branches) => {
                let [condition, then, otherwise] = branches.as_ref();
                let branch = if condition.truth(subject)? {
                    then
                } else {
                    otherwise
                };
                branch.evaluate(subject)
            }
            Self::Arithmetic(operation, operands) => {
                let [one, two] = operands.as_ref();
                one.evaluate(subject)?
                    .calculate(*operation, two.evaluate(subject)?)
            }
            Self::Negate(operand) => operand.evaluate(subject)?.negate(),
            Self::Size(operand) => Ok(Operand::Int(characters(operand.evaluate(subject)?.text()?))),
            Self::Int(operand) => operand.evaluate(subject)?.to_int(),
            Self::Double(operand) => operand.evaluate(subject)?.to_double(),
            Self::Has(_)
            | Self::Not(_)
            | Self::And(_)
            | Self::Or(_)
            | Self::Compare(..)
            | Self::In(..)
            | Self::Text(..) => self.truth(subject).map(Operand::Bool),
        }
    }

    /// Its value, where that is a truth value.
    pub(super) fn truth(&self, subject: Subject<'_>) -> Result<bool, Undefined> {
        match self {
            Self::Has(variable) => Ok(variable.value(subject).is_some()),
            Self::Not(operand) => operand.truth(subject).map(|truth| !truth),
            Self::And(operands) => decide(operands, subject, false),
            Self::Or(operands) => decide(operands, subject, true),
            Self::Compare(comparison, operands) => {
                let [one, two] = operands.as_ref();
                one.evaluate(subject)?
                    .compare(*comparison, two.evaluate(subject)?)
            }
            Self::In(needle, haystack) => {
                let needle = needle.evaluate(subject)?;
                Ok(haystack
                    .iter()
                    .any(|one| needle.equals(Operand::of_constant(one))))
            }
            Self::Text(operand, search) => Ok(search.finds(operand.evaluate(subject)?.text()?)),
            Self::Constant(_)
            | Self::Variable(_)
            | Self::Conditional(_)
            | Self::Arithmetic(..)
            | Self::Negate(_)
            | Self::Size(_)
            | Self::Int(_)
            | Self::Double(_) => self.evaluate(subject)?.truth(),
        }
    }
}

/// `&&` (decided by one that is false) and `||` (by one that is true): an operand without a value matters only if no other
/// decides.
fn decide(operands: &[Node], subject: Subject<'_>, decisive: bool) -> Result<bool, Undefined> {
    let mut result = Ok(!decisive);
    for operand in operands {
        match operand.truth(subject) {
            Ok(truth) if truth == decisive => return Ok(decisive),
            Ok(_) => {}
            Err(Undefined) => result = Err(Undefined),
        }
    }
    result
}

impl Search {
    fn finds(&self, text: &[u8]) -> bool {
        match self {
            Self::Contains(finder) => finder.find(text).is_some(),
            Self::StartsWith(prefix) => text.starts_with(prefix),
            Self::EndsWith(suffix) => text.ends_with(suffix),
            Self::Matches(pattern) => pattern.is_match(text),
        }
    }
}

impl Variable {
    /// Its value; none: the field or label is not there.
    pub(super) fn value<'r>(&self, subject: Subject<'r>) -> Option<Operand<'r>> {
        let Subject { record, labels } = subject;
        Some(match self {
            Self::Body => Operand::Text(&record.body),
            Self::Severity => Operand::Text(record.severity.map_or("", Severity::name).as_bytes()),
            Self::SeverityNumber => Operand::Int(record.severity.map_or(0, Severity::number).into()),
            Self::Stream => Operand::Text(record.stream.map_or("", Stream::name).as_bytes()),
            Self::ParseFailed => Operand::Bool(record.parse_failed),
            Self::Truncated => Operand::Bool(record.original_bytes.is_some()),
            Self::Label(label) => Operand::Text(label.value(labels)?.as_bytes()),
            Self::Field(name) => Operand::of_field(record.fields.get(name)?),
        })
    }
}

/// Bytes that are no UTF-8 count as the one replacement character that they would become.
fn characters(text: &[u8]) -> i64 {
    let count: usize = text
        .utf8_chunks()
        .map(|chunk| chunk.valid().chars().count() + usize::from(!chunk.invalid().is_empty()))
        .sum();
    i64::try_from(count).unwrap_or(i64::MAX)
}
