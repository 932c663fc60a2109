//! The step `severity`: finds out how bad a record is.
//!
//! In this order: a field that holds a level; a field that holds an HTTP status (below 400 Info, below 500 Warn, else Error);
//! the first word of the body that is a level. What the record had before stays if none of them says anything.
//!
//! Words and syslog's numbers are those of OpenTelemetry's data model (appendix B): syslog's `alert` and `crit` are errors, Python's
//! and .NET's `critical` is the worst that they have.

use crate::record::{Fields, Record, Severity, Value};
use logship_crd::agent_config::SeverityStep;

/// Names of fields that hold a level, in small letters.
const LEVEL_NAMES: Names = Names::new(&[
    "level",
    "severity",
    "lvl",
    "loglevel",
    "log_level",
    "log.level",
    "levelname",
    "level_name",
    "severity_text",
    "severitytext",
    "@level",
    "@l",
]);
/// Names of fields that hold an HTTP status, in small letters.
const STATUS_NAMES: Names = Names::new(&[
    "status_code",
    "status",
    "statuscode",
    "http_status",
    "http_status_code",
    "http.status_code",
    "http.response.status_code",
    "response_code",
]);
/// Bytes of the longest word for a level.
const WORD_BYTES_MAX: usize = 13;

/// A compiled step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    field: Option<String>,
}

impl Rule {
    /// Compiles a step.
    pub fn new(step: &SeverityStep) -> Self {
        Self {
            field: step.field.clone(),
        }
    }

    /// Sets the severity of a record that says it.
    pub fn run(&self, record: &mut Record<'_>) {
        let found = match &self.field {
            Some(name) => {
                let level = record.fields.get(name).and_then(of_level);
                level.or_else(|| of_fields(&record.fields, &Names::new(&[])))
            }
            None => of_fields(&record.fields, &LEVEL_NAMES),
        };
        let found = found.or_else(|| of_prose(&record.body));
        record.severity = found.or(record.severity);
    }
}

/// What the first field with one of these names says about its level, else what the first says that holds a status.
fn of_fields(fields: &Fields<'_>, level_names: &Names) -> Option<Severity> {
    let mut of_first_status = None;
    for (name, value) in fields.iter() {
        let mark = mark(name.as_bytes());
        if level_names.contain(name, mark)
            && let Some(severity) = of_level(value)
        {
            return Some(severity);
        }
        if of_first_status.is_none() && STATUS_NAMES.contain(name, mark) {
            of_first_status = of_status(value);
        }
    }
    of_first_status
}

/// Names that mean the same, in small letters.
struct Names {
    names: &'static [&'static str],
    /// Of each the bit of [`mark`], which tells most fields that have none of these names.
    marks: u64,
}

impl Names {
    const fn new(names: &'static [&'static str]) -> Self {
        let mut marks = 0;
        let mut index = 0;
        while index < names.len() {
            marks |= mark(names[index].as_bytes());
            index += 1;
        }
        Self { names, marks }
    }

    /// Whether this, with its mark, is one of them, in any case.
    #[inline]
    fn contain(&self, name: &str, mark: u64) -> bool {
        self.marks & mark != 0 && self.have(name)
    }

    fn have(&self, name: &str) -> bool {
        let mut names = self.names.iter();
        names.any(|known| known.len() == name.len() && known.eq_ignore_ascii_case(name))
    }
}

/// One bit by length, first and last letter, of which the lowest five bits are the same in both cases; none for no letters. The weights
/// are those with which usual names of other fields differ most from ours.
#[inline]
const fn mark(name: &[u8]) -> u64 {
    let ([first, ..], [.., last]) = (name, name) else {
        return 0;
    };
    1 << ((name.len() + (*first & 0x1f) as usize + 3 * (*last & 0x1f) as usize) % 64)
}

fn of_level(value: &Value<'_>) -> Option<Severity> {
    match value {
        Value::Int(number) => of_number(*number),
        Value::Text(text) => {
            let text = text.trim_ascii();
            let mut letters = [0; WORD_BYTES_MAX];
            of_word(in_small_letters(text, &mut letters)?).or_else(|| of_number(integer(text)?))
        }
        _ => None,
    }
}

