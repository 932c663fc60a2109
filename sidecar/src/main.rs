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
        Command::Run(args) => run(args),
        Command::Deadletters(args) => dead_letters(&args),
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

fn runtime() -> Result<tokio::runtime::Runtime, app::Error> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(app::Error::Runtime)
}

fn dead_letters(args: &logship::args::DeadLetters) -> Result<(), app::Error> {
    let mut out = std::io::stdout();
    if !args.resend {
        return app::dead_letters::list(args, &mut out);
    }
    let environment = std::env::vars().collect();
    runtime()?.block_on(app::dead_letters::resend(args, &environment, &mut out))
}

fn run(args: logship::args::Run) -> Result<(), app::Error> {
    let runtime = runtime()?;
    let result = runtime.block_on(app::run(args, std::env::vars().collect()));
    // A write that nobody reads must not keep the process.
    runtime.shutdown_background();
    result
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
