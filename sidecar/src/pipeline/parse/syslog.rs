//! Syslog, RFC 3164 and RFC 5424, whichever it is.
//!
//! Fields: `facility` and `severity` with syslog's words, `hostname`, `app_name`, `proc_id`, `msg_id`, `sd.<id>.<name>` and
//! `message`. A priority also is the record's severity.
//!
//! RFC 3164 has no year and no zone: its time is taken as UTC, in the year that brings it nearest to when the record was read. Because
//! the RFC only describes what was found in the wild, these are read too: RFC 3339 in place of its date, no priority (as in
//! files), no host (as from local programs), and a priority with a text alone.

mod structured;

use super::found::Found;
use super::text::{integer, month, second_of_day, token};
use crate::pipeline::severity;
use crate::record::Value;
use crate::record::time::{
    Nanos, civil_from_days, days_from_civil, days_in_month, parse_pair, parse_rfc3339,
};

const SECOND: i64 = 1_000_000_000;
const DAY_SECONDS: i64 = 86_400;
/// Bytes of `Oct 11 22:14:15`.
const DATE_BYTES: usize = 15;
const FACILITIES: [&str; 24] = [
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp",
    "ntp", "audit", "alert", "clock", "local0", "local1", "local2", "local3", "local4", "local5", "local6",
    "local7",
];
const SEVERITIES: [&str; 8] = [
    "emerg", "alert", "crit", "err", "warning", "notice", "info", "debug",
];

/// Reads a line.
pub fn parse<'a>(line: &'a [u8], found: &mut Found<'a>) -> Option<()> {
    match priority(line) {
        Some((priority, rest)) => {
            let level = usize::from(priority % 8);
            found.severity = severity::of_syslog(i64::from(priority % 8));
            found.add("facility", Value::text(FACILITIES[usize::from(priority / 8)]));
            found.add("severity", Value::text(SEVERITIES[level]));
            match rest.strip_prefix(b"1 ") {
                Some(rest) => rfc5424(rest, found),
                None => rfc3164(rest, found).or_else(|| {
                    found.add_text("message", rest);
                    Some(())
                }),
            }
        }
        None => rfc3164(line, found),
    }
}

/// `<34>`, up to `<191>`.
fn priority(line: &[u8]) -> Option<(u8, &[u8])> {
    let line = line.strip_prefix(b"<")?;
    let end = line.iter().take(4).position(|byte| *byte == b'>')?;
    let priority = u8::try_from(integer(&line[..end])?).ok()?;
    (priority <= 191).then_some((priority, &line[end + 1..]))
}

/// `2003-10-11T22:14:15.003Z host app procid msgid [structured data] message`
fn rfc5424<'a>(line: &'a [u8], found: &mut Found<'a>) -> Option<()> {
    let (time, mut rest) = token(line)?;
    if time != b"-" {
        found.time = Some(parse_rfc3339(time)?);
    }
    for name in ["hostname", "app_name", "proc_id", "msg_id"] {
        let column;
        (column, rest) = token(rest)?;
        if column.is_empty() {
            return None;
        }
        if column != b"-" {
            found.add_text(name, column);
        }
    }
    match structured::parse(rest, found)? {
        [] => {}
        [b' ', message @ ..] => {
            let message = message.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(message);
            found.add_text("message", message);
        }
        _ => return None,
    }
    Some(())
}

/// `Oct 11 22:14:15 host tag[pid]: message`; nothing is found before all of it is understood.
fn rfc3164<'a>(line: &'a [u8], found: &mut Found<'a>) -> Option<()> {
    let (time, rest) = match line.split_at_checked(DATE_BYTES) {
        Some((date, [b' ', rest @ ..])) if month(&date[..3]).is_some() => {
            (nearest(date, found.observed)?, rest)
        }
        _ => {
            let (time, rest) = token(line)?;
            (parse_rfc3339(time)?, rest)
        }
    };
    found.time = Some(time);
    let message = match token(rest) {
        Some((host, behind)) if !host.is_empty() && tag(rest).is_none() => {
            found.add_text("hostname", host);
            behind
        }
        _ => rest,
    };
    let Some(tag) = tag(message) else {
        found.add_text("message", message);
        return Some(());
    };
    found.add_text("app_name", tag.name);
    if let Some(process) = tag.process {
        found.add_text("proc_id", process);
    }
    found.add_text("message", tag.message);
    Some(())
}

/// Who says what.
struct Tag<'a> {
    name: &'a [u8],
    process: Option<&'a [u8]>,
    message: &'a [u8],
}

/// `tag: message` or `tag[pid]: message`
fn tag(text: &[u8]) -> Option<Tag<'_>> {
    let is_end = |byte: &u8| matches!(byte, b' ' | b':' | b'[');
    let end = text.iter().position(is_end).filter(|end| *end > 0)?;
    let (name, rest) = text.split_at(end);
    let (process, rest) = match rest.strip_prefix(b"[") {
        Some(inside) => {
            let end = inside.iter().position(|byte| matches!(byte, b']' | b' '))?;
            (Some(&inside[..end]), inside[end..].strip_prefix(b"]")?)
        }
        None => (None, rest),
    };
    let message = match rest.strip_prefix(b":")? {
        [] => &b""[..],
        [b' ', message @ ..] => message,
        // The colon is part of something else, such as an IPv6 address.
        _ => return None,
    };
    Some(Tag {
        name,
        process,
        message,
    })
}

/// `Oct 11 22:14:15` in the year that brings it nearest to `observed`; a 29th of February in one that has it.
fn nearest(date: &[u8], observed: Nanos) -> Option<Nanos> {
    let (month, second) = (month(&date[..3])?, second_of_day(&date[7..])?);
    let day = match date[3..7] {
        [b' ', b' ', day, b' '] => integer(&[day])?,
        [b' ', tens, ones, b' '] => parse_pair(tens, ones)?,
        _ => return None,
    };
    let (observed_year, ..) = civil_from_days(observed.div_euclid(SECOND * DAY_SECONDS));
    // A leap year is at most eight years away: 1896 to 1904.
    let years = (observed_year - 8)..=(observed_year + 8);
    let has_day = |year: &i64| (1..=days_in_month(*year, month)).contains(&day);
    let times = years.filter(has_day).filter_map(|year| {
        let seconds = days_from_civil(year, month, day) * DAY_SECONDS + second;
        seconds.checked_mul(SECOND)
    });
    times.min_by_key(|time| time.abs_diff(observed))
}

#[cfg(test)]
mod tests;
