//! `logship deadletters`: shows what sinks refused for good, and sends it again.

use super::Error;
use crate::args::DeadLetters;
use crate::config::{self, Config, Pipeline};
use crate::io::clock::Clock;
use crate::io::fs::{append_bounded, dead_letters};
use crate::sink::Transport;
use crate::sink::dead_letter::DeadLetter;
use crate::sink::verdict::Verdict;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

/// Lists the letters of every pipeline and sink, one a line.
pub fn list(args: &DeadLetters, out: &mut impl Write) -> Result<(), Error> {
    let mut any = false;
    for file in files(&args.state_dir)? {
        let Some((pipeline, sink)) = owner(&file) else {
            continue;
        };
        for line in lines(&file)? {
            any = true;
            let line = line.map_err(|error| Error::Read(file.clone(), error))?;
            print(out, &pipeline, &sink, &line).map_err(Error::Write)?;
        }
    }
    if !any {
        writeln!(out, "no dead letters in {}", args.state_dir.display()).map_err(Error::Write)?;
    }
    Ok(())
}

/// Sends the letters of the chosen sinks again. What is refused once more goes back to its file; what cannot be sent stays.
pub async fn resend(
    args: &DeadLetters,
    environment: &config::Environment,
    out: &mut (impl Write + Send),
) -> Result<(), Error> {
    let documents = super::load::documents(&args.config_dir)
        .map_err(|error| Error::Read(args.config_dir.clone(), error))?;
    let config = config::from_documents(environment, &documents, &args.state_dir)?;
    for pipeline in &config.pipelines {
        for number in 0..pipeline.sinks.len() {
            let is_chosen = args
                .sink
                .as_ref()
                .is_none_or(|name| *name == pipeline.sinks[number].name);
            if is_chosen {
                resend_of(&config, pipeline, number, &args.state_dir, out).await?;
            }
        }
    }
    Ok(())
}

async fn resend_of(
    config: &Config,
    pipeline: &Pipeline,
    number: usize,
    state: &Path,
    out: &mut (impl Write + Send),
) -> Result<(), Error> {
    let sink = &pipeline.sinks[number];
    let path = dead_letters(state, &pipeline.name, &sink.name);
    // Taken away first, so that the running process and we never write to one file; one that an earlier call left comes first.
    let taken = path.with_extension("resending");
    if !taken.exists() {
        match std::fs::rename(&path, &taken) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other.map_err(|error| Error::Read(path.clone(), error))?,
        }
    }
    let transport = Transport::new(&sink.kind, Clock::start(), config.bundle.clone(), None);
    let (mut sent, mut kept) = (0, 0);
    for line in lines(&taken)? {
        let line = line.map_err(|error| Error::Read(taken.clone(), error))?;
        let letter = DeadLetter::parse(&line);
        let error = match letter.as_ref().and_then(|letter| Some((letter, letter.body()?))) {
            Some((letter, body)) => refused(
                transport
                    .send(body.into(), usize::try_from(letter.of).unwrap_or(1))
                    .await,
            ),
            None => Some("torn".to_owned()),
        };
        let Some(error) = error else {
            sent += 1;
            continue;
        };
        kept += 1;
        writeln!(out, "{} {}: {error}", pipeline.name, sink.name).map_err(Error::Write)?;
        let back = [&line[..], b"\n"].concat();
        append_bounded(&path, &back, u64::MAX).map_err(|error| Error::Read(path.clone(), error))?;
    }
    std::fs::remove_file(&taken).map_err(|error| Error::Read(taken, error))?;
    writeln!(out, "{} {}: {sent} sent, {kept} kept", pipeline.name, sink.name).map_err(Error::Write)
}

/// Why the letter was not taken; none if it was.
fn refused(verdict: Verdict) -> Option<String> {
    match verdict {
        Verdict::Delivered => None,
        Verdict::Retry { error, .. }
        | Verdict::Refused { error }
        | Verdict::Partly { error, .. }
        | Verdict::Lost { error, .. } => Some(error),
    }
}

fn print(out: &mut impl Write, pipeline: &str, sink: &str, line: &[u8]) -> io::Result<()> {
    let Some(letter) = DeadLetter::parse(line) else {
        return writeln!(out, "{pipeline} {sink}: a torn line of {} bytes", line.len());
    };
    let DeadLetter {
        time,
        error,
        records,
        of,
        message,
        ..
    } = letter;
    let count = if records == of {
        format!("{of}")
    } else {
        format!("{records} of {of}")
    };
    writeln!(
        out,
        "{time} {pipeline} {sink} records={count} error={error:?} message={message:?}"
    )
}

fn lines(file: &Path) -> Result<impl Iterator<Item = io::Result<Vec<u8>>> + use<>, Error> {
    let opened = File::open(file).map_err(|error| Error::Read(file.to_owned(), error))?;
    Ok(BufReader::new(opened).split(b'\n'))
}

fn files(state: &Path) -> Result<Vec<PathBuf>, Error> {
    let unreadable = |error| Error::Read(state.to_owned(), error);
    let mut files = Vec::new();
    for entry in std::fs::read_dir(state).map_err(unreadable)? {
        files.push(entry.map_err(unreadable)?.path());
    }
    files.sort();
    Ok(files)
}

/// Pipeline and sink that a dead-letter file belongs to; none: it is no such file. Names of sinks have no dot.
fn owner(file: &Path) -> Option<(String, String)> {
    let name = file.file_name()?.to_str()?;
    let name = name
        .strip_suffix(".rejected")
        .or(name.strip_suffix(".resending"))?;
    let (pipeline, sink) = name.rsplit_once('.')?;
    Some((pipeline.to_owned(), sink.to_owned()))
}
