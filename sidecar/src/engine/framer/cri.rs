//! The line that a container runtime writes to the kubelet's log files: `time stream tags content`, where the first tag is `P` for a
//! piece of a line and `F` for its end. Format: the logging proposal of Kubernetes' container runtime interface; what the kubelet
//! refuses is refused here.
//!
//! On the path of every record, hence by hand: the lines of one second share their first 19 bytes, so a date is computed once
//! a second and not once a line.

use super::lines::Line;
use super::piece::Piece;
use crate::record::Stream;
use crate::record::time::{Nanos, parse_rfc3339};

/// Longer beginnings of a line are malformed: a time has at most 35 bytes, a stream 6, and the known tags have one.
pub(super) const HEADER_BYTES_MAX: usize = 128;
/// `2026-01-02T03:04:05`.
const SECOND_BYTES: usize = 19;

/// A parser that remembers the second of the last line.
#[derive(Debug, Default)]
pub(super) struct Parser {
    /// The text of that second, and the second since 1970 in nanoseconds.
    second: Option<([u8; SECOND_BYTES], Nanos)>,
}

impl Parser {
    /// The piece in a line; none: malformed.
    #[inline]
    pub fn parse<'a>(&mut self, line: &Line<'a>) -> Option<Piece<'a>> {
        let header = &line.bytes[..line.bytes.len().min(HEADER_BYTES_MAX)];
        let time_end = memchr::memchr(b' ', header)?;
        let time = self.time(&header[..time_end])?;
        let (stream, rest) = match &header[time_end + 1..] {
            [b's', b't', b'd', b'o', b'u', b't', b' ', rest @ ..] => (Stream::Stdout, rest),
            [b's', b't', b'd', b'e', b'r', b'r', b' ', rest @ ..] => (Stream::Stderr, rest),
            _ => return None,
        };
        let (is_last, rest) = match rest {
            [b'F', b' ', rest @ ..] => (true, rest),
            [b'P', b' ', rest @ ..] => (false, rest),
            [tag @ (b'F' | b'P'), b':', rest @ ..] => {
                let end = memchr::memchr(b' ', rest)?;
                (*tag == b'F', &rest[end + 1..])
            }
            _ => return None,
        };
        let header_bytes = header.len() - rest.len();
        Some(Piece {
            time: Some(time),
            stream,
            is_last,
            content: &line.bytes[header_bytes..],
            length: line.length - header_bytes as u64,
            ends_in_return: line.ends_in_return,
        })
    }

    #[inline]
    fn time(&mut self, text: &[u8]) -> Option<Nanos> {
        let (second, rest) = text.split_first_chunk::<SECOND_BYTES>()?;
        match (&self.second, utc_fraction(rest)) {
            (Some((known, start)), Some(fraction)) if known == second => start.checked_add(fraction),
            (_, fraction) => self.unknown_second(text, *second, fraction),
        }
    }

    fn unknown_second(
        &mut self,
        text: &[u8],
        second: [u8; SECOND_BYTES],
        fraction: Option<Nanos>,
    ) -> Option<Nanos> {
        let time = parse_rfc3339(text)?;
        self.second = fraction.and_then(|fraction| Some((second, time.checked_sub(fraction)?)));
        Some(time)
    }
}

/// Nanoseconds of `.123456789Z`, what containerd writes; other forms are the general parser's.
#[inline]
fn utc_fraction(text: &[u8]) -> Option<Nanos> {
    let [b'.', digits @ .., b'Z'] = text else {
        return None;
    };
    let digits: &[u8; 9] = digits.try_into().ok()?;
    digits.iter().try_fold(0, |value, byte| {
        let digit = byte.wrapping_sub(b'0');
        (digit < 10).then(|| value * 10 + Nanos::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn line(bytes: &[u8]) -> Line<'_> {
        Line {
            bytes,
            length: bytes.len() as u64,
            ends_in_return: bytes.ends_with(b"\r"),
            start: 0,
            is_rest: false,
        }
    }

    fn parse(text: &str) -> Option<Piece<'_>> {
        Parser::default().parse(&line(text.as_bytes()))
    }

    #[expect(clippy::unnecessary_wraps, reason = "it is compared with an option")]
    fn piece(time: &str, stream: Stream, is_last: bool, content: &'static str) -> Option<Piece<'static>> {
        Some(Piece {
            time: parse_rfc3339(time.as_bytes()),
            stream,
            is_last,
            content: content.as_bytes(),
            length: content.len() as u64,
            ends_in_return: content.ends_with('\r'),
        })
    }

    #[test]
    fn time_stream_tag_and_content_are_read() {
        const TIME: &str = "2026-01-02T03:04:05.678901234Z";
        for (line, expected) in [
            (
                format!("{TIME} stdout F a b "),
                piece(TIME, Stream::Stdout, true, "a b "),
            ),
            (
                format!("{TIME} stderr P x"),
                piece(TIME, Stream::Stderr, false, "x"),
            ),
            (
                format!("{TIME} stdout F x\r"),
                piece(TIME, Stream::Stdout, true, "x\r"),
            ),
            (format!("{TIME} stdout F "), piece(TIME, Stream::Stdout, true, "")),
            (
                format!("{TIME} stdout P:tag:u x"),
                piece(TIME, Stream::Stdout, false, "x"),
            ),
            (
                "2026-01-02T04:04:05.5+01:00 stdout F x".to_owned(),
                piece("2026-01-02T03:04:05.5Z", Stream::Stdout, true, "x"),
            ),
        ] {
            assert_eq!(parse(&line), expected, "{line}");
        }
    }

    #[test]
    fn what_the_kubelet_refuses_is_malformed() {
        const TIME: &str = "2026-01-02T03:04:05.678901234Z";
        for line in [
            "",
            "plain text",
            TIME,
            &format!("{TIME} stdout"),
            &format!("{TIME} stdout F"),
            &format!("{TIME} stdout X x"),
            &format!("{TIME} stdin F x"),
            &format!("{TIME}  stdout F x"),
            "2026-13-02T03:04:05.678901234Z stdout F x",
            "2026-01-02T03:04:05.67890123xZ stdout F x",
            &format!("{TIME} stdout F:{} x", "t".repeat(200)),
        ] {
            assert_eq!(parse(line), None, "{line}");
        }
    }

    proptest! {
        /// A remembered second changes no result.
        #[test]
        fn times_do_not_depend_on_the_lines_before(
            times in proptest::collection::vec("2026-01-02T03:04:0[0-3](\\.[0-9]{1,10})?(Z|\\+01:00|x)", 1..20),
        ) {
            let mut parser = Parser::default();
            for time in times {
                let text = format!("{time} stdout F x");
                let found = parser.parse(&line(text.as_bytes())).and_then(|piece| piece.time);
                prop_assert_eq!(found, parse_rfc3339(time.as_bytes()), "{}", time);
            }
        }

        /// No input makes the parser panic.
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..80), tail in ".{0,20}") {
            let _ = Parser::default().parse(&line(&bytes));
            let _ = parse(&format!("2026-01-02T03:04:05Z std{tail}"));
        }
    }
}
