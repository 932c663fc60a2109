//! Values while an expression is evaluated: borrowed from the record, compared and calculated with as CEL says.

use super::Undefined;
use super::expression::{Comparison, Constant, Operation};
use crate::record::Value;
use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt::Write as _;

/// A value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Operand<'r> {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    Text(&'r [u8]),
    /// An array or object.
    Json(&'r str),
}

/// An integer or a double, for comparisons across types.
#[derive(Debug, Clone, Copy)]
enum Number {
    Integer(i128),
    Double(f64),
}

impl<'r> Operand<'r> {
    pub(super) fn of_field(value: &'r Value<'_>) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(*value),
            Value::Int(value) => Self::Int(*value),
            Value::Uint(value) => Self::Uint(*value),
            Value::Float(value) => Self::Double(*value),
            Value::Number(text) => Self::Double(text.parse().unwrap_or(f64::NAN)),
            Value::Text(text) => Self::Text(text),
            Value::Json(text) => Self::Json(text),
        }
    }

    pub(super) fn of_constant(constant: &'r Constant) -> Self {
        match constant {
            Constant::Null => Self::Null,
            Constant::Bool(value) => Self::Bool(*value),
            Constant::Int(value) => Self::Int(*value),
            Constant::Uint(value) => Self::Uint(*value),
            Constant::Double(value) => Self::Double(*value),
            Constant::Text(text) => Self::Text(text),
        }
    }

    /// As a field's value, which holds no infinity.
    pub(super) fn into_field(self) -> Result<Value<'static>, Undefined> {
        Ok(match self {
            Self::Null => Value::Null,
            Self::Bool(value) => Value::Bool(value),
            Self::Int(value) => Value::Int(value),
            Self::Uint(value) => i64::try_from(value).map_or(Value::Uint(value), Value::Int),
            Self::Double(value) if value.is_finite() => Value::Float(value),
            Self::Double(_) => return Err(Undefined),
            Self::Text(text) => Value::Text(Cow::Owned(text.to_vec())),
            Self::Json(text) => Value::Json(Cow::Owned(text.to_owned())),
        })
    }

    /// Appends it as text.
    pub(super) fn write(self, out: &mut String) {
        // Writing to a string cannot fail.
        let _ = match self {
            Self::Null => Ok(()),
            Self::Bool(value) => write!(out, "{value}"),
            Self::Int(value) => write!(out, "{value}"),
            Self::Uint(value) => write!(out, "{value}"),
            Self::Double(value) => write!(out, "{value}"),
            Self::Text(text) => out.write_str(&String::from_utf8_lossy(text)),
            Self::Json(text) => out.write_str(text),
        };
    }

    pub(super) fn truth(self) -> Result<bool, Undefined> {
        match self {
            Self::Bool(value) => Ok(value),
            _ => Err(Undefined),
        }
    }

    pub(super) fn text(self) -> Result<&'r [u8], Undefined> {
        match self {
            Self::Text(text) => Ok(text),
            _ => Err(Undefined),
        }
    }

    /// Equality is defined for any two values: those of different kinds differ.
    pub(super) fn equals(self, other: Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Bool(one), Self::Bool(two)) => one == two,
            (Self::Text(one), Self::Text(two)) => one == two,
            (Self::Json(one), Self::Json(two)) => one == two,
            _ => self.order(other) == Some(Ordering::Equal),
        }
    }

    pub(super) fn compare(self, comparison: Comparison, other: Self) -> Result<bool, Undefined> {
        match comparison {
            Comparison::Equal => return Ok(self.equals(other)),
            Comparison::NotEqual => return Ok(!self.equals(other)),
            Comparison::Less | Comparison::LessOrEqual | Comparison::Greater | Comparison::GreaterOrEqual => {
            }
        }
        let order = self.order(other).ok_or(Undefined)?;
        Ok(match comparison {
            Comparison::Less => order.is_lt(),
            Comparison::LessOrEqual => order.is_le(),
            Comparison::Greater => order.is_gt(),
            Comparison::GreaterOrEqual => order.is_ge(),
            Comparison::Equal => order.is_eq(),
            Comparison::NotEqual => order.is_ne(),
        })
    }

    /// The order of two values that have one: two numbers, two texts or two truth values.
    fn order(self, other: Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Bool(one), Self::Bool(two)) => Some(one.cmp(&two)),
            (Self::Text(one), Self::Text(two)) => Some(one.cmp(two)),
            (Self::Int(one), Self::Int(two)) => Some(one.cmp(&two)),
            _ => match (self.number()?, other.number()?) {
                (Number::Integer(one), Number::Integer(two)) => Some(one.cmp(&two)),
                (Number::Double(one), Number::Double(two)) => one.partial_cmp(&two),
                (Number::Integer(one), Number::Double(two)) => order(one, two),
                (Number::Double(one), Number::Integer(two)) => order(two, one).map(Ordering::reverse),
            },
        }
    }

    fn number(self) -> Option<Number> {
        match self {
            Self::Int(value) => Some(Number::Integer(value.into())),
            Self::Uint(value) => Some(Number::Integer(value.into())),
            Self::Double(value) => Some(Number::Double(value)),
            Self::Null | Self::Bool(_) | Self::Text(_) | Self::Json(_) => None,
        }
    }

    /// Both operands have one type; nothing wraps around.
    pub(super) fn calculate(self, operation: Operation, other: Self) -> Result<Self, Undefined> {
        match (self, other) {
            (Self::Int(one), Self::Int(two)) => match operation {
                Operation::Add => one.checked_add(two),
                Operation::Subtract => one.checked_sub(two),
                Operation::Multiply => one.checked_mul(two),
                Operation::Divide => one.checked_div(two),
                Operation::Remainder => one.checked_rem(two),
            }
            .map(Self::Int),
            (Self::Uint(one), Self::Uint(two)) => match operation {
                Operation::Add => one.checked_add(two),
                Operation::Subtract => one.checked_sub(two),
                Operation::Multiply => one.checked_mul(two),
                Operation::Divide => one.checked_div(two),
                Operation::Remainder => one.checked_rem(two),
            }
            .map(Self::Uint),
            (Self::Double(one), Self::Double(two)) => match operation {
                Operation::Add => Some(one + two),
                Operation::Subtract => Some(one - two),
                Operation::Multiply => Some(one * two),
                Operation::Divide => Some(one / two),
                Operation::Remainder => None,
            }
            .map(Self::Double),
            _ => None,
        }
        .ok_or(Undefined)
    }

    pub(super) fn negate(self) -> Result<Self, Undefined> {
        match self {
            Self::Int(value) => value.checked_neg().map(Self::Int).ok_or(Undefined),
            Self::Double(value) => Ok(Self::Double(-value)),
            _ => Err(Undefined),
        }
    }

    /// CEL's `int()`: a fraction is cut off, a text is read as decimal.
    pub(super) fn to_int(self) -> Result<Self, Undefined> {
        let value = match self {
            Self::Int(value) => Some(value),
            Self::Uint(value) => value.try_into().ok(),
            // The two ends are excluded because rounding to a double has made them ambiguous.
            Self::Double(value) if value.abs() < TWO_TO_63 => truncated(value).try_into().ok(),
            Self::Text(text) => str::from_utf8(text).ok().and_then(|text| text.parse().ok()),
            Self::Double(_) | Self::Null | Self::Bool(_) | Self::Json(_) => None,
        };
        value.map(Self::Int).ok_or(Undefined)
    }

    /// CEL's `double()`.
    pub(super) fn to_double(self) -> Result<Self, Undefined> {
        let value = match self {
            Self::Double(value) => Some(value),
            Self::Int(value) => Some(nearest(value.into())),
            Self::Uint(value) => Some(nearest(value.into())),
            Self::Text(text) => str::from_utf8(text).ok().and_then(|text| text.parse().ok()),
            Self::Null | Self::Bool(_) | Self::Json(_) => None,
        };
        value.map(Self::Double).ok_or(Undefined)
    }
}

