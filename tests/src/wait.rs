//! Waiting for conditions: the only place of the tests that lets time pass.

use anyhow::{Result, bail};
use std::fmt::Debug;
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior, interval};

/// Long enough for a pod to be scheduled and started on a machine that is slow and busy, and for a restart that the kubelet puts off. Only a
/// test that fails takes so long.
pub const PATIENCE: Duration = Duration::from_secs(240);

/// Between two looks, where nothing depends on when exactly the condition came to hold.
const INTERVAL: Duration = Duration::from_millis(200);

/// What a look at the world found.
#[derive(Debug)]
pub enum Look<T, S> {
    /// The condition holds.
    Done(T),
    /// Not yet; what was seen instead is told when the deadline passes.
    NotYet(S),
}

/// Looks again and again until the condition holds.
///
/// # Errors
/// When `limit` has passed, with what was seen last; or at once, when a look itself fails.
pub async fn wait_for<T, S: Debug>(
    what: &str,
    limit: Duration,
    look: impl AsyncFnMut() -> Result<Look<T, S>>,
) -> Result<T> {
    watch_for(what, limit, INTERVAL, look).await
}

/// The same with this time between two looks, where it matters when the condition came to hold.
///
/// # Errors
/// The same.
pub async fn watch_for<T, S: Debug>(
    what: &str,
    limit: Duration,
    between: Duration,
    mut look: impl AsyncFnMut() -> Result<Look<T, S>>,
) -> Result<T> {
    let deadline = Instant::now() + limit;
    let mut ticks = interval(between);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        match look().await? {
            Look::Done(value) => return Ok(value),
            Look::NotYet(seen) if Instant::now() > deadline => {
                bail!("waited {limit:?} in vain until {what}; last seen: {seen:?}")
            }
            Look::NotYet(_) => {}
        }
    }
}
