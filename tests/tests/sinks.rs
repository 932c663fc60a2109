//! The sidecar's binary ships to real servers that we did not write: what they have afterwards is what was in the file, every record
//! exactly once, with its time, types, severity and origin.

mod sinks {
    pub mod input;
    pub mod loki;
    pub mod names;
    pub mod opensearch;
    pub mod otlp;
}
