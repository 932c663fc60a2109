//! The step `parse`: finds out what a body says.
//!
//! Guarantees: a record that does not have the format stays as it was and is marked; nothing is extracted by halves. Fields
//! borrow from the body where it is borrowed itself and says them literally. No input makes a parser panic or recurse, and each
//! takes time linear in the body.
//!
//! What is absent in a line (`-` in access logs and RFC 5424) is no field. Fields beyond [`FIELDS_MAX`] are not kept.
//!
//! [`FIELDS_MAX`]: crate::record::FIELDS_MAX

mod access;
mod cri;
mod escape;
mod found;
mod groups;
mod json;
mod logfmt;
mod syslog;
mod text;

use self::access::LastTime;
use self::found::Found;
use self::groups::Groups;
use super::pattern;
use super::when::Position;
use crate::record::{Fields, Record};
use logship_crd::agent_config::{ParseFormat, ParseStep};
use std::borrow::Cow;

/// A compiled step.
#[derive(Debug, Clone)]
pub struct Parser(Format);

/// What a parser remembers from record to record. It changes no result.
#[derive(Debug, Default)]
pub struct Memory {
    time: LastTime,
}

#[derive(Debug, Clone)]
enum Format {
    Json,
    Logfmt,
    Nginx,
    Apache,
    Syslog,
    Cri,
    Regex(Groups),
}

/// What is wrong with a step.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Format `regex` without an expression.
    #[error("the format regex needs a pattern, for example ^(?P<user>\\S+) (?P<action>.*)$")]
    NoPattern,
    /// Another format with an expression.
    #[error("only the format regex takes a pattern: remove the pattern, or make the format regex")]
    Pattern,
    /// Not the syntax, or the compiled program would be too large.
    #[error("{0}; https://docs.rs/regex describes what can be used")]
    Expression(pattern::Error),
    /// The expression would extract nothing.
    #[error("the pattern has no named group: write (?P<name>...) around each part that becomes a field")]
    NoGroup,
}

impl Error {
    /// Where in the pattern, if that is known.
    pub fn position(&self) -> Option<Position> {
        match self {
            Self::Expression(error) => error.position(),
            Self::NoPattern | Self::Pattern | Self::NoGroup => None,
        }
    }
}

impl Parser {
    /// Compiles a step.
    pub fn compile(step: &ParseStep) -> Result<Self, Error> {
        let format = match (step.format, &step.pattern) {
            (ParseFormat::Regex, Some(pattern)) => Format::Regex(Groups::compile(pattern)?),
            (ParseFormat::Regex, None) => return Err(Error::NoPattern),
            (_, Some(_)) => return Err(Error::Pattern),
            (ParseFormat::Json, None) => Format::Json,
            (ParseFormat::Logfmt, None) => Format::Logfmt,
            (ParseFormat::NginxCombined, None) => Format::Nginx,
            (ParseFormat::ApacheCommon, None) => Format::Apache,
            (ParseFormat::Syslog, None) => Format::Syslog,
            (ParseFormat::Cri, None) => Format::Cri,
        };
        Ok(Self(format))
    }

    /// Extracts fields from the body, and its time, stream and severity where the format has them. CRI's content takes the
    /// place of the body; the other formats leave it.
    pub fn run(&self, record: &mut Record<'_>, memory: &mut Memory) {
        match std::mem::take(&mut record.body) {
            Cow::Borrowed(body) => {
                record.body = Cow::Borrowed(body);
                self.run_on_borrowed(body, record, memory);
            }
            Cow::Owned(mut body) => {
                let found = Found::new(record.observed, Fields::default());
                match self.extract(&body, found, memory) {
                    Ok(found) => {
                        let found = found.into_owned();
                        body.drain(..found.content_start);
                        found.give_to(record);
                    }
                    Err(_) => record.parse_failed = true,
                }
                record.body = Cow::Owned(body);
            }
        }
    }

    fn run_on_borrowed<'a>(&self, body: &'a [u8], record: &mut Record<'a>, memory: &mut Memory) {
        // The memory of a record that has no fields yet, as most, is used for what is found.
        let is_first = record.fields.is_empty();
        let room = if is_first {
            std::mem::take(&mut record.fields)
        } else {
            Fields::default()
        };
        match self.extract(body, Found::new(record.observed, room), memory) {
            Ok(found) => {
                record.body = Cow::Borrowed(&body[found.content_start..]);
                found.give_to(record);
            }
            Err(room) => {
                record.parse_failed = true;
                if is_first {
                    record.fields = room;
                }
            }
        }
    }

    /// What the body says, or the emptied room if it does not have the format.
    fn extract<'a>(
        &self,
        body: &'a [u8],
        mut found: Found<'a>,
        memory: &mut Memory,
    ) -> Result<Found<'a>, Fields<'a>> {
        let understood = match &self.0 {
            Format::Json => json::parse(body, &mut found),
            Format::Logfmt => logfmt::parse(body, &mut found),
            Format::Nginx => access::nginx(body, &mut memory.time, &mut found),
            Format::Apache => access::apache(body, &mut memory.time, &mut found),
            Format::Syslog => syslog::parse(body, &mut found),
            Format::Cri => cri::parse(body, &mut found),
            Format::Regex(groups) => groups.parse(body, &mut found),
        };
        match understood {
            Some(()) => Ok(found),
            None => Err(found.into_room()),
        }
    }
}

#[cfg(test)]
mod tests;
