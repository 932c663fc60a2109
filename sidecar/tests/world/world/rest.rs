//! The end of a world: all faults cease, everything owed arrives, and then it is quiet.

use super::World;
use crate::adapter::Tick;
use crate::filesystem::Node;
use crate::oracle::{Kind, Violation};
use crate::sinks::{Mood, Sink};
use std::time::Duration;

/// When all faults are over, everything has arrived after this time.
const PATIENCE: Duration = Duration::from_secs(200);

/// While something arrives in so long a time, the rest is waited for.
const PROGRESS: Duration = Duration::from_secs(60);

impl World {
    /// All faults cease: everything owed arrives, and then it is quiet.
    pub(super) fn come_to_rest(&mut self) -> Result<(), Violation> {
        self.heal();
        let until = self.now + PATIENCE;
        loop {
            self.wait_for_everything(until)?;
            // What was settled last is saved, and who comes late comes now.
            let rest = self.profile.setup.scan_interval * 2 + Duration::from_secs(10);
            self.run_until(self.now + rest, false)?;
            while self.draining.is_some() || self.subject.is_none() {
                self.run_until(self.now + Duration::from_secs(1), false)?;
            }
            self.run_until(self.now + rest, false)?;
            // A rotated file that was left alone for a while, because it might be a copy, is owed only since it was opened again. And a
            // sink that took a batch in part gets the rest of it after a while, until when nothing behind it is saved.
            let complete = self.oracle.check_complete(&self.covered());
            match self.missing(self.now).or(complete.err()) {
                None => break,
                Some(violation) if self.now >= until => return Err(violation),
                Some(_) => {}
            }
        }
        if self.calm {
            self.oracle.check_plain_lines()?;
        }
        self.check_status()
    }

    /// Everything that is owed arrives, and no sink wishes to be left alone any more.
    fn wait_for_everything(&mut self, mut until: Tick) -> Result<(), Violation> {
        let mut settled = self.oracle.settled();
        loop {
            self.run_until(self.now + Duration::from_millis(500), false)?;
            // Sinks that refuse much, or take little at once, need longer.
            if self.oracle.settled() > settled {
                settled = self.oracle.settled();
                until = until.max(self.now + PROGRESS);
            }
            match self.missing(self.now) {
                None if self.now >= self.pause_until => return Ok(()),
                Some(missing) if self.now >= until => return Err(missing),
                _ => {}
            }
        }
    }

    /// Everything works again.
    fn heal(&mut self) {
        self.note(|| "all faults cease".to_owned());
        self.reads_fail = false;
        self.saves_fail = false;
        for directory in &mut self.directories {
            directory.listing_fails = false;
        }
        self.profile.answer_ms_max = 0;
        for sink in &mut self.sinks {
            sink.mood = Mood::Works;
        }
        for node in self.fs.nodes() {
            self.fs.permit(node, true);
        }
    }

    /// What the engine says of itself is so, and it holds no descriptor that it has forgotten.
    fn check_status(&self) -> Result<(), Violation> {
        let wrong = |what: String| Err(Violation::new(Kind::Misreported, what));
        let Some(subject) = &self.subject else {
            return Ok(());
        };
        let (sent, lag) = subject.status();
        for (number, sent) in sent.into_iter().enumerate() {
            let delivered = self.oracle.delivered(number);
            if sent != delivered {
                return wrong(format!("sink {number} took {delivered} records, not {sent}"));
            }
        }
        if let Some(number) = self.sinks.iter().position(Sink::misses_records) {
            return wrong(format!("records that sink {number} lost were not given up"));
        }
        if lag != 0 {
            return wrong(format!("{lag} bytes are said to be unread"));
        }
        let mut forgotten = self.descriptors.iter().filter(|(_, at)| at.read.is_none());
        if let Some((file, _)) = forgotten.next() {
            return wrong(format!(
                "descriptor {file} was opened and is neither read nor closed"
            ));
        }
        Ok(())
    }

    /// The first word written before `until` that is owed and did not arrive.
    pub(super) fn missing(&self, until: Tick) -> Option<Violation> {
        self.oracle.missing(until, |node| self.is_readable(node))
    }

    /// Whether the engine can read a file: by a matching name, by its descriptor, or because its checkpoint knows it.
    pub(super) fn is_readable(&self, node: Node) -> bool {
        let directory = self.directory_of(node);
        let names = self.fs.names_of(directory, node);
        names.iter().any(|name| self.profile.matches(name))
            || self.descriptors.values().any(|at| at.node == node)
            || !names.is_empty() && self.restored.contains(&node)
    }
}
