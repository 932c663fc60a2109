//! The command line.

use clap::{Parser, Subcommand};
use logship_crd::names;
use std::path::PathBuf;

/// Ships container output and log files to many sinks.
#[derive(Debug, Parser)]
#[command(name = "logship", version)]
pub struct Args {
    /// What to do; `run` when nothing is said.
    #[command(subcommand)]
    command: Option<Command>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Ship, configured by documents or, without them, by environment variables.
    Run(Run),
    /// Validate a configuration document.
    Check {
        /// The document.
        file: PathBuf,
    },
    /// List the records that sinks refused for good, or send them again.
    Deadletters(DeadLetters),
}

/// Where `deadletters` finds things.
#[derive(Debug, Clone, clap::Args)]
pub struct DeadLetters {
    /// Directory of the dead-letter files.
    #[arg(long, default_value = names::STATE_PATH)]
    pub state_dir: PathBuf,
    /// Send the records again instead of listing them; what is refused once more is kept.
    #[arg(long)]
    pub resend: bool,
    /// Only those of this sink.
    #[arg(long, requires = "resend")]
    pub sink: Option<String>,
    /// Directory with the documents that say where sinks are.
    #[arg(long, default_value = names::CONFIG_PATH)]
    pub config_dir: PathBuf,
}

/// Where `run` finds and keeps things.
#[derive(Debug, Clone, clap::Args)]
pub struct Run {
    /// Directory with one document for each resource.
    #[arg(long, default_value = names::CONFIG_PATH)]
    pub config_dir: PathBuf,
    /// Directory for checkpoints when there are documents.
    #[arg(long, default_value = names::STATE_PATH)]
    pub state_dir: PathBuf,
    /// Port of /healthz, /metrics and /status.
    #[arg(long, default_value_t = names::SIDECAR_ADMIN_PORT)]
    pub admin_port: u16,
}

impl Args {
    /// The command, `run` with its defaults when none was given.
    pub fn into_command(self) -> Command {
        self.command.unwrap_or_else(|| {
            Command::Run(Run {
                config_dir: names::CONFIG_PATH.into(),
                state_dir: names::STATE_PATH.into(),
                admin_port: names::SIDECAR_ADMIN_PORT,
            })
        })
    }
}
