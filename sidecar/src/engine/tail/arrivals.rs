//! Who a newly opened file is: one that was read before, a copy of one, or a new one.
//!
//! Guarantees: what is a copy of contents that were read is not read again, and what of it was not read is; a rotated file that
//! nobody has seen is read if it is newer than one that is known; in doubt a file is read, because duplicates are better than loss.

use super::begin::Begin;
use super::evidence::{Candidate, Claim, Doubt, Evidence, Origin, Suspect};
use super::file::{File, Stage};
use super::memory::{Aside, ToCome};
use super::siblings::{Age, Families, is_compressed};
use super::{Chunk, Look, SHORT, Tail};
use crate::engine::Tick;
use crate::engine::checkpoint::{Fingerprint, Identity};
use crate::engine::framer::FramePosition;
use crate::engine::outlets::{Outlets, StreamId};
use crate::engine::report::Report;
use logship_crd::agent_config::StartAt;
use std::cmp::Reverse;
use std::collections::VecDeque;
use std::time::Duration;

/// A file that cannot be opened is waited for no longer by those that begin like it.
const PATIENCE: Duration = Duration::from_secs(30);

/// An open file whose contents are compared.
#[derive(Debug)]
pub(super) struct Arrival {
    pub(super) claims: VecDeque<Claim>,
    /// It was seen before; were its contents replaced, that is worth a word.
    is_known: bool,
    /// Whether it is to be looked at later, should no claim hold.
    waits: bool,
}

impl Tail {
    /// A file was opened.
    pub fn opened(
        &mut self,
        now: Tick,
        id: StreamId,
        look: Look<'_>,
        outlets: &mut Outlets,
    ) -> Option<Report> {
        let file = self
            .followed
            .get(id)
            .filter(|file| file.stage == Stage::Opening)?;
        if file.identity != look.identity {
            // Its name was given to another file meanwhile.
            self.followed.update(id, |file| file.stage = Stage::Failed);
            self.to_close.push_back(id);
            self.look_anew(now);
            return None;
        }
        self.unreadable.remove(&file.path);
        let since = self.memory.short_since(file.identity);
        let (mut claims, doubt) = self.claims(now, file, &look);
        let known = self.memory.get(file.identity);
        let is_known = known.is_some_and(|known| known.position.fingerprint.bytes > 0);
        let waits = match doubt {
            Doubt::None => false,
            Doubt::Short => since.is_none(),
            Doubt::Unread => true,
        };
        let waits = waits && !is_known;
        if waits && self.begins_like_a_shrunken_one(file, &look) {
            // Who only begins alike is not believed while a better claim may come.
            claims.retain(|claim| claim.is_telling);
        }
        if waits && claims.is_empty() {
            return self.postpone(now, id);
        }
        let size = look.size;
        self.followed.update(id, |file| {
            file.size = size;
            file.fingerprint = Fingerprint::of(look.head);
            // Otherwise every other rotated file would wait for the first read of this one.
            file.looked_at = now;
            file.stage = Stage::Verifying;
        });
        let arrival = Arrival {
            claims,
            is_known,
            waits,
        };
        self.arrivals.insert(id, arrival);
        self.examine(now, id, &look, outlets)
    }

    /// Takes what was read of a file to compare it.
    pub(super) fn verify(
        &mut self,
        now: Tick,
        id: StreamId,
        chunk: &Chunk<'_>,
        outlets: &mut Outlets,
    ) -> Option<Report> {
        let file = self.followed.get(id)?;
        let claim = *self.arrivals.get(&id)?.claims.front()?;
        let look = Look {
            identity: file.identity,
            size: chunk.size,
            head: chunk.head.unwrap_or_default(),
        };
        let is_long_enough = chunk.size >= claim.begin.at.offset || is_compressed(&file.path);
        match claim.begin.trail.leads(chunk.bytes) {
            Some(true) if is_long_enough => self.claimed(now, id, claim, chunk.size, outlets),
            // A file that shrank will never be long enough for the claim.
            None if is_compressed(&file.path)
                && chunk.size > claim.begin.trail.start() + chunk.bytes.len() as u64
                || !chunk.bytes.is_empty() && chunk.size >= claim.begin.trail.end =>
            {
                // A short read, or it is being unpacked up to here.
                self.followed.update(id, |_| ());
                None
            }
            _ => {
                self.arrivals.get_mut(&id)?.claims.pop_front();
                // Should there be another claim, it is read again for that.
                self.followed.update(id, |_| ());
                self.examine(now, id, &look, outlets)
            }
        }
    }

    /// Where the next read of a file that is compared begins.
    pub(super) fn verify_from(&self, id: StreamId) -> Option<u64> {
        let claim = self.arrivals.get(&id)?.claims.front()?;
        Some(claim.begin.trail.start())
    }

