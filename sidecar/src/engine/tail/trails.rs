//! Trails of one file at several offsets, so that a copy is recognised whatever moment of the file it shows.

use crate::engine::checkpoint::Trail;

/// More are not kept.
const TRAILS_MAX: usize = 8;

/// At the offsets where reads ended: dense near the newest, sparse further back.
#[derive(Debug, Clone, Default)]
pub(super) struct Trails(Vec<Trail>);

impl Trails {
    /// Adds the newest.
    pub(super) fn push(&mut self, trail: Trail) {
        if trail.bytes == 0 {
            return;
        }
        self.0.push(trail);
        if self.0.len() > TRAILS_MAX {
            // Without it the hole is smallest, measured by how far back it reaches.
            let spare = (1..self.0.len() - 1).min_by_key(|&at| {
                let hole = u128::from(self.0[at + 1].end - self.0[at - 1].end);
                let back = u128::from(trail.end - self.0[at - 1].end).max(1);
                (hole << 32) / back
            });
            self.0.remove(spare.unwrap_or(0));
        }
    }

    /// The last one that a file of this size can have.
    pub(super) fn within(&self, size: u64) -> Option<Trail> {
        self.0.iter().rev().find(|trail| trail.end <= size).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newest_trails_are_dense_and_old_ones_sparse() {
        let mut trails = Trails::default();
        for end in (1..=1000).map(|step| step * 100) {
            trails.push(Trail::of(end, b"x"));
        }
        assert_eq!(trails.0.len(), TRAILS_MAX);
        assert_eq!(trails.within(u64::MAX).map(|trail| trail.end), Some(100_000));
        for (size, at_least) in [(99_950, 99_000), (97_000, 50_000), (2_000, 0)] {
            let found = trails.within(size).map(|trail| trail.end);
            assert!(found.is_some_and(|end| end >= at_least), "{size}: {found:?}");
        }
        assert_eq!(Trails::default().within(5), None);
    }
}