fn of_status(value: &Value<'_>) -> Option<Severity> {
    let status = match value {
        Value::Int(status) => *status,
        Value::Text(text) => integer(text)?,
        _ => return None,
    };
    match status {
        100..400 => Some(Severity::Info),
        400..500 => Some(Severity::Warn),
        500..600 => Some(Severity::Error),
        _ => None,
    }
}

/// The first word of a text that is a level. Words are letters; what follows an apostrophe, a digit or an underscore is part of another
/// word.
fn of_prose(text: &[u8]) -> Option<Severity> {
    let is_separator = |byte: &u8| !(byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'\'' | 0x80..));
    text.split(is_separator)
        .filter(|word| (3..=11).contains(&word.len()))
        .find_map(|word| {
            let mut letters = [0; WORD_BYTES_MAX];
            of_word(in_small_letters(word, &mut letters)?)
        })
}

/// By a word in small letters.
fn of_word(word: &[u8]) -> Option<Severity> {
    Some(match word {
        b"trace" | b"trc" | b"verbose" | b"finest" | b"finer" => Severity::Trace,
        b"debug" | b"dbg" | b"fine" => Severity::Debug,
        b"info" | b"inf" | b"information" | b"informational" | b"notice" => Severity::Info,
        b"warn" | b"warning" | b"wrn" => Severity::Warn,
        b"error" | b"err" | b"eror" | b"severe" | b"crit" | b"alert" => Severity::Error,
        b"fatal" | b"ftl" | b"critical" | b"panic" | b"dpanic" | b"emerg" | b"emergency" => Severity::Fatal,
        _ => return None,
    })
}

/// By a number: syslog's 0 to 7, or those of pino and bunyan, 10 to 69, where custom levels lie between the tens.
fn of_number(number: i64) -> Option<Severity> {
    match number {
        0..=7 => of_syslog(number),
        10..20 => Some(Severity::Trace),
        20..30 => Some(Severity::Debug),
        30..40 => Some(Severity::Info),
        40..50 => Some(Severity::Warn),
        50..60 => Some(Severity::Error),
        60..70 => Some(Severity::Fatal),
        _ => None,
    }
}

/// By the severity of syslog, 0 to 7.
pub(super) fn of_syslog(number: i64) -> Option<Severity> {
    match number {
        0 => Some(Severity::Fatal),
        1..=3 => Some(Severity::Error),
        4 => Some(Severity::Warn),
        5..=6 => Some(Severity::Info),
        7 => Some(Severity::Debug),
        _ => None,
    }
}

fn in_small_letters<'a>(word: &[u8], letters: &'a mut [u8; WORD_BYTES_MAX]) -> Option<&'a [u8]> {
    let letters = letters.get_mut(..word.len())?;
    letters.copy_from_slice(word);
    letters.make_ascii_lowercase();
    Some(letters)
}

