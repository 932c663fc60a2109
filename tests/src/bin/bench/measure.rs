//! One measurement each: start the shipper in a place of its own, let it do one thing, read what it used.

use crate::arrived::Arrived;
use crate::input::{self, Content, FILE_NAME};
use crate::scenario::{Programs, Scenario};
use crate::sink::Sink;
use crate::usage::Usage;
use anyhow::{Context, Result, ensure};
use inotify::{Inotify, WatchMask};
use logship_tests::peers::process::{Process, free_port};
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;
use tokio::time::{Instant, interval, sleep};

/// A sink that got nothing for so long is looked at: all may have arrived.
const QUIET: Duration = Duration::from_millis(500);
/// A shipper from which no new line comes for so long has failed.
const STALLED: Duration = Duration::from_secs(60);
/// How long a shipper has nothing to do before its memory is read.
const IDLE: Duration = Duration::from_secs(5);
/// How long a paced writer writes before the clock starts.
const PACED_WARM_UP: Duration = Duration::from_secs(3);
/// How long it writes while the clock runs.
const PACED: Duration = Duration::from_secs(20);
/// Between two writes of a paced writer.
const PACE: Duration = Duration::from_millis(10);
/// Between two looks at what happens within milliseconds.
const GLANCE: Duration = Duration::from_micros(100);

/// What all measurements share.
#[derive(Debug)]
pub struct Bench {
    /// What is run, and where.
    pub programs: Programs,
    /// Where inputs are kept from run to run.
    pub inputs: PathBuf,
    /// Length of the inputs.
    pub lines: usize,
}

/// One pass over an input.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Throughput {
    /// User and system time of the shipper.
    pub cpu: Duration,
    /// From its start to the arrival of the last payload.
    pub wall: Duration,
    /// Lines that arrived; all of them, each at least once.
    pub lines: usize,
    /// Lines that arrived more than once.
    pub repeated: usize,
    /// Bytes of the bodies as they were sent.
    pub sent_bytes: usize,
    /// What these bytes were before compression.
    pub decoded_bytes: usize,
    /// The most memory that the shipper had.
    pub rss_bytes_max: u64,
}

impl Throughput {
    /// The figure that is compared: it depends least on what else the machine does.
    pub fn lines_per_cpu_second(&self) -> f64 {
        as_f64(self.lines) / self.cpu.as_secs_f64()
    }
}

/// A shipper at work; it ends with its handle.
struct Run {
    process: Process,
    started: Instant,
}

impl Run {
    fn start(bench: &Bench, scenario: &Scenario, directory: &Path, port: u16) -> Result<Self> {
        let place = tempfile::tempdir()?;
        let command = scenario.command(&bench.programs, place.path(), directory, port)?;
        let started = Instant::now();
        let process = Process::start(scenario.shipper.name(), place, &command)?;
        Ok(Self { process, started })
    }

    fn usage(&self) -> Result<Usage> {
        let process = self.process.id().context("the shipper was stopped")?;
        Usage::of(process).with_context(|| format!("the shipper ended; it said: {}", self.process.said()))
    }
}

/// Lets the shipper read the whole input; succeeds only when every line of it arrived.
///
/// # Errors
/// When lines are missing, or the shipper ends.
pub async fn throughput(bench: &Bench, scenario: &Scenario) -> Result<Throughput> {
    let input = input::file(&bench.inputs, scenario.input, bench.lines)?;
    // Into the page cache: the disk is not what is compared.
    std::io::copy(&mut File::open(&input)?, &mut std::io::sink())?;
    let sink = Sink::start(scenario.wire).await?;
    let run = Run::start(
        bench,
        scenario,
        input.parent().context("an input without a folder")?,
        sink.port,
    )?;
    let mut arrived = Arrived::new(bench.lines);
    let mut sent_bytes = 0;
    let (mut last, mut looked, mut progress) = (run.started, run.started, run.started);
    loop {
        sleep(QUIET / 10).await;
        let usage = run.usage()?;
        // A look costs the sink's core some time, so it waits for the end, unless that is far away.
        if sink.quiet().is_some_and(|quiet| quiet > QUIET) || looked.elapsed() > STALLED / 2 {
            looked = Instant::now();
            let before = arrived.distinct();
            for payload in sink.payloads() {
                arrived.take(&payload.encoding, &payload.bytes)?;
                sent_bytes += payload.bytes.len();
                last = last.max(payload.at);
            }
            if arrived.distinct() > before {
                progress = looked;
            }
        }
        if arrived.is_complete() {
            return Ok(Throughput {
                cpu: usage.cpu,
                wall: last - run.started,
                lines: bench.lines,
                repeated: arrived.mentions().saturating_sub(scenario.mentions * bench.lines),
                sent_bytes,
                decoded_bytes: arrived.decoded_bytes(),
                rss_bytes_max: usage.rss_bytes_max,
            });
        }
        ensure!(
            progress.elapsed() < STALLED,
            "only {} of {} lines arrived; the shipper said: {}",
            arrived.distinct(),
            bench.lines,
            run.process.said()
        );
    }
}

