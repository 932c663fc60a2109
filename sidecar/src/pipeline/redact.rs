//! Replaces what an expression finds, in the body and in texts of fields. What has no match is not copied.
//!
//! In an array or object each text and each member's name is searched unescaped, and what changed is escaped again, so it stays
//! JSON and an escape hides nothing. A number is searched only in a field that the step names, and becomes a text if it matches.
//! Names of fields are left alone.
//!
//! Bound: no text grows beyond [`BYTES_MAX`]. What would is cut there, an array or object that would becomes null: rather less
//! than what should not be seen.

use super::steps::Check;
use crate::record::{Record, Value};
use logship_crd::agent_config::RedactStep;
use regex::bytes::Regex;
use std::borrow::Cow;

/// A text that is longer already keeps its length at most.
const BYTES_MAX: usize = 1 << 20;
const REPLACEMENT_BYTES_MAX: usize = 1024;
/// References to groups in a replacement: each may be as long as the text.
const REFERENCES_MAX: usize = 8;

pub(super) struct Redact {
    pattern: Regex,
    replacement: Box<[u8]>,
    /// The replacement names groups.
    expands: bool,
    /// None: the body and every text.
    only: Option<Only>,
}

struct Only {
    body: bool,
    fields: Box<[Box<str>]>,
}

struct Replaced {
    text: Vec<u8>,
    cut: bool,
}

impl Redact {
    pub(super) fn compile(step: &RedactStep, check: &mut Check<'_>) -> Option<Self> {
        let pattern = check.pattern("redact.pattern", &step.pattern);
        if step.replacement.len() > REPLACEMENT_BYTES_MAX {
            let remedy = "write at most 1024 bytes";
            check.mistake("redact.replacement", &step.replacement, "too long", remedy);
            return None;
        }
        let pattern = pattern?;
        if pattern.is_match(b"") {
            let remedy = "write an expression that needs at least one character, for example + instead of *";
            check.mistake(
                "redact.pattern",
                &step.pattern,
                "matches nothing at all, which is everywhere",
                remedy,
            );
            return None;
        }
        if let Err(problem) = references(&step.replacement, &pattern) {
            let remedy = "write $1 or ${name} for at most 8 groups of the pattern, $$ for a dollar sign";
            check.mistake("redact.replacement", &step.replacement, &problem, remedy);
            return None;
        }
        let fields = step.fields.iter().filter(|name| *name != "body");
        let only = (!step.fields.is_empty()).then(|| Only {
            body: step.fields.iter().any(|name| name == "body"),
            fields: fields.map(|name| name.as_str().into()).collect(),
        });
        Some(Self {
            pattern,
            replacement: step.replacement.as_bytes().into(),
            expands: step.replacement.contains('$'),
            only,
        })
    }

    /// Whether something was replaced.
    pub(super) fn run(&self, record: &mut Record<'_>) -> bool {
        let mut changed = false;
        if self.only.as_ref().is_none_or(|only| only.body) {
            changed |= self.body(record);
        }
        for (name, value) in record.fields.iter_mut() {
            let named = match &self.only {
                Some(only) => only.fields.iter().any(|field| field.as_ref() == name),
                None => false,
            };
            if named || self.only.is_none() {
                changed |= self.value(value, named);
            }
        }
        changed
    }

    fn body(&self, record: &mut Record<'_>) -> bool {
        let Some(Replaced { text, cut }) = self.replace(&record.body) else {
            return false;
        };
        if cut && record.original_bytes.is_none() {
            record.original_bytes = Some(record.body.len() as u64);
        }
        record.body = Cow::Owned(text);
        true
    }

    fn value(&self, value: &mut Value<'_>, named: bool) -> bool {
        let number = match value {
            Value::Text(text) => {
                let replaced = self.replace(text);
                let changed = replaced.is_some();
                if let Some(replaced) = replaced {
                    *text = Cow::Owned(replaced.text);
                }
                return changed;
            }
            Value::Json(written) => {
                let Some(redacted) = self.json(written) else {
                    return false;
                };
                let small = redacted.len() <= written.len().max(BYTES_MAX);
                *value = if small {
                    Value::Json(Cow::Owned(redacted))
                } else {
                    Value::Null
                };
                return true;
            }
            Value::Int(number) if named => number.to_string(),
            Value::Uint(number) if named => number.to_string(),
            Value::Float(number) if named => number.to_string(),
            Value::Number(written) if named => written.to_string(),
            Value::Null
            | Value::Bool(_)
            | Value::Int(_)
            | Value::Uint(_)
            | Value::Float(_)
            | Value::Number(_) => {
                return false;
            }
        };
        let replaced = self.replace(number.as_bytes());
        let changed = replaced.is_some();
        if let Some(replaced) = replaced {
            *value = Value::Text(Cow::Owned(replaced.text));
        }
        changed
    }

