//! Which records a step is about: those of its sources for which its `when` is true.

use super::Origin;
use super::when::{Undefined, When};
use crate::record::Record;

/// The `when` of a step, or none.
pub(super) struct Condition(Option<When>);

/// The sources of a step.
pub(super) struct Sources(Option<Box<[bool]>>);

impl Condition {
    /// Of a step that is about every record.
    pub(super) const ALWAYS: Self = Self(None);

    pub(super) fn new(when: When) -> Self {
        Self(Some(when))
    }

    pub(super) fn concerns(&self, origin: Origin<'_>, record: &Record<'_>) -> Result<bool, Undefined> {
        let Self(when) = self;
        when.as_ref()
            .map_or(Ok(true), |when| when.evaluate(record, origin.labels))
    }
}

impl Sources {
    /// Of a step that is about every source.
    pub(super) const ALL: Self = Self(None);

    /// By index of the source, whether the step is about it.
    pub(super) fn only(which: Vec<bool>) -> Self {
        Self(Some(which.into()))
    }

    pub(super) fn contain(&self, source: usize) -> bool {
        let Self(which) = self;
        which
            .as_ref()
            .is_none_or(|which| which.get(source).copied().unwrap_or_default())
    }
}
