//! The operator of logship: one binary with two jobs, reconcile and admission.
//!
//! The webhook is served by every replica and reads the in-memory index of [`policies`] only; the controller runs on
//! the leader. What is decided is decided in pure modules ([`inject`], `controller/{validate,build}`,
//! `webhook/verdict`); what acts is wired in [`app`].

pub mod admin;
pub mod app;
pub mod args;
pub mod controller;
#[cfg(test)]
mod fixtures;
mod index;
pub mod inject;
pub mod lease;
pub mod metrics;
pub mod policies;
pub mod server;
pub mod telemetry;
pub mod webhook;
