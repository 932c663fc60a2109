//! The command line of the sidecar.

use clap::Parser;
use logship::app;
use logship::args::{Args, Command};
use logship::io::terminal;
use std::io::IsTerminal;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let command = match Args::try_parse() {
        Ok(args) => args.into_command(),
        Err(error) => {
            // If nobody can be told, the exit code is all that is left.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 64 } else { 0 });
        }
    };
    start_log();
    let result = match command {
        Command::Check { file } => return check(&file),
        Command::Run(args) => app::start::run(args),
        Command::Deadletters(args) => app::start::dead_letters(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            describe(&error)
                .lines()
                .for_each(|line| tracing::error!("{line}"));
            ExitCode::from(error.exit_code())
        }
    }
}

/// JSON for machines, short lines for a terminal.
fn start_log() {
    let lines = tracing_subscriber::fmt()
        .with_target(false)
        .with_ansi(false)
        .with_writer(|| terminal::Stderr);
    if std::io::stderr().is_terminal() {
        lines.compact().without_time().init();
    } else {
        lines.json().flatten_event(true).init();
    }
}

#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the answer of `check` is for people at a terminal"
)]
fn check(file: &Path) -> ExitCode {
    match app::check(file) {
        Ok(()) => {
            println!("{}: OK", file.display());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{}", describe(&error));
            ExitCode::from(error.exit_code())
        }
    }
}

fn describe(error: &app::Error) -> String {
    let cause = std::error::Error::source(error)
        .map(|cause| format!(": {cause}"))
        .unwrap_or_default();
    format!("{error}{cause}")
}
