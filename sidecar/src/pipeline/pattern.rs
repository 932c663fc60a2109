//! Regular expressions, wherever a document has them: linear in the text by construction, and bounded in memory.

use super::when::Position;
use regex::bytes::{Regex, RegexBuilder};

/// Bytes of a compiled expression, and again of the tables that it builds while it runs, where nothing else is asked for.
const BYTES_MAX: usize = 256 << 10;

/// Why a text is no regular expression that can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It is not one.
    #[error("{problem} at column {column} of the expression")]
    Syntax {
        /// Why not.
        problem: String,
        /// In characters, from 1.
        column: usize,
    },
    /// It is not one, and where is not known; or it is too large.
    #[error("{0}")]
    Unusable(String),
}

impl Error {
    /// Where in the text, if that is known.
    pub fn position(&self) -> Option<Position> {
        match self {
            Self::Syntax { column, .. } => Some(Position {
                line: 1,
                column: *column,
            }),
            Self::Unusable(_) => None,
        }
    }
}

/// Compiles an expression that is searched in bytes.
pub fn compile(text: &str) -> Result<Regex, Error> {
    compile_within(text, BYTES_MAX)
}

/// The same for an expression of which there are few, with a bound of its own.
pub fn compile_within(text: &str, bytes_max: usize) -> Result<Regex, Error> {
    let builder = &mut RegexBuilder::new(text);
    builder.size_limit(bytes_max).dfa_size_limit(bytes_max);
    builder.build().map_err(|error| explain(text, &error))
}

/// The library says where by a drawing: the expression, and a caret below it. Both are indented alike.
fn explain(text: &str, error: &regex::Error) -> Error {
    if let regex::Error::CompiledTooBig(bytes_max) = error {
        return Error::Unusable(format!("larger than {bytes_max} bytes when compiled"));
    }
    let drawing = error.to_string();
    let last = drawing.lines().last().unwrap_or_default();
    let problem = last.trim_start_matches("error: ").trim().to_owned();
    let mut lines = drawing
        .lines()
        .skip_while(|line| line.trim_start() != text.trim_start());
    let indent = lines.next().and_then(|line| line.find(text));
    let caret = lines.next().and_then(|line| line.find('^'));
    match (indent, caret) {
        (Some(indent), Some(caret)) if caret >= indent => Error::Syntax {
            problem,
            column: caret - indent + 1,
        },
        _ => Error::Unusable(problem),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        assert_eq!(compile(text).unwrap_err().to_string(), expected);
    }

    #[test]
    fn mistakes_are_said_with_their_place() {
        check("ab(c", "unclosed group at column 3 of the expression");
        check(
            "\u{e4}[z-a]",
            "invalid character class range, the start must be <= the end at column 3 of the expression",
        );
        check("x{1000}{1000}", "larger than 262144 bytes when compiled");
        check("a\n(", "unclosed group");
    }

    #[test]
    fn bytes_that_are_no_text_are_searched() {
        assert!(compile("b+").unwrap().is_match(b"\xff\xfebb"));
    }
}