    /// The text with every match replaced; none: there is no match.
    fn replace(&self, text: &[u8]) -> Option<Replaced> {
        if !self.pattern.is_match(text) {
            return None;
        }
        let bytes_max = text.len().max(BYTES_MAX);
        let mut out = Vec::with_capacity(text.len() + self.replacement.len());
        let mut copied = 0;
        if self.expands {
            for captures in self.pattern.captures_iter(text) {
                let found = captures.get_match();
                out.extend_from_slice(&text[copied..found.start()]);
                captures.expand(&self.replacement, &mut out);
                copied = found.end();
                if out.len() > bytes_max {
                    break;
                }
            }
        } else {
            for found in self.pattern.find_iter(text) {
                out.extend_from_slice(&text[copied..found.start()]);
                out.extend_from_slice(&self.replacement);
                copied = found.end();
                if out.len() > bytes_max {
                    break;
                }
            }
        }
        let cut = out.len() + (text.len() - copied) > bytes_max;
        if out.len() <= bytes_max {
            out.extend_from_slice(&text[copied..]);
        }
        out.truncate(bytes_max);
        Some(Replaced { text: out, cut })
    }

    /// Valid JSON with its texts redacted; none: there is no match. Longer than allowed: it was given up.
    fn json(&self, written: &str) -> Option<String> {
        let bytes_max = written.len().max(BYTES_MAX);
        let mut out = String::new();
        let (mut copied, mut at) = (0, 0);
        while let Some(start) = memchr::memchr(b'"', &written.as_bytes()[at..]).map(|found| at + found) {
            let end = text_end(written.as_bytes(), start + 1);
            let inner = unescaped(&written[start..end]);
            if let Some(replaced) = self.replace(inner.as_bytes()) {
                out.push_str(&written[copied..start]);
                let text = String::from_utf8_lossy(&replaced.text);
                out.push_str(&serde_json::Value::from(text).to_string());
                copied = end;
            }
            if out.len() > bytes_max {
                return Some(out);
            }
            at = end;
        }
        if copied == 0 {
            return None;
        }
        out.push_str(&written[copied..]);
        Some(out)
    }
}

/// The end of a JSON text whose content begins at `at`, its closing quote included.
fn text_end(json: &[u8], mut at: usize) -> usize {
    while let Some(found) = json.get(at..).and_then(|rest| memchr::memchr2(b'"', b'\\', rest)) {
        at += found;
        if json[at] == b'"' {
            return at + 1;
        }
        at += 2;
    }
    json.len()
}

/// What a JSON text with its quotes says. What cannot be said in UTF-8, half of a surrogate pair, is left as it is written.
fn unescaped(quoted: &str) -> Cow<'_, str> {
    let inner = quoted.get(1..quoted.len() - 1).unwrap_or_default();
    if !inner.contains('\\') {
        return Cow::Borrowed(inner);
    }
    serde_json::from_str(quoted).map_or(Cow::Borrowed(inner), Cow::Owned)
}

/// Whether every group that the replacement names is there. The form is the regex crate's: `$$`, `${name}`, or `$name` as
/// long as letters, digits and underscores follow.
fn references(replacement: &str, pattern: &Regex) -> Result<(), String> {
    let mut count = 0;
    let mut rest = replacement;
    while let Some((_, after)) = rest.split_once('$') {
        let in_name = |character: char| character.is_ascii_alphanumeric() || character == '_';
        let (name, next) = if let Some(escaped) = after.strip_prefix('$') {
            ("", escaped)
        } else if let Some((name, next)) = after.strip_prefix('{').and_then(|after| after.split_once('}')) {
            (name, next)
        } else {
            after.split_at(after.find(|character| !in_name(character)).unwrap_or(after.len()))
        };
        rest = next;
        if name.is_empty() {
            continue;
        }
        let is_there = match name.parse::<usize>() {
            Ok(index) => index < pattern.captures_len(),
            Err(_) => pattern.capture_names().flatten().any(|known| known == name),
        };
        if !is_there {
            return Err(format!("the pattern has no group {name}"));
        }
        count += 1;
    }
    if count > REFERENCES_MAX {
        return Err("more than 8 references to groups".to_owned());
    }
    Ok(())
}
