//! Points in time as nanoseconds, and RFC 3339 for them. Pure, and on the path of every record, hence our own: a property test
//! compares it with a library.

/// Nanoseconds since 1970-01-01T00:00:00Z.
pub type Nanos = i64;

/// So many are a second.
pub const SECOND: Nanos = 1_000_000_000;

const DAY_SECONDS: i64 = 86_400;
/// The nanoseconds of the last of so many digits of a second.
const SECOND_PARTS: [i64; 10] = [
    SECOND,
    100_000_000,
    10_000_000,
    1_000_000,
    100_000,
    10_000,
    1000,
    100,
    10,
    1,
];
/// Bytes of [`rfc3339`]'s text.
pub const RFC3339_BYTES: usize = 30;

/// The time as RFC 3339 in UTC with nine digits of a second, for example `2026-01-02T03:04:05.000000006Z`.
pub fn rfc3339(nanos: Nanos) -> [u8; RFC3339_BYTES] {
    let (seconds, fraction) = (nanos.div_euclid(SECOND), nanos.rem_euclid(SECOND));
    let (days, second_of_day) = (seconds.div_euclid(DAY_SECONDS), seconds.rem_euclid(DAY_SECONDS));
    let (year, month, day) = civil_from_days(days);
    let mut text = *b"0000-00-00T00:00:00.000000000Z";
    digits(&mut text[0..4], year);
    digits(&mut text[5..7], month);
    digits(&mut text[8..10], day);
    digits(&mut text[11..13], second_of_day / 3600);
    digits(&mut text[14..16], second_of_day / 60 % 60);
    digits(&mut text[17..19], second_of_day % 60);
    digits(&mut text[20..29], fraction);
    text
}

/// Reads RFC 3339 with any offset and any number of digits of a second, of which nine count. A leap second is the second after
/// it. None: not such a text, or outside the years that nanoseconds reach (1678 to 2262).
pub fn parse_rfc3339(text: &[u8]) -> Option<Nanos> {
    let (date_time, rest) = text.split_at_checked(19)?;
    let seconds = parse_date_time(date_time)?;
    let (fraction, rest) = parse_fraction(rest)?;
    let offset = parse_offset(rest)?;
    // Through i128, because the last second before the earliest time begins before it.
    let nanos = i128::from(seconds - offset) * i128::from(SECOND) + i128::from(fraction);
    nanos.try_into().ok()
}

/// Days since 1970-01-01 of a date of the proleptic Gregorian calendar.
pub fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    // The year begins in March, so that the leap day is its last: days before month m are (153 m + 2) / 5.
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// Year, month and day of the days since 1970-01-01: the inverse of [`days_from_civil`].
pub fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let (day, month) = (day_of_year - (153 * shifted + 2) / 5 + 1, (shifted + 2) % 12 + 1);
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

fn digits(text: &mut [u8], value: i64) {
    // All that is written has at most nine digits, and 32 bits are divided faster.
    let mut value = u32::try_from(value).unwrap_or_default();
    for digit in text.iter_mut().rev() {
        *digit = b'0' + (value % 10).to_le_bytes()[0];
        value /= 10;
    }
}

/// `2026-01-02T03:04:05`, also with a blank or a small t in the middle; seconds since 1970.
fn parse_date_time(text: &[u8]) -> Option<i64> {
    let text: &[u8; 19] = text.try_into().ok()?;
    let are_separators = text[4] == b'-'
        && text[7] == b'-'
        && matches!(text[10], b'T' | b't' | b' ')
        && text[13] == b':'
        && text[16] == b':';
    if !are_separators {
        return None;
    }
    let pair = |at: usize| parse_pair(text[at], text[at + 1]);
    let (year, month, day) = (pair(0)? * 100 + pair(2)?, pair(5)?, pair(8)?);
    let (hour, minute, second) = (pair(11)?, pair(14)?, pair(17)?);
    let is_valid = (1..=12).contains(&month)
        && (1..=days_in_month(year, month)).contains(&day)
        && hour < 24
        && minute < 60
        && second <= 60;
    is_valid.then(|| days_from_civil(year, month, day) * DAY_SECONDS + hour * 3600 + minute * 60 + second)
}

