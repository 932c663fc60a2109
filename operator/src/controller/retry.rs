//! When a resource is looked at again without a change.

use crate::policies::Guarded;
use kube::runtime::reflector::{ObjectRef, Store};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Consecutive failures of each resource. Bounded by the number of resources.
pub(super) type Failures = HashMap<ObjectRef<Guarded>, u32>;

const BACKOFF_MIN: Duration = Duration::from_secs(1);
const BACKOFF_MAX: Duration = Duration::from_secs(60);
const RESYNC: Duration = Duration::from_secs(600);

/// Time until a resource that is as it should be is looked at again; `random` is in `0..1`.
pub(super) fn resync(random: f64) -> Duration {
    RESYNC.mul_f64(1.0 - random / 5.0)
}

/// Time until a resource that failed `failures` times in a row is tried again; `random` is in `0..1`.
fn backoff(failures: u32, random: f64) -> Duration {
    let full = BACKOFF_MIN
        .saturating_mul(2u32.saturating_pow(failures.saturating_sub(1)))
        .min(BACKOFF_MAX);
    full.mul_f64(1.0 - random / 2.0)
}

/// Counts a failure of `object` and returns the time until it is tried again.
pub(super) fn after_failure(
    failures: &Mutex<Failures>,
    object: ObjectRef<Guarded>,
    known: &Store<Guarded>,
    random: f64,
) -> Duration {
    let mut failures = failures.lock().unwrap_or_else(PoisonError::into_inner);
    failures.retain(|other, _| known.get(other).is_some());
    let count = failures.entry(object).or_default();
    *count = count.saturating_add(1);
    backoff(*count, random)
}

/// Forgets the failures of `object` after a success.
pub(super) fn forget(failures: &Mutex<Failures>, object: &ObjectRef<Guarded>) {
    failures
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .remove(object);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_doubles_up_to_a_minute_and_is_spread_over_its_upper_half() {
        let check = |failures, random, expected| {
            assert_eq!(
                backoff(failures, random),
                Duration::from_millis(expected),
                "{failures} {random}"
            );
        };
        check(1, 0.0, 1_000);
        check(2, 0.0, 2_000);
        check(3, 0.0, 4_000);
        check(3, 0.5, 3_000);
        check(3, 1.0, 2_000);
        check(7, 0.0, 60_000);
        check(u32::MAX, 0.0, 60_000);
    }
}
