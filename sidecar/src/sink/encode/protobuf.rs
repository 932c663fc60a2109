//! Protobuf's wire format, as far as we write and read it: <https://protobuf.dev/programming-guides/encoding/>.
//!
//! By hand because it is on the path of every record: messages are written in one pass, straight into the batch. What is written is
//! canonical: each varint is as short as it can be.

/// Lengths below it take one byte.
pub const SHORT: usize = 0x80;
/// Bytes of the longest varint.
const VARINT_BYTES_MAX: usize = 10;

/// The key of a field with a varint; its number is below 16, as are all that we write.
pub const fn varint_key(number: u8) -> u8 {
    number << 3
}

/// The key of a field with eight bytes.
pub const fn fixed64_key(number: u8) -> u8 {
    number << 3 | 1
}

/// The key of a text, bytes or message.
pub const fn bytes_key(number: u8) -> u8 {
    number << 3 | 2
}

/// How many bytes a varint takes.
#[inline]
pub fn varint_bytes(value: u64) -> usize {
    let bits = 64 - (value | 1).leading_zeros();
    bits.div_ceil(7) as usize
}

/// How many bytes a field takes that has a key and this many bytes of content.
#[inline]
pub fn field_bytes(length: usize) -> usize {
    1 + varint_bytes(length as u64) + length
}

/// Appends a varint.
#[inline]
pub fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(low_seven(value) | 0x80);
        value >>= 7;
    }
    out.push(low_seven(value));
}

/// Appends the key and length of a field; its content follows.
#[inline]
pub fn prefix(key: u8, length: usize, out: &mut Vec<u8>) {
    out.push(key);
    varint(length as u64, out);
}

/// Appends a field with these bytes.
#[inline]
pub fn bytes(key: u8, content: &[u8], out: &mut Vec<u8>) {
    prefix(key, content.len(), out);
    out.extend_from_slice(content);
}

/// A length as the varint of one byte, which the caller knows to be enough.
#[inline]
pub fn short(length: usize) -> u8 {
    low_seven(length as u64)
}

/// Appends a text that has to be UTF-8, of which is known whether it is: what is not is replaced.
#[inline]
pub fn text(key: u8, content: &[u8], is_text: bool, out: &mut Vec<u8>) {
    if is_text {
        bytes(key, content, out);
    } else {
        nested::<2>(key, out, |out| replaced(content, out));
    }
}

/// Appends bytes, with U+FFFD for what is not UTF-8.
pub fn replaced(content: &[u8], out: &mut Vec<u8>) {
    for chunk in content.utf8_chunks() {
        out.extend_from_slice(chunk.valid().as_bytes());
        if !chunk.invalid().is_empty() {
            out.extend_from_slice("\u{fffd}".as_bytes());
        }
    }
}

/// Appends a field whose content `write` appends. Its length is known only then; room is left for one of `WIDTH` bytes, and if that
/// was wrong the content is moved.
#[inline]
pub fn nested<const WIDTH: usize>(key: u8, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    out.push(key);
    let at = out.len();
    out.extend_from_slice(&[0; WIDTH]);
    write(out);
    let length = out.len() - at - WIDTH;
    let width = varint_bytes(length as u64);
    if width != WIDTH {
        out.resize(out.len().max(at + width + length), 0);
        out.copy_within(at + WIDTH..at + WIDTH + length, at + width);
        out.truncate(at + width + length);
    }
    set_varint(&mut out[at..at + width], length as u64);
}

/// Fills the slice with a varint that has its length.
#[inline]
fn set_varint(slot: &mut [u8], mut value: u64) {
    if let Some((last, before)) = slot.split_last_mut() {
        for byte in before {
            *byte = low_seven(value) | 0x80;
            value >>= 7;
        }
        *last = low_seven(value);
    }
}

#[inline]
fn low_seven(value: u64) -> u8 {
    value.to_le_bytes()[0] & 0x7f
}

/// The content of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content<'a> {
    /// A varint.
    Varint(u64),
    /// Four or eight bytes.
    Fixed(&'a [u8]),
    /// A text, bytes or message.
    Bytes(&'a [u8]),
}

/// The fields of a message in order, until its end or to where it is malformed.
#[derive(Debug)]
pub struct Fields<'a>(pub &'a [u8]);

impl<'a> Fields<'a> {
    /// The last varint with this number, as protobuf wants it; 0 without one.
    pub fn varint(&self, number: u64) -> u64 {
        let varint = |(found, content)| match content {
            Content::Varint(value) if found == number => Some(value),
            _ => None,
        };
        Fields(self.0).filter_map(varint).last().unwrap_or_default()
    }

