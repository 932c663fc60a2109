//! The documents that the operator writes, or a person.

mod endpoint;
mod limits;

use super::document_text::{Document, Malformed};
use super::environment::{is_classic, pod, require_pod};
use super::strict::{self, Misfit};
use super::{
    Config, Environment, FileSettings, Files, Mistake, Mistakes, Pipeline, Sink, SinkKind, Source,
    SourceKind, bundle, pattern, textual,
};
use super::{Position, field, multiline};
use crate::engine::batch::LaneSettings;
use crate::pipeline::when::When;
use crate::pipeline::{Names, Steps};
use crate::sink::encode::{Elasticsearch, Encode, Json, Loki, Otlp};
use logship_crd::agent_config::{self, AgentConfig, ContainerOutputSource, FileSink, FilesSource, Format};
use logship_crd::names;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Batches are kept in memory, so no document may ask for more than this.
const BATCH_BYTES_MAX: u64 = 16 << 20;
const SUMMARY_INTERVAL_MS_MIN: u64 = 1000;
/// Every rotation renames each of them.
const FILES_KEPT_MAX: u32 = 1000;

/// Directories as we see them, by `<resource>/<source>`.
type Directories = BTreeMap<String, PathBuf>;

/// What the paths of a document mean.
enum Layout<'a> {
    /// A pod's: where its volumes are mounted, the environment says.
    Pod {
        directories: &'a Directories,
        state: &'a Path,
    },
    /// What they say.
    AsWritten,
}

/// Every document by its name, the environment that says what differs from pod to pod, and where the state volume is.
pub fn from_documents(
    environment: &Environment,
    documents: &[(String, String)],
    state: &Path,
) -> Result<Config, Mistakes> {
    let mut mistakes = Vec::new();
    let directories = directories(environment, &mut mistakes);
    let layout = Layout::Pod {
        directories: &directories,
        state,
    };
    let parsed = documents
        .iter()
        .filter_map(|(name, text)| pipeline(name, text, &layout, &mut mistakes));
    let pipelines: Vec<Pipeline> = parsed.collect();
    one_name_each(
        "name",
        pipelines.iter().map(|pipeline| pipeline.name.as_str()),
        &mut mistakes,
    );
    let config = Config {
        pipelines,
        state_directory: Some(state.to_owned()),
        pod: pod(environment),
        bundle: bundle(environment),
        classic: is_classic(environment),
    };
    if config.needs_api() {
        require_pod(environment, &mut mistakes);
    }
    if mistakes.is_empty() {
        Ok(config)
    } else {
        Err(Mistakes(mistakes))
    }
}

/// The one document of a person: its paths are what they say, and nothing is kept without a state directory.
pub fn from_document(
    environment: &Environment,
    name: &str,
    text: &str,
    state: Option<&Path>,
) -> Result<Config, Mistakes> {
    let mut mistakes = Vec::new();
    let pipeline = pipeline(name, text, &Layout::AsWritten, &mut mistakes);
    let config = Config {
        pipelines: pipeline.into_iter().collect(),
        state_directory: state.map(Path::to_owned),
        pod: pod(environment),
        bundle: bundle(environment),
        classic: false,
    };
    if config.needs_api() {
        require_pod(environment, &mut mistakes);
    }
    if mistakes.is_empty() {
        Ok(config)
    } else {
        Err(Mistakes(mistakes))
    }
}

/// Validates one document as `run` would.
pub fn check_document(name: &str, text: &str) -> Result<(), Mistakes> {
    let mut mistakes = Vec::new();
    let layout = Layout::Pod {
        directories: &Directories::new(),
        state: Path::new(names::STATE_PATH),
    };
    pipeline(name, text, &layout, &mut mistakes);
    if mistakes.is_empty() {
        Ok(())
    } else {
        Err(Mistakes(mistakes))
    }
}

