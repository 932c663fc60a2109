//! Where to go on in a container's output, which the API addresses by time and nothing else.
//!
//! The API truncates `sinceTime` to whole seconds and compares inclusively, and both equal lines and equal or descending
//! timestamps are legal. So the position is the last second and the multiset of lines taken in it and in the second before;
//! a new connection asks from one second before the last and drops exactly what the multiset holds.
//!
//! Guarantees: a line is dropped at most as often as it was taken. Where the memory's bound is hit, lines are sent again
//! rather than lost.

use std::collections::BTreeMap;

/// More lines than this of one second are not remembered.
const LINES_REMEMBERED_MAX: usize = 65_536;

/// A position in a container's output.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resume {
    last_second: Option<i64>,
    taken: BTreeMap<(i64, u64), u32>,
}

/// What one connection still has to drop.
#[derive(Debug, Clone, Default)]
pub struct Repeats(BTreeMap<(i64, u64), u32>);

/// A line as far as repetition is concerned: its second, and a hash of its exact timestamp and its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineKey {
    /// Seconds since 1970.
    pub second: i64,
    /// Hash of the whole line as the API sent it, timestamp included.
    pub hash: u64,
}

impl LineKey {
    /// The key of `line` (timestamp and content), written at `second`.
    pub fn new(second: i64, line: &[u8]) -> Self {
        Self {
            second,
            hash: fnv1a(line),
        }
    }
}

impl Resume {
    /// The position that was written as `lines`: second, hash, count.
    pub fn restore(last_second: Option<i64>, lines: &[(i64, u64, u32)]) -> Self {
        Self {
            last_second,
            taken: lines
                .iter()
                .filter(|(_, _, count)| *count > 0)
                .map(|&(second, hash, count)| ((second, hash), count))
                .collect(),
        }
    }

    /// The last second in which a line was taken.
    pub fn last_second(&self) -> Option<i64> {
        self.last_second
    }

    /// The remembered lines: second, hash, count.
    pub fn lines(&self) -> Vec<(i64, u64, u32)> {
        self.taken
            .iter()
            .map(|(&(second, hash), &count)| (second, hash, count))
            .collect()
    }

    /// `sinceTime` of the next connection, in seconds; none: from the beginning.
    pub fn since(&self) -> Option<i64> {
        self.last_second.map(|second| second.saturating_sub(1))
    }

    /// What a connection that asks from [`Resume::since`] must drop.
    pub fn repeats(&self) -> Repeats {
        Repeats(self.taken.clone())
    }

    /// Remembers a line as taken.
    pub fn take(&mut self, key: LineKey) {
        if self.last_second.is_none_or(|last| key.second > last) {
            self.last_second = Some(key.second);
            self.taken = self.taken.split_off(&(key.second.saturating_sub(1), 0));
        }
        let oldest = self.last_second.unwrap_or(key.second).saturating_sub(1);
        if key.second >= oldest && self.taken.len() < 2 * LINES_REMEMBERED_MAX {
            let count = self.taken.entry((key.second, key.hash)).or_default();
            *count = count.saturating_add(1);
        }
    }
}

impl Repeats {
    /// Whether the line was taken by an earlier connection; counts it off.
    pub fn holds(&mut self, key: LineKey) -> bool {
        let Some(count) = self.0.get_mut(&(key.second, key.hash)) else {
            return false;
        };
        *count -= 1;
        if *count == 0 {
            self.0.remove(&(key.second, key.hash));
        }
        true
    }
}

/// FNV-1a, 64 bit: the hash is written to the checkpoint, so it may not change between builds as std's may.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The API: every line from `since` on, inclusive.
    fn served(log: &[(i64, u8)], since: Option<i64>) -> Vec<(i64, u8)> {
        log.iter()
            .copied()
            .filter(|(second, _)| since.is_none_or(|since| *second >= since))
            .collect()
    }

    fn read(resume: &mut Resume, lines: &[(i64, u8)], shipped: &mut Vec<(i64, u8)>) {
        let mut repeats = resume.repeats();
        for &(second, byte) in lines {
            let key = LineKey::new(second, &[byte]);
            if !repeats.holds(key) {
                resume.take(key);
                shipped.push((second, byte));
            }
        }
    }

    proptest! {
        /// With ascending seconds, repeated lines and connections that break anywhere, each line is shipped exactly once.
        #[test]
        fn broken_connections_neither_lose_nor_repeat(
            steps in proptest::collection::vec((0i64..3, 0u8..3), 1..60),
            breaks in proptest::collection::vec(0usize..60, 0..6),
        ) {
            let mut second = 100;
            let log: Vec<(i64, u8)> = steps.iter().map(|&(step, byte)| { second += step; (second, byte) }).collect();
            let mut resume = Resume::default();
            let mut shipped = Vec::new();
            for at in breaks {
                let written = &log[..at.min(log.len())];
                let answer = served(written, resume.since());
                read(&mut resume, &answer[..answer.len() * 2 / 3], &mut shipped);
                resume = Resume::restore(resume.last_second(), &resume.lines());
            }
            let answer = served(&log, resume.since());
            read(&mut resume, &answer, &mut shipped);
            prop_assert_eq!(shipped, log);
        }
    }

    #[test]
    fn equal_lines_are_counted_not_merged() {
        let mut resume = Resume::default();
        let mut shipped = Vec::new();
        read(&mut resume, &[(5, 1), (5, 1)], &mut shipped);
        read(&mut resume, &[(5, 1), (5, 1), (5, 1)], &mut shipped);
        assert_eq!(shipped.len(), 3);
    }

    #[test]
    fn position_that_no_line_can_have_is_survived() {
        let lines = [
            (i64::MIN, LineKey::new(5, &[1]).hash, u32::MAX),
            (5, LineKey::new(5, &[1]).hash, 0),
        ];
        let mut resume = Resume::restore(Some(i64::MIN), &lines);
        assert_eq!(resume.since(), Some(i64::MIN));
        let mut shipped = Vec::new();
        read(&mut resume, &[(5, 1), (i64::MIN, 1)], &mut shipped);
        assert_eq!(shipped, [(5, 1)], "a line that was taken no times is not dropped");
    }

    #[test]
    fn asks_from_one_second_before_the_last_even_if_time_went_back() {
        let mut resume = Resume::default();
        read(&mut resume, &[(9, 1), (7, 2)], &mut Vec::new());
        assert_eq!(resume.since(), Some(8));
    }
}
