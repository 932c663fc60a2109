//! The line that Docker's json-file driver writes: an object with `log`, `stream` and `time`. Docker cuts what a process writes into
//! pieces of 16 KiB; a piece whose `log` does not end in a newline is followed by another.
//!
//! By hand, because nearly every line has one escape, the newline at its end, and is then not copied. Members that are of no
//! interest are skipped without being checked.

use super::piece::Piece;
use crate::record::Stream;
use crate::record::time::parse_rfc3339;

/// Docker's pieces of 16 KiB, each byte written as six, and some attributes: of shorter lines no byte may be missing.
pub(super) const LINE_BYTES_MIN: usize = 128 << 10;

/// The piece in a line; none: malformed. `unescaped` takes its content where that is not written literally.
pub(super) fn parse<'a>(line: &'a [u8], unescaped: &'a mut Vec<u8>) -> Option<Piece<'a>> {
    let mut scanner = Scanner { rest: line };
    let (mut log, mut stream, mut time) = (None, None, None);
    scanner.take(b'{')?;
    loop {
        let key = scanner.string()?;
        scanner.take(b':')?;
        match key {
            b"log" => log = Some(scanner.string()?),
            b"stream" => stream = Some(scanner.string()?),
            b"time" => time = Some(scanner.string()?),
            _ => scanner.skip_value()?,
        }
        if scanner.take(b',').is_none() {
            break;
        }
    }
    scanner.take(b'}')?;
    let stream = match stream? {
        b"stdout" => Stream::Stdout,
        b"stderr" => Stream::Stderr,
        _ => return None,
    };
    let (content, is_last) = content(log?, unescaped)?;
    scanner.blanks();
    scanner.rest.is_empty().then_some(Piece {
        time: time.and_then(parse_rfc3339),
        stream,
        is_last,
        content,
        length: content.len() as u64,
        ends_in_return: content.ends_with(b"\r"),
    })
}

/// What a `log` stands for without its newline, and whether it had one.
fn content<'a>(log: &'a [u8], unescaped: &'a mut Vec<u8>) -> Option<(&'a [u8], bool)> {
    match memchr::memchr(b'\\', log) {
        None => Some((log, false)),
        Some(only) if &log[only..] == b"\\n" => Some((&log[..only], true)),
        Some(_) => {
            unescape(log, unescaped)?;
            let without = unescaped.strip_suffix(b"\n");
            Some((without.unwrap_or(unescaped), without.is_some()))
        }
    }
}

/// Writes what a JSON string between its quotes stands for. Half a surrogate pair stands for U+FFFD.
fn unescape(mut text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    out.clear();
    while let Some(at) = memchr::memchr(b'\\', text) {
        out.extend_from_slice(&text[..at]);
        let (&escape, rest) = text[at + 1..].split_first()?;
        text = rest;
        let byte = match escape {
            b'n' => b'\n',
            b't' => b'\t',
            b'r' => b'\r',
            b'b' => 8,
            b'f' => 12,
            b'"' | b'\\' | b'/' => escape,
            b'u' => {
                let (character, rest) = escaped_character(text)?;
                out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                text = rest;
                continue;
            }
            _ => return None,
        };
        out.push(byte);
    }
    out.extend_from_slice(text);
    Some(())
}

/// The character whose four digits (and those of its other half) begin `text`, and what follows them.
fn escaped_character(text: &[u8]) -> Option<(char, &[u8])> {
    let (unit, rest) = hex_unit(text)?;
    if let (0xd800..=0xdbff, Some(second)) = (unit, rest.strip_prefix(b"\\u"))
        && let Some((low, behind)) = hex_unit(second)
        && let Some(Ok(character)) = char::decode_utf16([unit, low]).next()
    {
        return Some((character, behind));
    }
    let character = char::from_u32(u32::from(unit)).unwrap_or(char::REPLACEMENT_CHARACTER);
    Some((character, rest))
}

fn hex_unit(text: &[u8]) -> Option<(u16, &[u8])> {
    let (digits, rest) = text.split_first_chunk::<4>()?;
    let unit = digits.iter().try_fold(0, |value: u16, byte| {
        let digit = char::from(*byte).to_digit(16)?;
        Some(value << 4 | u16::try_from(digit).ok()?)
    })?;
    Some((unit, rest))
}

/// Walks through one object.
struct Scanner<'a> {
    rest: &'a [u8],
}

impl<'a> Scanner<'a> {
    fn blanks(&mut self) {
        self.rest = self.rest.trim_ascii_start();
    }

    /// Takes this byte, behind blanks, if it is the next.
    fn take(&mut self, byte: u8) -> Option<()> {
        self.blanks();
        self.rest = self.rest.strip_prefix(&[byte])?;
        Some(())
    }

