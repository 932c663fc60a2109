//! What the records of a stream have in common, where a part of it is written once a stream around its records and another into
//! each of them.

use super::{Batch, Common};
use std::collections::HashMap;

/// Both parts as one.
pub fn join(around: &[u8], inside: &[u8]) -> Common {
    let length = u32::try_from(around.len()).expect("labels are shorter than 4 GiB");
    [&length.to_le_bytes(), around, inside].concat().into()
}

/// The part around the records, and the part inside each.
#[inline]
pub fn split(common: &[u8]) -> (&[u8], &[u8]) {
    let (length, parts) = common.split_first_chunk().expect("it is made by `join`");
    parts.split_at(u32::from_le_bytes(*length) as usize)
}

/// Records that belong together, although others may have come between them.
#[derive(Debug)]
pub struct Group<'a> {
    /// What is written around them.
    pub around: &'a [u8],
    /// Their bytes in order, in pieces.
    pub pieces: Vec<&'a [u8]>,
}

impl Group<'_> {
    /// How many bytes the records have.
    pub fn records_bytes(&self) -> usize {
        self.pieces.iter().map(|piece| piece.len()).sum()
    }
}

/// The records of a batch by what is written around them, in the order in which each first came. Streams that differ only inside
/// their records are one group.
pub fn groups(batch: &Batch) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    let mut known: HashMap<&[u8], usize> = HashMap::new();
    for (common, piece) in batch.sections() {
        let (around, _) = split(common);
        let index = *known.entry(around).or_insert(groups.len());
        if index == groups.len() {
            let pieces = Vec::new();
            groups.push(Group { around, pieces });
        }
        groups[index].pieces.push(piece);
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::encode::Gathered;

    #[test]
    fn both_parts_are_given_back() {
        for (around, inside) in [("", ""), ("a", ""), ("", "b"), ("abc", "de")] {
            let common = join(around.as_bytes(), inside.as_bytes());
            assert_eq!(split(&common), (around.as_bytes(), inside.as_bytes()));
        }
    }

    #[test]
    fn runs_of_the_same_stream_are_gathered_in_order() {
        let commons = [join(b"a", b"1"), join(b"b", b"1"), join(b"a", b"2")];
        let mut gathered = Gathered::default();
        for (record, stream) in [("p", 0), ("q", 0), ("r", 1), ("s", 2), ("t", 1), ("u", 0)] {
            gathered.body.extend_from_slice(record.as_bytes());
            gathered.close_record(&commons[stream]);
        }
        let batch = gathered.seal().unwrap();
        let found: Vec<(&[u8], Vec<u8>)> = groups(&batch)
            .iter()
            .map(|group| (group.around, group.pieces.concat()))
            .collect();
        let expected: [(&[u8], Vec<u8>); 2] = [(b"a", b"pqsu".to_vec()), (b"b", b"rt".to_vec())];
        assert_eq!(found, expected);
    }
}