    /// Goes on with a file whose contents are not compared any more, because there is nothing to compare them with.
    fn examine(&mut self, now: Tick, id: StreamId, look: &Look<'_>, outlets: &mut Outlets) -> Option<Report> {
        if let Some(claim) = self.arrivals.get(&id)?.claims.front().copied() {
            // Without a trail the first bytes are all there is to compare.
            if claim.begin.trail.bytes == 0
                && !matches!(claim.origin, Origin::Followed(_) | Origin::Parked(_))
            {
                return self.claimed(now, id, claim, look.size, outlets);
            }
            return None;
        }
        let arrival = self.arrivals.remove(&id)?;
        if arrival.waits {
            return self.postpone(now, id);
        }
        let file = self.followed.get(id)?;
        let (matched, identity, kin) = (file.matched, file.identity, file.kin.clone());
        if arrival.is_known {
            let known = self.memory.forget(identity);
            let was_read = known.as_ref().is_some_and(|known| known.position.offset > 0);
            let known_name = known.as_ref().map(|known| known.position.name.clone());
            if let Some(known) = known {
                self.memory.mourn_known(known);
            }
            // The name that was known is that of the file which had this inode before.
            self.followed.update(id, File::take_own_name);
            if kin.age != Age::Current {
                // Its inode was reused by a rotated file that is still to be recognised.
                self.followed.update(id, |file| file.stage = Stage::Failed);
                self.to_close.push_back(id);
                self.look_anew(now);
                return None;
            }
            if !matched {
                // Its inode was reused by a file that is none of ours.
                return self.put_aside(id, Aside::Ignored);
            }
            let began = self.begin(
                id,
                Begin {
                    skip_nul: was_read,
                    ..Begin::default()
                },
                outlets,
            );
            let name = self.followed.get(id)?.name.clone();
            let was_rewritten = was_read && known_name == Some(name.clone());
            self.counts.truncations += u64::from(was_rewritten);
            return if was_rewritten {
                Some(Report::FileTruncated(name))
            } else {
                began
            };
        }
        if matched {
            let file = self.followed.get(id)?;
            let starts_at_end = self.first_start && self.settings.start_at == StartAt::End;
            let end = file.first_listed.filter(|_| starts_at_end);
            // Of a compressed file the listing tells another size than that of its contents.
            let end = end.map(|end| if is_compressed(&file.path) { look.size } else { end });
            let begin = end.map_or_else(Begin::default, |end| Begin::end(end, look));
            return self.begin(id, begin, outlets);
        }
        if kin.age == Age::Current {
            // It has the inode of a file that was empty, and a name that is none of ours.
            return self.put_aside(id, Aside::Ignored);
        }
        self.followed.update(id, |file| file.stage = Stage::Examined);
        self.examined.insert(id);
        None
    }

    /// A file has the contents of another, as far as those were read.
    fn claimed(
        &mut self,
        now: Tick,
        id: StreamId,
        claim: Claim,
        size: u64,
        outlets: &mut Outlets,
    ) -> Option<Report> {
        self.arrivals.remove(&id);
        if claim.origin != Origin::Same {
            // It has the inode of a file that was empty, and no more.
            self.memory.forget(self.followed.get(id)?.identity);
        }
        let mut is_news = true;
        match claim.origin {
            Origin::Followed(original) => {
                let original = self.followed.get(original).map(|file| file.identity);
                let ghosts = self.memory.ghost_number();
                let why = original.map_or(Aside::Ignored, |original| Aside::CopyOf(original, ghosts));
                return self.put_aside(id, why);
            }
            Origin::Parked(original) => {
                let why = Aside::CopyOf(original, self.memory.ghost_number());
                return self.put_aside(id, why);
            }
            Origin::Same => {
                let identity = self.followed.get(id)?.identity;
                let known = self.memory.forget(identity)?;
                is_news = !known.was_read_here();
            }
            Origin::Gone(identity) => {
                let known = self.memory.forget(identity)?;
                self.followed.update(id, |file| file.name = known.position.name);
            }
            Origin::Unreadable(identity) => {
                // Should it be no copy, then that much of it is the same all the same.
                let name = self.memory.get(identity)?.position.name.clone();
                self.followed.update(id, |file| file.name = name);
            }
            Origin::Ghost(number) => {
                let ghost = self.memory.lay(number)?;
                self.followed.update(id, |file| file.name = ghost.name);
            }
        }
        self.followed.update(id, |file| {
            file.changed_at = now;
            file.size = size;
        });
        self.begin(id, claim.begin, outlets).filter(|_| is_news)
    }

    pub(super) fn begin(&mut self, id: StreamId, begin: Begin, outlets: &mut Outlets) -> Option<Report> {
        let identity = self.followed.get(id)?.identity;
        // What was known of an empty file that had this inode is over, and so is any waiting.
        self.memory.forget(identity);
        self.memory.reconsider(identity);
        let of_source = &self.settings.context;
        self.followed.update(id, |file| {
            file.start(file.size, begin, of_source, outlets);
            Report::FileFollowed {
                name: file.name.clone(),
                offset: file.offset,
            }
        })
    }

    /// Leaves a file alone for now, and looks at it again soon.
    fn postpone(&mut self, now: Tick, id: StreamId) -> Option<Report> {
        let identity = self.followed.get(id)?.identity;
        let since = self.memory.short_since(identity).unwrap_or(now);
        if self.drain_listed.is_some() {
            self.look_anew(now);
        } else if now < since + SHORT {
            self.next_listing = self.next_listing.map(|at| at.min(since + SHORT));
        }
        self.put_aside(id, Aside::Short(since))
    }

