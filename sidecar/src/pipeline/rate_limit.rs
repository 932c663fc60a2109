//! Keeps at most so many records a second: a token bucket that is exact at any rate.

use super::Origin;
use super::condition::Condition;
use super::steps::Check;
use super::when::Undefined;
use crate::engine::Tick;
use crate::record::Record;
use logship_crd::agent_config::RateLimitStep;

/// Parts of a token, so that a nanosecond at one record a second is a whole number of them.
const TOKEN: u128 = 1_000_000_000;

/// At most so many, as tokens of a bucket.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rate {
    /// In the long run.
    pub per_second: u32,
    /// At once after a pause.
    pub burst: u32,
}

pub(super) struct RateLimit {
    rate: Rate,
    when: Condition,
}

/// What a [`Rate`] has left.
#[derive(Debug, Default)]
pub(crate) struct Bucket {
    /// In parts of a token.
    content: u128,
    /// When it was last filled. Never goes back.
    filled: Tick,
}

impl RateLimit {
    pub(super) fn compile(step: &RateLimitStep, check: &mut Check<'_>) -> Option<Self> {
        let when = check.condition("rateLimit.when", step.when.as_deref());
        let burst = step.burst.unwrap_or(step.per_second);
        let mut usable = true;
        for (field, value) in [("perSecond", Some(step.per_second)), ("burst", step.burst)] {
            if value == Some(0) {
                usable = false;
                let field = format!("rateLimit.{field}");
                check.mistake(&field, "0", "keeps no record", "write at least 1, or use drop");
            }
        }
        Some(Self {
            rate: Rate {
                per_second: step.per_second,
                burst,
            },
            when: when.filter(|_| usable)?,
        })
    }

    pub(super) fn bucket(&self) -> Bucket {
        self.rate.bucket()
    }

    pub(super) fn drops(
        &self,
        bucket: &mut Bucket,
        now: Tick,
        origin: Origin<'_>,
        record: &Record<'_>,
    ) -> Result<bool, Undefined> {
        Ok(self.when.concerns(origin, record)? && !self.rate.take(bucket, now))
    }
}

impl Rate {
    /// A full one.
    pub(crate) fn bucket(self) -> Bucket {
        Bucket {
            content: u128::from(self.burst) * TOKEN,
            filled: Tick::ZERO,
        }
    }

    /// Whether there is a token for one more, which is then taken.
    pub(crate) fn take(self, bucket: &mut Bucket, now: Tick) -> bool {
        let elapsed = now.saturating_sub(bucket.filled).as_nanos();
        bucket.filled = bucket.filled.max(now);
        // 2^94 nanoseconds at most times 2^32 a second: no overflow.
        let content = bucket.content + elapsed * u128::from(self.per_second);
        bucket.content = content.min(u128::from(self.burst) * TOKEN);
        let has_token = bucket.content >= TOKEN;
        if has_token {
            bucket.content -= TOKEN;
        }
        has_token
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    proptest! {
        /// In no stretch of time are more records kept than the burst and what the rate gives in it, and a clock that goes
        /// back gives nothing.
        #[test]
        fn no_stretch_of_time_has_more_than_the_rate(
            per_second in 1u32..50,
            burst in 1u32..20,
            steps in proptest::collection::vec(0u64..200, 1..200),
            backward in any::<bool>(),
        ) {
            let limit = Rate { per_second, burst };
            let mut bucket = limit.bucket();
            let mut now = Duration::ZERO;
            let mut kept = Vec::new();
            for step in steps {
                now += Duration::from_millis(step);
                if limit.take(&mut bucket, now) {
                    kept.push(now);
                }
                if backward {
                    let before = bucket.content;
                    limit.take(&mut bucket, Duration::ZERO);
                    prop_assert!(bucket.content <= before);
                }
            }
            for (index, start) in kept.iter().enumerate() {
                for (earlier, end) in kept[index..].iter().enumerate() {
                    let stretch = end.saturating_sub(*start);
                    let allowed = u128::from(burst) * TOKEN + stretch.as_nanos() * u128::from(per_second);
                    let count = earlier + 1;
                    prop_assert!(count as u128 * TOKEN <= allowed, "{count} in {stretch:?}");
                }
            }
        }

        /// Who stays within the rate loses nothing.
        #[test]
        fn a_steady_stream_within_the_rate_passes(per_second in 1u32..1000) {
            let limit = Rate { per_second, burst: 1 };
            let mut bucket = limit.bucket();
            let pause = Duration::from_nanos(1_000_000_000u64.div_ceil(u64::from(per_second)));
            for number in 0..100 {
                prop_assert!(limit.take(&mut bucket, pause * number));
            }
        }
    }
}
