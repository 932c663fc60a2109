use super::*;
use proptest::prelude::*;

/// Container, whole length, bytes; or container and restarts.
#[derive(Debug, Clone, PartialEq)]
enum Owned {
    Line(String, u64, Vec<u8>),
    Instance(String, u32),
}

impl Owned {
    fn entry(&self) -> Entry<'_> {
        match self {
            Self::Line(container, length, bytes) => Entry::Line {
                container,
                length: *length,
                bytes,
            },
            Self::Instance(container, restarts) => Entry::Instance {
                container,
                restarts: *restarts,
            },
        }
    }
}

fn entries() -> impl Strategy<Value = Vec<Owned>> {
    let bytes = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..80),
        // What looks like the beginning of an entry.
        proptest::collection::vec(any::<u8>(), 0..40).prop_map(|tail| [&MARK[..], &tail].concat()),
    ];
    let line = ("[a-z]{1,5}", any::<u64>(), bytes)
        .prop_map(|(name, length, bytes)| Owned::Line(name, length, bytes));
    let instance = ("[a-z]{1,5}", any::<u32>()).prop_map(|(name, restarts)| Owned::Instance(name, restarts));
    proptest::collection::vec(prop_oneof![4 => line, 1 => instance], 1..12)
}

fn written(entries: &[Owned], first: u64) -> (Vec<u8>, Vec<usize>) {
    let (mut bytes, mut ends) = (Vec::new(), Vec::new());
    for entry in entries {
        entry.entry().append(first + bytes.len() as u64, &mut bytes);
        ends.push(bytes.len());
    }
    (bytes, ends)
}

/// What is read of the bytes, and how many of them were left out.
fn read(bytes: &[u8], first: u64) -> (Vec<Owned>, usize) {
    let (mut found, mut at, mut lost) = (Vec::new(), 0, 0);
    while at < bytes.len() {
        let address = first + at as u64;
        match Entry::read(&bytes[at..], address) {
            Ok((
                Entry::Line {
                    container,
                    length,
                    bytes,
                },
                whole,
            )) => {
                found.push(Owned::Line(container.to_owned(), length, bytes.to_vec()));
                at += whole;
            }
            Ok((Entry::Instance { container, restarts }, whole)) => {
                found.push(Owned::Instance(container.to_owned(), restarts));
                at += whole;
            }
            Err(_) => {
                let skipped = damage(&bytes[at..], address);
                lost += skipped;
                at += skipped;
            }
        }
    }
    (found, lost)
}

proptest! {
    /// What is written is read as it was.
    #[test]
    fn entries_come_back_as_they_were(entries in entries(), first in 0u64..1 << 40) {
        let (bytes, _) = written(&entries, first);
        prop_assert_eq!(read(&bytes, first), (entries, 0));
    }

    /// A cut takes the entry that it is in and no other, and all bytes of that are counted.
    #[test]
    fn cut_takes_only_what_it_is_in(entries in entries(), cut in any::<prop::sample::Index>()) {
        let (bytes, ends) = written(&entries, 7);
        let cut = cut.index(bytes.len());
        let whole = ends.iter().filter(|end| **end <= cut).count();
        let behind = ends.get(whole.wrapping_sub(1)).copied().unwrap_or_default();
        prop_assert_eq!(read(&bytes[..cut], 7), (entries[..whole].to_vec(), cut - behind));
    }

    /// A changed byte takes the entry that it is in and no other, and all bytes of that are counted.
    #[test]
    fn changed_byte_takes_only_the_entry_that_it_is_in(
        mut entries in entries(), at in any::<prop::sample::Index>(), change in 1u8..,
    ) {
        let (mut bytes, ends) = written(&entries, 7);
        let at = at.index(bytes.len());
        bytes[at] ^= change;
        let hit = ends.iter().filter(|end| **end <= at).count();
        let start = hit.checked_sub(1).map_or(0, |before| ends[before]);
        entries.remove(hit);
        prop_assert_eq!(read(&bytes, 7), (entries, ends[hit] - start));
    }

    /// No bytes make the reader panic or stand still.
    #[test]
    fn any_bytes_are_read_to_their_end(mut bytes in proptest::collection::vec(any::<u8>(), 0..200), marks in proptest::collection::vec(any::<prop::sample::Index>(), 0..4)) {
        if bytes.len() > 4 {
            for mark in &marks {
                let at = mark.index(bytes.len() - 4);
                bytes[at..at + 4].copy_from_slice(&MARK);
            }
        }
        let (_, lost) = read(&bytes, 0);
        prop_assert!(lost <= bytes.len());
        let _ = Header::parse(&bytes);
    }

    /// An entry is none at another address: what was left over in a file is not read.
    #[test]
    fn entry_is_only_read_where_it_was_written(entries in entries(), first in 0u64..1000, other in 0u64..1000) {
        prop_assume!(first != other);
        let (bytes, _) = written(&entries[..1], first);
        prop_assert_eq!(Entry::read(&bytes, other), Err(Flaw::Damaged));
    }

    #[test]
    fn header_is_read_as_it_was_written_and_no_changed_byte_is_missed(first: u64, previous_end: u64, at in 0..HEADER_BYTES, change in 1u8..) {
        let header = Header { first, previous_end };
        let mut bytes = header.to_bytes();
        prop_assert_eq!(Header::parse(&bytes), Some(header));
        bytes[at] ^= change;
        prop_assert_eq!(Header::parse(&bytes), None);
        prop_assert_eq!(Header::parse(&bytes[..at]), None);
    }
}

#[test]
fn entry_that_is_not_there_as_a_whole_says_what_it_needs() {
    let (bytes, _) = written(&[Owned::Line("web".to_owned(), 5, b"hello".to_vec())], 0);
    assert_eq!(Entry::read(&bytes[..3], 0), Err(Flaw::Short(HEAD_BYTES)));
    assert_eq!(
        Entry::read(&bytes[..HEAD_BYTES], 0),
        Err(Flaw::Short(bytes.len()))
    );
    assert_eq!(
        Entry::read(&bytes[..bytes.len() - 1], 0),
        Err(Flaw::Short(bytes.len()))
    );
    assert!(Entry::read(&bytes, 0).is_ok());
}

#[test]
fn length_beyond_every_line_is_damage_and_nothing_is_waited_for() {
    let (mut bytes, _) = written(&[Owned::Instance("web".to_owned(), 5)], 0);
    bytes[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
    assert_eq!(Entry::read(&bytes, 0), Err(Flaw::Damaged));
}