const TWO_TO_63: f64 = 9_223_372_036_854_775_808.0;

/// An integer beside a double, exactly. None: not a number.
fn order(integer: i128, double: f64) -> Option<Ordering> {
    // Every integer here is between the two ends of i128, so what the conversion saturates stays beyond each of them.
    let whole = integer.cmp(&truncated(double));
    (!double.is_nan()).then(|| whole.then_with(|| 0.0.partial_cmp(&double.fract()).unwrap_or(whole)))
}

#[expect(clippy::cast_possible_truncation, reason = "saturates, and the callers know")]
fn truncated(value: f64) -> i128 {
    value as i128
}

#[expect(clippy::cast_precision_loss, reason = "the nearest double is what is wanted")]
fn nearest(value: i128) -> f64 {
    value as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn integers_and_doubles_are_compared_exactly() {
        let big = 9_007_199_254_740_993; // 2^53 + 1, which is no double
        for (one, two, expected) in [
            (
                Operand::Int(big),
                Operand::Double(9_007_199_254_740_992.0),
                Some(Ordering::Greater),
            ),
            (Operand::Int(-1), Operand::Double(-1.5), Some(Ordering::Greater)),
            (
                Operand::Int(i64::MAX),
                Operand::Double(TWO_TO_63),
                Some(Ordering::Less),
            ),
            (Operand::Uint(u64::MAX), Operand::Int(-1), Some(Ordering::Greater)),
            (
                Operand::Double(f64::INFINITY),
                Operand::Uint(u64::MAX),
                Some(Ordering::Greater),
            ),
            (Operand::Double(f64::NAN), Operand::Int(0), None),
            (Operand::Double(2.0), Operand::Uint(2), Some(Ordering::Equal)),
        ] {
            assert_eq!(one.order(two), expected, "{one:?} {two:?}");
            assert_eq!(two.order(one), expected.map(Ordering::reverse), "{two:?} {one:?}");
        }
    }

    #[test]
    fn infinity_is_no_field() {
        assert_eq!(Operand::Double(f64::INFINITY).into_field(), Err(Undefined));
        assert_eq!(Operand::Uint(7).into_field(), Ok(Value::Int(7)));
    }

    proptest! {
        /// Whatever the operands, a calculation either has a value or none, and never stops the process.
        #[test]
        fn calculations_do_not_panic(one in any::<i64>(), two in any::<i64>(), double in any::<f64>()) {
            let operands = [Operand::Int(one), Operand::Int(two), Operand::Double(double), Operand::Null];
            for left in operands {
                let _ = (left.negate(), left.to_int(), left.to_double());
                for right in operands {
                    for operation in [Operation::Add, Operation::Subtract, Operation::Multiply, Operation::Divide, Operation::Remainder] {
                        let _ = left.calculate(operation, right);
                    }
                }
            }
        }
    }
}
