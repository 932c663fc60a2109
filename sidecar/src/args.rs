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
    /// One document (YAML or JSON), whose paths are what they say. Nothing is kept without --state-dir, and there is no
    /// administration without --admin-port.
    #[arg(long, conflicts_with = "config_dir")]
    pub config: Option<PathBuf>,
    /// Directory with one document for each resource.
    #[arg(long, default_value = names::CONFIG_PATH)]
    pub config_dir: PathBuf,
    /// Directory for checkpoints when there are documents; in a pod the volume that is mounted for it.
    #[arg(long)]
    pub state_dir: Option<PathBuf>,
    /// Port of /healthz, /metrics and /status; in a pod the usual one. 0: there is no administration.
    #[arg(long)]
    pub admin_port: Option<u16>,
    /// Directory of the token and the authority's certificate for the Kubernetes API; in a pod the usual one.
    #[arg(long, default_value = names::TOKEN_PATH)]
    pub token_dir: PathBuf,
    /// Read what is there to its end and exit: 0 when everything was acknowledged, 65 when a sink refused records for good, 69 when
    /// something could not be read or a sink made no progress for the drain time.
    #[arg(long)]
    pub once: bool,
}

impl Run {
    /// Where the administration listens, if it does.
    pub fn port(&self) -> Option<u16> {
        let usual = self.config.is_none().then_some(names::SIDECAR_ADMIN_PORT);
        self.admin_port.or(usual).filter(|port| *port != 0)
    }
}

impl Args {
    /// The command, `run` with its defaults when none was given.
    pub fn into_command(self) -> Command {
        self.command.unwrap_or_else(|| {
            Command::Run(Run {
                config: None,
                config_dir: names::CONFIG_PATH.into(),
                state_dir: None,
                admin_port: None,
                token_dir: names::TOKEN_PATH.into(),
                once: false,
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn administration_has_the_usual_port_in_a_pod_and_none_where_nobody_wants_one() {
        let check = |arguments: &[&str], expected| {
            let arguments = ["logship", "run"].iter().chain(arguments);
            let Command::Run(run) = Args::parse_from(arguments).into_command() else {
                panic!("another command");
            };
            assert_eq!(run.port(), expected, "{run:?}");
        };
        check(&[], Some(names::SIDECAR_ADMIN_PORT));
        check(&["--admin-port=8080"], Some(8080));
        check(&["--admin-port=0"], None);
        check(&["--config=a.yaml"], None);
    }
}
