//! Where reading of a file begins: where it ended before, at its end, or at its first byte.

use super::Look;
use crate::engine::checkpoint::{FilePosition, Fingerprint, Trail};
use crate::engine::framer::FramePosition;

/// Where reading of a file begins.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Begin {
    pub at: FramePosition,
    /// What is settled of it, at most as much as `at`.
    pub settled: FramePosition,
    pub fingerprint: Fingerprint,
    pub trail: Trail,
    pub skip_nul: bool,
}

impl Begin {
    /// At a position of the checkpoint or of memory.
    pub(super) fn at(position: &FilePosition) -> Self {
        Self {
            at: position.frames(),
            settled: position.frames(),
            fingerprint: position.fingerprint,
            trail: position.trail,
            skip_nul: false,
        }
    }

    /// Behind the byte that was the last when the file was listed, of what was written since nothing is skipped.
    pub(super) fn end(listed: u64, look: &Look<'_>) -> Self {
        let end = listed.min(look.size);
        let at = FramePosition::at(end, look.head);
        let covered = look.head.len().min(usize::try_from(end).unwrap_or(usize::MAX));
        Self {
            at,
            settled: at,
            fingerprint: Fingerprint::of(&look.head[..covered]),
            trail: Trail::none(end),
            skip_nul: false,
        }
    }
}
