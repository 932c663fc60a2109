//! Counters of reconciliations, for the metrics.

use std::sync::atomic::{AtomicU64, Ordering};

/// How a reconciliation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reconciled {
    /// Everything is as the resource says.
    Applied,
    /// The resource cannot be carried out; its conditions say why.
    Invalid,
    /// The resource could not be read.
    Malformed,
    /// The world failed; it is retried.
    Failed,
}

impl Reconciled {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Applied, Self::Invalid, Self::Malformed, Self::Failed];

    /// The value of the metric's label.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Invalid => "invalid",
            Self::Malformed => "malformed",
            Self::Failed => "failed",
        }
    }
}

/// Reconciliations since the start.
#[derive(Debug, Default)]
pub struct Outcomes([AtomicU64; 4]);

impl Outcomes {
    /// How many ended so.
    pub fn of(&self, reconciled: Reconciled) -> u64 {
        self.0[reconciled as usize].load(Ordering::Relaxed)
    }

    pub(super) fn count(&self, reconciled: Reconciled) {
        self.0[reconciled as usize].fetch_add(1, Ordering::Relaxed);
    }
}
