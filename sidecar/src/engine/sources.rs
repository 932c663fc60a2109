//! The sources of a pipeline together. They take turns: one that always has something to read does not keep another from it.

use super::Tick;
use super::checkpoint::Checkpoint;
use super::contract::{Output, OutputStream};
use super::follow::{Follow, Instances};
use super::framer::FramerSettings;
use super::outlets::{Context, Outlets, Position, StreamId};
use super::report::Report;
use super::tail::{Entry, Tail, TailSettings};
use crate::config::{Files, Source, SourceKind};
use logship_crd::agent_config::Framing;
use regex::bytes::Regex;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Files of a directory.
#[derive(Debug)]
pub struct FileSource {
    /// Among all sources.
    pub number: usize,
    /// Unique in its pipeline.
    pub name: String,
    /// Where they lie.
    pub directory: PathBuf,
    /// Which of them are wanted.
    pub pattern: Regex,
    /// Its files.
    pub tail: Tail,
}

/// The output of one container.
#[derive(Debug)]
pub struct OutputSource {
    /// Among all sources.
    pub number: usize,
    /// Unique in its pipeline.
    pub name: String,
    /// None: the pod's default one.
    pub container: Option<String>,
    /// What was taken of it.
    pub follow: Follow,
}

/// What the sources of a pipeline have in common.
#[derive(Debug, Clone, Copy)]
pub struct Reading {
    /// Longer records are truncated.
    pub record_bytes_max: usize,
    /// Files of one source that are open at once.
    pub open_files_max: usize,
    /// Somebody will go on where this run ends.
    pub goes_on: bool,
    /// What a container wrote before the first look at it was to be read, too.
    pub is_first: bool,
}

impl Reading {
    /// How these files are followed.
    pub fn of_files(self, files: &Files, context: Context) -> TailSettings {
        TailSettings {
            scan_interval: files.scan_interval,
            start_at: files.start_at,
            context,
            framer: Arc::new(FramerSettings {
                framing: files.framing,
                multiline: files.multiline.clone(),
                record_bytes_max: self.record_bytes_max,
            }),
            open_files_max: self.open_files_max,
            // The files of a node outlive us, those of a pod may not.
            keep_open_records: self.goes_on && files.framing != Framing::Lines,
        }
    }
}

/// Every source of a pipeline.
#[derive(Debug, Default)]
pub struct Sources {
    /// Those that the shell lists directories for, by the number that it knows.
    pub files: Vec<FileSource>,
    /// Those that the shell asks the API for.
    pub streams: Vec<OutputSource>,
    next_id: StreamId,
    /// Which of `files` is asked first for its next read.
    turn: usize,
}

impl Sources {
    /// One more, which goes on where the checkpoint says.
    pub fn add(&mut self, source: &Source, reading: Reading, context: Context, known: &Checkpoint) {
        match &source.kind {
            SourceKind::Files(files) => {
                let known = known.files.get(&source.name).cloned();
                let number = context.source;
                let tail = Tail::new(self.files.len(), reading.of_files(files, context), known);
                self.add_files(number, &source.name, files, tail);
            }
            SourceKind::ContainerOutput { containers, .. } => {
                let instances = Instances::unread(reading.is_first);
                self.add_output(&source.name, (containers, instances), &context, known);
            }
        }
    }

    /// One more, with what is known of its files.
    pub fn add_files(&mut self, number: usize, name: &str, files: &Files, tail: Tail) {
        self.files.push(FileSource {
            number,
            name: name.to_owned(),
            directory: files.directory.clone(),
            pattern: files.pattern.clone(),
            tail,
        });
    }

    fn add_output(
        &mut self,
        name: &str,
        (containers, instances): (&[String], Instances),
        context: &Context,
        known: &Checkpoint,
    ) {
        let known = known.containers.get(name).cloned().unwrap_or_default();
        let chosen = containers.iter().cloned().map(Some);
        let default = containers.is_empty().then_some(None);
        for container in chosen.chain(default) {
            self.next_id += 1;
            let known = known.clone().into_iter();
            let known = known.filter(|(name, _)| container.as_ref().is_none_or(|wanted| wanted == name));
            let follow = Follow::new(self.next_id, context.clone(), instances, known.collect());
            self.streams.push(OutputSource {
                number: context.source,
                name: name.to_owned(),
                container,
                follow,
            });
        }
    }

    /// None, but numbered as the next ones of `before`, whose numbers may still be in use.
    pub fn after(before: &Self) -> Self {
        Self {
            next_id: before.next_id,
            ..Self::default()
        }
    }

