//! Values with a textual form, parsed once at the border.

use std::time::Duration;

/// What [`parse_duration`] takes, as the schema says it.
pub const DURATION_PATTERN: &str = "^([0-9]+(ms|s|m|h))+$";
/// What [`parse_size`] takes, as the schema says it.
pub const SIZE_PATTERN: &str = "^[0-9]+(Ki|Mi|Gi)?$";

/// Why a text is not a duration or a size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// Not a duration.
    #[error("{0:?} is not a duration; write a number and a unit, for example 500ms, 10s, 5m or 1h")]
    Duration(String),
    /// Not a size.
    #[error(
        "{0:?} is not a size; write a whole number of bytes with an optional Ki, Mi or Gi, for example 64Mi"
    )]
    Size(String),
}

/// Parses a duration such as `10s`, `250ms` or `1m30s` (the subset of Go's syntax with whole numbers and the units
/// `ms`, `s`, `m` and `h`).
///
/// # Errors
/// [`ParseError::Duration`] for any other text, and for a value beyond 2^64 milliseconds.
pub fn parse_duration(text: &str) -> Result<Duration, ParseError> {
    let wrong = || ParseError::Duration(text.to_owned());
    let mut rest = text;
    let mut total_ms = 0u64;
    if rest.is_empty() {
        return Err(wrong());
    }
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number: u64 = rest[..digits].parse().map_err(|_| wrong())?;
        rest = &rest[digits..];
        let unit = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
        let factor = match &rest[..unit] {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            _ => return Err(wrong()),
        };
        rest = &rest[unit..];
        total_ms = number
            .checked_mul(factor)
            .and_then(|ms| total_ms.checked_add(ms))
            .ok_or_else(wrong)?;
    }
    Ok(Duration::from_millis(total_ms))
}

/// Parses a size in bytes such as `1048576`, `64Ki`, `1Mi` or `1Gi`.
///
/// # Errors
/// [`ParseError::Size`] for any other text, and for a value beyond 2^64 bytes.
pub fn parse_size(text: &str) -> Result<u64, ParseError> {
    let wrong = || ParseError::Size(text.to_owned());
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let number: u64 = text[..digits].parse().map_err(|_| wrong())?;
    let factor = match &text[digits..] {
        "" => 1,
        "Ki" => 1 << 10,
        "Mi" => 1 << 20,
        "Gi" => 1 << 30,
        _ => return Err(wrong()),
    };
    number.checked_mul(factor).ok_or_else(wrong)
}

/// The size as [`parse_size`] reads it, in Mi where it is a whole number of them.
pub fn size_text(bytes: u64) -> String {
    match (bytes >> 20, bytes % (1 << 20)) {
        (0, 0) => "0".to_owned(),
        (mebibytes, 0) => format!("{mebibytes}Mi"),
        _ => bytes.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_sums_of_number_and_unit() {
        let check = |text: &str, expected_ms: Option<u64>| {
            assert_eq!(
                parse_duration(text).ok(),
                expected_ms.map(Duration::from_millis),
                "{text:?}"
            );
        };
        check("10s", Some(10_000));
        check("250ms", Some(250));
        check("1m30s", Some(90_000));
        check("2h", Some(7_200_000));
        check("0s", Some(0));
        for bad in [
            "",
            "10",
            "s",
            "-1s",
            "1.5s",
            "10 s",
            "10x",
            "99999999999999999999s",
            "18446744073709551615h",
        ] {
            check(bad, None);
        }
    }

    #[test]
    fn sizes_are_written_as_they_are_read() {
        let check = |bytes: u64, expected: &str| {
            assert_eq!(size_text(bytes), expected);
            assert_eq!(parse_size(expected), Ok(bytes));
        };
        check(0, "0");
        check(1 << 20, "1Mi");
        check(48 << 30, "49152Mi");
        check((1 << 20) - 1, "1048575");
        check(100_000_000, "100000000");
    }

    #[test]
    fn sizes_take_binary_suffixes() {
        let check =
            |text: &str, expected: Option<u64>| assert_eq!(parse_size(text).ok(), expected, "{text:?}");
        check("17", Some(17));
        check("64Ki", Some(65_536));
        check("1Mi", Some(1_048_576));
        check("1Gi", Some(1_073_741_824));
        for bad in ["", "Mi", "1M", "-1", "1.5Mi", "18446744073709551615Ki"] {
            check(bad, None);
        }
    }
}
