//! What the operator counts. Labels come from enums only: never names, uids or texts of other people's objects.

use crate::inject::SkipReason;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder, text};
use prometheus_client::metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram};
use prometheus_client::registry::Registry;
use std::fmt::Write as _;

/// How an admission review ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReviewResult {
    /// The pod got the sidecar.
    Injected,
    /// The pod was left alone, for a [`SkipReason`].
    Skipped,
    /// The review could not be carried out.
    Error,
}

impl EncodeLabelValue for ReviewResult {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> std::fmt::Result {
        encoder.write_str(match self {
            Self::Injected => "injected",
            Self::Skipped => "skipped",
            Self::Error => "error",
        })
    }
}

impl EncodeLabelValue for SkipReason {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> std::fmt::Result {
        encoder.write_str(self.reason())
    }
}

/// How a reconciliation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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

impl EncodeLabelValue for Reconciled {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> std::fmt::Result {
        encoder.write_str(match self {
            Self::Applied => "applied",
            Self::Invalid => "invalid",
            Self::Malformed => "malformed",
            Self::Failed => "failed",
        })
    }
}

/// What came of asking a sidecar which configuration it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Asked {
    /// It answered.
    Answered,
    /// There was no connection.
    Unreachable,
    /// There was no report, or one of another pod.
    NoReport,
}

impl EncodeLabelValue for Asked {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> std::fmt::Result {
        encoder.write_str(match self {
            Self::Answered => "answered",
            Self::Unreachable => "unreachable",
            Self::NoReport => "no_report",
        })
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AskedLabels {
    result: Asked,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReviewLabels {
    result: ReviewResult,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SkipLabels {
    reason: SkipReason,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReconcileLabels {
    result: Reconciled,
}

/// Every metric of the operator, registered.
#[derive(Debug)]
pub struct Metrics {
    reviews: Family<ReviewLabels, Counter>,
    skips: Family<SkipLabels, Counter>,
    reconciles: Family<ReconcileLabels, Counter>,
    asked: Family<AskedLabels, Counter>,
    /// Time inside the webhook, from the request's head to the answer.
    pub admission_duration: Histogram,
    /// Last moment of the served certificate, in seconds since the epoch.
    pub certificate_expiry: Gauge,
    /// 1 on the replica that leads.
    pub leader: Gauge,
    /// Times that a server had as many connections as allowed, so that others had to wait.
    pub connections_full: Counter,
    registry: Registry,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            reviews: Family::default(),
            skips: Family::default(),
            reconciles: Family::default(),
            asked: Family::default(),
            admission_duration: Histogram::new([
                0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.1, 0.5, 2.0,
            ]),
            certificate_expiry: Gauge::default(),
            leader: Gauge::default(),
            connections_full: Counter::default(),
            registry: Registry::with_prefix("logship"),
        };
        metrics.register();
        metrics
    }
}

impl Metrics {
    fn register(&mut self) {
        // A counter that starts at zero shows its first increase as one.
        for reason in SkipReason::ALL {
            self.skips.get_or_create(&SkipLabels { reason }).inc_by(0);
        }
        let registry = &mut self.registry;
        registry.register(
            "admission_reviews",
            "Admission reviews by result",
            self.reviews.clone(),
        );
        registry.register(
            "admission_skips",
            "Pods left alone, by reason",
            self.skips.clone(),
        );
        registry.register("reconciles", "Reconciliations by result", self.reconciles.clone());
        registry.register(
            "sidecar_questions",
            "Questions to sidecars which configuration they run, by result",
            self.asked.clone(),
        );
        registry.register(
            "admission_duration_seconds",
            "Time from the head of a review to its answer",
            self.admission_duration.clone(),
        );
        registry.register(
            "webhook_certificate_expiry_timestamp_seconds",
            "Last moment of the served certificate",
            self.certificate_expiry.clone(),
        );
        registry.register("leader", "1 on the replica that leads", self.leader.clone());
        registry.register(
            "connections_full",
            "Times that as many connections as allowed were open",
            self.connections_full.clone(),
        );
    }

    /// Counts an answered review.
    pub fn count_review(&self, result: ReviewResult) {
        self.reviews.get_or_create(&ReviewLabels { result }).inc();
    }

    /// Counts a pod that was left alone.
    pub fn count_skip(&self, reason: SkipReason) {
        self.skips.get_or_create(&SkipLabels { reason }).inc();
    }

    /// Counts a reconciliation.
    pub fn count_reconcile(&self, result: Reconciled) {
        self.reconciles.get_or_create(&ReconcileLabels { result }).inc();
    }

    /// Counts a question to a sidecar.
    pub fn count_question(&self, result: Asked) {
        self.asked.get_or_create(&AskedLabels { result }).inc();
    }

    /// The text for Prometheus (`OpenMetrics` 1.0).
    #[expect(clippy::missing_panics_doc, reason = "writing to a String cannot fail")]
    pub fn text(&self) -> String {
        let mut text = String::new();
        text::encode(&mut text, &self.registry).expect("writing to a String cannot fail");
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_the_names_of_the_enums() {
        let metrics = Metrics::default();
        metrics.count_review(ReviewResult::Skipped);
        metrics.count_skip(SkipReason::HostNetwork);
        let text = metrics.text();
        assert!(
            text.contains("logship_admission_reviews_total{result=\"skipped\"} 1"),
            "{text}"
        );
        assert!(
            text.contains("logship_admission_skips_total{reason=\"HostNetwork\"} 1"),
            "{text}"
        );
        assert!(
            text.contains("# TYPE logship_admission_duration_seconds histogram"),
            "{text}"
        );
    }
}
