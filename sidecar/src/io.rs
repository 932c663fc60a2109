//! The edge: clocks, files, sockets and signals.

pub mod clock;
pub mod fs;
pub mod net;
pub mod notices;
pub mod secret;
pub mod signal;
pub mod terminal;
