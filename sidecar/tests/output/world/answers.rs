//! What the API answers, and how its streams are read.

use super::{Refusal, World};
use crate::connection::{Connection, End, Part};
use crate::container::{Query, SECOND};
use crate::node::NAMES;
use crate::profile::Act;
use logship::engine::Input;
use logship::engine::follow::{Answer, Ask};
use logship::engine::outlets::StreamId;
use std::time::Duration;

impl World {
    pub(super) fn answer(&mut self, stream: StreamId, question: u64, ask: &Ask) {
        if let Some(refusal) = self.refusals.pop_front() {
            let error = "no".to_owned();
            let answer = match refusal {
                Refusal::Absent => Answer::Absent(error),
                Refusal::Failed(retry_after) => Answer::Failed { error, retry_after },
            };
            return self.tell(stream, question, answer);
        }
        let streams = self.engine.output_streams();
        let name = streams
            .into_iter()
            .find(|found| found.id == stream)
            .unwrap()
            .container;
        let container = NAMES
            .iter()
            .position(|found| Some(*found) == name.as_deref())
            .unwrap();
        match *ask {
            Ask::Stream { .. } if self.is_set_back(stream, question) => {}
            Ask::Probe => {
                let instance = self.node.look(self.now, container);
                self.note(|| format!("  {stream} is {instance:?}"));
                self.tell(stream, question, Answer::Probed(instance));
            }
            Ask::Stream {
                previous,
                follow: follows,
                since,
                ..
            } => {
                let query = Query {
                    previous,
                    follows,
                    since,
                };
                match self.node.open(container, query) {
                    Some(reader) => {
                        self.note(|| format!("  {stream} reads {:?} (run, file)", reader.place()));
                        let asked = (stream, question);
                        let mut connection = Connection::new(self.now, asked, container, reader);
                        self.node.was_opened(self.now, container, connection.run());
                        connection.fill(&self.node.containers);
                        if self.profile.has(Act::Cut) && self.rng.u32(..20) == 0 {
                            let part = self.rng.usize(..=connection.pending());
                            connection.cut(part, End::Clean);
                            self.node.was_cut(container, connection.run());
                        }
                        self.connections.push(connection);
                    }
                    None => self.tell(stream, question, Answer::Absent("not found".to_owned())),
                }
            }
        }
    }

    /// Whether something of this connection was taken.
    pub(super) fn read(&mut self, index: usize) -> bool {
        let connection = &mut self.connections[index];
        let (stream, question) = (connection.stream, connection.question);
        if !self.engine.takes_output_of(stream) {
            connection.wait(self.now);
            return false;
        }
        connection.fill(&self.node.containers);
        if connection.pending() > 0 && self.is_set_back(stream, question) {
            self.connections.remove(index);
            self.look();
            return true;
        }
        let connection = &mut self.connections[index];
        let bytes_max = self.rng.usize(1..=self.profile.chunk_bytes);
        let Some(part) = connection.next(self.now, bytes_max) else {
            return false;
        };
        let (container, run) = (connection.container, connection.run());
        match part {
            Part::Data(bytes, was_held_back) => {
                if bytes.contains(&b'\n') {
                    self.node.was_read(container, run);
                }
                self.tell(stream, question, Answer::Data(&bytes));
                if was_held_back {
                    self.note(|| "  held back".to_owned());
                    self.tell(stream, question, Answer::HeldBack);
                }
            }
            Part::Silent => {
                self.connections.remove(index);
                self.look();
                self.tell(stream, question, Answer::Silent);
            }
            Part::End(end) => {
                self.note(|| format!("  {stream} {question} ends: {end:?}"));
                self.connections.remove(index);
                self.look();
                let answer = match end {
                    End::Clean => Answer::Ended,
                    End::Broken => Answer::Failed {
                        error: "reset".to_owned(),
                        retry_after: None,
                    },
                };
                self.tell(stream, question, answer);
            }
        }
        true
    }

    /// Whether the clock was set back since the stream was opened last; that is told.
    fn is_set_back(&mut self, stream: StreamId, question: u64) -> bool {
        let clock = self.node.clock;
        let back = self.clocks.insert(stream, clock).unwrap_or(clock) - clock;
        let is_back = back >= SECOND;
        if is_back {
            let by = Duration::from_nanos(back.unsigned_abs());
            self.tell(stream, question, Answer::ClockSetBack(by));
        }
        is_back
    }

    pub(super) fn tell(&mut self, stream: StreamId, question: u64, answer: Answer<'_>) {
        self.engine.handle(
            self.now,
            Input::Answer {
                stream,
                question,
                answer,
            },
        );
    }
}
