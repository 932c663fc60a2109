//! Where in the text of an expression a name stands.
//!
//! The parser that we use gives a tree without positions. Names stand in the text in the order in which the tree is walked, so
//! a cursor over the names of the text finds each again.

use cel::parser::pratt_parser::{Lexer, TokenKind};
use std::fmt;

/// A place in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
}

impl Position {
    /// Of the byte at `offset`.
    fn of(text: &str, offset: usize) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Self {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "line {} column {}", self.line, self.column)
    }
}

/// The names of a text in order.
#[derive(Debug)]
pub(super) struct Names<'t> {
    text: &'t str,
    /// Where each begins.
    found: Vec<(usize, &'t str)>,
    /// The one to go on with.
    next: usize,
}

impl<'t> Names<'t> {
    /// The names of a text that the parser took.
    pub(super) fn new(text: &'t str) -> Self {
        let mut lexer = Lexer::new(text);
        let mut found = Vec::new();
        loop {
            let token = lexer.lex();
            match token.kind {
                TokenKind::TokEnd | TokenKind::TokError => break,
                TokenKind::TokIdent | TokenKind::TokReservedWord => {
                    found.push((token.start, text.get(token.start..token.end).unwrap_or_default()));
                }
                _ => {}
            }
        }
        Self { text, found, next: 0 }
    }

    /// Goes on to the next name that is one of these.
    pub(super) fn find(&mut self, wanted: &[&str]) -> Position {
        let rest = self.found.get(self.next..).unwrap_or_default();
        let found = rest.iter().position(|(_, name)| wanted.contains(name));
        self.next += found.map_or(0, |index| index + 1);
        self.here()
    }

    /// The last name that was found; before the first one, the beginning.
    pub(super) fn here(&self) -> Position {
        let last = self.next.checked_sub(1).and_then(|index| self.found.get(index));
        Position::of(self.text, last.map_or(0, |(start, _)| *start))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters_and_lines_begin_anew() {
        let mut names = Names::new("\"\u{e4}x\" == x\n && x.startsWith('a')");
        let found = [
            names.here(),
            names.find(&["x"]),
            names.find(&["startsWith"]),
            names.find(&["absent"]),
        ];
        let places = found.map(|position| (position.line, position.column));
        assert_eq!(places, [(1, 1), (1, 9), (2, 7), (2, 7)]);
    }
}
