//! The operator's own log: JSON lines on stderr, constant messages with fields.

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};

/// Logs what is at least as severe as `level`; libraries speak from warnings on, whatever the level.
pub fn start(level: LevelFilter) -> Result<(), TryInitError> {
    let libraries = level.min(LevelFilter::WARN);
    let targets = Targets::new()
        .with_default(libraries)
        .with_target("logship_operator", level);
    let lines = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_writer(std::io::stderr);
    tracing_subscriber::registry()
        .with(targets)
        .with(lines)
        .try_init()
}
