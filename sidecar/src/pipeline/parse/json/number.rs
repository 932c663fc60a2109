//! JSON numbers, exactly.

use super::Cursor;
use crate::pipeline::parse::text::Names;
use crate::record::Value;

/// So many digits are never beyond u64.
const CERTAINLY_FITTING_DIGITS: usize = 19;
/// So many digits are never beyond what a float holds exactly.
const EXACT_DIGITS: usize = 15;
/// Powers of ten, all of them exact.
const TENS: [f64; EXACT_DIGITS + 1] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
];

/// What the syntax of a number says about it.
struct Syntax {
    is_negative: bool,
    /// What is before the fraction, unless it is beyond u64.
    integer: Option<u64>,
    is_integer: bool,
    /// The value, without the sign, of one that has a fraction, no exponent and few digits.
    decimal: Option<f64>,
}

/// Reads a number. An integer that fits stays one. With a fraction or exponent it is a float, unless that would make it
/// infinite or nothing (`1e400`, `1e-400`): then, like a longer integer, it stays as it was written.
pub fn read<'a>(cursor: &mut Cursor<'a>, names: Names<'a>) -> Option<Value<'a>> {
    let start = cursor.at;
    let syntax = syntax(cursor)?;
    if syntax.is_integer
        && let Some(value) = fitting(&syntax)
    {
        return Some(value);
    }
    if let Some(magnitude) = syntax.decimal {
        return Some(Value::Float(if syntax.is_negative {
            -magnitude
        } else {
            magnitude
        }));
    }
    let text = names.part(start, cursor.at);
    let float: f64 = text.parse().ok()?;
    let is_minus_zero = syntax.integer == Some(0);
    let is_float = if syntax.is_integer {
        is_minus_zero
    } else {
        float.is_finite() && (float != 0.0 || is_zero(&text))
    };
    Some(if is_float {
        Value::Float(float)
    } else {
        Value::Number(text)
    })
}

/// Reads a number whose value nobody asks for.
pub fn skip(cursor: &mut Cursor<'_>) -> Option<()> {
    syntax(cursor).map(drop)
}

fn syntax(cursor: &mut Cursor<'_>) -> Option<Syntax> {
    let is_negative = cursor.peek() == Some(b'-');
    cursor.at += usize::from(is_negative);
    let start = cursor.at;
    let integer = digits(cursor)?;
    if cursor.body[start] == b'0' && cursor.at > start + 1 {
        return None;
    }
    let end = cursor.at;
    let mut decimal = None;
    if cursor.peek() == Some(b'.') {
        cursor.at += 1;
        let fraction = digits(cursor)?;
        decimal = decimal_of(integer, end - start, fraction, cursor.at - end - 1);
    }
    if let Some(b'e' | b'E') = cursor.peek() {
        decimal = None;
        cursor.at += 1;
        if let Some(b'+' | b'-') = cursor.peek() {
            cursor.at += 1;
        }
        digits(cursor)?;
    }
    Some(Syntax {
        is_negative,
        integer,
        is_integer: cursor.at == end,
        decimal,
    })
}

/// The value of a number with a fraction by what is before and behind its point, each with its count of digits. None: they are too
/// many. Both the whole of the digits and the power of ten are exact as floats, so that dividing them rounds once, as reading the text
/// would (Clinger, "How to read floating point numbers accurately").
fn decimal_of(
    integer: Option<u64>,
    integer_digits: usize,
    fraction: Option<u64>,
    fraction_digits: usize,
) -> Option<f64> {
    if integer_digits + fraction_digits > EXACT_DIGITS {
        return None;
    }
    let scale = TENS[fraction_digits];
    Some((exact(integer?) * scale + exact(fraction?)) / scale)
}

#[expect(clippy::cast_precision_loss, reason = "it has at most EXACT_DIGITS")]
fn exact(integer: u64) -> f64 {
    integer as f64
}

/// Reads at least one digit; None inside: beyond u64.
#[expect(
    clippy::option_option,
    reason = "no digits, and more than fit, are not the same"
)]
fn digits(cursor: &mut Cursor<'_>) -> Option<Option<u64>> {
    let rest = cursor.body.get(cursor.at..)?;
    let mut value = 0u64;
    let mut count = 0;
    for byte in rest {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            break;
        }
        value = value.wrapping_mul(10).wrapping_add(u64::from(digit));
        count += 1;
    }
    cursor.at += count;
    match count {
        0 => None,
        1..=CERTAINLY_FITTING_DIGITS => Some(Some(value)),
        _ => Some(checked_value(&rest[..count])),
    }
}

fn checked_value(digits: &[u8]) -> Option<u64> {
    let mut digits = digits.iter().map(|digit| u64::from(digit - b'0'));
    digits.try_fold(0u64, |value, digit| value.checked_mul(10)?.checked_add(digit))
}

/// The integer in the type that holds it; minus zero is in none.
fn fitting(syntax: &Syntax) -> Option<Value<'static>> {
    let magnitude = syntax.integer?;
    match (syntax.is_negative, i64::try_from(magnitude)) {
        (false, Ok(value)) => Some(Value::Int(value)),
        (false, Err(_)) => Some(Value::Uint(magnitude)),
        (true, _) if magnitude == 0 => None,
        (true, _) => 0i64.checked_sub_unsigned(magnitude).map(Value::Int),
    }
}

/// Whether all digits before the exponent are zeros.
fn is_zero(text: &str) -> bool {
    let mut mantissa = text.bytes().take_while(|byte| !matches!(byte, b'e' | b'E'));
    mantissa.all(|byte| !matches!(byte, b'1'..=b'9'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// The value of few digits is what the library reads, to the last bit.
        #[test]
        fn decimals_are_what_the_library_reads(text in "(0|[1-9][0-9]{0,9})\\.[0-9]{1,9}") {
            let (integer, fraction) = text.split_once('.').unwrap();
            let number = |digits: &str| digits.parse().ok();
            let found = decimal_of(number(integer), integer.len(), number(fraction), fraction.len());
            prop_assert_eq!(found.is_some(), text.len() - 1 <= EXACT_DIGITS);
            let expected: f64 = text.parse().unwrap();
            prop_assert_eq!(found.unwrap_or(expected).to_bits(), expected.to_bits());
        }
    }
}