fn directories(environment: &Environment, mistakes: &mut Vec<Mistake>) -> Directories {
    let Some(text) = environment.get(names::ENV_DIRECTORIES) else {
        return Directories::new();
    };
    serde_json::from_str(text).unwrap_or_else(|error| {
        mistakes.push(Mistake::Invalid {
            place: names::ENV_DIRECTORIES.to_owned(),
            value: text.clone(),
            problem: error.to_string(),
            at: None,
            remedy: "write a JSON object from <resource>/<source> to a directory",
        });
        Directories::new()
    })
}

/// The pipeline of a document. None: there is at least one more mistake, each with its place in the text.
fn pipeline(name: &str, text: &str, layout: &Layout<'_>, mistakes: &mut Vec<Mistake>) -> Option<Pipeline> {
    let located = |at, problem| Mistake::Document {
        document: name.to_owned(),
        at,
        problem,
    };
    let document = match Document::read(text) {
        Ok(document) => document,
        Err(Malformed { at, problem }) => {
            mistakes.push(located(at, problem));
            return None;
        }
    };
    let (config, misfits) = strict::read(&document.value);
    let misfit = |Misfit { pointer, problem }| (document.place(&pointer), problem);
    let mut found: Vec<_> = misfits.into_iter().map(misfit).collect();
    let is_formed = found.is_empty();
    let mut semantic = Vec::new();
    let pipeline = config.and_then(|config| compiled(config, layout, &mut semantic));
    found.extend(semantic.into_iter().map(|mistake| place(&document, mistake)));
    found.sort_by_key(|(at, _)| (at.line, at.column));
    mistakes.extend(found.into_iter().map(|(at, problem)| located(at, problem)));
    pipeline.filter(|_| is_formed)
}

/// Where in the document a mistake is, and what.
fn place(document: &Document<'_>, mistake: Mistake) -> (Position, String) {
    let problem = mistake.to_string();
    let Mistake::Invalid { place, value, at, .. } = mistake else {
        return (document.place(""), problem);
    };
    let pointer = field::pointer(&document.value, &place);
    let place = match at {
        Some(part) => document.place_within(&pointer, &value, part),
        None => document.place(&pointer),
    };
    (place, problem)
}

fn compiled(written: AgentConfig, layout: &Layout<'_>, mistakes: &mut Vec<Mistake>) -> Option<Pipeline> {
    let AgentConfig {
        version,
        name,
        generation,
        sources,
        pipeline,
        sinks,
        drain_ms,
        limits,
    } = written.clone();
    let found_before = mistakes.len();
    if version != agent_config::VERSION {
        mistakes.push(invalid(
            "version".to_owned(),
            &version,
            "unknown version",
            "use an operator and a sidecar of one release",
        ));
    }
    for (field, count) in [("sources", sources.len()), ("sinks", sinks.len())] {
        if count == 0 {
            mistakes.push(invalid(
                field.to_owned(),
                &"[]",
                "empty",
                "at least one is needed",
            ));
        }
    }
    if !is_file_name(&name) {
        mistakes.push(invalid(
            "name".to_owned(),
            &name,
            "not the name of an object",
            "use the name of the LogShipping",
        ));
    }
    one_name_each(
        "sources",
        sources.iter().map(|source| source.name.as_str()),
        mistakes,
    );
    one_name_each("sinks", sinks.iter().map(|sink| sink.name.as_str()), mistakes);
    let names = Names {
        sources: &sources
            .iter()
            .map(|source| source.name.clone())
            .collect::<Vec<_>>(),
        sinks: &sinks.iter().map(|sink| sink.name.clone()).collect::<Vec<_>>(),
    };
    let steps = Steps::compile(&pipeline, &names, "", mistakes);
    let sources: Vec<_> = sources
        .into_iter()
        .filter_map(|source| {
            let place = format!("sources[{}]", source.name);
            self::source(&place, &name, source, layout, mistakes)
        })
        .collect();
    let sinks: Vec<_> = sinks
        .into_iter()
        .filter_map(|sink| self::sink(&format!("sinks[{}]", sink.name), sink, layout, mistakes))
        .collect();
    let drain = Duration::from_millis(drain_ms);
    let limits = limits::checked(limits, mistakes);
    let steps = steps.filter(|_| mistakes.len() == found_before)?;
    let resource = Some(name.clone());
    Some(Pipeline {
        name,
        resource,
        generation,
        written: Some(Arc::new(written)),
        sources,
        steps,
        sinks,
        drain,
        record_bytes_max: limits.record_bytes,
        dead_letter_bytes_max: limits.dead_letter_bytes,
        in_flight_bytes_max: limits.in_flight_bytes,
        open_files_max: limits.open_files,
    })
}

