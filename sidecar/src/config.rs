//! From the environment and the configuration documents to a validated configuration. Pure.
//!
//! Guarantees: every mistake is reported at once, each with the name of the variable or field, its value and a remedy; what
//! comes out needs no further check.

mod document;
mod document_text;
mod environment;
mod field;
mod multiline;
pub mod revision;
mod strict;

pub use self::document::{check_document, from_document, from_documents};
pub use self::environment::from_environment;
pub(crate) use self::environment::{is_classic, is_final, pod, state_bytes_max};

use crate::engine::batch::LaneSettings;
use crate::pipeline::Steps;
use crate::pipeline::pattern::{Error as Unusable, compile_within};
pub(crate) use crate::pipeline::when::Position;
use crate::sink::compress::Codec;
use crate::sink::encode::{Encode, Json, Text};
use logship_crd::agent_config::{AgentConfig, Format, Framing, Fsync, Rotation, StartAt};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Bytes of a compiled expression of a source; a resource has few of them.
const EXPRESSION_BYTES_MAX: usize = 1 << 20;

/// The environment as a map.
pub type Environment = BTreeMap<String, String>;

/// What `run` does.
#[derive(Debug, Clone)]
pub struct Config {
    /// Independent pipelines, at least one.
    pub pipelines: Vec<Pipeline>,
    /// Where checkpoints and rejected records lie; none: nothing is kept.
    pub state_directory: Option<PathBuf>,
    /// The pod that we are in.
    pub pod: Pod,
    /// Certificates of the authorities that are trusted by default; none: the system's.
    pub bundle: Option<PathBuf>,
    /// We are a classic container that has to end when the others have ended.
    pub classic: bool,
}

/// The pod that we are in, as far as it is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pod {
    /// `metadata.name`.
    pub name: Option<String>,
    /// `metadata.namespace`.
    pub namespace: Option<String>,
    /// Name of the node.
    pub node: Option<String>,
}

/// One resource.
#[derive(Debug, Clone)]
pub struct Pipeline {
    /// Unique among the pipelines; names its files in the state directory.
    pub name: String,
    /// The `LogShipping`, where there is one.
    pub resource: Option<String>,
    /// Its generation.
    pub generation: i64,
    /// The document that it was compiled from; none: the environment.
    pub written: Option<Arc<AgentConfig>>,
    /// Where records come from.
    pub sources: Vec<Source>,
    /// What is done to each record before.
    pub steps: Steps,
    /// Where each record goes.
    pub sinks: Vec<Sink>,
    /// The longest time that a drain takes.
    pub drain: Duration,
    /// Longer records are truncated.
    pub record_bytes_max: usize,
    /// Bytes of the dead-letter file of each sink.
    pub dead_letter_bytes_max: u64,
    /// Bytes of all sinks together that wait for their acknowledgement.
    pub in_flight_bytes_max: usize,
    /// Log files of all sources together that are open at once.
    pub open_files_max: usize,
}

impl Pipeline {
    /// The descriptors are shared evenly among the sources of files, so that none starves another.
    pub fn open_files_of_each_source(&self) -> usize {
        let files = |source: &&Source| matches!(source.kind, SourceKind::Files(_));
        let sources = self.sources.iter().filter(files).count();
        (self.open_files_max / sources.max(1)).max(1)
    }
}

/// A named source.
#[derive(Debug, Clone)]
pub struct Source {
    /// Unique in its pipeline.
    pub name: String,
    /// What kind, with its settings.
    pub kind: SourceKind,
}

/// Kinds of sources.
#[derive(Debug, Clone)]
pub enum SourceKind {
    /// Files of a directory.
    Files(Files),
    /// Output of containers of the own pod; empty: of the default one.
    ContainerOutput {
        /// Names of containers.
        containers: Vec<String>,
        /// Bytes on the state volume for what sinks do not take; 0: none.
        spill_bytes_max: u64,
    },
}

