//! The figures as Markdown. Pure.

use crate::measure::Throughput;
use crate::scenario::{Scenario, Shipper};
use anyhow::Result;
use std::time::Duration;

/// What was measured, as far as it has been.
#[derive(Debug, Default)]
pub struct Figures {
    /// One for each scenario that ran: of its passes the one in the middle.
    pub throughput: Vec<(Scenario, Throughput)>,
    /// One for each shipper that ran.
    pub at_rest: Vec<(Shipper, AtRest)>,
    /// What could not be measured, and why.
    pub failures: Vec<String>,
}

/// What a shipper takes when there is little to do.
#[derive(Debug, Clone, Copy)]
pub struct AtRest {
    /// From the start of the program to its first read.
    pub first_read: Duration,
    /// From the start of the program to the first line at the sink.
    pub first_line: Duration,
    /// Memory with nothing to read.
    pub idle_rss_bytes: u64,
    /// Shares of a core at [`crate::RATES`] lines a second.
    pub cpu_at: [f64; 2],
    /// The most memory with the sink away and the whole input waiting.
    pub outage_rss_bytes_max: u64,
}

impl Figures {
    /// Keeps a figure, or why there is none: the others are worth having all the same.
    pub fn note<T>(&mut self, name: &str, measured: Result<T>, keep: impl FnOnce(&mut Self, T)) {
        match measured {
            Ok(figure) => keep(self, figure),
            Err(error) => self.failures.push(format!("{name}: {error:#}")),
        }
    }

    /// How many times faster than a peer: at the same input when the peer was measured with it, else at its first one.
    pub fn ratio(&self, scenario: &Scenario, figure: &Throughput, peer: Shipper) -> Option<f64> {
        let of_peer = || {
            self.throughput
                .iter()
                .filter(move |(other, _)| other.shipper == peer)
        };
        let same = of_peer().find(|(other, _)| other.input == scenario.input);
        let (_, peer) = same.or_else(|| of_peer().next())?;
        Some(figure.lines_per_cpu_second() / peer.lines_per_cpu_second())
    }
}

/// The whole report: machine, figures, how to get them again and the configurations that were measured.
pub fn markdown(machine: &str, command: &str, lines: usize, figures: &Figures) -> String {
    let mut text = format!(
        "# Bench\n\n{machine}\n\n`{command}`: {lines} lines each, one core for the shipper, another one for the sink, checkpoints on. \
         A scenario counts only when every line arrived.\n\n"
    );
    text += &throughput_table(figures);
    text += "\n![lines per CPU second](throughput.svg)\n\n";
    text += "\n![peak memory](memory.svg)\n\n";
    if !figures.at_rest.is_empty() {
        text += &at_rest_table(figures);
    }
    for failure in &figures.failures {
        text += "\nNot measured: ";
        text += failure;
        text += "\n";
    }
    text += "\n## Configurations\n\n";
    let configured: Vec<String> = figures
        .throughput
        .iter()
        .map(|(scenario, _)| {
            format!(
                "* {}: `tests/bench/configurations/{}`\n",
                scenario.name(),
                scenario.file
            )
        })
        .collect();
    text += &configured.concat();
    text
}

/// Lines per CPU second and what goes with it.
pub fn throughput_table(figures: &Figures) -> String {
    let mut text = String::from(
        "| shipper | input | task | lines/CPU s | × Collector | × Filebeat | × rsyslog | CPU s | wall s | peak RSS MiB | sent MB | of MB | repeated |\n\
         | --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n",
    );
    for (scenario, figure) in &figures.throughput {
        let ratio = |peer| {
            figures
                .ratio(scenario, figure, peer)
                .map_or_else(|| "–".to_owned(), |ratio| format!("{ratio:.2}"))
        };
        let row = format!(
            "| {} | {} | {} | {:.0} | {} | {} | {} | {:.2} | {:.2} | {:.1} | {:.1} | {:.1} | {} |\n",
            scenario.shipper.name(),
            scenario.input.name(),
            scenario.task,
            figure.lines_per_cpu_second(),
            ratio(Shipper::Collector),
            ratio(Shipper::Filebeat),
            ratio(Shipper::Rsyslog),
            figure.cpu.as_secs_f64(),
            figure.wall.as_secs_f64(),
            mib(figure.rss_bytes_max),
            megabytes(figure.sent_bytes),
            megabytes(figure.decoded_bytes),
            figure.repeated,
        );
        text += &row;
    }
    text
}

/// What the shippers take when there is little to do.
pub fn at_rest_table(figures: &Figures) -> String {
    let [slow, fast] = crate::RATES;
    let mut text = format!(
        "| shipper | start → first byte read ms | first line at the sink ms | idle RSS MiB | CPU at {slow} lines/s | at {fast} lines/s | peak RSS, sink away, MiB |\n\
         | --- | ---: | ---: | ---: | ---: | ---: | ---: |\n",
    );
    for (shipper, figure) in &figures.at_rest {
        let row = format!(
            "| {} | {:.1} | {} | {:.1} | {:.2} % | {:.2} % | {:.1} |\n",
            shipper.name(),
            figure.first_read.as_secs_f64() * 1_000.0,
            figure.first_line.as_millis(),
            mib(figure.idle_rss_bytes),
            figure.cpu_at[0] * 100.0,
            figure.cpu_at[1] * 100.0,
            mib(figure.outage_rss_bytes_max),
        );
        text += &row;
    }
    text
}

/// Mebibytes, as memory is counted.
#[expect(
    clippy::cast_precision_loss,
    reason = "memory of a process is far below 2^52 bytes"
)]
pub fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// Millions of bytes, as traffic is counted.
#[expect(
    clippy::cast_precision_loss,
    reason = "what a bench sends is far below 2^52 bytes"
)]
fn megabytes(bytes: usize) -> f64 {
    bytes as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::SCENARIOS;

    fn figure(cpu_ms: u64) -> Throughput {
        Throughput {
            cpu: Duration::from_millis(cpu_ms),
            wall: Duration::from_secs(2),
            lines: 1_000_000,
            repeated: 0,
            sent_bytes: 50_000_000,
            decoded_bytes: 300_000_000,
            rss_bytes_max: 10 << 20,
        }
    }

    fn first(shipper: Shipper) -> Scenario {
        *SCENARIOS
            .iter()
            .find(|scenario| scenario.shipper == shipper)
            .unwrap()
    }

    #[test]
    fn compares_with_the_peers_that_were_measured() {
        let figures = Figures {
            throughput: vec![
                (first(Shipper::Logship), figure(1_000)),
                (first(Shipper::Collector), figure(15_000)),
            ],
            ..Figures::default()
        };
        let table = throughput_table(&figures);
        assert!(
            table.contains("| 1000000 | 15.00 | – | – | 1.00 | 2.00 | 10.0 | 50.0 | 300.0 | 0 |"),
            "{table}"
        );
    }

    #[test]
    fn one_failure_does_not_take_the_other_figures_with_it() {
        let mut figures = Figures::default();
        let ours = first(Shipper::Logship);
        figures.note("ours", Ok(figure(1_000)), |figures, figure| {
            figures.throughput.push((ours, figure));
        });
        figures.note(
            "theirs",
            Err(anyhow::anyhow!("only 1 of 2 lines arrived")),
            |_, (): ()| {},
        );
        let report = markdown("machine", "command", 2, &figures);
        assert!(
            report.contains("| 1000000 |") && report.contains("Not measured: theirs: only 1 of 2"),
            "{report}"
        );
    }
}