/// Resident memory of a shipper that watches an empty directory.
///
/// # Errors
/// When the shipper ends.
pub async fn idle(bench: &Bench, scenario: &Scenario) -> Result<u64> {
    let sink = Sink::start(scenario.wire).await?;
    let directory = tempfile::tempdir()?;
    let run = Run::start(bench, scenario, directory.path(), sink.port)?;
    sleep(IDLE).await;
    Ok(run.usage()?.rss_bytes)
}

/// The most memory of a shipper whose sink is away while the whole input waits: until it has read what it wants to.
///
/// # Errors
/// When the shipper ends.
pub async fn outage(bench: &Bench, scenario: &Scenario) -> Result<u64> {
    let input = input::file(&bench.inputs, scenario.input, bench.lines)?;
    let run = Run::start(
        bench,
        scenario,
        input.parent().context("an input without a folder")?,
        free_port()?,
    )?;
    let mut before = Duration::ZERO;
    loop {
        sleep(IDLE).await;
        let usage = run.usage()?;
        // At rest: less than a twentieth of a core.
        if usage.cpu.saturating_sub(before) < IDLE / 20 || run.started.elapsed() > STALLED {
            return Ok(usage.rss_bytes_max);
        }
        before = usage.cpu;
    }
}

/// From the start of the program to its first read of a file that was there before, as the kernel tells it.
///
/// # Errors
/// When it does not read.
pub fn first_read(bench: &Bench, scenario: &Scenario) -> Result<Duration> {
    let directory = directory_with(scenario.input, 0..1)?;
    let mut reads = Inotify::init().context("failed to ask for the reads of a file")?;
    reads
        .watches()
        .add(directory.path().join(FILE_NAME), WatchMask::ACCESS)?;
    let run = Run::start(bench, scenario, directory.path(), free_port()?)?;
    while run.started.elapsed() < STALLED {
        match reads.read_events(&mut [0; 1024]) {
            Ok(_) => return Ok(run.started.elapsed()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => std::thread::sleep(GLANCE),
            Err(error) => return Err(error).context("failed to learn of the reads of a file"),
        }
        run.usage()?;
    }
    anyhow::bail!("nothing was read; the shipper said: {}", run.process.said())
}

/// From the start of the program to the arrival of a line that was there before.
///
/// # Errors
/// When it does not arrive.
pub async fn first_line(bench: &Bench, scenario: &Scenario) -> Result<Duration> {
    let sink = Sink::start(scenario.wire).await?;
    let directory = directory_with(scenario.input, 0..1)?;
    let run = Run::start(bench, scenario, directory.path(), sink.port)?;
    while run.started.elapsed() < STALLED {
        if let Some(payload) = sink.payloads().first() {
            return Ok(payload.at - run.started);
        }
        run.usage()?;
        sleep(PACE).await;
    }
    anyhow::bail!(
        "the first line did not arrive; the shipper said: {}",
        run.process.said()
    )
}

/// The share of a core that the shipper takes while an application writes so many lines a second.
///
/// # Errors
/// When a line does not arrive.
pub async fn cpu_at(bench: &Bench, scenario: &Scenario, lines_per_second: usize) -> Result<f64> {
    let sink = Sink::start(scenario.wire).await?;
    let directory = directory_with(scenario.input, 0..1)?;
    let run = Run::start(bench, scenario, directory.path(), sink.port)?;
    let mut file = File::options()
        .append(true)
        .open(directory.path().join(FILE_NAME))?;
    let seconds = |duration: Duration| usize::try_from(duration.as_secs());
    let warm = 1 + lines_per_second * seconds(PACED_WARM_UP)?;
    let end = warm + lines_per_second * seconds(PACED)?;
    write_paced(&mut file, scenario.input, 1..warm, lines_per_second).await?;
    let (before, since) = (run.usage()?, Instant::now());
    write_paced(&mut file, scenario.input, warm..end, lines_per_second).await?;
    let share = run.usage()?.cpu.saturating_sub(before.cpu).as_secs_f64() / since.elapsed().as_secs_f64();
    let mut arrived = Arrived::new(end);
    let written = Instant::now();
    while !arrived.is_complete() {
        ensure!(
            written.elapsed() < STALLED,
            "only {} of {end} lines arrived",
            arrived.distinct()
        );
        sleep(PACE).await;
        for payload in sink.payloads() {
            arrived.take(&payload.encoding, &payload.bytes)?;
        }
    }
    Ok(share)
}

async fn write_paced(
    file: &mut File,
    content: Content,
    lines: Range<usize>,
    lines_per_second: usize,
) -> Result<()> {
    let lines_at_once = lines_per_second / (1_000 / usize::try_from(PACE.as_millis())?);
    let mut ticks = interval(PACE);
    for first in lines.clone().step_by(lines_at_once) {
        ticks.tick().await;
        let text: String = (first..lines.end.min(first + lines_at_once))
            .map(|number| content.line(number))
            .collect();
        file.write_all(text.as_bytes())?;
    }
    Ok(())
}

fn directory_with(content: Content, lines: Range<usize>) -> Result<TempDir> {
    let directory = tempfile::tempdir()?;
    let text: String = lines.map(|number| content.line(number)).collect();
    fs::write(directory.path().join(FILE_NAME), text)?;
    Ok(directory)
}

#[expect(clippy::cast_precision_loss, reason = "counts of a bench are far below 2^52")]
fn as_f64(count: usize) -> f64 {
    count as f64
}
