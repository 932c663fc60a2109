//! From where is asked after the clock of the node was set back: what is written then has times before those of the lines that were
//! taken last, and the API would pass over it. Pure.

use crate::engine::Tick;
use std::time::Duration;

/// For so long a step of the clock is looked at: by then what was written behind it was read, or is not served any more.
const AGE_MAX: Duration = Duration::from_secs(600);

/// The last step back.
#[derive(Debug, Default)]
pub(super) struct SetBack {
    /// While something behind it may be unread of what is read.
    step: Option<Step>,
    /// Until then it is looked at.
    until: Option<Tick>,
}

#[derive(Debug, Clone, Copy)]
struct Step {
    /// What is unread has times from this second on.
    floor: i64,
    /// From where it would have been asked; what is older was written behind it.
    since: i64,
}

impl SetBack {
    /// The clock was set back by this, while it would have been asked from `since`.
    pub fn note(&mut self, now: Tick, since: Option<i64>, by: Duration) {
        self.until = Some(now + AGE_MAX);
        let Some(since) = since else { return };
        let floor = self.since(now, Some(since)).unwrap_or(since);
        let by = i64::try_from(by.as_secs()).unwrap_or(i64::MAX);
        self.step = Some(Step {
            floor: floor.saturating_sub(by).saturating_sub(1),
            // What is from between two steps is not behind the second.
            since: floor,
        });
    }

    /// From where to ask, where it would be from `since`. What was taken behind the step has taken that back by itself.
    pub fn since(&mut self, now: Tick, since: Option<i64>) -> Option<i64> {
        let is_recent = self.is_recent(now);
        self.step = self
            .step
            .filter(|step| is_recent && since.is_some_and(|since| since >= step.since));
        let floor = self.step.map_or(i64::MAX, |step| step.floor);
        since.map(|since| since.min(floor))
    }

    /// Whether a step may be within or before an output of which nothing was read: steps that were noticed together are known as one, and
    /// what was taken may be from before and from between them.
    pub fn is_recent(&self, now: Tick) -> bool {
        self.until.is_some_and(|until| now < until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Tick = Tick::from_secs(9);

    #[test]
    fn steps_add_up_until_something_behind_them_was_taken() {
        let mut back = SetBack::default();
        assert_eq!(back.since(NOW, Some(100)), Some(100));
        back.note(NOW, Some(100), Duration::from_secs(30));
        assert_eq!(back.since(NOW, Some(100)), Some(69));
        assert_eq!(
            back.since(NOW, Some(105)),
            Some(69),
            "a line that was written before"
        );
        back.note(NOW, Some(105), Duration::from_secs(20));
        assert_eq!(back.since(NOW, Some(105)), Some(48));
        assert_eq!(back.since(NOW, Some(60)), Some(60));
        assert_eq!(back.since(NOW, Some(105)), Some(105));
    }

    #[test]
    fn line_from_between_two_steps_is_not_behind_the_second() {
        let mut back = SetBack::default();
        back.note(NOW, Some(800), Duration::from_secs(88));
        // It was set forward meanwhile.
        back.note(NOW, Some(800), Duration::from_secs(76));
        let floor = 800 - 88 - 1 - 76 - 1;
        assert_eq!(back.since(NOW, Some(773)), Some(floor));
        assert_eq!(back.since(NOW, Some(700)), Some(700));
    }

    #[test]
    fn step_is_forgotten_after_a_while_and_is_none_where_all_is_asked_for() {
        let mut back = SetBack::default();
        back.note(NOW, None, Duration::from_secs(30));
        assert_eq!(back.since(NOW, None), None);
        back.note(NOW, Some(100), Duration::MAX);
        assert_eq!(back.since(NOW + AGE_MAX, Some(100)), Some(100));
    }
}
