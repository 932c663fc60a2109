//! What happens to a record between its source and its sinks: pure steps, compiled once.

pub mod parse;
pub mod severity;
