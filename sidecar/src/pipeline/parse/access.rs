//! Access logs: nginx's `combined`, and Apache's `common` and `combined`.
//!
//! Escapes are resolved: `\"` and `\x22` are quotes, the `\x16\x03\x01` of a TLS handshake sent to a plain port are those three
//! bytes. A request that is no HTTP request line is kept whole and has no parts.

use super::escape::{self, Quoted};
use super::found::Found;
use super::text::{integer, month, second_of_day, token};
use crate::record::Value;
use crate::record::time::{Nanos, days_from_civil, days_in_month, parse_pair};
use std::borrow::Cow;

/// Bytes of `06/Oct/2016:00:17:09 +0000`.
const TIME_BYTES: usize = 26;

/// The last time that was read: there are many lines a second, and the format knows no parts of one.
#[derive(Debug, Default)]
pub struct LastTime(Option<([u8; TIME_BYTES], Nanos)>);

impl LastTime {
    #[inline]
    fn read(&mut self, text: &[u8]) -> Option<Nanos> {
        let text: &[u8; TIME_BYTES] = text.try_into().ok()?;
        match &self.0 {
            Some((known, time)) if known == text => Some(*time),
            _ => {
                let time = time_local(text)?;
                self.0 = Some((*text, time));
                Some(time)
            }
        }
    }
}

/// `$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent"`; what a
/// longer format of your own has behind it becomes `rest`.
pub fn nginx<'a>(line: &'a [u8], last: &mut LastTime, found: &mut Found<'a>) -> Option<()> {
    let (address, rest) = token(line).filter(|(address, _)| !address.is_empty())?;
    add_optional(found, "remote_addr", address);
    let rest = rest.strip_prefix(b"- ")?;
    let rest = user_to_size(rest, last, found)?;
    let rest = referer_and_agent(rest, found)?;
    add_rest(rest, found)
}

/// `%h %l %u %t "%r" %>s %b`, then `"%{Referer}i" "%{User-Agent}i"` if both are there; what is behind becomes `rest`.
pub fn apache<'a>(line: &'a [u8], last: &mut LastTime, found: &mut Found<'a>) -> Option<()> {
    let (address, rest) = token(line).filter(|(address, _)| !address.is_empty())?;
    add_optional(found, "remote_addr", address);
    let (identity, rest) = token(rest)?;
    add_optional(found, "remote_logname", identity);
    let rest = user_to_size(rest, last, found)?;
    let rest = referer_and_agent(rest, found).unwrap_or(rest);
    add_rest(rest, found)
}

/// The columns that both have; gives what is behind them.
fn user_to_size<'a>(line: &'a [u8], last: &mut LastTime, found: &mut Found<'a>) -> Option<&'a [u8]> {
    let rest = user_and_time(line, last, found)?;
    let (line, rest) = Quoted::read(rest)?;
    request(line, found);
    let [b' ', status @ .., b' '] = rest.get(..5)? else {
        return None;
    };
    found.add("status_code", Value::Int(integer(status)?));
    let rest = &rest[5..];
    let end = rest.iter().position(|byte| *byte == b' ').unwrap_or(rest.len());
    let (size, rest) = rest.split_at(end);
    if size != b"-" {
        found.add("body_bytes_sent", Value::Int(integer(size)?));
    }
    Some(rest)
}

/// A user's name may have blanks and brackets; it ends where ` [time] "` follows. Gives what is behind that.
fn user_and_time<'a>(line: &'a [u8], last: &mut LastTime, found: &mut Found<'a>) -> Option<&'a [u8]> {
    for bracket in memchr::memchr_iter(b'[', line) {
        let (before, behind) = (&line[..bracket], &line[bracket + 1..]);
        let (text, rest) = behind.split_at_checked(TIME_BYTES)?;
        if let Some(user) = before.strip_suffix(b" ")
            && let Some(rest) = rest.strip_prefix(b"] \"")
            && let Some(time) = last.read(text)
        {
            add_user(user, found);
            found.add_text("time_local", text);
            found.time = Some(time);
            return Some(rest);
        }
    }
    None
}

