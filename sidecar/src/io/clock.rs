//! The only place that reads the clocks.

use crate::engine::Tick;
use crate::record::time::Nanos;
use std::time::Instant;

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

/// The time of day.
pub fn wall() -> Nanos {
    // The clock of a machine stands in the years that nanoseconds reach, or is so wrong that any time will do.
    Nanos::try_from(jiff::Timestamp::now().as_nanosecond()).unwrap_or_default()
}