fn source(
    place: &str,
    resource: &str,
    source: agent_config::Source,
    layout: &Layout<'_>,
    mistakes: &mut Vec<Mistake>,
) -> Option<Source> {
    let agent_config::Source { name, kind } = source;
    let kind = match kind {
        agent_config::SourceKind::Files(FilesSource {
            directory,
            pattern: text,
            scan_interval_ms,
            start_at,
            framing,
            multiline,
        }) => {
            if scan_interval_ms == 0 {
                let place = format!("{place}.files.scanIntervalMs");
                mistakes.push(invalid(place, &0, "never scans", "write at least 1"));
            }
            let directory = match layout {
                Layout::Pod { directories, .. } => directories
                    .get(&format!("{resource}/{name}"))
                    .cloned()
                    .unwrap_or_else(|| names::logs_path(resource, &name).into()),
                Layout::AsWritten => directory.into(),
            };
            SourceKind::Files(Files {
                directory,
                pattern: pattern(&format!("{place}.files.pattern"), &text, mistakes)?,
                scan_interval: Duration::from_millis(scan_interval_ms.max(1)),
                start_at,
                create: false,
                framing,
                multiline: match multiline {
                    Some(rules) => Some(multiline::compiled(
                        &format!("{place}.files.multiline"),
                        rules,
                        mistakes,
                    )?),
                    None => None,
                },
            })
        }
        agent_config::SourceKind::ContainerOutput(ContainerOutputSource { containers, spill }) => {
            SourceKind::ContainerOutput {
                containers,
                spill_bytes_max: limits::spill(place, spill, mistakes),
            }
        }
    };
    Some(Source { name, kind })
}

fn sink(
    place: &str,
    sink: agent_config::Sink,
    layout: &Layout<'_>,
    mistakes: &mut Vec<Mistake>,
) -> Option<Sink> {
    let agent_config::Sink {
        name,
        when,
        batch,
        retry,
        when_full,
        kind,
    } = sink;
    if !is_file_name(&name) || name.contains('.') {
        mistakes.push(invalid(
            format!("{place}.name"),
            &name,
            "not a name",
            "write letters, digits and dashes",
        ));
    }
    let batch_bytes = batch_bytes(place, batch.max_bytes, mistakes);
    let summary = self::summary(place, &kind, mistakes);
    let (encoder, kind): (Arc<dyn Encode>, SinkKind) = match kind {
        agent_config::SinkKind::Stdout(stdout) => (textual(stdout.format), SinkKind::Stdout),
        agent_config::SinkKind::File(file) => {
            // The line of a summary is JSON already.
            let format = if summary.is_some() {
                Format::Text
            } else {
                file.format
            };
            (textual(format), self::file(place, file, layout, mistakes))
        }
        agent_config::SinkKind::Http(http) => (
            Arc::new(Json),
            endpoint::http(&format!("{place}.http"), http, mistakes)?,
        ),
        agent_config::SinkKind::Loki(loki) => {
            let encoder = Arc::new(Loki::new(&loki));
            (encoder, endpoint::loki(&format!("{place}.loki"), loki, mistakes)?)
        }
        agent_config::SinkKind::Otlp(otlp) => {
            let encoder = Arc::new(Otlp::new(&otlp));
            (encoder, endpoint::otlp(&format!("{place}.otlp"), otlp, mistakes)?)
        }
        agent_config::SinkKind::Elasticsearch(bulk) => (
            Arc::new(Elasticsearch),
            endpoint::elasticsearch(&format!("{place}.elasticsearch"), bulk, mistakes)?,
        ),
    };
    let is_ordered = matches!(kind, SinkKind::Stdout | SinkKind::File(_));
    let lane = LaneSettings {
        encoder,
        bytes_max: batch_bytes,
        age_max: Duration::from_millis(batch.max_age_ms),
        // What is appended has an order.
        in_flight_max: if is_ordered {
            1
        } else {
            batch.in_flight.clamp(1, 32) as usize
        },
        retry_age_max: (retry.max_age_ms > 0).then(|| Duration::from_millis(retry.max_age_ms)),
        when_full,
        when: self::when(&format!("{place}.when"), when, mistakes),
    };
    Some(Sink {
        name,
        summary,
        lane,
        kind,
    })
}

