//! The mode without documents: two older sidecars configured by environment variables alone.

use super::{
    Config, Environment, Files, Mistake, Mistakes, Pipeline, Pod, Sink, SinkKind, Source, SourceKind,
};
use super::{bundle, optional, pattern};
use crate::engine::batch::LaneSettings;
use crate::pipeline::Steps;
use crate::sink::encode::Text;
use logship_crd::agent_config::{Framing, Limits, Spill, StartAt};
use logship_crd::names::{
    ENV_CLASSIC, ENV_LOG_DIRECTORY, ENV_LOG_FILE_PATTERN, ENV_LOG_SCAN_INTERVAL, ENV_LOG_STATE_DIRECTORY,
    ENV_NODE_NAME, ENV_POD_NAME, ENV_POD_NAMESPACE, ENV_STATE_BYTES,
};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// The time that a drain takes at most where no document says it.
const DRAIN: Duration = Duration::from_secs(10);
const BATCH_BYTES: usize = 64 << 10;
const BATCH_AGE: Duration = Duration::from_millis(100);
const SCAN_SECONDS_MAX: u64 = 86_400;

/// The configuration that the variables say. Any `LOG_*` variable asks for the directory scanner, any `POD_*` variable alone
/// for container output; nothing at all is answered with the scanner's needs.
pub fn from_environment(environment: &Environment) -> Result<Config, Mistakes> {
    let scanner = [ENV_LOG_DIRECTORY, ENV_LOG_FILE_PATTERN, ENV_LOG_SCAN_INTERVAL];
    let follower = [ENV_POD_NAME, ENV_POD_NAMESPACE];
    let is_set = |name: &&str| environment.contains_key(*name);
    let mut mistakes = Vec::new();
    let source = if !scanner.iter().any(is_set) && follower.iter().any(is_set) {
        container_output(environment, &mut mistakes)
    } else {
        directory(environment, &mut mistakes)
    };
    let Some(source) = source.filter(|_| mistakes.is_empty()) else {
        return Err(Mistakes(mistakes));
    };
    let sink = Sink {
        name: "stdout".to_owned(),
        summary: None,
        lane: LaneSettings {
            bytes_max: BATCH_BYTES,
            age_max: BATCH_AGE,
            ..LaneSettings::of(Arc::new(Text))
        },
        kind: SinkKind::Stdout,
    };
    let pipeline = Pipeline {
        name: "environment".to_owned(),
        resource: None,
        generation: 0,
        written: None,
        sources: vec![source],
        steps: Steps::default(),
        sinks: vec![sink],
        drain: DRAIN,
        record_bytes_max: usize::try_from(Limits::default().record_bytes).unwrap_or(usize::MAX),
        dead_letter_bytes_max: Limits::default().dead_letter_bytes,
        in_flight_bytes_max: usize::try_from(Limits::default().in_flight_bytes).unwrap_or(usize::MAX),
        open_files_max: usize::try_from(Limits::default().open_files).unwrap_or(usize::MAX),
    };
    Ok(Config {
        pipelines: vec![pipeline],
        state_directory: optional(environment, ENV_LOG_STATE_DIRECTORY).map(PathBuf::from),
        pod: pod(environment),
        bundle: bundle(environment),
        classic: is_classic(environment),
    })
}

/// The pod that the environment names.
pub(crate) fn pod(environment: &Environment) -> Pod {
    let value = |name| optional(environment, name);
    Pod {
        name: value(ENV_POD_NAME),
        namespace: value(ENV_POD_NAMESPACE),
        node: value(ENV_NODE_NAME),
    }
}

/// Whether we are a classic container, see [`Config::classic`].
pub(crate) fn is_classic(environment: &Environment) -> bool {
    optional(environment, ENV_CLASSIC).is_some()
}

/// Whether we are one that is not started again in its pod when it ends as it should.
pub(crate) fn is_final(environment: &Environment) -> bool {
    let policy = optional(environment, ENV_CLASSIC);
    matches!(policy.as_deref(), Some("Never" | "OnFailure"))
}

/// Bytes that the state volume has room for; none: as many as the disk takes. The operator writes it.
pub(crate) fn state_bytes_max(environment: &Environment) -> Option<u64> {
    environment.get(ENV_STATE_BYTES)?.parse().ok()
}

/// A variable that has to be there.
pub(super) fn required(
    environment: &Environment,
    variable: &'static str,
    remedy: &'static str,
    mistakes: &mut Vec<Mistake>,
) -> Option<String> {
    let value = optional(environment, variable);
    if value.is_none() {
        mistakes.push(Mistake::Missing {
            variable,
            empty: environment.contains_key(variable),
            remedy,
        });
    }
    value
}

/// The two variables without which the pod cannot be found in the API.
pub(super) fn require_pod(environment: &Environment, mistakes: &mut Vec<Mistake>) {
    required(
        environment,
        ENV_POD_NAME,
        "the pod's name, by the downward API (metadata.name)",
        mistakes,
    );
    required(
        environment,
        ENV_POD_NAMESPACE,
        "the pod's namespace, by the downward API (metadata.namespace)",
        mistakes,
    );
}

fn container_output(environment: &Environment, mistakes: &mut Vec<Mistake>) -> Option<Source> {
    require_pod(environment, mistakes);
    let kind = SourceKind::ContainerOutput {
        containers: Vec::new(),
        spill_bytes_max: Spill::default().max_bytes,
    };
    mistakes.is_empty().then(|| Source {
        name: "stdout".to_owned(),
        kind,
    })
}

fn directory(environment: &Environment, mistakes: &mut Vec<Mistake>) -> Option<Source> {
    let directory = required(
        environment,
        ENV_LOG_DIRECTORY,
        "the directory with the log files, for example /logs",
        mistakes,
    );
    let text = required(
        environment,
        ENV_LOG_FILE_PATTERN,
        "a regular expression on the files' base names, for example .+\\.log",
        mistakes,
    );
    let compiled = text.and_then(|text| pattern(ENV_LOG_FILE_PATTERN, &text, mistakes));
    let interval = required(
        environment,
        ENV_LOG_SCAN_INTERVAL,
        "whole seconds between two scans, for example 10",
        mistakes,
    );
    let scan_interval = interval.and_then(|text| seconds(text, mistakes));
    let files = Files {
        directory: PathBuf::from(directory?),
        pattern: compiled?,
        scan_interval: scan_interval?,
        start_at: StartAt::Beginning,
        create: true,
        framing: Framing::Lines,
        multiline: None,
    };
    Some(Source {
        name: "files".to_owned(),
        kind: SourceKind::Files(files),
    })
}

fn seconds(text: String, mistakes: &mut Vec<Mistake>) -> Option<Duration> {
    if let Ok(seconds @ 1..=SCAN_SECONDS_MAX) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    mistakes.push(Mistake::Invalid {
        place: ENV_LOG_SCAN_INTERVAL.to_owned(),
        value: text,
        problem: "not a whole number of seconds from 1 to 86400".to_owned(),
        at: None,
        remedy: "write for example 10",
    });
    None
}
