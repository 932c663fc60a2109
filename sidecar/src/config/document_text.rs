//! From the text of a document to its values, and where each of them stands. Pure.
//!
//! The text is YAML, of which JSON is a part: the operator writes JSON, people write what they like. Guarantees: every value is found
//! again by its JSON pointer; nothing is taken that has two meanings (a name twice, an alias, a second document); nesting is bounded.

use super::Position;
use granit_parser::{Event, Parser, ScalarStyle, Span};
use serde_json::{Map, Number, Value};
use std::collections::BTreeMap;
use std::ops::Range;

/// Levels of a document.
const DEPTH_MAX: usize = 32;

/// A document's values and their places.
#[derive(Debug)]
pub(super) struct Document<'t> {
    text: &'t str,
    /// What it says.
    pub(super) value: Value,
    /// By JSON pointer.
    places: BTreeMap<String, Place>,
}

/// Where a value stands.
#[derive(Debug, Clone)]
struct Place {
    /// Its name, or itself where it has none.
    at: Position,
    /// Itself.
    value_at: Position,
    /// Itself, in bytes.
    bytes: Range<usize>,
}

/// A text that is no document.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed {
    pub(super) at: Position,
    pub(super) problem: String,
}

impl<'t> Document<'t> {
    /// Reads a text.
    pub(super) fn read(text: &'t str) -> Result<Self, Malformed> {
        let mut reader = Reader {
            events: Parser::new_from_str(text),
            places: BTreeMap::new(),
        };
        let value = reader.document()?;
        Ok(Self {
            text,
            value,
            places: reader.places,
        })
    }

    /// Where the value of this pointer stands, or the nearest around it that is there.
    pub(super) fn place(&self, pointer: &str) -> Position {
        self.nearest(pointer)
            .map_or(Position { line: 1, column: 1 }, |place| place.at)
    }

    /// Where `part`, a place in the text `written` at this pointer, stands in the document. The text's own place where it is not
    /// written on one line as it is.
    pub(super) fn place_within(&self, pointer: &str, written: &str, part: Position) -> Position {
        let Some(place) = self.nearest(pointer) else {
            return Position { line: 1, column: 1 };
        };
        let source = self.text.get(place.bytes.clone()).unwrap_or_default();
        match source.find(written) {
            Some(before) if part.line == 1 && !source.contains('\n') => Position {
                line: place.value_at.line,
                column: place.value_at.column + source[..before].chars().count() + part.column - 1,
            },
            _ => place.value_at,
        }
    }

    fn nearest(&self, pointer: &str) -> Option<&Place> {
        let mut pointer = pointer;
        loop {
            if let Some(place) = self.places.get(pointer) {
                return Some(place);
            }
            pointer = &pointer[..pointer.rfind('/')?];
        }
    }
}

/// A name as a part of a JSON pointer.
pub(super) fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

struct Reader<'t> {
    events: Parser<'t, granit_parser::StrInput<'t>>,
    places: BTreeMap<String, Place>,
}

impl<'t> Reader<'t> {
    fn document(&mut self) -> Result<Value, Malformed> {
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamStart | Event::DocumentStart(..) => {}
                Event::StreamEnd => return Err(malformed(&span, "empty")),
                first => {
                    let value = self.value(first, &span, None, "", 0)?;
                    self.end()?;
                    return Ok(value);
                }
            }
        }
    }

    fn end(&mut self) -> Result<(), Malformed> {
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::DocumentEnd => {}
                Event::StreamEnd => return Ok(()),
                _ => return Err(malformed(&span, "a second document; one file holds one")),
            }
        }
    }

    fn next(&mut self) -> Result<(Event<'t>, Span), Malformed> {
        // Comments are events, too, as soon as any crate of the build asks for them.
        let is_comment = |event: &Result<(Event<'_>, Span), _>| matches!(event, Ok((Event::Comment(..), _)));
        match self.events.find(|event| !is_comment(event)) {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => Err(Malformed {
                at: Position {
                    line: error.marker().line(),
                    column: error.marker().col() + 1,
                },
                problem: error.info(),
            }),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn value(
        &mut self,
        event: Event<'t>,
        span: &Span,
        name: Option<&Span>,
        pointer: &str,
        depth: usize,
    ) -> Result<Value, Malformed> {
        if depth > DEPTH_MAX {
            return Err(malformed(span, "nested too deep"));
        }
        let place = Place {
            at: position(name.unwrap_or(span)),
            value_at: position(span),
            bytes: span.byte_range().unwrap_or_default(),
        };
        self.places.insert(pointer.to_owned(), place);
        match event {
            Event::Scalar(text, style, ..) => Ok(scalar(&text, style)),
            Event::SequenceStart(..) => self.list(pointer, depth),
            Event::MappingStart(..) => self.object(pointer, depth),
            Event::Alias(..) => Err(malformed(span, "an alias; write the value itself")),
            _ => Err(malformed(span, "no value")),
        }
    }

    fn list(&mut self, pointer: &str, depth: usize) -> Result<Value, Malformed> {
        let mut list = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if matches!(event, Event::SequenceEnd) {
                return Ok(Value::Array(list));
            }
            let pointer = format!("{pointer}/{}", list.len());
            list.push(self.value(event, &span, None, &pointer, depth + 1)?);
        }
    }

    fn object(&mut self, pointer: &str, depth: usize) -> Result<Value, Malformed> {
        let mut object = Map::new();
        loop {
            let (event, name_span) = self.next()?;
            let name = match event {
                Event::MappingEnd => return Ok(Value::Object(object)),
                Event::Scalar(text, ..) => text.into_owned(),
                _ => return Err(malformed(&name_span, "a name that is no text")),
            };
            if object.contains_key(&name) {
                return Err(malformed(&name_span, &format!("{name} is written twice")));
            }
            let (event, span) = self.next()?;
            let pointer = format!("{pointer}/{}", escaped(&name));
            let value = self.value(event, &span, Some(&name_span), &pointer, depth + 1)?;
            object.insert(name, value);
        }
    }
}

fn position(span: &Span) -> Position {
    Position {
        line: span.start.line(),
        column: span.start.col() + 1,
    }
}

fn malformed(span: &Span, problem: &str) -> Malformed {
    Malformed {
        at: position(span),
        problem: problem.to_owned(),
    }
}

/// What a scalar means by YAML's core schema, as far as JSON has it; everything else is a text.
fn scalar(text: &str, style: ScalarStyle) -> Value {
    if style != ScalarStyle::Plain {
        return Value::from(text);
    }
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ => number(text).map_or_else(|| Value::from(text), Value::Number),
    }
}

