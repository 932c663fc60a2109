//! What must hold of what was delivered: every line that was served to us arrives, exactly once unless the process was killed, and what
//! was not served is told.

use crate::container::SECOND;
use crate::node::{Line, NAMES, Node};
use logship::engine::Tick;
use logship::engine::follow::Gap;
use logship::engine::report::Report;
use std::collections::BTreeMap;

#[derive(Debug, Default)]
pub struct Oracle {
    delivered: BTreeMap<Line, usize>,
    /// Since positions were saved.
    unsaved: BTreeMap<Line, usize>,
    /// What kills may have repeated.
    repeatable: BTreeMap<Line, usize>,
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
    pub fn delivered(&mut self, node: &Node, line: &Line) -> Result<(), String> {
        *self.delivered.entry(line.clone()).or_default() += 1;
        *self.unsaved.entry(line.clone()).or_default() += 1;
        let written = node.written.get(line).copied().unwrap_or_default();
        if written == 0 {
            return Err(format!("nobody wrote {line:?}"));
        }
        let allowed = written + self.repeatable.get(line).copied().unwrap_or_default();
        if self.delivered[line] > allowed && !self.is_lenient {
            return Err(format!(
                "{line:?} was written {written} times and delivered {} times",
                self.delivered[line]
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
        for (line, count) in std::mem::take(&mut self.unsaved) {
            *self.repeatable.entry(line).or_default() += count;
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
        let (gone, served): (Vec<_>, Vec<_>) = node.lines.iter().partition(|written| written.gone.is_some());
        for written in served.into_iter().chain(gone) {
            match left.get_mut(&written.line).filter(|count| **count > 0) {
                Some(count) => *count -= 1,
                None => lost.push(written),
            }
        }
        let mut untold: BTreeMap<usize, BTreeMap<usize, &Line>> = BTreeMap::new();
        for written in &lost {
            let Some(gone) = written.gone else {
                return Err(format!("{written:?} is served and was not delivered"));
            };
            // Times may go back.
            let is_suspected = self.suspected.iter().any(|(container, gap)| {
                let between = gap.from - SECOND..=gap.to + SECOND;
                container == NAMES[written.container] && between.contains(&written.line.time)
            });
            let was_left = self.left_at.is_some_and(|at| at >= gone.at);
            let is_told = gone.is_told && !node.seems_read(written, gone);
            if is_told && !is_suspected && !was_left && !self.is_lenient {
                let runs = untold.entry(written.container).or_default();
                runs.entry(written.run).or_insert(&written.line);
            }
        }
        for (container, runs) in untold {
            let told = self.missed.get(NAMES[container]).copied().unwrap_or_default();
            if runs.len() > told {
                return Err(format!(
                    "of {} lines are missing, by run the first is {runs:.60?}; {told} runs were told, and {:?}",
                    NAMES[container], self.suspected
                ));
            }
        }
        Ok(lost.len())
    }
}
