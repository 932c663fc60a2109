//! The bench: this sidecar and what people use today on the same input, each on one core, to the same kind of sink, in one run.
//!
//! `tests/bench/run` builds everything and starts it; `tests/bench/README.md` says how to read the figures.

mod arrived;
mod chart;
mod input;
mod measure;
mod report;
mod scenario;
mod sink;
mod usage;

use anyhow::{Context, Result, ensure};
use chart::Bar;
use clap::Parser;
use measure::{Bench, Throughput};
use report::{AtRest, Figures};
use scenario::{Programs, SCENARIOS, Scenario};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Lines a second of the paced writer.
const RATES: [usize; 2] = [1_000, 10_000];

/// Starts of each shipper; the one in the middle counts.
const STARTS: usize = 5;

/// Measures the sidecar beside its peers.
#[derive(Debug, Parser)]
struct Args {
    /// Lines of each input.
    #[arg(long, default_value_t = 1_000_000)]
    lines: usize,
    /// Passes of each scenario; the one in the middle counts.
    #[arg(long, default_value_t = 3)]
    repeat: usize,
    /// Only scenarios with this in their name.
    #[arg(long, default_value = "")]
    only: String,
    /// Leave out what takes its time with little to do: memory at rest, paced writers, an outage.
    #[arg(long)]
    throughput_only: bool,
    /// Folder of the report.
    #[arg(long, default_value = "target/bench")]
    out: PathBuf,
    /// Release build of the sidecar.
    #[arg(long)]
    logship: PathBuf,
    /// The Collector.
    #[arg(long)]
    collector: PathBuf,
    /// Filebeat.
    #[arg(long)]
    filebeat: PathBuf,
    /// Core of the shippers.
    #[arg(long)]
    core: usize,
    /// The machine, for the report.
    #[arg(long)]
    machine: String,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let args = Args::parse();
    ensure!(args.repeat > 0 && args.lines > 0, "nothing to measure");
    let inputs = args.out.join("inputs");
    fs::create_dir_all(&inputs).with_context(|| format!("failed to create {}", inputs.display()))?;
    let bench = Bench {
        programs: Programs {
            logship: args.logship,
            collector: args.collector,
            filebeat: args.filebeat,
            core: args.core,
        },
        inputs: inputs.canonicalize()?,
        lines: args.lines,
    };
    let chosen: Vec<&Scenario> = SCENARIOS
        .iter()
        .filter(|scenario| scenario.name().contains(&args.only))
        .collect();
    ensure!(!chosen.is_empty(), "no scenario has {:?} in its name", args.only);

    let mut figures = Figures::default();
    for scenario in &chosen {
        let measured = middle_throughput(&bench, scenario, args.repeat).await;
        figures.note(&scenario.name(), measured, |figures, figure| {
            figures.throughput.push((**scenario, figure));
        });
    }
    for scenario in firsts(&chosen).into_iter().filter(|_| !args.throughput_only) {
        let measured = at_rest(&bench, scenario).await;
        figures.note(scenario.shipper.name(), measured, |figures, figure| {
            figures.at_rest.push((scenario.shipper, figure));
        });
    }

    let command = format!(
        "make bench ARGS='--lines {} --repeat {}'",
        args.lines, args.repeat
    );
    let report = report::markdown(&args.machine, &command, args.lines, &figures);
    write_report(&args.out, &report, &figures)?;
    std::io::stdout().write_all(report.as_bytes())?;
    say(&format!("written to {}", args.out.display()));
    ensure!(
        figures.failures.is_empty(),
        "{} measurements failed",
        figures.failures.len()
    );
    Ok(())
}

/// The first scenario of each shipper.
fn firsts<'a>(chosen: &[&'a Scenario]) -> Vec<&'a Scenario> {
    let mut firsts: Vec<&Scenario> = Vec::new();
    for scenario in chosen {
        if firsts.iter().all(|first| first.shipper != scenario.shipper) {
            firsts.push(scenario);
        }
    }
    firsts
}

async fn middle_throughput(bench: &Bench, scenario: &Scenario, passes: usize) -> Result<Throughput> {
    let mut measured = Vec::new();
    for pass in 1..=passes {
        say(&format!("{}: {pass} of {passes} …", scenario.name()));
        let figure = measure::throughput(bench, scenario).await?;
        say(&format!(
            "{}: {pass} of {passes}: {:.0} lines/CPU s, {:.2} s CPU, {:.2} s",
            scenario.name(),
            figure.lines_per_cpu_second(),
            figure.cpu.as_secs_f64(),
            figure.wall.as_secs_f64()
        ));
        measured.push(figure);
    }
    measured.sort_by_key(|figure| figure.cpu);
    Ok(measured[passes / 2])
}

async fn at_rest(bench: &Bench, scenario: &Scenario) -> Result<AtRest> {
    let name = scenario.shipper.name();
    say(&format!(
        "{name}: first read and line, memory at rest and while the sink is away …"
    ));
    let (mut first_reads, mut first_lines) = (Vec::new(), Vec::new());
    for _ in 0..STARTS {
        first_reads.push(measure::first_read(bench, scenario)?);
        first_lines.push(measure::first_line(bench, scenario).await?);
    }
    first_reads.sort();
    first_lines.sort();
    let idle_rss_bytes = measure::idle(bench, scenario).await?;
    let outage_rss_bytes_max = measure::outage(bench, scenario).await?;
    let mut cpu_at = [0.0; RATES.len()];
    for (share, rate) in cpu_at.iter_mut().zip(RATES) {
        say(&format!("{name}: {rate} lines a second …"));
        *share = measure::cpu_at(bench, scenario, rate).await?;
    }
    Ok(AtRest {
        first_read: first_reads[STARTS / 2],
        first_line: first_lines[STARTS / 2],
        idle_rss_bytes,
        cpu_at,
        outage_rss_bytes_max,
    })
}

fn write_report(folder: &Path, report: &str, figures: &Figures) -> Result<()> {
    let chart = |of: fn(&Throughput) -> f64| -> Vec<Bar> {
        let bar = |(scenario, figure): &(Scenario, Throughput)| Bar {
            label: scenario.name(),
            value: of(figure),
            is_ours: scenario.shipper == scenario::Shipper::Logship,
        };
        figures.throughput.iter().map(bar).collect()
    };
    let throughput = chart::bars("Lines per CPU second", &chart(Throughput::lines_per_cpu_second));
    let memory = chart::bars(
        "Peak memory at full speed, MiB",
        &chart(|figure| report::mib(figure.rss_bytes_max)),
    );
    for (name, text) in [
        ("bench.md", report),
        ("throughput.svg", &throughput),
        ("memory.svg", &memory),
    ] {
        fs::write(folder.join(name), text).with_context(|| format!("failed to write {name}"))?;
    }
    Ok(())
}

#[expect(clippy::print_stderr, reason = "progress of a command that people wait for")]
fn say(text: &str) {
    eprintln!(">> {text}");
}
