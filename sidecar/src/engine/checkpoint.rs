//! What is written down so that a restart goes on where it was: one document for each resource.
//!
//! A document that is torn, empty, of another resource or from the future is an error with a name, never a panic: the shell
//! sets it aside and starts from the beginning, because duplicates are better than loss.

mod identity;

pub use self::identity::{Fingerprint, Identity, Trail};

use super::framer::{Encoding, FramePosition, StreamPositions};
use super::resume::{Recent, Resume};
use super::summary::Counts;
use crate::config::Pipeline;
use crate::record::time::Nanos;
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;

/// The form that this build writes and reads.
pub const VERSION: u32 = 1;
/// More sources, and more sinks, that a pipeline does not have any more are not remembered.
const ABSENT_MAX: usize = 16;

/// Positions of every source of one resource, all acknowledged by every sink.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Checkpoint {
    /// [`VERSION`].
    pub version: u32,
    /// The resource that it belongs to.
    pub resource: String,
    /// Files sources by name.
    pub files: BTreeMap<String, Vec<FilePosition>>,
    /// Container output sources by name, then by container.
    pub containers: BTreeMap<String, BTreeMap<String, ContainerPosition>>,
    /// What sinks that get summaries have counted and not written, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub summaries: BTreeMap<String, Counts>,
}

/// Position in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FilePosition {
    /// The name that it had last; for the reader of the document only.
    pub name: String,
    /// Device and inode.
    pub identity: Identity,
    /// Of the beginning of the file; refutes a reused inode.
    pub fingerprint: Fingerprint,
    /// Everything before it is acknowledged.
    pub offset: u64,
    /// The offset lies inside a line whose beginning was sent.
    pub mid_line: bool,
    /// What its byte order mark said.
    #[serde(default, skip_serializing_if = "Encoding::is_bytes")]
    pub encoding: Encoding,
    /// What is acknowledged behind the offset, in files of interleaved outputs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub streams: Option<StreamPositions>,
    /// Of the bytes before the offset, or shortly before; refutes contents that were replaced.
    #[serde(default)]
    pub trail: Trail,
    /// When it was written last, in nanoseconds since 1970; a hint where nothing else tells which of two files is newer.
    #[serde(default)]
    pub modified_ns: i64,
    /// It was read to its end and lost its name, or was said to be gone; kept so that it is recognised should it come back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub finished: bool,
}

impl FilePosition {
    /// Which of its records are acknowledged.
    pub fn frames(&self) -> FramePosition {
        FramePosition {
            offset: self.offset,
            mid_line: self.mid_line,
            encoding: self.encoding,
            streams: self.streams,
        }
    }

    /// Whether its parts can be of one file.
    fn is_possible(&self) -> bool {
        let Trail { end, bytes, crc: _ } = self.trail;
        end <= self.offset
            && bytes <= Trail::BYTES_MAX
            && bytes as u64 <= end
            && self.fingerprint.bytes <= Fingerprint::BYTES_MAX
            && self.streams.is_none_or(|streams| streams.lowest() == self.offset)
    }
}

/// Position in a container's output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(
    clippy::manual_non_exhaustive,
    reason = "the field without a value is one that earlier builds wrote"
)]
pub struct ContainerPosition {
    /// The restart count of the instance that was read.
    pub restarts: u32,
    /// The second of the last line that was taken.
    pub last_second: Option<i64>,
    /// The last lines, as far as they may be served again.
    #[serde(default, skip_serializing_if = "Recent::is_empty")]
    pub recent: Recent,
    /// The lines before those: second, number, time of the newest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<(i64, u64, Nanos)>,
    /// The last line is of an instance before the one that is read.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fresh: bool,
    /// How earlier builds wrote lines. They are not recognised, so those of two seconds are sent again.
    #[serde(default, skip_serializing, deserialize_with = "pass_over")]
    lines: (),
}

impl ContainerPosition {
    /// In an instance with this restart count.
    pub fn of(restarts: u32, resume: &Resume) -> Self {
        Self {
            restarts,
            last_second: resume.last_second(),
            recent: resume.recent(),
            earlier: resume.earlier(),
            fresh: resume.is_fresh(),
            lines: (),
        }
    }

    /// Where to go on.
    pub fn resume(self) -> Resume {
        Resume::restore(self.last_second, self.recent, &self.earlier, self.fresh)
    }
}

/// Why a document can not be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Torn, empty, or not ours.
    #[error("not a checkpoint: {0}")]
    Malformed(serde_json::Error),
    /// Written by a newer build.
    #[error("written in form {0}, this build reads form {VERSION}")]
    Future(u32),
    /// Of another resource.
    #[error("belongs to resource {0:?}")]
    Foreign(String),
    /// Changed by somebody else: a position that this program never writes.
    #[error("not a checkpoint: no file has the position of {0:?}")]
    Impossible(String),
}

impl Checkpoint {
    /// The document before anything was read.
    pub fn empty(resource: &str) -> Self {
        let resource = resource.to_owned();
        Self {
            version: VERSION,
            resource,
            files: BTreeMap::new(),
            containers: BTreeMap::new(),
            summaries: BTreeMap::new(),
        }
    }

    /// The document of `sources` that have run before, while nothing is known of their positions: what is in their files is
    /// not new, so it is read from the beginning.
    pub fn forgotten(resource: &str, sources: impl Iterator<Item = String>) -> Self {
        Self {
            files: sources.map(|source| (source, Vec::new())).collect(),
            ..Self::empty(resource)
        }
    }