    /// Takes out the files source of this name that follows this directory.
    pub fn take_files(&mut self, name: &str, directory: &Path) -> Option<FileSource> {
        let is_it = |source: &FileSource| source.name == name && source.directory == directory;
        let index = self.files.iter().position(is_it)?;
        Some(self.files.swap_remove(index))
    }

    /// Whether the files source of this name follows another directory.
    pub fn follows_elsewhere(&self, name: &str, directory: &Path) -> bool {
        let is_it = |source: &FileSource| source.name == name && source.directory != directory;
        self.files.iter().any(is_it)
    }

    /// The number that the source of this name has among all.
    pub fn number_of(&self, name: &str) -> Option<usize> {
        let files = self.files.iter().map(|source| (&source.name, source.number));
        let streams = self.streams.iter().map(|source| (&source.name, source.number));
        let mut all = files.chain(streams);
        all.find_map(|(found, number)| (found == name).then_some(number))
    }

    /// The container outputs that the shell has to provide.
    pub fn output_streams(&self) -> Vec<OutputStream> {
        let stream = |source: &OutputSource| OutputStream {
            id: source.follow.id(),
            container: source.container.clone(),
        };
        self.streams.iter().map(stream).collect()
    }

    /// A directory was listed, or could not be.
    pub fn listed(&mut self, now: Tick, source: usize, listing: Result<Vec<Entry>, String>) -> Vec<Report> {
        let Some(FileSource { tail, .. }) = self.files.get_mut(source) else {
            return Vec::new();
        };
        match listing {
            Ok(entries) => tail.listed(now, entries, &mut self.next_id),
            Err(error) => tail.listing_failed(now, &error).into_iter().collect(),
        }
    }

    /// Whether a checkpoint says of this directory, now, that it was listed before.
    pub fn has_run(&self, source: usize) -> bool {
        self.files.get(source).is_some_and(|source| source.tail.has_run())
    }

    /// The number of the source that this container's output is of.
    pub fn source_of(&self, id: StreamId) -> Option<usize> {
        let mut streams = self.streams.iter();
        let source = streams.find(|source| source.follow.id() == id)?;
        Some(source.number)
    }

    /// The container output with this number.
    pub fn stream(&mut self, id: StreamId) -> Option<&mut Follow> {
        let mut follows = self.streams.iter_mut().map(|source| &mut source.follow);
        follows.find(|follow| follow.id() == id)
    }

    /// What a source asks for, besides reading.
    pub fn poll(&mut self, now: Tick, outlets: &mut Outlets) -> Option<Output> {
        let mut files = self.files.iter_mut();
        files
            .find_map(|source| source.tail.poll(now, outlets))
            .or_else(|| self.streams.iter_mut().find_map(|source| source.follow.poll(now)))
    }

    /// The next read of a file, if one may have something.
    pub fn next_read(&mut self) -> Option<Output> {
        let count = self.files.len();
        for step in 0..count {
            let index = (self.turn + step) % count;
            if let Some(read) = self.files[index].tail.next_read() {
                self.turn = (index + 1) % count;
                return Some(read);
            }
        }
        None
    }

    /// When one of them has something to do without further input.
    pub fn deadline(&self) -> Option<Tick> {
        let files = self.files.iter().filter_map(|source| source.tail.deadline());
        let streams = self.streams.iter().filter_map(|source| source.follow.deadline());
        files.chain(streams).min()
    }

    /// Every record before this position is settled.
    pub fn reached(&mut self, stream: StreamId, position: Position) {
        if let Some(follow) = self.stream(stream) {
            follow.reached(position);
        } else {
            let mut files = self.files.iter_mut();
            files.any(|source| source.tail.reached(stream, position));
        }
    }

    /// Whether everything was read that a stop waits for.
    pub fn are_drained(&self) -> bool {
        self.files.iter().all(|source| source.tail.is_drained())
            && self.streams.iter().all(|source| source.follow.is_drained())
    }

    /// What a container output suspects, which will not be known any more.
    pub fn conclude(&mut self) -> Option<Report> {
        let mut streams = self.streams.iter_mut();
        streams.find_map(|source| source.follow.conclude())
    }

    /// Writes down where each is.
    pub fn save(&self, checkpoint: &mut Checkpoint) {
        for FileSource { name, tail, .. } in &self.files {
            if let Some(positions) = tail.positions() {
                checkpoint.files.insert(name.clone(), positions);
            }
        }
        for OutputSource { name, follow, .. } in &self.streams {
            let containers = checkpoint.containers.entry(name.clone()).or_default();
            containers.extend(follow.positions());
        }
    }
}
