//! What a parser has found so far. It reaches the record only as a whole.

use crate::record::time::{Nanos, parse_rfc3339};
use crate::record::{Fields, Record, Severity, Stream, Value};
use std::borrow::Cow;

/// What a parser has found so far.
#[derive(Debug)]
pub struct Found<'a> {
    /// When the record was read, which says which year a date without one is of.
    pub observed: Nanos,
    pub time: Option<Nanos>,
    pub stream: Option<Stream>,
    pub severity: Option<Severity>,
    /// The offset in the body of what shall become the body.
    pub content_start: usize,
    fields: Fields<'a>,
    /// One bit for each hash of a name: a name whose bit is not set is certainly new, which spares the search.
    names: u64,
}

impl<'a> Found<'a> {
    /// Nothing yet; `room` is empty and gives its memory.
    pub fn new(observed: Nanos, room: Fields<'a>) -> Self {
        Self {
            observed,
            time: None,
            stream: None,
            severity: None,
            content_start: 0,
            fields: room,
            names: 0,
        }
    }

    /// Sets a field whose name may have been there before: the last wins.
    #[inline]
    pub fn set(&mut self, name: Cow<'a, str>, value: Value<'a>) {
        let bit = 1 << hash(name.as_bytes());
        if self.names & bit == 0 {
            self.names |= bit;
            self.fields.append(name, value);
        } else {
            self.fields.set(name, value);
        }
    }

    /// Adds a field of a format whose names are fixed and different.
    #[inline]
    pub fn add(&mut self, name: &'static str, value: Value<'a>) {
        self.fields.append(name, value);
    }

    /// Adds a text as it stands in the body.
    #[inline]
    pub fn add_text(&mut self, name: &'static str, text: &'a [u8]) {
        self.add(name, Value::Text(Cow::Borrowed(text)));
    }

    /// Takes the record's time from a member that usually holds it, if it is RFC 3339; the first such member counts.
    pub fn look_for_time(&mut self, name: &str, text: &[u8]) {
        if self.time.is_none() && matches!(name, "time" | "timestamp" | "ts" | "@timestamp") {
            self.time = parse_rfc3339(text);
        }
    }

    /// The same with copies of what it borrows.
    pub fn into_owned(self) -> Found<'static> {
        let Self {
            observed,
            time,
            stream,
            severity,
            content_start,
            fields,
            names,
        } = self;
        Found {
            observed,
            time,
            stream,
            severity,
            content_start,
            fields: fields.into_owned(),
            names,
        }
    }

    /// Forgets what was found and gives its memory back.
    pub fn into_room(self) -> Fields<'a> {
        self.fields.recycle()
    }

    /// Sets in the record what was found.
    pub fn give_to(self, record: &mut Record<'a>) {
        record.time = self.time.unwrap_or(record.time);
        record.stream = self.stream.or(record.stream);
        record.severity = self.severity.or(record.severity);
        if record.fields.is_empty() {
            record.fields = self.fields;
        } else {
            for (name, value) in self.fields {
                record.fields.set(name, value);
            }
        }
    }
}

/// Of length, first and last byte; 0 to 63.
fn hash(name: &[u8]) -> u32 {
    let (Some(first), Some(last)) = (name.first(), name.last()) else {
        return 0;
    };
    let length = u32::try_from(name.len()).unwrap_or(u32::MAX);
    let mixed =
        length.wrapping_mul(31) ^ u32::from(*first).wrapping_mul(7) ^ u32::from(*last).wrapping_mul(13);
    mixed % 64
}
