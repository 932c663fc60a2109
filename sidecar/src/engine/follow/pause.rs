//! How long to wait before the API is asked again. Randomness is a parameter.
//!
//! What ends one stream may have ended those of all sidecars of a node or a cluster in the same instant: the API server or a kubelet
//! was restarted. So even the first question after an end is scattered: a little after a clean end, which is mostly that of
//! a container, and more after a broken connection; the output waits in its file meanwhile.

use crate::engine::retry::Backoff;
use std::time::Duration;

/// After a clean end.
const ENDED_SPREAD: Duration = Duration::from_millis(200);
/// After the first failure.
const FAILED_SPREAD: Duration = Duration::from_secs(1);
/// A container that has not started yet is looked at this often in its first time: if it crashes at once, it is started again at
/// once, and the output of its first instance is out of reach when the second has ended.
const START_PAUSE_MAX: Duration = Duration::from_millis(700);
/// After that nobody is surprised any more, and it may never start.
const START_AGE_MAX: Duration = Duration::from_secs(60);
/// The API is not believed if it wants to be left alone for longer.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(60);

/// The wait until the next question.
#[derive(Debug)]
pub(super) struct Pause(Backoff);

impl Pause {
    pub fn new() -> Self {
        Self(Backoff::new(Duration::from_millis(250), Duration::from_secs(5)))
    }

    /// Forgets the failures.
    pub fn succeeded(&mut self) {
        self.0.succeeded();
    }

    /// After a clean end.
    pub fn after_end(random: f64) -> Duration {
        ENDED_SPREAD.mul_f64(random)
    }

    /// After a question in vain: there is nothing to read yet.
    pub fn in_vain(&mut self, random: f64) -> Duration {
        self.0.failed(random)
    }

    /// After a look at a container that has not started since it was looked at first.
    pub fn before_start(&mut self, since: Duration, random: f64) -> Duration {
        let pause = self.in_vain(random);
        if since < START_AGE_MAX {
            pause.min(START_PAUSE_MAX.mul_f64(0.5 + random / 2.0))
        } else {
            pause
        }
    }

    /// After a failure, and not before the API wants.
    pub fn after_failure(&mut self, retry_after: Option<Duration>, random: f64) -> Duration {
        let own = self.0.failed_together(FAILED_SPREAD, random);
        let wanted = retry_after.map(|after| after.min(RETRY_AFTER_MAX));
        // Who was told the same comes scattered too.
        wanted.map_or(own, |after| own.max(after + FAILED_SPREAD.mul_f64(random)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first waits of a thousand sidecars, sorted.
    fn herd(wait: impl Fn(f64) -> Duration) -> Vec<Duration> {
        let mut random = fastrand::Rng::with_seed(7);
        let mut waits: Vec<_> = (0..1000).map(|_| wait(random.f64())).collect();
        waits.sort_unstable();
        waits
    }

    /// No tenth of the time in which all come back sees more than a fifth of them.
    fn is_scattered(waits: &[Duration], spread: Duration) {
        assert!(waits.iter().all(|wait| *wait <= spread), "{:?}", waits.last());
        for tenth in 0..10 {
            let (from, to) = (spread * tenth / 10, spread * (tenth + 1) / 10);
            let come = waits.iter().filter(|wait| (from..to).contains(wait)).count();
            assert!(come < waits.len() / 5, "{come} within {from:?} to {to:?}");
        }
    }

    #[test]
    fn those_whose_streams_ended_in_one_instant_come_back_scattered() {
        is_scattered(&herd(Pause::after_end), Duration::from_millis(200));
        let broken = herd(|random| Pause::new().after_failure(None, random));
        is_scattered(&broken, Duration::from_secs(1));
    }

    #[test]
    fn those_that_were_told_to_wait_equally_long_come_back_scattered_and_not_before() {
        let after = Duration::from_secs(3);
        let waits = herd(|random| Pause::new().after_failure(Some(after), random));
        assert!(waits[0] >= after);
        let behind: Vec<_> = waits.iter().map(|wait| wait.saturating_sub(after)).collect();
        is_scattered(&behind, Duration::from_secs(1));
    }

    #[test]
    fn those_that_were_refused_throughout_an_outage_come_back_scattered() {
        let window = Duration::from_millis(500);
        // Seconds, and the largest part of them within half a second. At first nobody can wait for long.
        let outages = [(2.5, 0.33), (4.0, 0.22), (8.0, 0.19), (10.0, 0.19), (60.0, 0.19)];
        for (outage, part) in outages {
            let outage = Duration::from_secs_f64(outage);
            let mut random = fastrand::Rng::with_seed(7);
            let mut comes = || {
                let (mut pause, mut now) = (Pause::new(), Duration::ZERO);
                while now < outage {
                    now += pause.after_failure(None, random.f64());
                }
                now.saturating_sub(outage)
            };
            let mut behind: Vec<_> = (0..1000).map(|_| comes()).collect();
            behind.sort_unstable();
            for (before, first) in behind.iter().enumerate() {
                let come = behind.partition_point(|time| *time < *first + window) - before;
                let who = format!("{come} within {window:?} from {first:?} after {outage:?}");
                assert!(f64::from(u32::try_from(come).unwrap()) < part * 1000.0, "{who}");
            }
        }
    }

    #[test]
    fn container_that_has_not_started_is_looked_at_often_for_a_minute() {
        let mut pause = Pause::new();
        let mut since = Duration::ZERO;
        while since < START_AGE_MAX {
            let wait = pause.before_start(since, 1.0);
            assert!(wait <= START_PAUSE_MAX, "{since:?}: {wait:?}");
            since += wait;
        }
        assert_eq!(pause.before_start(since, 1.0), Duration::from_secs(5));
    }

    #[test]
    fn waits_grow_to_five_seconds_and_an_api_that_wants_an_hour_is_asked_after_a_minute() {
        let mut pause = Pause::new();
        let waits: Vec<_> = (0..8)
            .map(|_| pause.after_failure(None, 1.0).as_millis())
            .collect();
        assert_eq!(waits, [1000, 625, 1250, 2500, 5000, 5000, 5000, 5000]);
        let hour = Some(Duration::from_secs(3600));
        assert_eq!(Pause::new().after_failure(hour, 0.0), Duration::from_secs(60));
    }
}