fn number(text: &str) -> Option<Number> {
    let looks_like_one = text.starts_with(|first: char| first.is_ascii_digit() || "+-.".contains(first))
        && text.bytes().any(|byte| byte.is_ascii_digit());
    if !looks_like_one {
        return None;
    }
    let unsigned = text.parse::<u64>().map(Number::from).ok();
    let integer = unsigned.or_else(|| text.parse::<i64>().map(Number::from).ok());
    integer.or_else(|| text.parse::<f64>().ok().and_then(Number::from_f64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn refuses(text: &str, line: usize, column: usize, problem: &str) {
        let found = Document::read(text).unwrap_err();
        assert_eq!(
            (found.at.line, found.at.column),
            (line, column),
            "{text:?}: {found:?}"
        );
        assert!(found.problem.contains(problem), "{text:?}: {found:?}");
    }

    #[test]
    fn values_have_the_types_of_json() {
        let text = "a: 1\nb: [-2, 1.5, true, null, ~, 1.2.3, -x, 07x, \"1\"]\nc:\n  - 'x'\n  - d: y: z\n"
            .replace("y: z", "yes");
        let document = Document::read(&text).unwrap();
        let expected = json!({"a": 1, "b": [-2, 1.5, true, null, null, "1.2.3", "-x", "07x", "1"], "c": ["x", {"d": "yes"}]});
        assert_eq!(document.value, expected);
    }

    #[test]
    fn every_value_is_found_at_its_name() {
        let document = Document::read("a: 1\nlist:\n  - name: x\n    b/c: 2\n").unwrap();
        let place = |pointer: &str| {
            let Position { line, column } = document.place(pointer);
            (line, column)
        };
        assert_eq!(place("/list/0/b~1c"), (4, 5));
        assert_eq!(place("/list/0"), (3, 5));
        assert_eq!(place("/list/0/absent/deeper"), (3, 5), "the nearest around it");
    }

    #[test]
    fn place_in_a_text_is_a_place_in_the_document() {
        let check = |text: &str, written: &str, expected: (usize, usize)| {
            let document = Document::read(text).unwrap();
            let part = Position { line: 1, column: 3 };
            let Position { line, column } = document.place_within("/when", written, part);
            assert_eq!((line, column), expected, "{text:?}");
        };
        check("when: a == b", "a == b", (1, 9));
        check("{\n  \"when\": \"a == b\"}", "a == b", (2, 14));
        check("when: '=a == b'", "a == b", (1, 11));
        // Written otherwise than it reads: where it begins.
        check(r#"when: "a \u003d= b""#, "a == b", (1, 7));
    }

    #[test]
    fn what_has_two_meanings_is_refused_with_its_place() {
        refuses("a: 1\na: 2\n", 2, 1, "written twice");
        refuses("a: &x 1\nb: *x\n", 2, 4, "alias");
        refuses("a: 1\n---\nb: 1\n", 2, 1, "second document");
        refuses("", 1, 1, "empty");
        refuses(&("[".repeat(40) + &"]".repeat(40)), 1, 34, "nested too deep");
        assert!(Document::read("{\"a\": [1, 2}").is_err());
    }

    #[test]
    fn json_may_be_indented_by_tabs_and_hold_pairs_of_surrogates() {
        let text = "{\n\t\"a\": \"\\ud83d\\ude00\\/\",\n\t\"b\": [\n\t\t1\n\t]\n}\n";
        let document = Document::read(text).unwrap();
        assert_eq!(document.value, json!({"a": "\u{1f600}/", "b": [1]}));
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            "[ -~\u{e4}\u{1f600}\t\n\r]{0,20}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::btree_map("[ -~]{0,8}", inner, 0..5)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        /// JSON is read as serde_json reads it, in one line or in many.
        #[test]
        fn json_is_read_as_it_is(value in any_json()) {
            let pretty = serde_json::to_string_pretty(&value).unwrap();
            for text in [value.to_string(), pretty] {
                let document = Document::read(&text);
                prop_assert_eq!(document.map(|document| document.value), Ok(value.clone()), "{}", text);
            }
        }
    }
}
