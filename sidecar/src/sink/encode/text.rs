//! The bytes of a record and a newline, nothing else.

use super::{Common, Encode};
use crate::record::{Labels, Record};

/// The encoder.
#[derive(Debug, Clone, Copy)]
pub struct Text;

impl Encode for Text {
    fn prepare(&self, _labels: &Labels) -> Common {
        Common::from([])
    }

    fn append(&self, _common: &[u8], record: &Record<'_>, out: &mut Vec<u8>) {
        out.extend_from_slice(&record.body);
        out.push(b'\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_the_bytes_and_a_newline() {
        let mut out = Vec::new();
        Text.append(&[], &Record::new(0, b"a \"b\"\t\xff"), &mut out);
        assert_eq!(out, b"a \"b\"\t\xff\n");
    }
}
