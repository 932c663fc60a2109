//! The contract of logship: the `LogShipping` resource, every name that Kubernetes sees, the document
//! that the operator writes and the sidecar reads, and what the sidecar tells of it.
//!
//! This crate promises to be pure: it names no client, no runtime and no I/O, so that everything which
//! depends on it can be tested without a cluster.
//!
//! The resource is behind the feature `resource`: its types need kube and k8s-openapi, which the sidecar does without.
#![warn(missing_docs)]

pub mod agent_config;
pub mod names;
pub mod report;
pub mod types;
#[cfg(feature = "resource")]
pub mod v1alpha1;
