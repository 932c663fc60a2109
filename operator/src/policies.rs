//! The in-memory index that the webhook reads: resources by namespace, labels of namespaces, and what the nodes allow.
//!
//! It promises that a read never waits for the network: writers (watches and the reconciler) replace values, readers take
//! a snapshot.

use logship_crd::v1alpha1::LogShippingSpec;

/// A `LogShipping` as the webhook sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// Name of the resource.
    pub name: String,
    /// What it asks for.
    pub spec: LogShippingSpec,
    /// Whether pods can be injected because of it.
    pub readiness: Readiness,
}

/// Whether pods can be injected because of a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Readiness {
    /// Its objects were applied for this generation of its spec, or for an older one that needs the same objects.
    Ready,
    /// Its objects were not applied yet.
    Pending,
    /// It cannot be carried out; the text names field, value and remedy.
    Invalid(String),
}
