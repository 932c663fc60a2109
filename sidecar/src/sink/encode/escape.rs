//! Bytes as a JSON string. By hand because it is on the path of every record: text that needs no escape, which is most, is found in
//! blocks and copied as it is.

use super::protobuf::replaced;

/// Bytes that are looked at together; the compiler makes vector instructions of it.
const BLOCK_BYTES: usize = 32;
const HEX: &[u8; 16] = b"0123456789abcdef";

/// Appends bytes as a JSON string; what is not UTF-8 is replaced.
pub fn text(bytes: &[u8], out: &mut Vec<u8>) {
    out.reserve(bytes.len() + 2);
    out.push(b'"');
    contents(bytes, out);
    out.push(b'"');
}

/// The same without the quotes.
pub fn contents(bytes: &[u8], out: &mut Vec<u8>) {
    let mut rest = bytes;
    loop {
        let (run, tail) = rest.split_at(plain_bytes(rest));
        out.extend_from_slice(run);
        match tail.first() {
            None => return,
            Some(&byte) if byte.is_ascii() => {
                escape(byte, out);
                rest = &tail[1..];
            }
            // ASCII is never part of a longer character, so that what stands between can be looked at alone.
            Some(_) => {
                let end = tail.iter().position(u8::is_ascii).unwrap_or(tail.len());
                let (run, tail) = tail.split_at(end);
                replaced(run, out);
                rest = tail;
            }
        }
    }
}

/// Appends JSON, in which line breaks can stand only where blanks can, on one line.
pub fn one_line(json: &str, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(json.as_bytes());
    let appended = &mut out[start..];
    let mut from = 0;
    while let Some(found) = memchr::memchr2(b'\n', b'\r', &appended[from..]) {
        from += found;
        appended[from] = b' ';
    }
}

/// How many bytes from the start are ASCII that stands for itself.
#[inline]
fn plain_bytes(bytes: &[u8]) -> usize {
    let (blocks, _) = bytes.as_chunks::<BLOCK_BYTES>();
    let is_plain =
        |block: &&[u8; BLOCK_BYTES]| !block.iter().fold(false, |found, &byte| found | is_special(byte));
    let skipped = blocks.iter().take_while(is_plain).count() * BLOCK_BYTES;
    skipped + plain_bytes_in_words(&bytes[skipped..])
}

/// The same, eight bytes at a time.
#[inline]
fn plain_bytes_in_words(bytes: &[u8]) -> usize {
    let (words, rest) = bytes.as_chunks();
    for (index, word) in words.iter().enumerate() {
        let special = special_bits(u64::from_le_bytes(*word));
        if special != 0 {
            return index * 8 + special.trailing_zeros() as usize / 8;
        }
    }
    let end = rest.iter().position(|&byte| is_special(byte));
    words.len() * 8 + end.unwrap_or(rest.len())
}

/// The highest bit of the first special byte; bits above it mean nothing, because a subtraction may have borrowed from them.
#[inline]
fn special_bits(word: u64) -> u64 {
    const EACH: u64 = u64::from_le_bytes([1; 8]);
    const HIGHEST: u64 = EACH << 7;
    let below = |word: u64, bound: u64| word.wrapping_sub(EACH * bound) & !word;
    let is = |byte: u8| below(word ^ (EACH * u64::from(byte)), 1);
    (word | below(word, 0x20) | is(b'"') | is(b'\\')) & HIGHEST
}

/// Whether the byte does not stand for itself. As a signed number, what is not ASCII is below the blank as well.
#[inline]
fn is_special(byte: u8) -> bool {
    byte.cast_signed() < 0x20 || byte == b'"' || byte == b'\\'
}

fn escape(byte: u8, out: &mut Vec<u8>) {
    let short = match byte {
        b'"' | b'\\' => byte,
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        0x08 => b'b',
        0x0c => b'f',
        _ => {
            let digits = [HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]];
            out.extend_from_slice(&[b'\\', b'u', b'0', b'0', digits[0], digits[1]]);
            return;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(bytes: &[u8]) {
        let mut found = Vec::new();
        text(bytes, &mut found);
        let expected = serde_json::to_vec(&String::from_utf8_lossy(bytes)).unwrap();
        assert_eq!(found, expected, "{bytes:?}");
    }

    #[test]
    fn each_byte_is_written_as_the_library_does_wherever_it_stands() {
        for byte in 0..=255 {
            for before in [0, 1, 30, 31, 32, 33, 70] {
                let mut bytes = vec![b'a'; before];
                bytes.push(byte);
                check(&bytes);
                bytes.resize(before + 40, b'z');
                check(&bytes);
            }
        }
    }

    #[test]
    fn line_breaks_between_tokens_become_blanks() {
        let mut out = b"\n".to_vec();
        one_line("{\r\n \"a\\n\": [1,\n2]\n}", &mut out);
        assert_eq!(out, b"\n{   \"a\\n\": [1, 2] }");
    }

    proptest! {
        /// Whatever the bytes, the string is the library's of the text with replacements.
        #[test]
        fn bytes_are_written_as_the_library_does(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            check(&bytes);
        }

        /// The same for texts of all alphabets with whole and broken characters.
        #[test]
        fn texts_are_written_as_the_library_does(text in "(\\PC|[a-z\"\\\\\n]){0,100}", cut in 0usize..100) {
            check(&text.as_bytes()[cut.min(text.len())..]);
        }
    }
}
