//! The remembered lines as they are written down: for each line the difference of its time to that of the line before, in seven bits a
//! byte with the lowest first and the sign in the lowest bit, and its CRC; all in Base64. About nine characters a line.

use super::{LINES_MAX, LineKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Lines in the order in which they were taken.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recent(pub(super) Vec<LineKey>);

impl Recent {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(8 * self.0.len());
        let mut before = 0_i64;
        for LineKey { time, content } in &self.0 {
            let step = time.wrapping_sub(before);
            let mut rest = (step.cast_unsigned() << 1) ^ (step >> 63).cast_unsigned();
            while rest >= 0x80 {
                bytes.push(rest.to_le_bytes()[0] | 0x80);
                rest >>= 7;
            }
            bytes.push(rest.to_le_bytes()[0]);
            bytes.extend(content.to_le_bytes());
            before = *time;
        }
        bytes
    }

    /// None: no such lines were written.
    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (mut lines, mut rest, mut time) = (Vec::new(), bytes, 0_i64);
        while !rest.is_empty() {
            let (mut step, mut shift) = (0_u64, 0);
            loop {
                let (&byte, behind) = rest.split_first()?;
                rest = behind;
                step |= u64::from(byte & 0x7f).checked_shl(shift)?;
                shift += 7;
                if byte < 0x80 {
                    break;
                }
            }
            let (content, behind) = rest.split_first_chunk()?;
            rest = behind;
            time = time.wrapping_add((step >> 1).cast_signed() ^ -(step & 1).cast_signed());
            let content = u32::from_le_bytes(*content);
            lines.push(LineKey { time, content });
        }
        (lines.len() <= LINES_MAX).then_some(Self(lines))
    }
}

impl Serialize for Recent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD_NO_PAD.encode(self.to_bytes()))
    }
}

impl<'de> Deserialize<'de> for Recent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = STANDARD_NO_PAD.decode(text).map_err(D::Error::custom)?;
        Self::from_bytes(&bytes).ok_or_else(|| D::Error::custom("these are no remembered lines"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// What is written is read, whatever the times are.
        #[test]
        fn lines_are_read_as_they_were_written(keys in proptest::collection::vec((any::<i64>(), any::<u32>()), 0..50)) {
            let lines = keys.into_iter().map(|(time, content)| LineKey { time, content });
            let recent = Recent(lines.collect());
            let text = serde_json::to_string(&recent).unwrap();
            prop_assert_eq!(serde_json::from_str::<Recent>(&text).unwrap(), recent);
        }

        /// No bytes make the reader panic.
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = Recent::from_bytes(&bytes);
        }
    }

    #[test]
    fn what_was_not_written_so_is_refused() {
        for text in ["!", "\u{80}", "gICAgICAgICAgICAgIAB"] {
            assert!(serde_json::from_value::<Recent>(text.into()).is_err(), "{text}");
        }
        let many = Recent(vec![LineKey { time: 0, content: 0 }; LINES_MAX + 1]);
        let text = serde_json::to_value(&many).unwrap();
        assert!(serde_json::from_value::<Recent>(text).is_err());
    }

    #[test]
    fn lines_a_millisecond_apart_take_at_most_ten_characters_each() {
        let lines = (0..LINES_MAX).map(|number| LineKey {
            time: 1_767_323_045_000_000_000 + i64::try_from(number).unwrap() * 1_000_000,
            content: u32::MAX,
        });
        let text = serde_json::to_string(&Recent(lines.collect())).unwrap();
        assert!(text.len() <= 10 * LINES_MAX, "{}", text.len());
    }
}
