//! Which of the rotated files that nobody has seen were missed, and which were there before anybody asked for them.

use super::Tail;
use super::begin::Begin;
use super::file::{File, Stage};
use super::memory::Aside;
use super::siblings::{Age, is_compressed};
use crate::engine::outlets::Outlets;
use crate::engine::report::Report;
use std::collections::BTreeMap;

/// What is known of the files of one name.
#[derive(Debug, Default)]
struct Lineage<'a> {
    /// The oldest that is there.
    oldest: Option<&'a Age>,
    /// When the first of those was written last that have no place in the order any more.
    gone_ns: Option<i128>,
}

impl Tail {
    /// Judges the next rotated file that nobody has seen, once all others were looked at or cannot be: who is newer than one that is
    /// known was missed, the others were there before.
    pub(super) fn judge(&mut self, outlets: &mut Outlets) -> Option<Report> {
        if self.judged.is_empty() && self.arrivals.is_empty() && !self.examined.is_empty() {
            let lineages = self.lineages();
            let files = self.examined.iter().filter_map(|id| self.followed.get(*id));
            let judged = files.map(|file| (file.id, was_missed(file, lineages.get(&*file.kin.stem))));
            self.judged = judged.collect();
            self.examined.clear();
        }
        while let Some((id, was_missed)) = self.judged.pop_front() {
            let waits = self.followed.get(id).map(|file| file.stage) == Some(Stage::Examined);
            match was_missed {
                true if waits => return self.begin(id, Begin::default(), outlets),
                false if waits => self.put_aside(id, Aside::Ignored),
                _ => None,
            };
        }
        None
    }

    /// What is known, by name.
    fn lineages(&self) -> BTreeMap<&str, Lineage<'_>> {
        let mut lineages: BTreeMap<&str, Lineage<'_>> = BTreeMap::new();
        for file in self.followed.iter() {
            let lineage = lineages.entry(&file.kin.stem).or_default();
            if file.is_open() && file.stage != Stage::Examined {
                lineage.has(&file.kin.age);
            }
            if file.away_since.is_some() && file.kin.age == Age::Current {
                lineage.had(file.modified_ns);
            }
        }
        for known in self.memory.known() {
            for stem in [&known.kin.stem, &known.position.name] {
                let lineage = lineages.entry(stem).or_default();
                if known.is_present {
                    lineage.has(&known.kin.age);
                } else {
                    lineage.had(known.position.modified_ns.into());
                }
            }
        }
        for ghost in self.memory.ghosts() {
            lineages
                .entry(&ghost.kin.stem)
                .or_default()
                .had(ghost.modified_ns);
        }
        lineages
    }
}

impl<'a> Lineage<'a> {
    fn has(&mut self, age: &'a Age) {
        self.oldest = Some(self.oldest.map_or(age, |oldest| oldest.min(age)));
    }

    fn had(&mut self, modified_ns: i128) {
        self.gone_ns = Some(
            self.gone_ns
                .map_or(modified_ns, |gone_ns| gone_ns.min(modified_ns)),
        );
    }
}

/// Whether a file that nobody has seen is newer than one that is known.
fn was_missed(file: &File, lineage: Option<&Lineage<'_>>) -> bool {
    // What was not there at the first listing was rotated since, unless it is an older file that was compressed.
    let is_new = file.first_listed.is_none() && !is_compressed(&file.path);
    is_new
        || lineage.is_some_and(|lineage| {
            let is_newer_by_name = lineage.oldest.is_some_and(|oldest| *oldest < file.kin.age);
            // Who is gone has no place in the order any more. Here alone the time of a file decides, and towards reading it.
            is_newer_by_name || lineage.gone_ns.is_some_and(|gone_ns| gone_ns <= file.modified_ns)
        })
}
