//! What must hold of what was delivered: every line that was served to us arrives, exactly once unless the process was killed, and what
//! was not served is told.

use crate::container::SECOND;
use crate::node::{NAMES, Node};
use logship::engine::Tick;
use logship::engine::follow::Gap;
use logship::engine::report::Report;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Default)]
pub struct Oracle {
    delivered: BTreeMap<String, usize>,
    /// Since positions were saved.
    unsaved: BTreeMap<String, usize>,
    /// What kills may have repeated.
    repeatable: BTreeMap<String, usize>,
    left_at: Option<Tick>,
    suspected: Vec<(String, Gap)>,
    missed: BTreeMap<String, usize>,
    /// The clock is set: it is not asked whether lines were repeated.
    is_lenient: bool,
}

impl Oracle {
    pub fn new(is_lenient: bool) -> Self {
        Self {
            is_lenient,
            ..Self::default()
        }
    }

    /// A sink takes over a record.
    pub fn delivered(&mut self, node: &Node, text: &str) -> Result<(), String> {
        *self.delivered.entry(text.to_owned()).or_default() += 1;
        *self.unsaved.entry(text.to_owned()).or_default() += 1;
        let written = node.texts.get(text).copied().unwrap_or_default();
        if written == 0 {
            return Err(format!("nobody wrote {text:?}"));
        }
        let allowed = written + self.repeatable.get(text).copied().unwrap_or_default();
        if self.delivered[text] > allowed && !self.is_lenient {
            return Err(format!(
                "{text:?} was written {written} times and delivered {} times",
                self.delivered[text]
            ));
        }
        Ok(())
    }

    pub fn saved(&mut self) {
        self.unsaved.clear();
    }

    /// An engine ended, and left what sinks had not taken.
    pub fn left(&mut self, now: Tick) {
        self.left_at = Some(now);
    }

    pub fn crashed(&mut self, now: Tick) {
        self.left(now);
        for (text, count) in std::mem::take(&mut self.unsaved) {
            *self.repeatable.entry(text).or_default() += count;
        }
    }

    pub fn told(&mut self, report: &Report) {
        match report {
            Report::OutputSuspected { container, gap } => self.suspected.push((container.clone(), *gap)),
            Report::OutputGap { container, instances } => {
                *self.missed.entry(container.clone()).or_default() += usize::try_from(*instances).unwrap();
            }
            _ => {}
        }
    }

    /// Gaps that were told.
    pub fn gaps(&self) -> usize {
        self.suspected.len() + self.missed.values().sum::<usize>()
    }

    /// Everything was given time to arrive.
    pub fn judge(&self, node: &Node) -> Result<usize, String> {
        let mut left = self.delivered.clone();
        let mut lost = Vec::new();
        // Of equal lines those that are gone are the ones that are missing.
        let (gone, served): (Vec<_>, Vec<_>) = node.lines.iter().partition(|line| line.gone.is_some());
        for line in served.into_iter().chain(gone) {
            match left.get_mut(&line.text).filter(|count| **count > 0) {
                Some(count) => *count -= 1,
                None => lost.push(line),
            }
        }
        let mut untold: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
        for line in &lost {
            let Some(gone) = line.gone else {
                return Err(format!("{line:?} is served and was not delivered"));
            };
            // Times may go back.
            let is_suspected = self.suspected.iter().any(|(container, gap)| {
                let between = gap.from - SECOND..=gap.to + SECOND;
                container == NAMES[line.container] && between.contains(&line.time)
            });
            let was_left = self.left_at.is_some_and(|at| at >= gone.at);
            if gone.is_told && !is_suspected && !was_left && !self.is_lenient {
                untold.entry(line.container).or_default().insert(line.run);
            }
        }
        for (container, runs) in untold {
            let told = self.missed.get(NAMES[container]).copied().unwrap_or_default();
            if runs.len() > told {
                return Err(format!(
                    "lines of the runs {runs:?} of {} are missing, {told} were told, and {:?}",
                    NAMES[container], self.suspected
                ));
            }
        }
        Ok(lost.len())
    }
}
