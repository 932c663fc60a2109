//! One JSON object (RFC 8259): its members become fields with their types kept.
//!
//! No tree is built: arrays and objects below the first level are checked and stay text. Strictness: what RFC 8259 forbids is a
//! failure (trailing commas, NaN, control characters in strings, anything behind the object), except that strings need not be
//! UTF-8. Deeper than [`DEPTH_MAX`] is a failure too. Of members with the same name the last wins.

mod nested;
mod number;
mod string;

use super::escape;
use super::found::Found;
use super::text::{Names, lossy};
use crate::record::Value;
use std::borrow::Cow;

/// Objects and arrays in each other, the first object included.
pub const DEPTH_MAX: usize = 128;

/// Reads an object. A member `time`, `timestamp`, `ts` or `@timestamp` in RFC 3339 is the record's time as well.
pub fn parse<'a>(body: &'a [u8], found: &mut Found<'a>) -> Option<()> {
    let mut cursor = Cursor { body, at: 0 };
    let names = Names::new(body);
    cursor.skip_blanks();
    cursor.expect(b'{')?;
    cursor.skip_blanks();
    if cursor.peek() == Some(b'}') {
        cursor.at += 1;
    } else {
        while member(&mut cursor, names, found)? == Next::Member {}
    }
    cursor.skip_blanks();
    (cursor.at == body.len()).then_some(())
}

#[derive(PartialEq, Eq)]
enum Next {
    Member,
    End,
}

fn member<'a>(cursor: &mut Cursor<'a>, names: Names<'a>, found: &mut Found<'a>) -> Option<Next> {
    cursor.expect(b'"')?;
    let key = string::read(cursor)?;
    let name = if key.has_escapes {
        Cow::Owned(lossy(escape::decode(&cursor.body[key.start..key.end])))
    } else {
        names.part(key.start, key.end)
    };
    cursor.skip_blanks();
    cursor.expect(b':')?;
    cursor.skip_blanks();
    let value = value(cursor, names)?;
    if let Value::Text(text) = &value {
        found.look_for_time(&name, text);
    }
    found.set(name, value);
    cursor.skip_blanks();
    let next = match cursor.next()? {
        b',' => Next::Member,
        b'}' => Next::End,
        _ => return None,
    };
    if next == Next::Member {
        cursor.skip_blanks();
    }
    Some(next)
}

fn value<'a>(cursor: &mut Cursor<'a>, names: Names<'a>) -> Option<Value<'a>> {
    match cursor.peek()? {
        b'"' => {
            cursor.at += 1;
            let found = string::read(cursor)?;
            let raw = &cursor.body[found.start..found.end];
            Some(Value::Text(if found.has_escapes {
                Cow::Owned(escape::decode(raw))
            } else {
                Cow::Borrowed(raw)
            }))
        }
        b'{' | b'[' => {
            let start = cursor.at;
            nested::skip(cursor)?;
            Some(Value::Json(in_one_line(names.part(start, cursor.at))))
        }
        b't' => cursor.literal(b"true").map(|()| Value::Bool(true)),
        b'f' => cursor.literal(b"false").map(|()| Value::Bool(false)),
        b'n' => cursor.literal(b"null").map(|()| Value::Null),
        _ => number::read(cursor, names),
    }
}

/// Line ends can only be blanks between tokens. They would end the record in formats of lines, so blanks take their place.
fn in_one_line(json: Cow<'_, str>) -> Cow<'_, str> {
    if memchr::memchr2(b'\n', b'\r', json.as_bytes()).is_some() {
        Cow::Owned(json.replace(['\n', '\r'], " "))
    } else {
        json
    }
}

/// A place in the body.
#[derive(Debug)]
struct Cursor<'a> {
    body: &'a [u8],
    at: usize,
}

impl Cursor<'_> {
    fn peek(&self) -> Option<u8> {
        self.body.get(self.at).copied()
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        (self.next()? == byte).then_some(())
    }

    fn literal(&mut self, word: &[u8]) -> Option<()> {
        self.body.get(self.at..)?.strip_prefix(word)?;
        self.at += word.len();
        Some(())
    }

    fn skip_blanks(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }
}

#[cfg(test)]
mod tests;
