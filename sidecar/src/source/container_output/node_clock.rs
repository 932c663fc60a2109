//! Whether the node's clock was set back, which the times of lines are from: the API's reader passes over what is older than
//! it was asked for, whenever it is written. Pure but for who reads the clocks.

use crate::record::time::Nanos;
use std::time::Duration;

/// Smaller steps are within the second that every question goes back by.
const STEP_MIN: Duration = Duration::from_secs(1);

/// The node's clock beside one that nobody sets.
#[derive(Debug)]
pub(super) struct NodeClock {
    /// By how much it is ahead of the other now.
    ahead: fn() -> Nanos,
    before: Nanos,
}

impl NodeClock {
    /// Looks at it from now on.
    pub fn new(ahead: fn() -> Nanos) -> Self {
        let before = ahead();
        Self { ahead, before }
    }

    /// By how much it was set back.
    pub fn set_back(&self) -> Option<Duration> {
        let back = self.before.saturating_sub((self.ahead)());
        let back = Duration::from_nanos(u64::try_from(back).ok()?);
        (back >= STEP_MIN).then_some(back)
    }

    /// What it shows now is what it showed before.
    pub fn forget(&mut self) {
        self.before = (self.ahead)();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::time::SECOND;
    use std::cell::Cell;

    thread_local! {
        static AHEAD: Cell<Nanos> = const { Cell::new(0) };
    }

    #[test]
    fn step_back_is_told_until_it_is_forgotten_and_other_steps_are_none() {
        let mut clock = NodeClock::new(|| AHEAD.get());
        let check = |to: Nanos, expected: Option<u64>| {
            AHEAD.set(to);
            assert_eq!(clock.set_back(), expected.map(Duration::from_secs));
        };
        check(0, None);
        check(-SECOND + 1, None);
        check(-5 * SECOND, Some(5));
        check(-5 * SECOND, Some(5));
        clock.forget();
        assert_eq!(clock.set_back(), None);
        AHEAD.set(60 * SECOND);
        assert_eq!(clock.set_back(), None);
    }
}
