//! One line of the kubelet's format: `2016-10-06T00:17:09.669794202Z stdout F content`. The source `node` joins the pieces of a
//! line itself; here a piece is marked.

use super::found::Found;
use super::text::token;
use crate::record::Stream;
use crate::record::time::parse_rfc3339;

/// Reads a line. The content becomes the body; one that is not the end of its line has `logtag` P.
pub fn parse<'a>(line: &'a [u8], found: &mut Found<'a>) -> Option<()> {
    let (time, rest) = token(line)?;
    found.time = Some(parse_rfc3339(time)?);
    let (stream, rest) = token(rest)?;
    found.stream = Some(match stream {
        b"stdout" => Stream::Stdout,
        b"stderr" => Stream::Stderr,
        _ => return None,
    });
    // Of several tags, which colons separate, the first says whether the line goes on.
    let (tags, content) = token(rest).unwrap_or((rest, b""));
    let tag = tags.split(|byte| *byte == b':').next()?;
    match tag {
        b"F" => {}
        b"P" => found.add_text("logtag", tag),
        _ => return None,
    }
    found.content_start = line.len() - content.len();
    Some(())
}

#[cfg(test)]
mod tests {
    use crate::pipeline::parse::tests::run;
    use crate::record::time::parse_rfc3339;
    use crate::record::{Stream, Value};
    use logship_crd::agent_config::ParseFormat;
    use proptest::prelude::*;

    #[test]
    fn content_becomes_the_body_and_pieces_are_marked() {
        for (line, body, is_piece) in [
            ("2016-10-06T00:17:09.669794202Z stdout F a  b ", "a  b ", false),
            ("2016-10-06T02:17:09.669794202+02:00 stdout P a", "a", true),
            ("2016-10-06T00:17:09.669794202Z stdout P:x ", "", true),
            ("2016-10-06T00:17:09.669794202Z stdout F", "", false),
        ] {
            let record = run(ParseFormat::Cri, line.as_bytes());
            assert!(!record.parse_failed, "{line}");
            assert_eq!(record.body, body.as_bytes());
            assert_eq!(record.fields.get("logtag"), is_piece.then_some(&Value::text("P")));
            assert_eq!(record.stream, Some(Stream::Stdout));
            assert_eq!(
                Some(record.time),
                parse_rfc3339(b"2016-10-06T00:17:09.669794202Z")
            );
        }
    }

    #[test]
    fn malformed_lines_stay_as_they_are() {
        for line in [
            "",
            "text",
            "2016-10-06T00:17:09Z stdin F a",
            "2016-10-06T00:17:09Z stdout X a",
            "2016-10-06T00:17:09Z stdout ",
            "2016-10-06 stdout F a",
            " stdout F a",
        ] {
            let record = run(ParseFormat::Cri, line.as_bytes());
            assert!(record.parse_failed && record.stream.is_none(), "{line}");
            assert_eq!((&*record.body, record.time), (line.as_bytes(), record.observed));
        }
    }

    proptest! {
        /// Any content comes back.
        #[test]
        fn content_is_read_back(nanos in any::<i64>(), content in any::<Vec<u8>>(), is_piece: bool, is_error: bool) {
            let (stream, name) = if is_error { (Stream::Stderr, "stderr") } else { (Stream::Stdout, "stdout") };
            let mut line = crate::record::time::rfc3339(nanos).to_vec();
            line.extend_from_slice(format!(" {name} {} ", if is_piece { "P" } else { "F" }).as_bytes());
            line.extend_from_slice(&content);
            let record = run(ParseFormat::Cri, &line);
            prop_assert_eq!((record.time, record.stream, &*record.body), (nanos, Some(stream), &content[..]));
            prop_assert_eq!(record.fields.len(), usize::from(is_piece));
        }
    }
}