    /// Takes a string; what stands between its quotes, as it is written.
    fn string(&mut self) -> Option<&'a [u8]> {
        self.take(b'"')?;
        let text = self.rest;
        let mut end = 0;
        loop {
            end += memchr::memchr2(b'"', b'\\', text.get(end..)?)?;
            if text[end] == b'"' {
                self.rest = &text[end + 1..];
                return Some(&text[..end]);
            }
            end += 2;
        }
    }

    /// Steps over a value of any kind, without recursion: its depth is the input's.
    fn skip_value(&mut self) -> Option<()> {
        let mut depth = 0_usize;
        loop {
            self.blanks();
            match *self.rest.first()? {
                b'"' => {
                    self.string()?;
                    continue;
                }
                b'{' | b'[' => depth += 1,
                b'}' | b']' if depth > 0 => depth -= 1,
                b'}' | b']' | b',' if depth == 0 => return Some(()),
                _ => {}
            }
            self.rest = &self.rest[1..];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Stream, content and whether it is the last piece.
    fn check(line: &str, expected: Option<(Stream, &str, bool)>) {
        let mut unescaped = Vec::new();
        let piece = parse(line.as_bytes(), &mut unescaped);
        let expected = expected.map(|(stream, content, is_last)| (stream, content.as_bytes(), is_last));
        let found = piece.map(|piece| (piece.stream, piece.content, piece.is_last));
        assert_eq!(found, expected, "{line}");
    }

    #[test]
    fn members_are_found_in_any_order_and_others_are_skipped() {
        let expected = Some((Stream::Stderr, "a\u{e9}\"b\\", true));
        check(
            r#"{"log":"a\u00e9\"b\\\n","stream":"stderr","time":"2026-01-02T03:04:05Z"}"#,
            expected,
        );
        check(
            r#" { "attrs":{"a":["}",1,{"b":null}],"c":-1.5e3} , "stream" : "stderr","x":true,"log":"a\u00E9\"b\\\n" } "#,
            expected,
        );
    }

    #[test]
    fn log_without_a_newline_is_a_piece() {
        check(
            r#"{"log":"abc","stream":"stdout"}"#,
            Some((Stream::Stdout, "abc", false)),
        );
        check(
            r#"{"log":"ab\\n","stream":"stdout"}"#,
            Some((Stream::Stdout, "ab\\n", false)),
        );
        check(
            r#"{"log":"ab\\\n","stream":"stdout"}"#,
            Some((Stream::Stdout, "ab\\", true)),
        );
        check(
            r#"{"log":"\n","stream":"stdout"}"#,
            Some((Stream::Stdout, "", true)),
        );
    }

    #[test]
    fn surrogate_pairs_are_joined_and_halves_are_replaced() {
        let line = r#"{"log":"\ud83d\ude00 \ud83d \ude00\ud83d\n","stream":"stdout"}"#;
        check(
            line,
            Some((Stream::Stdout, "\u{1f600} \u{fffd} \u{fffd}\u{fffd}", true)),
        );
    }

    #[test]
    fn what_is_no_such_object_is_malformed() {
        for line in [
            "",
            "text",
            "{}",
            r#"{"log":"x\n"}"#,
            r#"{"stream":"stdout"}"#,
            r#"{"log":"x\n","stream":"stdin"}"#,
            r#"{"log":"x\n","stream":"stdout""#,
            r#"{"log":"x\q","stream":"stdout"}"#,
            r#"{"log":"x\u12","stream":"stdout"}"#,
            r#"{"log":1,"stream":"stdout"}"#,
            r#"{"log":"x\n","stream":"stdout"} more"#,
            r#"{"attrs":{"log":"x"#,
        ] {
            check(line, None);
        }
    }

    proptest! {
        /// What a JSON library writes is read as it was.
        #[test]
        fn logs_are_read_as_the_library_writes_them(log in ".{0,40}\n?") {
            let line = serde_json::json!({"log": log, "stream": "stdout", "time": "2026-01-02T03:04:05Z"}).to_string();
            let mut unescaped = Vec::new();
            let piece = parse(line.as_bytes(), &mut unescaped).unwrap();
            prop_assert_eq!(piece.is_last, log.ends_with('\n'));
            prop_assert_eq!(piece.content, log.strip_suffix('\n').unwrap_or(&log).as_bytes());
        }

        /// No input makes the parser panic.
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..80), text in "[{}\\[\\]\",:\\\\ulogstream]{0,60}") {
            let _ = parse(&bytes, &mut Vec::new());
            let _ = parse(text.as_bytes(), &mut Vec::new());
        }
    }
}
