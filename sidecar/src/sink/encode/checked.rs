//! Which texts of a record are UTF-8: its body is checked once, and a field that lies in the body, as most do, not again.

/// A body and what is known of it.
#[derive(Debug, Clone, Copy)]
pub struct Checked<'b> {
    body: &'b [u8],
    alphabet: Alphabet<'b>,
}

/// What a body consists of.
#[derive(Debug, Clone, Copy)]
enum Alphabet<'b> {
    /// ASCII, as do all its parts.
    Ascii,
    /// Longer characters too.
    Utf8(&'b str),
    /// No text.
    Bytes,
}

impl<'b> Checked<'b> {
    /// Looks at the whole body.
    #[inline]
    pub fn new(body: &'b [u8]) -> Self {
        let alphabet = if is_ascii(body) {
            Alphabet::Ascii
        } else {
            std::str::from_utf8(body).map_or(Alphabet::Bytes, Alphabet::Utf8)
        };
        Self { body, alphabet }
    }

    /// Whether the body is UTF-8.
    #[inline]
    pub fn is_text(&self) -> bool {
        !matches!(self.alphabet, Alphabet::Bytes)
    }

    /// Whether `content` is UTF-8, wherever it lies.
    #[inline]
    pub fn knows(&self, content: &[u8]) -> bool {
        self.has(content) || std::str::from_utf8(content).is_ok()
    }

    /// Whether it is a part of the body that begins and ends between two characters. What lies within the body's addresses can be
    /// nothing else.
    #[inline]
    fn has(&self, content: &[u8]) -> bool {
        let start = content.as_ptr().addr().wrapping_sub(self.body.as_ptr().addr());
        let behind = self.body.len().checked_sub(start);
        let lies_within = behind.is_some_and(|behind| content.len() <= behind);
        lies_within
            && match self.alphabet {
                Alphabet::Ascii => true,
                Alphabet::Utf8(text) => text.get(start..start + content.len()).is_some(),
                Alphabet::Bytes => false,
            }
    }
}

/// The library looks at the last bytes one by one, which is most of its time for a log line; the last block is looked at again instead.
#[inline]
fn is_ascii(bytes: &[u8]) -> bool {
    const BLOCK_BYTES: usize = 32;
    let is_ascii = |block: &[u8; BLOCK_BYTES]| block.iter().fold(0, |all, byte| all | byte).is_ascii();
    let (blocks, rest) = bytes.as_chunks();
    let end = bytes.last_chunk();
    blocks.iter().all(is_ascii) && end.map_or_else(|| rest.is_ascii(), is_ascii)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn parts_of_a_text_are_known_without_a_look() {
        let body = "aé".as_bytes();
        let checked = Checked::new(body);
        assert!(checked.is_text() && checked.has(body) && checked.has(&body[1..]) && checked.has(&body[..1]));
        let copy = body.to_vec();
        assert!(!checked.has(&body[..2]) && !checked.has(&copy));
    }

    proptest! {
        /// What is known of any part of any body, and of a copy of it, is what the library says.
        #[test]
        fn every_part_is_judged_as_the_library_does(
            body in prop_oneof![any::<Vec<u8>>(), "\\PC{0,20}".prop_map(String::into_bytes)],
            from in 0usize..30,
            to in 0usize..30,
        ) {
            let checked = Checked::new(&body);
            let to = to.min(body.len());
            let part = &body[from.min(to)..to];
            let expected = std::str::from_utf8(part).is_ok();
            prop_assert_eq!(checked.knows(part), expected);
            let copy = part.to_vec();
            prop_assert_eq!(checked.knows(&copy), expected);
        }
    }
}
