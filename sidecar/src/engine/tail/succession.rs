//! Goes on with the same files for a pipeline that was changed.
//!
//! Guarantees: descriptors are kept, also of files that have no name any more; nothing is lost; what every sink has settled is not read
//! again. Open records stay open, unless the rules that gather them are others now: then they are gathered anew.

use super::arrivals::Arrival;
use super::memory::Origin;
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
    /// The names that are wanted.
    pub pattern: &'a Regex,
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
            pattern,
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
        self.leave_unwanted(now, pattern);
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

    /// Closes the files that are not wanted any more. Their positions are kept, should they be wanted again.
    fn leave_unwanted(&mut self, now: Tick, pattern: &Regex) {
        let is_wanted = |name: &str| pattern.is_match(name.as_bytes());
        let unwanted = self
            .followed
            .iter()
            .filter(|file| file.is_read() && !is_wanted(&file.name));
        let unwanted: Vec<StreamId> = unwanted.map(|file| file.id).collect();
        for id in unwanted {
            self.give_up(now, id, false);
        }
        self.memory.is_about(is_wanted);
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
