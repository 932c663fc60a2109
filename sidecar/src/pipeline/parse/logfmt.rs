//! `key=value key="quoted value" flag`.
//!
//! Values are texts, because the format has no types; a key alone is true. At least one key must have a value, so that prose is
//! no logfmt. Keys are separated by blanks and control characters, and have neither `=` nor quotes. The last of several values wins.

use super::escape::Quoted;
use super::found::Found;
use super::text::Names;
use crate::record::Value;
use std::borrow::Cow;

/// Reads all pairs. A key `time`, `timestamp`, `ts` or `@timestamp` in RFC 3339 is the record's time as well.
pub fn parse<'a>(body: &'a [u8], found: &mut Found<'a>) -> Option<()> {
    let names = Names::new(body);
    let mut has_value = false;
    let mut at = skip_blanks(body, 0);
    while at < body.len() {
        let start = at;
        at = end_of(body, at, |byte| byte <= b' ' || byte == b'=' || byte == b'"');
        let name = names.part(start, at);
        if name.is_empty() {
            return None;
        }
        match body.get(at) {
            Some(b'=') => {
                let value;
                (value, at) = read_value(body, at + 1)?;
                found.look_for_time(&name, &value);
                found.set(name, Value::Text(value));
                has_value = true;
            }
            Some(b'"') => return None,
            _ => found.set(name, Value::Bool(true)),
        }
        at = skip_blanks(body, at);
    }
    has_value.then_some(())
}

/// The value that begins at `at`, and where it ends.
fn read_value(body: &[u8], at: usize) -> Option<(Cow<'_, [u8]>, usize)> {
    if body.get(at) == Some(&b'"') {
        let (quoted, rest) = Quoted::read(&body[at + 1..])?;
        let is_separated = rest.first().is_none_or(|byte| *byte <= b' ');
        return is_separated.then(|| (quoted.text(), body.len() - rest.len()));
    }
    let end = end_of(body, at, |byte| byte <= b' ');
    Some((Cow::Borrowed(&body[at..end]), end))
}

fn skip_blanks(body: &[u8], at: usize) -> usize {
    end_of(body, at, |byte| byte > b' ')
}

/// Where the first byte is at which it ends.
fn end_of(body: &[u8], at: usize, ends: impl Fn(u8) -> bool) -> usize {
    let mut rest = body[at..].iter();
    rest.position(|byte| ends(*byte))
        .map_or(body.len(), |length| at + length)
}

#[cfg(test)]
mod tests;