impl Source {
    /// Bytes on the state volume for what sinks do not take.
    pub fn spill_bytes_max(&self) -> u64 {
        match &self.kind {
            SourceKind::ContainerOutput { spill_bytes_max, .. } => *spill_bytes_max,
            SourceKind::Files(_) => 0,
        }
    }
}

/// Files of a directory.
#[derive(Debug, Clone)]
pub struct Files {
    /// As we see it.
    pub directory: PathBuf,
    /// On the base name, unanchored.
    pub pattern: regex::bytes::Regex,
    /// Between two listings.
    pub scan_interval: Duration,
    /// In files that were there before the first start.
    pub start_at: StartAt,
    /// Make the directory if it is missing.
    pub create: bool,
    /// How records lie in a file.
    pub framing: Framing,
    /// How lines are joined to records.
    pub multiline: Option<Multiline>,
}

/// How lines are joined to records.
#[derive(Debug, Clone)]
pub struct Multiline {
    /// Where one record ends and the next begins.
    pub boundary: Boundary,
    /// Lines of a record, at least 1.
    pub lines_max: u32,
    /// Without a further line for so long a record is complete.
    pub timeout: Duration,
}

impl Multiline {
    /// Whether it makes the same records of the same lines.
    pub fn joins_like(&self, other: &Self) -> bool {
        let Self {
            boundary,
            lines_max,
            timeout,
        } = self;
        let is_same = match (boundary, &other.boundary) {
            (Boundary::Start(pattern), Boundary::Start(others))
            | (Boundary::End(pattern), Boundary::End(others)) => pattern.as_str() == others.as_str(),
            (Boundary::Start(_), Boundary::End(_)) | (Boundary::End(_), Boundary::Start(_)) => false,
        };
        is_same && *lines_max == other.lines_max && *timeout == other.timeout
    }
}

/// What finds the boundary between two records.
#[derive(Debug, Clone)]
pub enum Boundary {
    /// It is found in the first line of a record.
    Start(regex::bytes::Regex),
    /// It is found in the last line of a record.
    End(regex::bytes::Regex),
}

/// A named sink.
#[derive(Debug, Clone)]
pub struct Sink {
    /// Unique in its pipeline.
    pub name: String,
    /// It gets a line of counts at this interval instead of the records.
    pub summary: Option<Duration>,
    /// How its records are encoded and gathered.
    pub lane: LaneSettings,
    /// What kind, with its settings.
    pub kind: SinkKind,
}

/// Kinds of sinks.
#[derive(Debug, Clone)]
pub enum SinkKind {
    /// Our standard output.
    Stdout,
    /// A file.
    File(FileSettings),
    /// An HTTP endpoint.
    Http(Box<Endpoint>),
}

/// A file that is appended to.
#[derive(Debug, Clone)]
pub struct FileSettings {
    /// Absolute.
    pub path: PathBuf,
    /// When it is renamed and a new one begun.
    pub rotation: Option<Rotation>,
    /// When it is made durable.
    pub fsync: Fsync,
}

/// An HTTP endpoint.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// Absolute, http or https.
    pub url: http::Uri,
    /// Sent with each request.
    pub headers: http::HeaderMap,
    /// Of the body.
    pub codec: Codec,
    /// Of a request.
    pub timeout: Duration,
    /// Credentials.
    pub auth: Option<Auth>,
    /// How the server is known, and we to it.
    pub tls: Tls,
    /// What is spoken.
    pub dialect: Dialect,
}

/// What is spoken with an HTTP endpoint: the kind of the body, and what its answers mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Newline-delimited JSON; any 2xx is the acknowledgement.
    Ndjson,
    /// Loki's push API.
    Loki,
    /// OTLP over HTTP.
    OtlpHttp,
    /// OTLP over gRPC.
    OtlpGrpc,
    /// `_bulk` of Elasticsearch and OpenSearch.
    Elasticsearch,
}

/// Credentials, by the files that hold them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Auth {
    /// Name and password.
    Basic {
        /// File with the name.
        username: PathBuf,
        /// File with the password.
        password: PathBuf,
    },
    /// File with a token.
    Bearer(PathBuf),
}

