//! The bytes of a record that is being put together.
//!
//! Guarantees: never more memory than the maximum that it was made with, however much is appended; what does not fit is
//! counted; memory that a long record took is given back when it is done, so that a thousand quiet files hold little.

/// So much memory is kept for the next record.
const KEPT_BYTES_MAX: usize = 4 << 10;

/// The beginning of a record, and the length of all of it.
#[derive(Debug)]
pub(super) struct Bounded {
    bytes_max: usize,
    bytes: Vec<u8>,
    length: u64,
    last: Option<u8>,
}

impl Bounded {
    pub fn new(bytes_max: usize) -> Self {
        Self {
            bytes_max,
            bytes: Vec::new(),
            length: 0,
            last: None,
        }
    }

    /// Appends what fits and counts the rest.
    pub fn extend(&mut self, bytes: &[u8]) {
        let Some(&last) = bytes.last() else { return };
        let taken = bytes.len().min(self.bytes_max - self.bytes.len());
        let needed = self.bytes.len() + taken;
        if needed > self.bytes.capacity() {
            // Doubled like any vector, but not past the bound.
            let target = (self.bytes.capacity() * 2).clamp(needed, self.bytes_max);
            self.bytes.reserve_exact(target - self.bytes.len());
        }
        self.bytes.extend_from_slice(&bytes[..taken]);
        self.length += bytes.len() as u64;
        self.last = Some(last);
    }

    /// Counts bytes that somebody else has left out.
    pub fn skip(&mut self, count: u64) {
        self.length += count;
    }

    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Of everything that was appended, kept or not.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The last byte that was appended, kept or not.
    pub fn last(&self) -> Option<u8> {
        self.last
    }

    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Begins the next record.
    pub fn clear(&mut self) {
        if self.bytes.capacity() > KEPT_BYTES_MAX {
            self.bytes = Vec::new();
        }
        self.bytes.clear();
        self.length = 0;
        self.last = None;
    }

    pub fn capacity(&self) -> usize {
        self.bytes.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_grows_to_the_bound_and_is_given_back() {
        let mut bounded = Bounded::new(10_000);
        for _ in 0..100 {
            bounded.extend(&[7; 333]);
            assert!(bounded.capacity() <= 10_000);
        }
        bounded.extend(b"x");
        assert_eq!((bounded.bytes().len(), bounded.length()), (10_000, 33_301));
        assert_eq!(bounded.last(), Some(b'x'));
        bounded.clear();
        assert_eq!((bounded.capacity(), bounded.is_empty()), (0, true));
    }
}
