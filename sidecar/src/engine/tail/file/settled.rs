//! What of a file was handed out, how much of that every sink has settled, and what a checkpoint says of it.

use super::File;
use crate::engine::checkpoint::{FilePosition, Trail};
use crate::engine::framer::FramePosition;
use crate::engine::outlets::{Outlets, Position};

impl File {
    pub(in crate::engine::tail) fn reached(&mut self, position: Position) {
        if let Position::File { epoch, at } = position
            && epoch == self.epoch
        {
            self.settled = at;
            while let Some(trail) = self.mark_trails.front().filter(|trail| trail.end <= at.offset) {
                self.settled_trail = *trail;
                self.mark_trails.pop_front();
            }
        }
    }

    pub(in crate::engine::tail) fn position(&self) -> FilePosition {
        let FramePosition {
            offset,
            mid_line,
            encoding,
            streams,
        } = self.settled;
        FilePosition {
            name: self.name.clone(),
            identity: self.identity,
            fingerprint: self.fingerprint,
            offset,
            mid_line,
            encoding,
            streams,
            trail: self.settled_trail,
            modified_ns: i64::try_from(self.modified_ns).unwrap_or_default(),
            finished: false,
        }
    }

    /// Notes what was handed out; `known` is what stands right before the offset.
    pub(super) fn mark(&mut self, known: &[u8], outlets: &mut Outlets) {
        let at = self.framer.position();
        if at == self.marked || self.lent_to.is_some() {
            return;
        }
        self.marked = at;
        let behind = usize::try_from(self.offset.saturating_sub(at.offset)).unwrap_or(usize::MAX);
        if at.offset == self.trail.end {
            self.mark_trails.push_back(self.trail);
        } else if let Some(before) = known.len().checked_sub(behind).filter(|before| *before > 0) {
            self.mark_trails.push_back(Trail::of(at.offset, &known[..before]));
        }
        let epoch = self.epoch;
        outlets.mark(self.id, Position::File { epoch, at });
    }
}