fn summary(place: &str, kind: &agent_config::SinkKind, mistakes: &mut Vec<Mistake>) -> Option<Duration> {
    let agent_config::SinkKind::File(FileSink {
        summary: Some(summary),
        ..
    }) = kind
    else {
        return None;
    };
    if summary.interval_ms < SUMMARY_INTERVAL_MS_MIN {
        mistakes.push(invalid(
            format!("{place}.file.summary.intervalMs"),
            &summary.interval_ms,
            "out of bounds",
            "write at least 1000",
        ));
    }
    Some(Duration::from_millis(summary.interval_ms))
}

fn when(place: &str, text: Option<String>, mistakes: &mut Vec<Mistake>) -> Option<Arc<When>> {
    let text = text?;
    match When::compile(&text) {
        Ok(when) => Some(Arc::new(when)),
        Err(error) => {
            let remedy = "write CEL over the record, for example severity == \"ERROR\"";
            mistakes.push(Mistake::Invalid {
                place: place.to_owned(),
                problem: error.to_string(),
                at: error.position(),
                value: text,
                remedy,
            });
            None
        }
    }
}

fn batch_bytes(place: &str, bytes: u64, mistakes: &mut Vec<Mistake>) -> usize {
    if !(1..=BATCH_BYTES_MAX).contains(&bytes) {
        let place = format!("{place}.batch.maxBytes");
        mistakes.push(invalid(place, &bytes, "out of bounds", "write 1 to 16777216"));
    }
    usize::try_from(bytes.min(BATCH_BYTES_MAX)).expect("bounded above")
}

fn file(place: &str, file: FileSink, layout: &Layout<'_>, mistakes: &mut Vec<Mistake>) -> SinkKind {
    let FileSink {
        path,
        format: _,
        rotation,
        fsync,
        summary: _,
    } = file;
    let relative = Path::new(&path);
    let place_of_path = format!("{place}.file.path");
    let state = match layout {
        Layout::Pod { state, .. } => {
            let mut parts = relative.components();
            if path.is_empty() || parts.any(|part| part == std::path::Component::ParentDir) {
                let remedy = "write a path without '..'";
                mistakes.push(invalid(place_of_path, &path, "leaves the state volume", remedy));
            }
            state
        }
        Layout::AsWritten => {
            if path.is_empty() {
                mistakes.push(invalid(place_of_path, &path, "empty", "write the path of a file"));
            }
            Path::new(".")
        }
    };
    if rotation.is_some_and(|rotation| rotation.keep > FILES_KEPT_MAX) {
        let place = format!("{place}.file.rotation.keep");
        mistakes.push(invalid(place, &"(too many)", "out of bounds", "write 0 to 1000"));
    }
    SinkKind::File(FileSettings {
        path: state.join(relative),
        rotation,
        fsync,
    })
}

fn one_name_each<'a>(place: &str, names: impl Iterator<Item = &'a str>, mistakes: &mut Vec<Mistake>) {
    let mut seen = BTreeSet::new();
    for name in names {
        if !seen.insert(name) {
            mistakes.push(invalid(
                place.to_owned(),
                &name,
                "used twice",
                "give each its own name",
            ));
        }
    }
}

/// The name is part of file names in the state directory.
fn is_file_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    !name.is_empty() && name.len() <= 253 && name.bytes().all(allowed) && !name.starts_with('.')
}

pub(super) fn invalid(place: String, value: &dyn ToString, problem: &str, remedy: &'static str) -> Mistake {
    Mistake::Invalid {
        place,
        value: value.to_string(),
        problem: problem.to_owned(),
        at: None,
        remedy,
    }
}
