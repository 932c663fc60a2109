//! Commands that need a runtime, each on one of its own, to their end.
//!
//! They are not in `main.rs`, because a future is compiled once more in each crate that polls it: polled there, everything below
//! them would be twice in the program.

use super::{Error, dead_letters};
use crate::args::{DeadLetters, Run};
use std::io::stdout;
use tokio::runtime::{Builder, Runtime};

/// Ships until it is told to stop.
pub fn run(args: Run) -> Result<(), Error> {
    let runtime = runtime()?;
    let result = runtime.block_on(super::run(args, std::env::vars().collect()));
    // A write that nobody reads must not keep the process.
    runtime.shutdown_background();
    result
}

/// Lists dead letters, or sends them again.
pub fn dead_letters(args: &DeadLetters) -> Result<(), Error> {
    if !args.resend {
        return dead_letters::list(args, &mut stdout());
    }
    let environment = std::env::vars().collect();
    runtime()?.block_on(dead_letters::resend(args, &environment, &mut stdout()))
}

fn runtime() -> Result<Runtime, Error> {
    Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Error::Runtime)
}
