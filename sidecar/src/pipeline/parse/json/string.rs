//! Finds the end of a JSON string, eight bytes at a time.

use super::Cursor;

/// Where a string is, without its quotes.
#[derive(Debug, Clone, Copy)]
pub struct Span {
    pub start: usize,
    pub end: usize,
    pub has_escapes: bool,
}

/// Reads up to and including the closing quote; the opening one was read.
#[inline]
pub fn read(cursor: &mut Cursor<'_>) -> Option<Span> {
    let start = cursor.at;
    let rest = cursor.body.get(start..)?;
    let length = find_special(rest)?;
    if rest[length] != b'"' {
        return read_from_escape(cursor, start, start + length);
    }
    let end = start + length;
    cursor.at = end + 1;
    Some(Span {
        start,
        end,
        has_escapes: false,
    })
}

/// Reads on where something other than the closing quote was found.
#[cold]
fn read_from_escape(cursor: &mut Cursor<'_>, start: usize, found: usize) -> Option<Span> {
    cursor.at = found;
    loop {
        match cursor.next()? {
            b'"' => {
                return Some(Span {
                    start,
                    end: cursor.at - 1,
                    has_escapes: true,
                });
            }
            b'\\' => skip_escape(cursor)?,
            _ => return None,
        }
        cursor.at += find_special(&cursor.body[cursor.at..])?;
    }
}

fn skip_escape(cursor: &mut Cursor<'_>) -> Option<()> {
    match cursor.next()? {
        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(()),
        b'u' => {
            let digits = cursor.body.get(cursor.at..cursor.at + 4)?;
            cursor.at += 4;
            digits.iter().all(u8::is_ascii_hexdigit).then_some(())
        }
        _ => None,
    }
}

/// The index of the first quote, backslash or control character.
#[inline]
fn find_special(bytes: &[u8]) -> Option<usize> {
    let mut rest = bytes;
    while let Some((word, behind)) = rest.split_first_chunk::<8>() {
        let marks = special_bytes(u64::from_le_bytes(*word));
        if marks != 0 {
            return Some(bytes.len() - rest.len() + (marks.trailing_zeros() / 8) as usize);
        }
        rest = behind;
    }
    let is_special = |byte: &u8| matches!(*byte, b'"' | b'\\' | 0..0x20);
    let index = rest.iter().position(is_special)?;
    Some(bytes.len() - rest.len() + index)
}

/// Sets the highest bit of the first byte that is special. Higher bytes may be marked wrongly, because a borrow runs into
/// them ("Bit Twiddling Hacks", Determine if a word has a byte less than n).
fn special_bytes(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let quote = word ^ (ONES * u64::from(b'"'));
    let backslash = word ^ (ONES * u64::from(b'\\'));
    let is_quote = quote.wrapping_sub(ONES) & !quote;
    let is_backslash = backslash.wrapping_sub(ONES) & !backslash;
    let is_control = word.wrapping_sub(ONES * 0x20) & !word;
    (is_quote | is_backslash | is_control) & (ONES * 0x80)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Eight bytes at a time find what one at a time finds.
        #[test]
        fn first_special_byte_is_found(bytes in proptest::collection::vec(prop_oneof![9 => 0x20u8.., 1 => any::<u8>()], 0..40)) {
            let expected = bytes.iter().position(|byte| *byte < 0x20 || b"\"\\".contains(byte));
            prop_assert_eq!(find_special(&bytes), expected);
        }
    }
}
