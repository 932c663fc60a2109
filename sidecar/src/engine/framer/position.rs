//! How far a file is framed, such that a restart goes on exactly there.
//!
//! The lines of a container's two outputs are interleaved in one file, and a record of one may be open while later lines of the
//! other were sent already. Each output by itself is sent in order, though, so "which records were sent" is one offset for each
//! output and not a set of ranges: reading goes on at the lowest, and lines of the others are dropped up to theirs. That is exact, two
//! numbers, and needs no record to be torn apart at a stop.

use super::encoding::Encoding;
use serde::{Deserialize, Serialize};

/// Everything before it was handed out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FramePosition {
    /// Where reading goes on: the beginning of the oldest line that was not handed out.
    pub offset: u64,
    /// The offset lies inside a line whose beginning was handed out.
    pub mid_line: bool,
    /// What the file's first bytes said.
    pub encoding: Encoding,
    /// Where outputs are ahead of the offset or inside a record; none: all are at it.
    pub streams: Option<StreamPositions>,
}

/// How far each of the outputs in one file is; [`FramePosition::offset`] is the lowest of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StreamPositions {
    /// Standard output.
    pub stdout: StreamPosition,
    /// Standard error.
    pub stderr: StreamPosition,
    /// Lines that are of neither because they are malformed.
    pub others: u64,
}

/// How far one output is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StreamPosition {
    /// Its lines that begin before this offset were handed out.
    pub offset: u64,
    /// Its next line goes on a record whose beginning was handed out.
    #[serde(default)]
    pub mid_record: bool,
}

impl StreamPositions {
    /// Where the output is that is furthest behind.
    pub fn lowest(&self) -> u64 {
        self.others.min(self.stdout.offset).min(self.stderr.offset)
    }
}

impl FramePosition {
    /// At `offset` of a file that begins with `head`, with nothing open.
    pub fn at(offset: u64, head: &[u8]) -> Self {
        Self {
            offset,
            encoding: Encoding::of_head(head),
            ..Self::default()
        }
    }

    /// Behind the furthest record that was handed out.
    pub fn furthest(&self) -> u64 {
        let streams = self.per_stream();
        let furthest = streams.stdout.offset.max(streams.stderr.offset);
        furthest.max(streams.others)
    }

    /// The position that these make; `mid_line` says that the lowest offset lies inside a line.
    pub(super) fn of_streams(streams: StreamPositions, mid_line: bool) -> Self {
        let StreamPositions {
            stdout,
            stderr,
            others,
        } = streams;
        let offset = streams.lowest();
        let plain = StreamPosition {
            offset,
            mid_record: false,
        };
        let is_plain = others == offset && stdout == plain && stderr == plain;
        Self {
            offset,
            mid_line,
            encoding: Encoding::default(),
            streams: (!is_plain).then_some(streams),
        }
    }

    /// How far each output is.
    pub(super) fn per_stream(&self) -> StreamPositions {
        let plain = StreamPosition {
            offset: self.offset,
            mid_record: false,
        };
        self.streams.unwrap_or(StreamPositions {
            stdout: plain,
            stderr: plain,
            others: self.offset,
        })
    }
}
