//! What the first bytes of a file, and its size, say about whose contents it has.
//!
//! Files of one name may begin alike, with a heading: so an equal beginning proves nothing while more of the original is to come, and
//! what is known of its end is compared before anything is believed.

use super::Look;
use super::begin::Begin;
use super::trails::Trails;
use crate::engine::checkpoint::{Head, Identity, Trail};
use crate::engine::framer::FramePosition;
use crate::engine::outlets::StreamId;

/// More bytes are not expected to be the same at the beginning of different files: what lies behind is a file's own.
const HEADING_BYTES_MAX: u64 = 8 << 10;

/// Whom a new file seems to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// Itself, seen before.
    Same,
    /// A file that is gone.
    Gone(Identity),
    /// Contents that were replaced.
    Ghost(u64),
    /// A file that is followed.
    Followed(StreamId),
    /// A file that is there and not open at the moment.
    Parked(Identity),
    /// A file that is there and cannot be opened.
    Unreadable(Identity),
}

/// The supposition that a file has the contents of another.
#[derive(Debug, Clone, Copy)]
pub(super) struct Claim {
    pub origin: Origin,
    pub begin: Begin,
    /// No other contents are expected to be the same for as long.
    pub is_telling: bool,
}

/// What speaks for looking at a file later, because it may be a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Doubt {
    None,
    /// It is too short to tell; somebody may be making it.
    Short,
    /// A file that it may be a copy of was not looked at since, or no further than where many begin alike.
    Unread,
}

/// What the first bytes say about a claim.
#[derive(Debug)]
pub(super) enum Evidence {
    Other,
    Later(Doubt),
    Same(Claim),
}

/// Contents that others may be a copy of.
#[derive(Debug)]
pub(super) struct Suspect<'a> {
    pub origin: Origin,
    pub begin: Begin,
    pub trails: &'a Trails,
    /// There may be more of it than is known, and what follows for those who begin like it.
    pub more: Doubt,
}

/// A file of which it is asked whose contents it has.
#[derive(Debug)]
pub(super) struct Candidate<'a> {
    look: Look<'a>,
    head: Head<'a>,
}

impl<'a> Candidate<'a> {
    /// Nothing is compared yet.
    pub(super) fn new(look: Look<'a>) -> Self {
        Self {
            look,
            head: Head::new(look.head),
        }
    }

    /// Whether it can have them, were it larger than it says: whether it holds all that was read of the original is seen when it is unpacked.
    pub(super) fn evidence_if_larger(&mut self, suspect: &Suspect<'_>) -> Option<Evidence> {
        let furthest = suspect.begin.at.furthest();
        (self.look.size < furthest).then(|| self.evidence_at(furthest, suspect))
    }

    /// Whether it can have these contents.
    pub(super) fn evidence(&mut self, suspect: &Suspect<'_>) -> Evidence {
        self.evidence_at(self.look.size, suspect)
    }

    /// Whether it can have them, were it of this size.
    fn evidence_at(&mut self, size: u64, suspect: &Suspect<'_>) -> Evidence {
        let Suspect {
            origin,
            begin,
            trails,
            more,
        } = *suspect;
        if begin.fingerprint.bytes == 0 {
            return Evidence::Other;
        }
        match self.head.matches(&begin.fingerprint) {
            None => return Evidence::Later(Doubt::Short),
            Some(false) => return Evidence::Other,
            Some(true) => {}
        }
        // Files may begin alike for that long: only what lies behind, or all of it, tells them apart.
        let is_telling = |trail: &Trail| trail.end == size || trail.end >= HEADING_BYTES_MAX;
        if size >= begin.at.furthest() {
            // Without a trail the place tells nothing.
            if begin.trail.bytes == 0 {
                return Evidence::Other;
            }
            // Before more of the original is read, nobody knows whether this is a copy of it or only begins like it.
            let is_telling = is_telling(&begin.trail);
            if more != Doubt::None && !is_telling {
                return Evidence::Later(more);
            }
            return Evidence::Same(Claim {
                origin,
                begin,
                is_telling,
            });
        }
        // An earlier moment of the file: everything in it was read.
        let Some(trail) = trails.within(size).filter(is_telling) else {
            return Evidence::Later(Doubt::Short);
        };
        let at = FramePosition::at(size, self.look.head);
        let settled = if begin.settled.offset < at.offset {
            begin.settled
        } else {
            at
        };
        let begin = Begin {
            at,
            settled,
            trail,
            ..begin
        };
        Evidence::Same(Claim {
            origin,
            begin,
            is_telling: true,
        })
    }
}
