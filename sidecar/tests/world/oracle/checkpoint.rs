//! What a checkpoint says: never more than the sinks settled, and not much less; and what a restart may therefore repeat.

use super::{Kind, Oracle, Violation, WordId};
use crate::adapter::Tick;
use crate::filesystem::Node;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What was settled for longer must be in the checkpoint.
const SAVED_WITHIN: Duration = Duration::from_secs(1);

/// How far each file is settled by a checkpoint that fits its contents.
pub type Covered = BTreeMap<Node, u64>;

impl Oracle {
    /// A checkpoint is written: everything before its positions is settled.
    pub fn check_not_ahead(&self, covered: &Covered) -> Result<(), Violation> {
        for (node, offset) in covered {
            let words = self.books.get(*node).into_iter().flat_map(|book| &book.words);
            let ahead = words.copied().find(|&(id, end)| {
                let word = &self.words[id];
                end <= *offset && !word.excused && word.settled_by_all.is_none()
            });
            if let Some((id, _)) = ahead {
                let what = format!(
                    "byte {offset} of file {node} is saved, but word {id} is not settled by every sink"
                );
                return Err(Violation::new(Kind::Ahead, what));
            }
        }
        Ok(())
    }

    /// The engine has ended at `until`: of the files that it `followed`, what all sinks settled a while before is saved, but for
    /// `slack` bytes: the rest of one read, and of a batch whose parts are settled one by one.
    pub fn check_not_behind(
        &self,
        covered: &Covered,
        followed: &BTreeSet<Node>,
        until: Tick,
        slack: u64,
    ) -> Result<(), Violation> {
        let is_settled = |id: &&WordId| {
            let mut at = self.sinks.iter().map(|sink| sink.settled_at.get(*id));
            at.all(|at| at.is_some_and(|at| *at + SAVED_WITHIN <= until))
        };
        let settled = self.order.iter().take_while(is_settled);
        for &id in settled {
            let word = &self.words[id];
            // Its position in a copy says nothing about another.
            let is_there = self.places(id).map(|(node, _)| node).eq([word.node]);
            let saved = covered.get(&word.node).copied().unwrap_or_default();
            if is_there
                && followed.contains(&word.node)
                && saved + slack + self.line_bytes_max as u64 * 2 < word.end
            {
                let what = format!(
                    "word {id} before byte {} of file {} is settled since {:?}, but only byte {saved} is saved",
                    word.end, word.node, word.settled_by_all
                );
                return Err(Violation::new(Kind::Behind, what));
            }
        }
        Ok(())
    }

    /// The engine has drained: every word of this run that is settled is saved, so nothing will be repeated.
    pub fn check_complete(&self, covered: &Covered) -> Result<(), Violation> {
        let is_open = |id: &WordId| {
            let word = &self.words[*id];
            let mut saved = self
                .places(*id)
                .filter_map(|(node, end)| Some((*covered.get(&node)?, end)));
            let mut is_known = false;
            let is_saved = saved.any(|(saved, end)| {
                is_known = true;
                end <= saved
            });
            word.settled_by_all.is_some() && is_known && !is_saved
        };
        match self.order.iter().copied().find(is_open) {
            Some(id) => {
                let what = format!(
                    "word {id} of file {} is settled and not saved",
                    self.words[id].node
                );
                Err(Violation::new(Kind::Behind, what))
            }
            None => Ok(()),
        }
    }

    /// A new engine starts from a checkpoint: what it does not cover may come once more, and nothing else.
    pub fn restarted(&mut self, covered: &Covered) {
        self.order.clear();
        self.read.clear();
        let in_file = |(node, offset): (&Node, &u64)| {
            let words = self.books.get(*node).into_iter().flat_map(|book| &book.words);
            let words = words.take_while(|(_, end)| end <= offset);
            words.map(|(id, _)| *id).collect::<Vec<WordId>>()
        };
        let covered_words: BTreeSet<WordId> = covered.iter().flat_map(in_file).collect();
        for sink in &mut self.sinks {
            sink.order.clear();
            sink.settled_at.clear();
            sink.delivered = 0;
            for id in 0..self.words.len() {
                let is_covered = covered_words.contains(&id);
                sink.allowed[id] = sink.seen[id] + u32::from(!is_covered || sink.seen[id] == 0);
            }
        }
        self.covered = covered_words;
    }

    /// A file of the checkpoint was not there when the new engine looked first, so it is read again should it come back.
    pub fn forgotten(&mut self, node: Node) {
        let words = self
            .books
            .get(node)
            .map(|book| book.words.clone())
            .unwrap_or_default();
        for sink in &mut self.sinks {
            for &(id, _) in &words {
                sink.allowed[id] = sink.seen[id] + 1;
            }
        }
    }
}
