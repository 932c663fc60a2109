//! Sets and removes fields.

use super::Origin;
use super::condition::Condition;
use super::steps::Check;
use super::when::{Expression, Undefined};
use crate::record::{Fields, Record, Value};
use logship_crd::agent_config::{FieldsStep, SetStep};
use serde_json::Value as Json;
use std::borrow::Cow;

/// Sets fields.
pub(super) struct Set {
    fields: Box<[(Box<str>, Source)]>,
    when: Condition,
}

/// Where a value comes from.
enum Source {
    Constant(Value<'static>),
    Expression(Expression),
}

/// Removes fields.
pub(super) struct Remove(Box<[Box<str>]>);

impl Set {
    pub(super) fn compile(step: &SetStep, check: &mut Check<'_>) -> Option<Self> {
        let when = check.condition("set.when", step.when.as_deref());
        let mut fields = Vec::with_capacity(step.fields.len());
        for (name, value) in &step.fields {
            let place = format!("set.fields[{name}]");
            fields.extend(source(&place, value, check).map(|source| (name.as_str().into(), source)));
        }
        let all_usable = fields.len() == step.fields.len();
        Some(Self {
            fields: fields.into(),
            when: when.filter(|_| all_usable)?,
        })
    }

    /// Sets what has a value; each expression sees the record as it was before the step. Whether the step was about this
    /// record; none of that if the condition or one of the values has no value, or a field had no room.
    pub(super) fn run(&self, origin: Origin<'_>, record: &mut Record<'_>) -> Result<bool, Undefined> {
        if !self.when.concerns(origin, record)? {
            return Ok(false);
        }
        let values: Vec<_> = self
            .fields
            .iter()
            .map(|(_, source)| source.value(origin, record))
            .collect();
        let mut result = Ok(true);
        for ((name, _), value) in self.fields.iter().zip(values) {
            let set = value.map(|value| set(&mut record.fields, name, value));
            if set != Ok(true) {
                result = Err(Undefined);
            }
        }
        result
    }
}

impl Source {
    fn value(&self, origin: Origin<'_>, record: &Record<'_>) -> Result<Value<'static>, Undefined> {
        match self {
            Self::Constant(value) => Ok(value.clone()),
            Self::Expression(expression) => expression.evaluate(record, origin.labels),
        }
    }
}

/// A name is copied only if the record does not have it.
fn set(fields: &mut Fields<'_>, name: &str, value: Value<'static>) -> bool {
    if let Some((_, old)) = fields.iter_mut().find(|(found, _)| *found == name) {
        *old = value;
        return true;
    }
    fields.set(Cow::Owned(name.to_owned()), value)
}

fn source(place: &str, value: &Json, check: &mut Check<'_>) -> Option<Source> {
    let constant = match value {
        Json::String(text) => match text.strip_prefix('=') {
            Some(expression) => return check.expression(place, expression).map(Source::Expression),
            None => Value::Text(Cow::Owned(text.clone().into_bytes())),
        },
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(number) => {
            let integer = number
                .as_i64()
                .map(Value::Int)
                .or(number.as_u64().map(Value::Uint));
            integer.or(number.as_f64().map(Value::Float))?
        }
        Json::Null | Json::Array(_) | Json::Object(_) => {
            let remedy = "write a text, a number, true or false, or CEL after '='; remove takes a field away";
            check.mistake(
                place,
                &value.to_string(),
                "not a value that a field is set to",
                remedy,
            );
            return None;
        }
    };
    Some(Source::Constant(constant))
}

impl Remove {
    pub(super) fn new(step: &FieldsStep) -> Self {
        Self(step.fields.iter().map(|name| name.as_str().into()).collect())
    }

    /// Whether one was there.
    pub(super) fn run(&self, record: &mut Record<'_>) -> bool {
        let mut removed = false;
        for name in &self.0 {
            removed |= record.fields.remove(name).is_some();
        }
        removed
    }
}
