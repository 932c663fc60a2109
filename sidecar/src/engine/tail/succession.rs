//! Goes on with the same files for a pipeline that was changed.
//!
//! Guarantees: descriptors are kept, also of files that have no name any more; nothing is lost; what every sink has settled is not read
//! again. Open records stay open, unless the rules that gather them are others now: then they are gathered anew.

use super::arrivals::Arrival;
use super::evidence::Origin;
use super::{Tail, TailSettings};
use crate::engine::Tick;
use crate::engine::framer::FramerSettings;
use crate::engine::outlets::{Outlets, StreamId};
use logship_crd::agent_config::StartAt;
use regex::bytes::Regex;

/// What is other than before.
#[derive(Debug)]
pub struct Succession<'a> {
    /// Number of the source.
    pub source: usize,
    /// How the directory is followed.
    pub settings: TailSettings,
    /// The names that were wanted, and those that are.
    pub patterns: (&'a Regex, &'a Regex),
    /// Every sink has settled what was read; otherwise the rest of it is read again.
    pub is_settled: bool,
}

impl Tail {
    /// Goes on under other settings, for the sinks of `outlets`.
    #[must_use]
    pub fn go_on(mut self, now: Tick, succession: Succession<'_>, outlets: &mut Outlets) -> Self {
        let Succession {
            source,
            mut settings,
            patterns: (was_wanted, is_wanted),
            is_settled,
        } = succession;
        if !self.listed && self.directory_error.is_some() {
            // As after a listing that failed.
            settings.start_at = StartAt::Beginning;
        }
        let stays_open = is_settled && settings.framer.frames_like(&self.settings.framer);
        self.source = source;
        self.settings = settings;
        self.drain_listed = None;
        self.next_listing = Some(now);
        self.look_at = Some(now);
        if was_wanted.as_str() != is_wanted.as_str() {
            self.is_about_others(now, was_wanted, is_wanted);
        }
        if !is_settled {
            self.memory.rewind();
            self.arrivals.values_mut().for_each(Arrival::rewind);
        }
        let (context, framer) = (&self.settings.context, &self.settings.framer);
        for id in self.followed.ids() {
            // Whatever was asked before is answered by now.
            self.followed.answered(id);
            self.followed.update(id, |file| {
                if stays_open {
                    file.relabel(context, outlets);
                } else {
                    file.rewind(context, framer, outlets);
                }
            });
        }
        self
    }

    /// Files that hold a descriptor.
    pub fn open_ids(&self) -> Vec<StreamId> {
        let open = self.followed.iter().filter(|file| file.is_open());
        open.map(|file| file.id)
            .chain(self.to_close.iter().copied())
            .collect()
    }

    /// Closes the files that are not wanted any more, keeping their positions for their return, and looks at those that are wanted now.
    fn is_about_others(&mut self, now: Tick, was_wanted: &Regex, is_wanted: &Regex) {
        let left = |name: &str| was_wanted.is_match(name.as_bytes()) && !is_wanted.is_match(name.as_bytes());
        let unwanted = self.followed.iter();
        let unwanted = unwanted.filter(|file| file.is_read() && left(&file.name));
        let unwanted: Vec<StreamId> = unwanted.map(|file| file.id).collect();
        for id in unwanted {
            self.give_up(now, id, false);
        }
        self.memory.leave(left);
        let come = |name: &str| !was_wanted.is_match(name.as_bytes()) && is_wanted.is_match(name.as_bytes());
        self.memory.return_to(come);
    }
}

impl Arrival {
    /// A copy of what was not settled is read from there.
    fn rewind(&mut self) {
        for claim in &mut self.claims {
            if let Origin::Ghost(_) = claim.origin {
                claim.begin.at = claim.begin.settled;
            }
        }
    }
}

impl FramerSettings {
    /// Whether it makes the same records of the same bytes.
    fn frames_like(&self, other: &Self) -> bool {
        let Self {
            framing,
            multiline,
            record_bytes_max,
        } = self;
        *framing == other.framing
            && *record_bytes_max == other.record_bytes_max
            && match (multiline, &other.multiline) {
                (None, None) => true,
                (Some(rules), Some(others)) => rules.joins_like(others),
                (None, Some(_)) | (Some(_), None) => false,
            }
    }
}
