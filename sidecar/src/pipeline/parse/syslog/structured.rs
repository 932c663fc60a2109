//! Structured data of RFC 5424: `[id name="value" name="value"][id]`.

use crate::pipeline::parse::found::Found;
use crate::record::Value;
use std::borrow::Cow;

/// Reads all elements or the `-` for none, and gives what is behind. An element without parameters is true.
pub fn parse<'a>(text: &'a [u8], found: &mut Found<'a>) -> Option<&'a [u8]> {
    if let Some(rest) = text.strip_prefix(b"-") {
        return Some(rest);
    }
    let mut rest = element(text, found)?;
    while rest.starts_with(b"[") {
        rest = element(rest, found)?;
    }
    Some(rest)
}

fn element<'a>(text: &'a [u8], found: &mut Found<'a>) -> Option<&'a [u8]> {
    let (id, mut rest) = name(text.strip_prefix(b"[")?)?;
    if let Some(rest) = rest.strip_prefix(b"]") {
        found.set(Cow::Owned(format!("sd.{id}")), Value::Bool(true));
        return Some(rest);
    }
    while let Some(parameter) = rest.strip_prefix(b" ") {
        let (name, behind) = name(parameter)?;
        let (value, behind) = value(behind.strip_prefix(b"=\"")?)?;
        found.set(Cow::Owned(format!("sd.{id}.{name}")), Value::Text(value));
        rest = behind;
    }
    rest.strip_prefix(b"]")
}

/// Printable ASCII without `=`, blank, `]` and `"`, at least one.
fn name(text: &[u8]) -> Option<(&str, &[u8])> {
    let is_end = |byte: &u8| !byte.is_ascii_graphic() || b"=]\"".contains(byte);
    let end = text.iter().position(is_end).filter(|end| *end > 0)?;
    let name = std::str::from_utf8(&text[..end]).ok()?;
    Some((name, &text[end..]))
}

/// Up to the closing quote. A backslash escapes `"`, `\` and `]`, and stands for itself before anything else.
fn value(text: &[u8]) -> Option<(Cow<'_, [u8]>, &[u8])> {
    let first = memchr::memchr2(b'"', b'\\', text)?;
    if text[first] == b'"' {
        return Some((Cow::Borrowed(&text[..first]), &text[first + 1..]));
    }
    let mut value = text[..first].to_vec();
    let mut rest = &text[first..];
    loop {
        if let [b'\\', b'"' | b'\\' | b']', ..] = rest {
            rest = &rest[1..];
        } else if let Some(behind) = rest.strip_prefix(b"\"") {
            return Some((Cow::Owned(value), behind));
        }
        let (byte, behind) = rest.split_first()?;
        value.push(*byte);
        rest = behind;
    }
}