    /// What it knows of sources and sinks that the pipeline does not have: kept, should they come back.
    #[must_use]
    pub fn absent_from(mut self, pipeline: &Pipeline) -> Self {
        let has_source = |name: &String| pipeline.sources.iter().any(|source| source.name == *name);
        self.files.retain(|name, _| !has_source(name));
        self.containers.retain(|name, _| !has_source(name));
        let has_sink = |name: &String| pipeline.sinks.iter().any(|sink| sink.name == *name);
        self.summaries.retain(|name, _| !has_sink(name));
        shorten(&mut self.files);
        shorten(&mut self.containers);
        shorten(&mut self.summaries);
        self
    }

    /// Reads the document of `resource`.
    pub fn parse(text: &[u8], resource: &str) -> Result<Self, Error> {
        #[derive(Deserialize)]
        struct Version {
            version: u32,
        }
        let Version { version } = serde_json::from_slice(text).map_err(Error::Malformed)?;
        if version != VERSION {
            return Err(Error::Future(version));
        }
        let checkpoint: Self = serde_json::from_slice(text).map_err(Error::Malformed)?;
        if checkpoint.resource != resource {
            return Err(Error::Foreign(checkpoint.resource));
        }
        let mut positions = checkpoint.files.values().flatten();
        match positions.find(|position| !position.is_possible()) {
            Some(position) => Err(Error::Impossible(position.name.clone())),
            None => Ok(checkpoint),
        }
    }

    /// The document as bytes.
    ///
    /// # Panics
    /// Never: maps with text keys and plain values always serialise.
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("maps with text keys and plain values always serialise")
    }
}

fn pass_over<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(), D::Error> {
    IgnoredAny::deserialize(deserializer).map(|_| ())
}

fn shorten<T>(absent: &mut BTreeMap<String, T>) {
    while absent.len() > ABSENT_MAX {
        absent.pop_last();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sample() -> Checkpoint {
        let mut checkpoint = Checkpoint::empty("shop");
        let position = FilePosition {
            name: "access.log".to_owned(),
            identity: Identity { device: 1, inode: 2 },
            fingerprint: Fingerprint::of(b"hello"),
            offset: 5,
            mid_line: false,
            encoding: Encoding::default(),
            streams: None,
            trail: Trail::of(5, b"hello"),
            modified_ns: 0,
            finished: false,
        };
        checkpoint.files.insert("access".to_owned(), vec![position]);
        checkpoint
    }

    #[test]
    fn torn_empty_foreign_and_future_documents_are_errors() {
        let bytes = sample().to_bytes();
        assert_eq!(Checkpoint::parse(&bytes, "shop").unwrap(), sample());
        assert!(matches!(Checkpoint::parse(b"", "shop"), Err(Error::Malformed(_))));
        assert!(matches!(
            Checkpoint::parse(&bytes[..bytes.len() / 2], "shop"),
            Err(Error::Malformed(_))
        ));
        assert!(matches!(
            Checkpoint::parse(&bytes, "other"),
            Err(Error::Foreign(_))
        ));
        assert!(matches!(
            Checkpoint::parse(br#"{"version":2,"new":1}"#, "shop"),
            Err(Error::Future(2))
        ));
    }

    #[test]
    fn position_that_no_file_has_is_an_error() {
        let check = |change: fn(&mut FilePosition)| {
            let mut checkpoint = sample();
            checkpoint.files.values_mut().flatten().for_each(change);
            let read = Checkpoint::parse(&checkpoint.to_bytes(), "shop");
            assert!(matches!(read, Err(Error::Impossible(name)) if name == "access.log"));
        };
        check(|position| position.offset = 4);
        check(|position| position.trail.bytes = 6);
        check(|position| position.trail.bytes = Trail::BYTES_MAX + 1);
        check(|position| position.fingerprint.bytes = Fingerprint::BYTES_MAX + 1);
        check(|position| position.streams = Some(StreamPositions::default()));
    }

    #[test]
    fn document_from_before_streams_had_positions_is_read() {
        let mut text = String::from_utf8(sample().to_bytes()).unwrap();
        assert!(!text.contains("streams"));
        assert_eq!(Checkpoint::parse(text.as_bytes(), "shop").unwrap(), sample());
        text = text.replace(
            "\"midLine\":false",
            r#""midLine":false,"streams":{"stdout":{"offset":7,"midRecord":true},"stderr":{"offset":5},"others":9}"#,
        );
        let checkpoint = Checkpoint::parse(text.as_bytes(), "shop").unwrap();
        let position = checkpoint.files["access"][0].frames();
        assert_eq!((position.offset, position.furthest()), (5, 9));
        assert_eq!(
            Checkpoint::parse(&checkpoint.to_bytes(), "shop").unwrap(),
            checkpoint
        );
    }

    #[test]
    fn document_from_before_lines_had_their_exact_times_is_read() {
        let text = r#"{"version":1,"resource":"shop","files":{},"containers":{"output":{"web":
            {"restarts":2,"lastSecond":9,"lines":[[9,12345678901234567890,1]]}}}}"#;
        let checkpoint = Checkpoint::parse(text.as_bytes(), "shop").unwrap();
        let position = checkpoint.containers["output"]["web"].clone();
        assert_eq!((position.restarts, position.resume().since()), (2, Some(8)));
    }

    proptest! {
        /// No input makes the reader panic.
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = Checkpoint::parse(&bytes, "shop");
        }
    }
}
