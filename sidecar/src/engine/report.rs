//! What the engine has to say to people: one value for each decision, said once, put into words by the shell.

use super::alerts;
use super::follow::{Cause, Gap};
use crate::record::time::{Nanos, rfc3339};

/// One message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Report {
    /// The directory cannot be listed; it is tried again at every scan.
    #[error("directory cannot be read, trying again at every scan: {0}")]
    DirectoryUnreadable(String),
    /// A file cannot be opened or read; it is tried again at every scan.
    #[error("file {name:?} cannot be read, trying again at every scan: {error}")]
    FileUnreadable {
        /// Base name.
        name: String,
        /// The system's words.
        error: String,
    },
    /// A file is followed from now on.
    #[error("following file {name:?} from offset {offset}")]
    FileFollowed {
        /// Base name.
        name: String,
        /// Where reading begins.
        offset: u64,
    },
    /// A file is shorter than what was read of it, or begins with other bytes.
    #[error("file {0:?} was truncated or rewritten, reading it from the beginning")]
    FileTruncated(String),
    /// A file of the checkpoint does not exist any more.
    #[error("file {0:?} of the checkpoint is gone; what was not sent of it is lost")]
    FileGone(String),
    /// A file was gone before it was opened.
    #[error("file {name:?} was gone before it could be read; {bytes} bytes of it are lost")]
    FileLost {
        /// Base name.
        name: String,
        /// What was there of it when it was listed.
        bytes: u64,
    },
    /// More files than may be open at once.
    #[error(
        "more than {0} files are followed; those that are quiet are closed and opened again when they change"
    )]
    TooManyFiles(usize),
    /// More alerts than standard error gets.
    #[error(
        "{0} alerts were not written to standard error, which gets at most {burst} at once and {per_second} a second",
        burst = alerts::RATE.burst,
        per_second = alerts::RATE.per_second
    )]
    AlertsSuppressed(u64),
    /// A container's output cannot be read at the moment.
    #[error("container output cannot be read, trying again: {0}")]
    OutputUnavailable(String),
    /// A container's output is read.
    #[error("reading the output of container {0:?}")]
    OutputFollowed(String),
    /// More instances of a container ended than the API keeps.
    #[error(
        "container {container:?} was started again more often than it could be read, and the API keeps the output of its last runs alone; output of {instances} of its runs may be missing"
    )]
    OutputGap {
        /// Name of the container.
        container: String,
        /// Of so many instances.
        instances: u32,
    },
    /// Output that seems to have been rotated away before it was read.
    #[error(
        "output of container {container:?} written after {} and before {} may be missing: {}",
        at(gap.from),
        at(gap.to),
        match gap.cause {
            Cause::Rotation => "the file of the line before was rotated and is not served any more",
            Cause::HeldBack => "reading was held back by slow sinks for longer than files are kept open",
        }
    )]
    OutputSuspected {
        /// Name of the container.
        container: String,
        /// Between which lines.
        gap: Gap,
    },
    /// What sinks do not take is written to the state volume.
    #[error("source {0:?}: sinks take nothing, its output is kept on the state volume until they do")]
    SpillBegun(String),
    /// All of it was sent.
    #[error("source {0:?}: everything that was kept on the state volume was sent")]
    SpillOver(String),
    /// It goes on with what the last run left.
    #[error(
        "source {source_name:?}: {bytes} bytes of its output that were not acknowledged are on the state volume and are sent first"
    )]
    SpillFound {
        /// Name of the source.
        source_name: String,
        /// Of entries.
        bytes: u64,
    },
    /// The bound is reached.
    #[error(
        "source {source_name:?}: {bytes_max} bytes of its output are kept on the state volume and that is the bound; no more is read until sinks take it; raise containerOutput.spill.maxBytes if outages are longer"
    )]
    SpillFull {
        /// Name of the source.
        source_name: String,
        /// The bound.
        bytes_max: u64,
    },
    /// The state volume takes nothing; it is tried again.
    #[error(
        "source {source_name:?}: its output cannot be kept on the state volume or not be read from it, trying again; what it does not take waits for the sinks: {error}"
    )]
    SpillFails {
        /// Name of the source.
        source_name: String,
        /// The system's words.
        error: String,
    },
    /// What was kept is not as it was written.
    #[error(
        "source {source_name:?}: {bytes} bytes of its output that were kept on the state volume are damaged or gone and are lost"
    )]
    SpillDamaged {
        /// Name of the source.
        source_name: String,
        /// Of entries.
        bytes: u64,
    },
    /// A sink fails; its records are sent again.
    #[error("sink {sink:?} fails, sending again until it succeeds: {error}")]
    SinkFails {
        /// Name of the sink.
        sink: String,
        /// What went wrong.
        error: String,
    },
    /// A sink that failed works again.
    #[error("sink {0:?} works again")]
    SinkRecovered(String),
}

impl Report {
    /// Whether something that was to be read cannot be.
    pub fn is_unread(&self) -> bool {
        matches!(
            self,
            Self::DirectoryUnreadable(_)
                | Self::FileUnreadable { .. }
                | Self::FileGone(_)
                | Self::TooManyFiles(_)
                | Self::OutputUnavailable(_)
        )
    }

    /// Whether somebody should look at it.
    pub fn is_warning(&self) -> bool {
        !matches!(
            self,
            Self::FileFollowed { .. }
                | Self::OutputFollowed(_)
                | Self::SinkRecovered(_)
                | Self::SpillOver(_)
                | Self::SpillFound { .. }
        )
    }
}

/// The time in words.
fn at(time: Nanos) -> String {
    String::from_utf8_lossy(&rfc3339(time)).into_owned()
}