/// Apache writes an empty name as `""`.
fn add_user<'a>(user: &'a [u8], found: &mut Found<'a>) {
    match user {
        b"" | b"\"\"" => {}
        _ if user.contains(&b'\\') => found.add("remote_user", Value::Text(Cow::Owned(escape::decode(user)))),
        _ => add_optional(found, "remote_user", user),
    }
}

/// Reads `06/Oct/2016:00:17:09 +0000`.
fn time_local(text: &[u8; TIME_BYTES]) -> Option<Nanos> {
    let separators = [text[2], text[6], text[11], text[20]];
    let day = parse_pair(text[0], text[1])?;
    let month = month(&text[3..6])?;
    let year = parse_pair(text[7], text[8])? * 100 + parse_pair(text[9], text[10])?;
    let second = second_of_day(&text[12..20])?;
    let (hours, minutes) = (parse_pair(text[22], text[23])?, parse_pair(text[24], text[25])?);
    let sign = match text[21] {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let is_valid = separators == *b"//: "
        && (1..=days_in_month(year, month)).contains(&day)
        && hours < 24
        && minutes < 60;
    let offset = sign * (hours * 3600 + minutes * 60);
    let seconds = days_from_civil(year, month, day) * 86_400 + second - offset;
    is_valid.then_some(())?;
    seconds.checked_mul(1_000_000_000)
}

fn request<'a>(line: Quoted<'a>, found: &mut Found<'a>) {
    if line.raw() == b"-" {
        return;
    }
    match line.text() {
        Cow::Borrowed(line) => {
            found.add_text("request", line);
            if let Some([method, path, protocol]) = request_line(line) {
                found.add_text("method", method);
                found.add_text("path", path);
                if !protocol.is_empty() {
                    found.add_text("protocol", protocol);
                }
            }
        }
        Cow::Owned(line) => {
            let text = |text: &[u8]| Value::Text(Cow::Owned(text.to_vec()));
            let parts = request_line(&line).map(|parts| parts.map(text));
            found.add("request", Value::Text(Cow::Owned(line)));
            if let Some([method, path, protocol]) = parts {
                found.add("method", method);
                found.add("path", path);
                if protocol != Value::text("") {
                    found.add("protocol", protocol);
                }
            }
        }
    }
}

/// Method, path and protocol; the path may have blanks, and HTTP/0.9 has no protocol.
fn request_line(line: &[u8]) -> Option<[&[u8]; 3]> {
    let (method, rest) = token(line)?;
    let is_method = !method.is_empty()
        && method
            .iter()
            .all(|byte| matches!(byte, b'A'..=b'Z' | b'-' | b'_'));
    let blank = memchr::memrchr(b' ', rest).filter(|blank| rest[blank + 1..].starts_with(b"HTTP/"));
    let (path, protocol) = blank.map_or((rest, &b""[..]), |blank| (&rest[..blank], &rest[blank + 1..]));
    (is_method && !path.is_empty()).then_some([method, path, protocol])
}

/// ` "referer" "agent"`; gives what is behind them.
fn referer_and_agent<'a>(line: &'a [u8], found: &mut Found<'a>) -> Option<&'a [u8]> {
    let (referer, rest) = Quoted::read(line.strip_prefix(b" \"")?)?;
    let (agent, rest) = Quoted::read(rest.strip_prefix(b" \"")?)?;
    if !matches!(rest.first(), None | Some(b' ')) {
        return None;
    }
    for (name, column) in [("http_referer", referer), ("http_user_agent", agent)] {
        if column.raw() != b"-" {
            found.add(name, Value::Text(column.text()));
        }
    }
    Some(rest)
}

fn add_rest<'a>(rest: &'a [u8], found: &mut Found<'a>) -> Option<()> {
    match rest {
        [] => {}
        [b' ', rest @ ..] => found.add_text("rest", rest),
        _ => return None,
    }
    Some(())
}

fn add_optional<'a>(found: &mut Found<'a>, name: &'static str, column: &'a [u8]) {
    if column != b"-" {
        found.add_text(name, column);
    }
}

#[cfg(test)]
mod tests;
