//! The operator's binary: arguments, log, then [`app::run`]. Exit codes: 0 after a clean stop, 1 when something failed, 2
//! for a bad command line.

use clap::Parser as _;
use logship_operator::args::Args;
use logship_operator::{app, telemetry};
use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    let started = telemetry::start(args.log_level).map_err(anyhow::Error::from);
    let ended = match started {
        Ok(()) => app::run(args).await,
        Err(error) => Err(error),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "the operator failed");
            ExitCode::FAILURE
        }
    }
}