/// The days that a month has.
pub fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn parse_fraction(text: &[u8]) -> Option<(i64, &[u8])> {
    let Some(rest) = text.strip_prefix(b".") else {
        return Some((0, text));
    };
    let (mut value, mut count) = (0, 0);
    for byte in rest.iter().take(9) {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            break;
        }
        value = value * 10 + i64::from(digit);
        count += 1;
    }
    let (value, rest) = (value * SECOND_PARTS.get(count)?, &rest[count..]);
    let beyond = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    (count > 0).then(|| (value, &rest[beyond..]))
}

/// `Z`, `+01:00` or `-0130`, in seconds.
fn parse_offset(text: &[u8]) -> Option<i64> {
    let (sign, rest) = match text {
        [b'Z' | b'z'] => return Some(0),
        [b'+', rest @ ..] => (1, rest),
        [b'-', rest @ ..] => (-1, rest),
        _ => return None,
    };
    let (hours, minutes) = match rest {
        [a, b, b':', c, d] | [a, b, c, d] => (parse_pair(*a, *b)?, parse_pair(*c, *d)?),
        _ => return None,
    };
    (hours < 24 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

/// A number of two digits.
pub fn parse_pair(tens: u8, ones: u8) -> Option<i64> {
    let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
    (tens < 10 && ones < 10).then(|| i64::from(tens * 10 + ones))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(nanos: Nanos) -> String {
        String::from_utf8(rfc3339(nanos).to_vec()).unwrap()
    }

    #[test]
    fn offsets_fractions_and_leap_seconds_are_read() {
        for (input, expected) in [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("1970-01-01T01:00:00.5+01:00", Some(500_000_000)),
            ("1969-12-31 22:30:00-0130", Some(0)),
            ("1970-01-01T00:00:00.1234567899Z", Some(123_456_789)),
            ("2016-12-31T23:59:60Z", Some(1_483_228_800 * SECOND)),
            ("2025-02-29T00:00:00Z", None),
            ("2024-02-29T00:00:00Z", Some(1_709_164_800 * SECOND)),
            ("2026-01-02T03:04:05", None),
            ("2026-01-02T03:04:05.Z", None),
            ("2026-01-02T03:04:05+1:00", None),
            ("2026-13-02T03:04:05Z", None),
            ("9999-01-01T00:00:00Z", None),
            ("\u{fc}026-01-02T03:04:05Z", None),
            ("r026-01-02T03:04:05Z", None),
            ("1970-01-01T00:00:00.1234567891234567Zx", None),
            ("1970-01-01T00:00:00.000000001999999999999999999999Z", Some(1)),
        ] {
            assert_eq!(parse_rfc3339(input.as_bytes()), expected, "{input}");
        }
    }

    proptest! {
        /// The text is the library's, and is read back as it was.
        #[test]
        fn text_is_what_the_library_writes(nanos in any::<i64>()) {
            let timestamp = jiff::Timestamp::from_nanosecond(i128::from(nanos)).unwrap();
            prop_assert_eq!(text(nanos), format!("{timestamp:.9}"));
            prop_assert_eq!(parse_rfc3339(&rfc3339(nanos)), Some(nanos));
        }

        /// No input makes the reader panic, and what it takes the library takes as well.
        #[test]
        fn what_is_read_is_what_the_library_reads(text in "[12][0-9]{3}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,9})?(Z|[+-][01][0-9]:[0-5][0-9])") {
            let library = text.parse::<jiff::Timestamp>().ok();
            let library = library.and_then(|timestamp| i64::try_from(timestamp.as_nanosecond()).ok());
            prop_assert_eq!(parse_rfc3339(text.as_bytes()), library);
        }
    }
}
