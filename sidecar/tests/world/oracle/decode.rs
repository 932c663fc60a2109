//! What a writer writes, and how it is found again in what a sink took.
//!
//! A word is `<number.padding>`, its number unique in the world; a line is one word or more; a line of no words is empty or
//! a heading that many files share. So a record tells which words it holds, and whether one was torn.

/// A piece of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    Word(usize),
    /// The beginning of a word, whose number is known if it was not torn too.
    Torn(Option<usize>),
    /// Nothing that a writer wrote.
    Foreign,
}

pub const POISON: u8 = b'!';
pub const HEADING: u8 = b'#';
/// What fills headings.
pub const HEADING_FILLING: u8 = b'h';
/// What fills words.
pub const FILLING: &[u8; 16] = b"aijklmnopqrstuvw";

/// A word of at least `bytes` bytes. What fills it is its own too, or files would be the same where nobody writes the same twice.
pub fn word(number: usize, bytes: usize, poison: bool) -> Vec<u8> {
    let mut text = format!("<{number}.").into_bytes();
    if poison {
        text.push(POISON);
    }
    for digit in (0..8).cycle().take(bytes.saturating_sub(text.len() + 1)) {
        text.push(FILLING[number >> (4 * digit) & 15]);
    }
    text.push(b'>');
    text
}

/// The pieces of a record; none if it is a line that holds no word.
pub fn pieces(record: &[u8]) -> Vec<Piece> {
    let mut rest = record;
    let mut pieces = Vec::new();
    if rest.first() == Some(&HEADING) {
        return pieces;
    }
    while !rest.is_empty() {
        let length = rest.iter().position(|&byte| byte == b'>').map(|end| end + 1);
        let (this, after) = rest.split_at(length.unwrap_or(rest.len()));
        let digits = this
            .iter()
            .skip(1)
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        let number = std::str::from_utf8(&this[1..=digits.min(this.len() - 1)]).ok();
        let number = number.and_then(|text| text.parse().ok());
        let whole_number = (this.get(digits + 1) == Some(&b'.')).then_some(number).flatten();
        pieces.push(match (this[0], whole_number, length) {
            (b'<', Some(number), Some(_)) => Piece::Word(number),
            (b'<', number, None) => Piece::Torn(number),
            _ => Piece::Foreign,
        });
        rest = after;
    }
    pieces
}

/// The line of an encoded record.
pub fn line(encoded: &[u8], json: bool) -> Option<Vec<u8>> {
    let line = encoded
        .strip_suffix(b"\n")
        .filter(|line| !line.contains(&b'\n'))?;
    if !json {
        return Some(line.to_vec());
    }
    let value: serde_json::Value = serde_json::from_slice(line).ok()?;
    Some(value["message"].as_str()?.as_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_again_and_torn_ones_are_told_from_foreign_bytes() {
        let check = |record: &[u8], expected: &[Piece]| assert_eq!(pieces(record), expected);
        check(b"", &[]);
        check(b"# shared heading", &[]);
        check(
            &[word(7, 0, false), word(12, 20, true)].concat(),
            &[Piece::Word(7), Piece::Word(12)],
        );
        check(b"<7.aa", &[Piece::Torn(Some(7))]);
        check(b"<7", &[Piece::Torn(None)]);
        check(b"aa><8.>", &[Piece::Foreign, Piece::Word(8)]);
        check(b"\0\0<8.>", &[Piece::Foreign]);
    }

    #[test]
    fn records_of_both_forms_are_read() {
        assert_eq!(line(b"a\n", false), Some(b"a".to_vec()));
        assert_eq!(line(b"\n", false), Some(Vec::new()));
        assert_eq!(line(b"a", false), None);
        assert_eq!(line(b"a\nb\n", false), None);
        assert_eq!(line(b"{\"message\":\"x\"}\n", true), Some(b"x".to_vec()));
    }
}