/// How a server is known, and we to it. Files in PEM.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tls {
    /// Certificates of the authorities that are trusted instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// Our certificates, and their key.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// The name that the server's certificate must have, where it is not the URL's host.
    pub server_name: Option<String>,
    /// Takes any certificate.
    pub insecure_skip_verify: bool,
}

#[cfg(test)]
impl Pipeline {
    /// One without sources and sinks, for tests that add what they look at.
    pub(crate) fn empty() -> Self {
        Self {
            name: "shop".to_owned(),
            resource: None,
            generation: 0,
            written: None,
            sources: Vec::new(),
            steps: Steps::default(),
            sinks: Vec::new(),
            drain: Duration::from_secs(5),
            record_bytes_max: 1 << 20,
            dead_letter_bytes_max: 1 << 20,
            in_flight_bytes_max: 1 << 20,
            open_files_max: 1000,
        }
    }
}

impl Config {
    /// Whether something of this configuration talks to the Kubernetes API.
    pub fn needs_api(&self) -> bool {
        let mut sources = self.pipelines.iter().flat_map(|pipeline| &pipeline.sources);
        self.classic || sources.any(|source| matches!(source.kind, SourceKind::ContainerOutput { .. }))
    }
}

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Mistake {
    /// A variable is needed and absent or empty.
    #[error("{variable} is {}; set it to {remedy}", if *.empty { "empty" } else { "not set" })]
    Missing {
        /// Name of the variable.
        variable: &'static str,
        /// It is there but empty.
        empty: bool,
        /// What it should be.
        remedy: &'static str,
    },
    /// A variable or field has a value that it cannot have.
    #[error("{place} is {value:?}: {problem}; {remedy}")]
    Invalid {
        /// Name of the variable or path of the field.
        place: String,
        /// Its value.
        value: String,
        /// Why not.
        problem: String,
        /// Where in the value, if that is known.
        at: Option<Position>,
        /// What it should be.
        remedy: &'static str,
    },
    /// A document has something that it cannot have.
    #[error("{document}:{line}:{column}: {problem}", line = .at.line, column = .at.column)]
    Document {
        /// Name of the document.
        document: String,
        /// Where it has it.
        at: Position,
        /// The field, why not, and what it should be.
        problem: String,
    },
}

/// Every mistake that was found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct Mistakes(pub Vec<Mistake>);

/// On the base name of a file.
fn pattern(place: &str, text: &str, mistakes: &mut Vec<Mistake>) -> Option<regex::bytes::Regex> {
    let remedy = "write a regular expression that is searched in the base name, for example .+\\.log";
    expression(place, text, remedy, mistakes)
}

/// A regular expression of bounded size.
fn expression(
    place: &str,
    text: &str,
    remedy: &'static str,
    mistakes: &mut Vec<Mistake>,
) -> Option<regex::bytes::Regex> {
    let mistake = |error: Unusable| Mistake::Invalid {
        place: place.to_owned(),
        value: text.to_owned(),
        problem: error.to_string(),
        at: error.position(),
        remedy,
    };
    compile_within(text, EXPRESSION_BYTES_MAX)
        .map_err(|error| mistakes.push(mistake(error)))
        .ok()
}

/// The encoder of a textual sink.
fn textual(format: Format) -> Arc<dyn Encode> {
    match format {
        Format::Text => Arc::new(Text),
        Format::Json => Arc::new(Json),
    }
}

/// Where the environment says the certificates of authorities are, see [`Config::bundle`].
fn bundle(environment: &Environment) -> Option<PathBuf> {
    optional(environment, "SSL_CERT_FILE").map(PathBuf::from)
}

/// A variable that may be absent; empty counts as absent.
fn optional(environment: &Environment, name: &str) -> Option<String> {
    environment.get(name).filter(|value| !value.is_empty()).cloned()
}

#[cfg(test)]
mod tests;
