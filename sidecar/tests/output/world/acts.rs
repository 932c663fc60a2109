//! What happens to containers, connections and the process.

use super::beginning::start;
use super::{Refusal, World};
use crate::connection::{Connection, End};
use crate::container::SECOND;
use crate::node::NAMES;
use crate::profile::Act;
use logship::engine::checkpoint::Checkpoint;
use logship::engine::follow::Drain;
use logship::engine::{Engine, Input};
use logship::record::time::Nanos;
use std::time::Duration;

impl World {
    pub(super) fn act(&mut self, act: Act) -> Result<(), String> {
        let container = self.rng.usize(..NAMES.len());
        self.note(|| format!("{act:?} {}", NAMES[container]));
        match act {
            Act::Write => (0..self.rng.usize(1..12)).for_each(|_| self.write(container)),
            Act::Repeat => self.repeat(container),
            Act::Long => self.write_piece(container),
            Act::Large => (0..self.rng.usize(1..40)).for_each(|_| self.write_large(container)),
            Act::Pass => {
                let time = Duration::from_millis(self.rng.u64(1..3000));
                self.pass(time)?;
            }
            Act::PassLong => {
                let time = Duration::from_secs(self.rng.u64(3..400));
                self.pass(time)?;
            }
            Act::Cut => self.cut(),
            Act::Freeze => self.connections.iter_mut().for_each(Connection::freeze),
            Act::Refuse => self.refuse(),
            Act::Rotate => self.node.rotate(self.now, container),
            Act::End => self.node.end(container),
            Act::Restart => self.node.restart(self.now, container),
            Act::RemovePrevious => self.node.remove_previous(container),
            Act::KeepStatus => self.node.keep_status(true),
            Act::TellStatus => self.node.keep_status(false),
            Act::SinkDown => self.is_up = false,
            Act::SinkUp => self.is_up = true,
            Act::Crash => {
                self.oracle.crashed(self.now);
                self.restart();
            }
            Act::Stop => self.stop()?,
            Act::HandOver => self.hand_over()?,
            Act::SetClock => {
                // Of a step before the process first looked nothing is known.
                self.pass(Duration::from_secs(1))?;
                if self.clocks.len() == NAMES.len() {
                    let step = self.rng.i64(-200..60) * SECOND;
                    // Nor of what was written while it was set back, if it is set forward again before anybody looked at it.
                    let is_noticed = self.clocks.values().all(|clock| *clock == self.node.clock);
                    self.node.clock += if is_noticed { step } else { step.min(0) };
                    let clock = self.node.clock / SECOND;
                    self.note(|| format!("  the clock is {clock} seconds off"));
                }
            }
        }
        Ok(())
    }

    fn time(&mut self) -> Nanos {
        self.serial += 1;
        let disorder = self.rng.i64(0..=self.profile.disorder_ms) * 1_000_000;
        self.node.wall(self.now) + i64::try_from(self.serial).unwrap() - disorder
    }

    pub(super) fn write(&mut self, container: usize) {
        let time = self.time();
        let text = format!("{} {}", NAMES[container], self.serial);
        self.node.write(time, container, &text);
    }

    /// Equal lines, some of them in one nanosecond.
    fn repeat(&mut self, container: usize) {
        let text = format!("{} again {}", NAMES[container], self.rng.u32(..2));
        let mut time = self.time();
        for _ in 0..self.rng.usize(1..6) {
            self.node.write(time, container, &text);
            if self.rng.bool() {
                time = self.time();
            }
        }
    }

    /// The next piece of a long line.
    fn write_piece(&mut self, container: usize) {
        let time = self.time();
        let text = format!("{} long {} ", NAMES[container], self.serial);
        if self.rng.bool() {
            self.node.write_piece(time, container, &text);
        } else {
            self.node.end_line(time, container, &text);
        }
    }

    fn write_large(&mut self, container: usize) {
        let time = self.time();
        let text = format!("{} large {} {}", NAMES[container], self.serial, "x".repeat(8000));
        self.node.write(time, container, &text);
    }

    fn cut(&mut self) {
        let end = if self.rng.bool() { End::Clean } else { End::Broken };
        for connection in &mut self.connections {
            let part = self.rng.usize(..=connection.pending());
            connection.cut(part, end);
            if end == End::Clean {
                self.node.was_cut(connection.container, connection.run());
            }
        }
    }

    fn refuse(&mut self) {
        for _ in 0..self.rng.usize(1..6) {
            let refusal = match self.rng.u32(..3) {
                0 => Refusal::Absent,
                1 => Refusal::Failed(None),
                _ => Refusal::Failed(Some(Duration::from_secs(self.rng.u64(1..20)))),
            };
            self.refusals.push_back(refusal);
        }
    }

    fn restart(&mut self) {
        let saved = self.saved.as_ref();
        let checkpoint = saved.map(|text| Checkpoint::parse(text, "shop").unwrap());
        self.forget_questions(checkpoint.as_ref());
        self.engine = Engine::new(&self.config.pipelines[0], start(&self.config, checkpoint));
        self.now += Duration::from_secs(1);
    }

    /// Who asked is no more, and who follows knows this.
    fn forget_questions(&mut self, known: Option<&Checkpoint>) {
        let positions = known.and_then(|known| known.containers.get("output"));
        // A file that was rotated is missed by who knows a line of its run; where none was settled, nobody can tell that from silence.
        let is_known = |container: usize, run: usize| {
            let position = positions.and_then(|positions| positions.get(NAMES[container]));
            position.is_some_and(|position| {
                let present = usize::try_from(position.restarts).unwrap();
                position.last_second.is_some() && run < present + usize::from(!position.fresh)
            })
        };
        self.node.begin_reading(is_known);
        self.clocks.clear();
        self.sending.clear();
        self.asked.clear();
        self.connections.clear();
        self.look();
    }

    fn stop(&mut self) -> Result<(), String> {
        self.engine.handle(self.now, Input::Drain(Drain::WhatIsThere));
        self.until_end("finished")?;
        self.restart();
        Ok(())
    }

    fn hand_over(&mut self) -> Result<(), String> {
        self.engine.handle(self.now, Input::HandOver);
        self.until_end("handed over")?;
        self.forget_questions(Some(&self.engine.known()));
        let pipeline = &self.config.pipelines[0];
        let idle = Engine::new(pipeline, start(&self.config, None));
        let before = std::mem::replace(&mut self.engine, idle);
        self.engine = Engine::after(before, self.now, pipeline, &start(&self.config, None));
        Ok(())
    }
}