    /// Leaves a file alone, and closes it.
    pub(super) fn put_aside(&mut self, id: StreamId, why: Aside) -> Option<Report> {
        self.arrivals.remove(&id);
        let file = self.followed.remove(id)?;
        self.memory.set_aside(&file, why);
        self.to_close.push_back(id);
        None
    }

    /// Whether it begins like a file that was longer when it was read than it is now: soon that is known to have other contents.
    fn begins_like_a_shrunken_one(&self, file: &File, look: &Look<'_>) -> bool {
        self.followed.iter().any(|other| {
            let is_shrunken = other.is_read() && other.size < other.offset;
            other.id != file.id && is_shrunken && other.fingerprint.matches(look.head)
        })
    }

    /// Whom a file may be, the likeliest first, and what speaks for looking at it later.
    fn claims(&self, now: Tick, file: &File, look: &Look<'_>) -> (VecDeque<Claim>, Doubt) {
        let is_packed = is_compressed(&file.path);
        let known = self.memory.get(file.identity).map(|known| {
            let position = &known.position;
            let is_long_enough = look.size >= position.frames().furthest() || is_packed;
            let is_possible = is_long_enough && position.fingerprint.matches(look.head);
            let origin = Origin::Same;
            let begin = Begin::at(position);
            (
                is_possible.then_some(Claim {
                    origin,
                    begin,
                    is_telling: true,
                }),
                position.fingerprint.bytes > 0,
            )
        });
        if let Some((claim, true)) = known {
            return (claim.into_iter().collect(), Doubt::None);
        }
        // Of a file that was empty nothing but its inode is known, which may be another file's by now: a stranger's, if the name says
        // nothing else.
        let is_ours = file.matched || file.kin.age != Age::Current && !is_packed;
        let empty = known.and_then(|(claim, _)| claim).filter(|_| is_ours);
        if file.kin.age == Age::Current {
            return (empty.into_iter().collect(), Doubt::None);
        }
        let since = self.memory.short_since(file.identity).unwrap_or(now);
        let is_patient = self.drain_listed.is_none() && now < since + PATIENCE;
        let to_come = |identity| {
            let original = self.followed.id_of(identity);
            match original.and_then(|id| self.followed.get(id)) {
                None => ToCome::Nothing,
                Some(original) if original.stage == Stage::Failed && !is_patient => ToCome::Hopeless,
                Some(_) => ToCome::Look,
            }
        };
        // Of several names of a file one is known, and the rotation may be of another.
        let bearer = self.names.get(&file.kin.stem).copied();
        let is_kin = |identity: Identity, names: [&str; 2], families: &Families| {
            bearer == Some(identity) || names.contains(&&*file.kin.stem) || families.has(&file.kin.stem)
        };
        let mut candidate = Candidate::new(*look);
        let mut evidences = Vec::new();
        for suspect in self.memory.suspects(is_kin, to_come) {
            if is_packed {
                evidences.extend(candidate.evidence_if_larger(&suspect));
            }
            evidences.push(candidate.evidence(&suspect));
        }
        let originals = self.followed.iter().filter(|other| {
            let names = [&*other.kin.stem, &other.name];
            other.id != file.id && is_kin(other.identity, names, &other.families) && other.is_read()
        });
        for other in originals {
            if other.stage != Stage::Rested && other.looked_at < since {
                evidences.push(Evidence::Later(Doubt::Unread));
            }
            // A copy is not longer than its original.
            if look.size > other.size {
                evidences.push(Evidence::Later(Doubt::Short));
                continue;
            }
            let suspect = Suspect {
                origin: Origin::Followed(other.id),
                begin: Begin {
                    at: FramePosition {
                        offset: other.offset,
                        ..FramePosition::default()
                    },
                    settled: FramePosition::default(),
                    fingerprint: other.fingerprint,
                    trail: other.trail,
                    skip_nul: false,
                },
                trails: &other.trails,
                more: Doubt::Unread,
            };
            evidences.push(candidate.evidence(&suspect));
        }
        let doubts = evidences.iter().map(|evidence| match evidence {
            Evidence::Other | Evidence::Same(_) => Doubt::None,
            Evidence::Later(doubt) => *doubt,
        });
        let doubt = doubts.fold(Doubt::None, Doubt::max);
        let claims = evidences.into_iter().filter_map(|evidence| match evidence {
            Evidence::Same(claim) => Some(claim),
            Evidence::Other | Evidence::Later(_) => None,
        });
        let mut claims: Vec<Claim> = claims.collect();
        // Of contents that begin alike, those are likeliest of which most is the same.
        claims.sort_by_key(|claim| (!claim.is_telling, Reverse(claim.begin.trail.end)));
        // Whoever is to be looked at later is not taken for that file now.
        let empty = empty.filter(|_| doubt == Doubt::None);
        (claims.into_iter().chain(empty).collect(), doubt)
    }
}
