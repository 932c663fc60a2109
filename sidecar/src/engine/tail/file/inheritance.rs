//! Records that begin in one file and end in its successor, after a rotation in their middle.

use super::{File, Stage};
use crate::engine::outlets::Outlets;

impl File {
    /// Takes over the records that are open in `before`, which this file follows after a rotation.
    pub(in crate::engine::tail) fn inherit(&mut self, before: &mut Self) {
        self.framer.inherit(&mut before.framer);
        if self.framer.holds_inheritance() {
            self.heir_of = Some(before.id);
            before.lent_to = Some(self.id);
        }
    }

    /// Whether `heir`, of which nothing was read yet, may go on with records that are open here: it has the name that this file had.
    pub(in crate::engine::tail) fn bequeaths(&self, heir: &Self) -> bool {
        let had_name = self.name.strip_prefix(&heir.name);
        heir.opened_at == Some(heir.offset)
            && self.id != heir.id
            && self.stage == Stage::Rested
            && self.framer.is_open()
            && had_name.is_some_and(|rest| match rest.as_bytes() {
                [] => self.away_since.is_some(),
                [first, ..] => matches!(first, b'.' | b'-'),
            })
    }

    /// The records that another file had taken over were handed out.
    pub(in crate::engine::tail) fn take_back(&mut self, outlets: &mut Outlets) {
        self.lent_to = None;
        self.mark(&[], outlets);
    }
}
