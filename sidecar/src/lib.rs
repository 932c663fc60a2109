//! The sidecar: ships container output and log files to many sinks.
//!
//! What it decides is in [`config`], [`engine`] and the encoders and verdicts of [`sink`], all of them free of clocks, files,
//! sockets and environment; [`driver`] performs it.

pub mod admin;
pub mod app;
pub mod args;
pub mod config;
pub mod display;
pub mod driver;
pub mod engine;
pub mod io;
pub mod metrics;
pub mod pipeline;
pub mod record;
pub mod roster;
pub mod sink;
pub mod source;