/// Up to three digits.
fn integer(text: &[u8]) -> Option<i64> {
    let is_number = (1..=3).contains(&text.len()) && text.iter().all(u8::is_ascii_digit);
    is_number.then(|| {
        text.iter()
            .fold(0, |value, digit| value * 10 + i64::from(digit - b'0'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn severity(
        fields: &[(&'static str, Value<'static>)],
        body: &[u8],
        step: &SeverityStep,
    ) -> Option<Severity> {
        let mut record = Record::new(0, body);
        for (name, value) in fields {
            record.fields.set(*name, value.clone());
        }
        Rule::new(step).run(&mut record);
        record.severity
    }

    #[test]
    fn level_fields_are_read_under_their_usual_names_and_words() {
        for (name, value, expected) in [
            ("level", Value::text("info"), Some(Severity::Info)),
            ("Level", Value::text(" WARNING "), Some(Severity::Warn)),
            ("log.level", Value::text("Err"), Some(Severity::Error)),
            ("severity", Value::text("NOTICE"), Some(Severity::Info)),
            ("severity", Value::text("crit"), Some(Severity::Error)),
            ("levelname", Value::text("CRITICAL"), Some(Severity::Fatal)),
            ("lvl", Value::text("panic"), Some(Severity::Fatal)),
            ("loglevel", Value::text("emerg"), Some(Severity::Fatal)),
            ("level", Value::text("trace"), Some(Severity::Trace)),
            ("level", Value::Int(20), Some(Severity::Debug)),
            ("level", Value::Int(35), Some(Severity::Info)),
            ("level", Value::Int(60), Some(Severity::Fatal)),
            ("level", Value::text("4"), Some(Severity::Warn)),
            ("level", Value::Int(0), Some(Severity::Fatal)),
            ("level", Value::Int(8), None),
            ("level", Value::Float(30.0), None),
            ("level", Value::text("loud"), None),
            ("level", Value::text(""), None),
            ("levels", Value::text("info"), None),
        ] {
            let found = severity(&[(name, value.clone())], b"", &SeverityStep::default());
            assert_eq!(found, expected, "{name} {value:?}");
        }
    }

    #[test]
    fn http_status_counts_where_no_level_is() {
        for (status, expected) in [
            (Value::Int(101), Some(Severity::Info)),
            (Value::Int(399), Some(Severity::Info)),
            (Value::Int(400), Some(Severity::Warn)),
            (Value::text("499"), Some(Severity::Warn)),
            (Value::Int(500), Some(Severity::Error)),
            (Value::Int(0), None),
            (Value::text("done"), None),
        ] {
            let alone = [("status", status.clone())];
            assert_eq!(
                severity(&alone, b"", &SeverityStep::default()),
                expected,
                "{status:?}"
            );
            let both = [("status", status), ("level", Value::text("debug"))];
            assert_eq!(
                severity(&both, b"error", &SeverityStep::default()),
                Some(Severity::Debug)
            );
        }
    }

    #[test]
    fn first_word_of_the_body_that_is_a_level_counts_last() {
        for (body, expected) in [
            ("2026-01-02 [WARN] error in x", Some(Severity::Warn)),
            ("no such thing", None),
            ("errors terror stderr err_no error's", None),
            ("a:Error", Some(Severity::Error)),
            ("\u{fc}error error", Some(Severity::Error)),
            ("", None),
        ] {
            let found = severity(&[("x", Value::Null)], body.as_bytes(), &SeverityStep::default());
            assert_eq!(found, expected, "{body}");
        }
    }

    #[test]
    fn named_field_is_the_only_one_that_holds_a_level() {
        let step = SeverityStep {
            field: Some("mood".to_owned()),
        };
        let fields = [("level", Value::text("error")), ("mood", Value::text("debug"))];
        assert_eq!(severity(&fields, b"", &step), Some(Severity::Debug));
        assert_eq!(severity(&fields[..1], b"", &step), None);
    }

    #[test]
    fn severity_stays_where_nothing_is_found() {
        let mut record = Record::new(0, b"nothing");
        record.severity = Some(Severity::Fatal);
        Rule::new(&SeverityStep::default()).run(&mut record);
        assert_eq!(record.severity, Some(Severity::Fatal));
    }

    #[test]
    fn all_known_names_are_compared_with() {
        for name in LEVEL_NAMES.names {
            let found = severity(&[(*name, Value::text("debug"))], b"", &SeverityStep::default());
            assert_eq!(found, Some(Severity::Debug), "{name}");
        }
        for name in STATUS_NAMES.names {
            let found = severity(&[(*name, Value::Int(404))], b"", &SeverityStep::default());
            assert_eq!(found, Some(Severity::Warn), "{name}");
        }
    }

    proptest! {
        /// No field and no body makes it panic.
        #[test]
        fn any_input_is_survived(text: Vec<u8>, number: i64, body: Vec<u8>) {
            let mut record = Record::new(0, &body);
            record.fields.set("level", Value::Text(text.into()));
            record.fields.set("lvl", Value::Int(number));
            Rule::new(&SeverityStep::default()).run(&mut record);
        }
    }
}
