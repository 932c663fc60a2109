//! Where a container's output is to be gone on with: what a checkpoint knew, and what is settled since.

use super::{Follow, Instances};
use crate::engine::checkpoint::ContainerPosition;
use crate::engine::outlets::{Outlets, Position};
use crate::record::Labels;

impl Follow {
    /// Takes a position that every sink has settled.
    pub fn reached(&mut self, position: Position) {
        match position {
            Position::Line(key, _) => self.settled.take(key),
            Position::Instance(restarts, _) => {
                self.restarts_settled = restarts;
                self.settled.begin_instance();
            }
            Position::File { .. } | Position::Spool(_) => {}
        }
    }

    /// The settled position, with the container's name; before that is known, what the checkpoint said.
    pub fn positions(&self) -> Vec<(String, ContainerPosition)> {
        match &self.container {
            None => self.known.clone(),
            Some(container) => {
                let position = ContainerPosition::of(self.restarts_settled, &self.settled);
                vec![(container.clone(), position)]
            }
        }
    }

    /// The second of the last settled line, with the container's name.
    pub fn last_seconds(&self) -> Vec<(String, Option<i64>)> {
        match &self.container {
            None => {
                let known = self.known.iter();
                known.map(|(name, at)| (name.clone(), at.last_second)).collect()
            }
            Some(container) => vec![(container.clone(), self.settled.last_second())],
        }
    }

    /// Takes over the name of the container, and what the checkpoint knows of it.
    pub(super) fn adopt(&mut self, container: &str, outlets: &Outlets) {
        if self.container.is_some() {
            return;
        }
        self.container = Some(container.to_owned());
        let labels = Labels {
            container: Some(container.to_owned()),
            ..self.context.labels.clone()
        };
        self.context = outlets.context(self.context.source, labels);
        let known = std::mem::take(&mut self.known);
        if let Some((_, position)) = known.into_iter().find(|(name, _)| name == container) {
            self.instances = Instances::from(position.restarts);
            self.restarts_settled = position.restarts;
            self.taken = position.resume();
            self.settled = self.taken.clone();
        }
    }
}
