//! Records to the bytes of one kind of sink. Pure.
//!
//! Each record is encoded once, when it is read, into the open batch of every sink; what the records of a stream have in common is
//! encoded once per stream. A batch can be split between any two records, because nothing around them is encoded before
//! [`Encode::wrap`].

mod checked;
mod elasticsearch;
pub(crate) mod escape;
pub(crate) mod json;
#[cfg(test)]
mod lines;
mod loki;
mod otlp;
pub(super) mod protobuf;
mod streams;
#[cfg(test)]
mod testing;
mod text;

pub use self::elasticsearch::Elasticsearch;
pub use self::json::Json;
pub use self::loki::Loki;
pub use self::otlp::Otlp;
pub use self::text::Text;

use crate::record::{Labels, Record};
use bytes::Bytes;
use std::fmt::Debug;
use std::sync::Arc;

/// What the records of one stream have in common, in the form of one encoder.
pub type Common = Arc<[u8]>;

/// The form of one kind of sink.
pub trait Encode: Debug + Send + Sync {
    /// What the records of a stream with these labels have in common.
    fn prepare(&self, labels: &Labels) -> Common;

    /// Appends a record to those before it.
    fn append(&self, common: &[u8], record: &Record<'_>, out: &mut Vec<u8>);

    /// The body of a request with these records, before compression.
    fn wrap(&self, batch: &Batch) -> Bytes {
        batch.body.clone()
    }

    /// The line of a record that [`Encode::append`] has written, for people.
    fn line<'a>(&self, encoded: &'a [u8]) -> &'a [u8] {
        encoded.strip_suffix(b"\n").unwrap_or(encoded)
    }
}

/// Encoded records in order; at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// The records, without gaps.
    pub body: Bytes,
    /// Where each record ends in `body`.
    pub ends: Vec<usize>,
    /// The streams that the records are of, in order.
    pub runs: Vec<Run>,
}

/// Records of one stream that follow each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// What they have in common.
    pub common: Common,
    /// Where the last of them ends in the batch's body.
    pub end: usize,
}

impl Batch {
    /// How many records there are.
    pub fn records(&self) -> usize {
        self.ends.len()
    }

    /// What each run has in common, and its records' bytes.
    pub fn sections(&self) -> impl Iterator<Item = (&Common, &[u8])> {
        let starts = std::iter::once(0).chain(self.runs.iter().map(|run| run.end));
        let section = |(run, start): (&'_ Run, usize)| (start, run.end);
        let bounds: Vec<(usize, usize)> = self.runs.iter().zip(starts).map(section).collect();
        self.runs
            .iter()
            .zip(bounds)
            .map(|(run, (start, end))| (&run.common, &self.body[start..end]))
    }

    /// The bytes of each record.
    pub fn encoded(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, &end)| &self.body[start..end])
    }

    /// The records from number `from` to before number `to`; at least one.
    #[must_use]
    pub fn slice(&self, from: usize, to: usize) -> Self {
        let start = from.checked_sub(1).map_or(0, |before| self.ends[before]);
        let ends = &self.ends[from..to];
        let end = ends.last().copied().unwrap_or(start);
        let run = |run: &Run| Run {
            common: Arc::clone(&run.common),
            end: run.end.min(end) - start,
        };
        // The first run that reaches into the slice, up to the first that reaches its end.
        let first = self.runs.partition_point(|run| run.end <= start);
        let last = self.runs.partition_point(|run| run.end < end);
        Self {
            body: self.body.slice(start..end),
            ends: ends.iter().map(|end| end - start).collect(),
            runs: self.runs[first..=last].iter().map(run).collect(),
        }
    }

    /// These records alone, by ascending number; none if there is no number.
    #[must_use]
    pub fn select(&self, numbers: &[usize]) -> Option<Self> {
        let mut pieces = numbers.iter().map(|&number| self.slice(number, number + 1));
        let mut selected = Gathered::default();
        pieces.by_ref().for_each(|piece| {
            selected.body.extend_from_slice(&piece.body);
            selected.close_record(&piece.runs[0].common);
        });
        selected.seal()
    }
}

/// A batch that grows.
#[derive(Debug, Default)]
pub struct Gathered {
    /// The records; whoever appends one says so by [`Gathered::close_record`].
    pub body: Vec<u8>,
    ends: Vec<usize>,
    runs: Vec<Run>,
}

impl Gathered {
    /// An empty batch that uses this memory.
    pub fn with_memory(mut body: Vec<u8>) -> Self {
        body.clear();
        Self {
            body,
            ..Self::default()
        }
    }

    /// The end of a record of the stream with `common`.
    pub fn close_record(&mut self, common: &Common) {
        let end = self.body.len();
        self.ends.push(end);
        match self.runs.last_mut() {
            Some(run) if Arc::ptr_eq(&run.common, common) => run.end = end,
            _ => self.runs.push(Run {
                common: Arc::clone(common),
                end,
            }),
        }
    }

    /// Whether there is no record.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// How many there are.
    pub fn records(&self) -> usize {
        self.ends.len()
    }

    /// The records as a batch; none if there are none.
    pub fn seal(self) -> Option<Batch> {
        let Self { body, ends, runs } = self;
        (!ends.is_empty()).then(|| Batch {
            body: Bytes::from(body),
            ends,
            runs,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Records of the given stream and length, each filled with its number.
    fn batch(records: &[(u8, usize)]) -> Batch {
        let commons: Vec<Common> = (0..4).map(|stream| Common::from([stream])).collect();
        let mut gathered = Gathered::default();
        for (number, &(stream, length)) in records.iter().enumerate() {
            let filled = gathered.body.len() + length;
            gathered.body.resize(filled, u8::try_from(number).unwrap());
            gathered.close_record(&commons[usize::from(stream)]);
        }
        gathered.seal().unwrap()
    }

    /// Stream and bytes of each record, by way of the sections.
    fn contents(batch: &Batch) -> Vec<(u8, Vec<u8>)> {
        let mut records = batch.encoded();
        let mut found = Vec::new();
        for (common, mut section) in batch.sections() {
            while !section.is_empty() {
                let record = records.next().unwrap();
                section = section.strip_prefix(record).unwrap();
                found.push((common[0], record.to_vec()));
            }
        }
        assert!(records.next().is_none());
        found
    }

    proptest! {
        /// Slices and selections hold exactly their records, each with its stream.
        #[test]
        fn parts_hold_their_records(
            records in proptest::collection::vec((0u8..4, 1usize..5), 1..30),
            bounds in (0usize..30, 0usize..30),
            chosen in proptest::collection::vec(any::<bool>(), 30),
        ) {
            let batch = batch(&records);
            let whole = contents(&batch);
            prop_assert_eq!(whole.len(), records.len());
            let from = bounds.0.min(records.len() - 1);
            let to = bounds.1.clamp(from + 1, records.len());
            prop_assert_eq!(contents(&batch.slice(from, to)), &whole[from..to]);
            let numbers: Vec<usize> = (0..records.len()).filter(|&number| chosen[number]).collect();
            let expected: Vec<_> = numbers.iter().map(|&number| whole[number].clone()).collect();
            let selected = batch.select(&numbers).map(|batch| contents(&batch)).unwrap_or_default();
            prop_assert_eq!(selected, expected);
        }
    }
}
