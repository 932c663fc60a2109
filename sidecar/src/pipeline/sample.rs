//! Keeps a share of the records. The generator is seeded, so a run can be repeated.

use super::Origin;
use super::condition::Condition;
use super::steps::Check;
use super::when::Undefined;
use crate::record::Record;
use logship_crd::agent_config::SampleStep;

pub(super) struct Sample {
    rate: f64,
    when: Condition,
}

impl Sample {
    pub(super) fn compile(step: &SampleStep, check: &mut Check<'_>) -> Option<Self> {
        let when = check.condition("sample.when", step.when.as_deref());
        let rate = step.rate;
        if !(0.0..=1.0).contains(&rate) {
            let remedy = "write the share of the records that is kept, for example 0.1";
            check.mistake("sample.rate", &rate.to_string(), "not from 0 to 1", remedy);
            return None;
        }
        Some(Self { rate, when: when? })
    }

    pub(super) fn drops(
        &self,
        origin: Origin<'_>,
        record: &Record<'_>,
        random: &mut fastrand::Rng,
    ) -> Result<bool, Undefined> {
        // The generator gives 0 to below 1: a rate of 1 keeps all, one of 0 none.
        Ok(self.when.concerns(origin, record)? && random.f64() >= self.rate)
    }
}
