//! Cuts a stream of bytes into records at newlines.
//!
//! Guarantees: the records of a stream do not depend on how its bytes were cut into chunks; memory is bounded by the
//! maximum record, beyond which a record is truncated and marked and the next one is intact; a record that lies within one
//! chunk is not copied. The carriage return of a CRLF is part of the line's end, not of the record.

/// One record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The record without its line end.
    pub body: &'a [u8],
    /// The length that the record had, when it was longer than the maximum.
    pub original_bytes: Option<u64>,
    /// How many bytes of the chunk are used up when this record is taken.
    pub consumed: usize,
}

/// The state between two chunks: a line that has not ended yet.
#[derive(Debug)]
pub struct Framer {
    record_bytes_max: usize,
    carry: Vec<u8>,
    /// Bytes of the open line that did not fit into `carry`.
    skipped: u64,
    /// The open line is the rest of one whose beginning was sent already.
    continued: bool,
}

impl Framer {
    /// A framer; `continued` says that the stream begins inside a line whose beginning was sent already.
    pub fn new(record_bytes_max: usize, continued: bool) -> Self {
        Self {
            record_bytes_max,
            carry: Vec::new(),
            skipped: 0,
            continued,
        }
    }

    /// Whether a line is open that was not sent.
    pub fn has_partial(&self) -> bool {
        !self.carry.is_empty()
    }

    /// Takes the next bytes and hands out every record that they complete.
    pub fn push(&mut self, chunk: &[u8], mut each: impl FnMut(Frame<'_>)) {
        let mut start = 0;
        while let Some(length) = find_newline(&chunk[start..]) {
            let line = &chunk[start..start + length];
            start += length + 1;
            if self.carry.is_empty() && line.len() <= self.record_bytes_max {
                self.complete(line, 0, start, &mut each);
            } else {
                self.extend(line);
                let carry = std::mem::take(&mut self.carry);
                let skipped = std::mem::take(&mut self.skipped);
                self.complete(&carry, skipped, start, &mut each);
            }
        }
        self.extend(&chunk[start..]);
    }

    /// Hands out the open line as a record; what follows it in the stream is a record of its own.
    pub fn flush(&mut self, mut each: impl FnMut(Frame<'_>)) {
        if self.carry.is_empty() {
            return;
        }
        let carry = std::mem::take(&mut self.carry);
        let skipped = std::mem::take(&mut self.skipped);
        each(frame(&carry, skipped, 0));
        self.continued = true;
    }

    fn complete(&mut self, line: &[u8], skipped: u64, consumed: usize, each: &mut impl FnMut(Frame<'_>)) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        // The newline that ends a line which was sent without it is no record.
        if !(std::mem::take(&mut self.continued) && line.is_empty()) {
            each(frame(line, skipped, consumed));
        }
    }

    fn extend(&mut self, bytes: &[u8]) {
        let room = self.record_bytes_max.saturating_sub(self.carry.len());
        let taken = bytes.len().min(room);
        self.carry.extend_from_slice(&bytes[..taken]);
        self.skipped += (bytes.len() - taken) as u64;
    }
}

fn frame(body: &[u8], skipped: u64, consumed: usize) -> Frame<'_> {
    Frame {
        body,
        original_bytes: (skipped > 0).then(|| body.len() as u64 + skipped),
        consumed,
    }
}

fn find_newline(bytes: &[u8]) -> Option<usize> {
    memchr::memchr(b'\n', bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Records = Vec<(Vec<u8>, Option<u64>)>;

    fn records(chunks: &[&[u8]], max: usize) -> (Records, Framer) {
        let mut framer = Framer::new(max, false);
        let mut records = Vec::new();
        for chunk in chunks {
            framer.push(chunk, |frame| {
                records.push((frame.body.to_vec(), frame.original_bytes));
            });
        }
        (records, framer)
    }

    fn bodies(text: &[u8]) -> Vec<Vec<u8>> {
        records(&[text], 1024)
            .0
            .into_iter()
            .map(|(body, _)| body)
            .collect()
    }

    #[test]
    fn lines_end_at_newline_or_crlf_and_empty_lines_count() {
        assert_eq!(
            bodies(b"a\r\n\nb\rc\n\0\xff\nrest"),
            [&b"a"[..], b"", b"b\rc", b"\0\xff"]
        );
    }

    #[test]
    fn too_long_record_is_cut_and_marked_and_the_next_is_intact() {
        for chunks in [&[&b"abcdefgh\nij\n"[..]][..], &[b"abc", b"defg", b"h\nij\n"]] {
            let (records, _) = records(chunks, 5);
            assert_eq!(records, [(b"abcde".to_vec(), Some(8)), (b"ij".to_vec(), None)]);
        }
    }

    #[test]
    fn line_sent_without_its_newline_is_continued_and_not_repeated() {
        let mut framer = Framer::new(64, false);
        let mut seen = Vec::new();
        framer.push(b"half", |_| panic!("no record is complete"));
        framer.flush(|frame| seen.push(frame.body.to_vec()));
        framer.push(b"\nnext\n", |frame| seen.push(frame.body.to_vec()));
        assert_eq!(seen, [b"half", b"next"]);
    }

    #[test]
    fn consumed_points_behind_the_newline() {
        let mut ends = Vec::new();
        Framer::new(64, false).push(b"a\nbcd\ne", |frame| ends.push(frame.consumed));
        assert_eq!(ends, [2, 6]);
    }

    proptest! {
        /// However a stream is cut into chunks, its records are the same.
        #[test]
        fn records_do_not_depend_on_chunks(
            text in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(b'\r'), any::<u8>()], 0..200),
            cuts in proptest::collection::vec(0usize..200, 0..8),
            max in 1usize..20,
        ) {
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).chain([0, text.len()]).collect();
            cuts.sort_unstable();
            let chunks: Vec<&[u8]> = cuts.windows(2).map(|pair| &text[pair[0]..pair[1]]).collect();
            prop_assert_eq!(records(&chunks, max).0, records(&[&text], max).0);
        }
    }
}
