//! The only place that reads the clocks and waits for them.

use super::watch;
use crate::engine::Tick;
use crate::record::time::{Nanos, SECOND};
use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime,
    timerfd_create, timerfd_settime,
};
use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};
use tokio::io::unix::AsyncFd;

/// Monotonic time since the process started.
#[derive(Debug, Clone, Copy)]
pub struct Clock(Instant);

impl Clock {
    /// A clock that starts now.
    #[expect(clippy::disallowed_methods, reason = "this is the place where time is read")]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Time since the start.
    pub fn now(self) -> Tick {
        self.0.elapsed()
    }

    /// Waits until this time; for ever if there is none.
    pub async fn sleep_until(self, tick: Option<Tick>) {
        match tick {
            Some(tick) => tokio::time::sleep_until((self.0 + tick).into()).await,
            None => std::future::pending().await,
        }
    }
}

/// Wakes who waits again and again, each time by one timer of the kernel.
///
/// The runtime's timers wake the process also to move from a coarser wheel to a finer one: at a few waits a second, that was every
/// second wake-up.
#[derive(Debug)]
pub struct Alarm {
    clock: Clock,
    /// None before the first wait.
    timer: Option<AsyncFd<OwnedFd>>,
    /// What the timer is set to.
    set_to: Option<Tick>,
}

impl Alarm {
    /// Not set.
    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            timer: None,
            set_to: None,
        }
    }

    /// Waits until this time; for ever if there is none. May be given up and asked again, with another time.
    pub async fn wait_until(&mut self, tick: Option<Tick>) {
        // Without a timer of the kernel, the runtime's will do.
        if let (Some(tick), Err(_)) = (tick, self.ring(tick).await) {
            self.clock.sleep_until(Some(tick)).await;
        }
    }

    async fn ring(&mut self, tick: Option<Tick>) -> io::Result<()> {
        let Some(tick) = tick else {
            return std::future::pending().await;
        };
        let timer = match self.timer.take() {
            Some(timer) => timer,
            None => watch(timerfd_create(
                TimerfdClockId::Monotonic,
                TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC,
            )?)?,
        };
        let timer = self.timer.insert(timer);
        while let Some(rest) = tick.checked_sub(self.clock.now()).filter(|rest| !rest.is_zero()) {
            if self.set_to != Some(tick) {
                timerfd_settime(&*timer, TimerfdTimerFlags::empty(), &once(rest)?)?;
                self.set_to = Some(tick);
            }
            // It may have rung for an earlier time.
            timer.readable().await?.clear_ready();
        }
        Ok(())
    }
}

fn once(rest: Duration) -> io::Result<Itimerspec> {
    let never = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    Ok(Itimerspec {
        it_interval: never,
        it_value: rest.try_into().map_err(io::Error::other)?,
    })
}

/// The time of day.
pub fn wall() -> Nanos {
    // The clock of a machine stands in the years that nanoseconds reach, or is so wrong that any time will do.
    Nanos::try_from(jiff::Timestamp::now().as_nanosecond()).unwrap_or_default()
}

/// By how much the time of day is ahead of the clock that nobody sets.
pub fn ahead() -> Nanos {
    let monotonic = clock_gettime(ClockId::Monotonic);
    let since_boot = monotonic
        .tv_sec
        .saturating_mul(SECOND)
        .saturating_add(monotonic.tv_nsec);
    wall().saturating_sub(since_boot)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Poll;

    fn ms(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    #[tokio::test]
    async fn alarm_rings_in_time_whatever_it_was_set_to_before() {
        let clock = Clock::start();
        let mut alarm = Alarm::new(clock);
        for before in [None, Some(ms(3_600_000)), Some(ms(1))] {
            // Set and given up.
            let waited = futures::poll!(std::pin::pin!(
                alarm.wait_until(before.map(|before| clock.now() + before))
            ));
            assert_eq!(waited, Poll::Pending);
            let tick = clock.now() + ms(20);
            let late = tokio::time::timeout(ms(10_000), alarm.wait_until(Some(tick)));
            late.await.unwrap();
            assert!(clock.now() >= tick, "not before its time");
        }
    }

    #[tokio::test]
    async fn alarm_for_a_time_that_has_passed_rings_at_once() {
        let clock = Clock::start();
        let mut alarm = Alarm::new(clock);
        for _ in 0..2 {
            let passed = alarm.wait_until(Some(clock.now()));
            assert_eq!(futures::poll!(std::pin::pin!(passed)), Poll::Ready(()));
        }
    }
}
