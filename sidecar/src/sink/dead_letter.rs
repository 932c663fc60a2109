//! A record that a sink refused for good, as one JSON line of the dead-letter file: readable by people, and complete enough to be
//! sent again. Pure.

use crate::engine::batch::Rejected;
use crate::record::time::{Nanos, rfc3339};
use crate::sink::encode::Encode;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};

/// Of a message, for people.
const MESSAGE_BYTES_MAX: usize = 1024;

/// One line of the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DeadLetter {
    /// When it was given up, RFC 3339.
    pub time: String,
    /// Why, in the sink's words.
    pub error: String,
    /// Records that were given up. Fewer than `of` where the receiver did not say which.
    pub records: u64,
    /// Records in the body.
    pub of: u64,
    /// The first record's line, shortened.
    pub message: String,
    /// The body of a request with the records, before compression, in base64.
    body: String,
}

impl DeadLetter {
    /// What `encoder` had encoded, given up at `now`.
    pub fn new(now: Nanos, rejected: &Rejected, encoder: &dyn Encode) -> Self {
        let Rejected {
            batch,
            records,
            error,
        } = rejected;
        let first = batch.encoded().next().unwrap_or_default();
        let line = encoder.line(first);
        let line = &line[..line.len().min(MESSAGE_BYTES_MAX)];
        Self {
            time: String::from_utf8_lossy(&rfc3339(now)).into_owned(),
            error: error.clone(),
            records: *records,
            of: batch.records() as u64,
            message: String::from_utf8_lossy(line).into_owned(),
            body: BASE64.encode(encoder.wrap(batch)),
        }
    }

    /// The line, with its newline.
    ///
    /// # Panics
    /// Never: a struct of texts and numbers always serialises.
    pub fn to_line(&self) -> Vec<u8> {
        let mut line = serde_json::to_vec(self).expect("a struct of texts and numbers always serialises");
        line.push(b'\n');
        line
    }

    /// Reads a line; none: it is torn or none of ours.
    pub fn parse(line: &[u8]) -> Option<Self> {
        serde_json::from_slice(line).ok()
    }

    /// The body of a request that sends the records again.
    pub fn body(&self) -> Option<Vec<u8>> {
        BASE64.decode(&self.body).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Labels, Record};
    use crate::sink::encode::{Gathered, Json};

    #[test]
    fn letter_is_one_line_that_can_be_read_and_sent_again() {
        let common = Json.prepare(&Labels::default());
        let mut gathered = Gathered::default();
        Json.append(&common, &Record::new(0, b"card 4711\n\xff"), &mut gathered.body);
        gathered.close_record(&common);
        let rejected = Rejected {
            batch: gathered.seal().unwrap(),
            records: 1,
            error: "too new".to_owned(),
        };
        let letter = DeadLetter::new(0, &rejected, &Json);
        let line = letter.to_line();
        assert_eq!(line.iter().position(|&byte| byte == b'\n'), Some(line.len() - 1));
        assert_eq!(DeadLetter::parse(&line), Some(letter.clone()));
        assert_eq!(letter.body().unwrap(), rejected.batch.body);
        assert!(letter.message.contains("card 4711"));
        assert_eq!(DeadLetter::parse(&line[..20]), None);
    }
}