    /// All texts, bytes and messages with this number.
    pub fn all(&self, number: u64) -> impl Iterator<Item = &'a [u8]> {
        Fields(self.0).filter_map(move |(found, content)| match content {
            Content::Bytes(bytes) if found == number => Some(bytes),
            _ => None,
        })
    }

    /// The first of [`Fields::all`]; empty without one.
    pub fn first(&self, number: u64) -> &'a [u8] {
        self.all(number).next().unwrap_or_default()
    }

    fn take(&mut self, count: u64) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(usize::try_from(count).ok()?)?;
        self.0 = rest;
        Some(taken)
    }

    fn take_varint(&mut self) -> Option<u64> {
        let end = self
            .0
            .iter()
            .take(VARINT_BYTES_MAX)
            .position(|byte| *byte < 0x80)?;
        let (varint, rest) = self.0.split_at(end + 1);
        self.0 = rest;
        let bits = |value: u64, byte: &u8| value << 7 | u64::from(byte & 0x7f);
        Some(varint.iter().rev().fold(0, bits))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = (u64, Content<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let key = self.take_varint()?;
        let content = match key & 7 {
            0 => Content::Varint(self.take_varint()?),
            1 => Content::Fixed(self.take(8)?),
            2 => {
                let length = self.take_varint()?;
                Content::Bytes(self.take(length)?)
            }
            5 => Content::Fixed(self.take(4)?),
            _ => return None,
        };
        Some((key >> 3, content))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use prost::Message;

    #[derive(Clone, PartialEq, Message)]
    struct Reference {
        #[prost(uint64, tag = "1")]
        number: u64,
        #[prost(string, tag = "2")]
        text: String,
        #[prost(bytes = "vec", tag = "3")]
        bytes: Vec<u8>,
        #[prost(fixed64, tag = "4")]
        fixed: u64,
    }

    #[test]
    fn lengths_that_were_not_foreseen_move_the_content() {
        for length in [0usize, 1, 127, 128, 300, 16_383, 16_384, 70_000] {
            let content: Vec<u8> = (0..length).map(|index| index.to_le_bytes()[0]).collect();
            let mut expected = Vec::new();
            bytes(bytes_key(3), &content, &mut expected);
            assert_eq!(expected.len(), field_bytes(content.len()));
            let fill = |out: &mut Vec<u8>| out.extend_from_slice(&content);
            let mut found = vec![7];
            nested::<1>(bytes_key(3), &mut found, fill);
            nested::<2>(bytes_key(3), &mut found, fill);
            assert_eq!(found, [&[7], expected.as_slice(), &expected].concat(), "{length}");
        }
    }

    #[test]
    fn malformed_messages_end_where_they_break() {
        for (message, fields) in [
            (b"".as_slice(), 0),
            (b"\x08", 0),
            (b"\x08\xff", 0),
            (b"\x08\x01\x12\x05abc", 1),
            (b"\x08\x01\x0b\x0c", 1),
            (&[0xff; 30], 0),
            (b"\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 0),
        ] {
            assert_eq!(Fields(message).count(), fields, "{message:?}");
        }
    }

    proptest! {
        /// What is written is byte for byte what the library writes, and is read back.
        #[test]
        fn message_is_what_the_library_writes(number in 1u64.., input in proptest::collection::vec(any::<u8>(), 1..400), fixed in 1u64..) {
            let text_of_input = String::from_utf8_lossy(&input).into_owned();
            let reference = Reference { number, text: text_of_input.clone(), bytes: input.clone(), fixed };
            let mut out = vec![varint_key(1)];
            varint(number, &mut out);
            text(bytes_key(2), &input, std::str::from_utf8(&input).is_ok(), &mut out);
            bytes(bytes_key(3), &input, &mut out);
            out.push(fixed64_key(4));
            out.extend_from_slice(&fixed.to_le_bytes());
            prop_assert_eq!(&out, &reference.encode_to_vec());
            prop_assert_eq!(Fields(&out).varint(1), number);
            prop_assert_eq!(Fields(&out).first(2), text_of_input.as_bytes());
            prop_assert_eq!(Fields(&out).first(3), &input);
            prop_assert_eq!(Fields(&out).last(), Some((4, Content::Fixed(&fixed.to_le_bytes()))));
        }

        /// No bytes make the reader panic or run for ever.
        #[test]
        fn any_bytes_are_read(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            prop_assert!(Fields(&bytes).count() <= bytes.len());
        }
    }
}
