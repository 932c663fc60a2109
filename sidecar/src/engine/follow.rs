//! Follows one container's output through the API. Pure: it is told what the API answered and says what to ask next.
//!
//! Before each stream the pod is looked at, because only its status tells a broken connection from a container that ended. A
//! container that was restarted has its previous instance read once, from the known position, before the current one. A
//! clean end is followed by the next question at once, a failure after a backoff of at most five seconds.

use super::checkpoint::ContainerPosition;
use super::framer::lines::{Line, Lines};
use super::outlets::{Context, Outlets, Position, StreamId};
use super::output_line::{OutputLine, TIMESTAMP_BYTES_MAX};
use super::report::Report;
use super::resume::{Repeats, Resume};
use super::retry::Backoff;
use super::{Output, RECORD_BYTES_MAX, Tick};
use crate::record::Labels;
use std::time::Duration;

/// A stream that ended without anything new this soon is not reopened at once.
const STREAM_AGE_MIN: Duration = Duration::from_secs(1);
/// At a drain, output that the API does not have is asked for again for this long, at this interval: a short container may have
/// ended before anybody heard that it started.
const DRAIN_PATIENCE: Duration = Duration::from_secs(2);
const DRAIN_RETRY_INTERVAL: Duration = Duration::from_millis(250);

/// What the pod's status says about a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContainerState {
    /// It never ran.
    NotStarted,
    /// It runs.
    Running,
    /// Its last instance ended.
    Ended,
}

/// A container as it was found in the pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// Name of the container.
    pub container: String,
    /// What it does.
    pub state: ContainerState,
    /// How often it was restarted.
    pub restarts: u32,
}

/// What to ask the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// Look at the pod.
    Probe,
    /// Read output, with timestamps.
    Stream {
        /// Name of the container.
        container: String,
        /// The instance before the last restart.
        previous: bool,
        /// Stay connected at the end.
        follow: bool,
        /// Seconds since 1970, inclusive.
        since: Option<i64>,
    },
}

/// What the API answered.
#[derive(Debug)]
pub enum Answer<'a> {
    /// To [`Ask::Probe`].
    Probed(Instance),
    /// More of a stream.
    Data(&'a [u8]),
    /// The stream ended cleanly.
    Ended,
    /// The question failed, or the stream broke.
    Failed(String),
    /// There is no such output: not yet, or not any more.
    Absent(String),
}

#[derive(Debug)]
enum State {
    /// Until this time, then the pod is looked at.
    Waiting(Tick),
    /// The pod is being looked at.
    Probing,
    /// A stream is open.
    Streaming {
        previous: bool,
        of: Instance,
        opened: Tick,
        any_new: bool,
    },
    /// Drained: nothing is asked any more.
    Done,
}

/// One container's output.
#[derive(Debug)]
pub struct Follow {
    id: StreamId,
    context: Context,
    state: State,
    /// Counts questions; answers to an earlier one are stale.
    question: u64,
    asked: bool,
    known: Vec<(String, ContainerPosition)>,
    container: Option<String>,
    lines: Lines,
    repeats: Repeats,
    /// Taken, and of that what is settled.
    taken: Resume,
    settled: Resume,
    restarts: Option<u32>,
    restarts_settled: u32,
    /// The instance that was read to its end, and the one of which the next look at the pod confirms that it was this one.
    complete: Option<u32>,
    read_to_end: Option<u32>,
    backoff: Backoff,
    said: Option<String>,
    drain: Option<Drain>,
    /// Until then output that is absent at a drain may still come.
    patience: Tick,
}

/// How to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drain {
    /// Read what is there.
    WhatIsThere,
    /// Read until the containers have ended: they were told to stop at the same moment as we.
    UntilEnd,
}

impl Follow {
    /// Follows the container that the shell chooses for stream `id`, from the position among `known` that is its own.
    pub fn new(id: StreamId, context: Context, known: Vec<(String, ContainerPosition)>) -> Self {
        Self {
            id,
            context,
            state: State::Waiting(Tick::ZERO),
            question: 0,
            asked: false,
            known,
            container: None,
            lines: no_lines(),
            repeats: Repeats::default(),
            taken: Resume::default(),
            settled: Resume::default(),
            restarts: None,
            restarts_settled: 0,
            complete: None,
            read_to_end: None,
            backoff: Backoff::new(Duration::from_millis(250), Duration::from_secs(5)),
            said: None,
            drain: None,
            patience: Tick::ZERO,
        }
    }

    /// Number of this stream.
    pub fn id(&self) -> StreamId {
        self.id
    }

    /// Stops reading in this way.
    pub fn drain(&mut self, now: Tick, how: Drain) {
        self.drain = Some(how);
        self.patience = now + DRAIN_PATIENCE;
        self.backoff.succeeded();
        let ended = matches!(&self.state, State::Streaming { of, .. } if of.state == ContainerState::Ended);
        if how == Drain::WhatIsThere && !ended {
            self.ask_probe();
        } else if let State::Waiting(_) = self.state {
            self.ask_probe();
        }
    }

    /// Whether everything was read.
    pub fn is_drained(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// The next question.
    pub fn poll(&mut self, now: Tick) -> Option<Output> {
        if matches!(self.state, State::Waiting(until) if until <= now) {
            self.ask_probe();
        }
        if std::mem::replace(&mut self.asked, true) {
            return None;
        }
        let ask = match &self.state {
            State::Waiting(_) | State::Done => return None,
            State::Probing => Ask::Probe,
            State::Streaming { previous, of, .. } => Ask::Stream {
                container: of.container.clone(),
                previous: *previous,
                follow: !previous
                    && of.state == ContainerState::Running
                    && self.drain != Some(Drain::WhatIsThere),
                since: self.taken.since(),
            },
        };
        Some(Output::Ask {
            stream: self.id,
            question: self.question,
            ask,
        })
    }

    /// When [`Follow::poll`] has something to do without further input.
    pub fn deadline(&self) -> Option<Tick> {
        match self.state {
            State::Waiting(until) => Some(until),
            State::Probing | State::Streaming { .. } | State::Done => None,
        }
    }

    /// Takes the answer to question number `question`.
    pub fn answer(
        &mut self,
        now: Tick,
        question: u64,
        answer: Answer<'_>,
        random: f64,
        outlets: &mut Outlets,
    ) -> Option<Report> {
        if question != self.question {
            return None;
        }
        match answer {
            Answer::Probed(instance) => self.probed(now, instance, random, outlets),
            Answer::Data(bytes) => self.data(now, bytes, outlets),
            Answer::Ended => {
                self.ended(now, random, outlets);
                None
            }
            Answer::Absent(error) => self.absent(now, error, random, outlets),
            Answer::Failed(error) => self.failed(now, error, random),
        }
    }

    /// Takes a position that every sink has settled.
    pub fn reached(&mut self, position: Position) {
        match position {
            Position::Line(key, _) => self.settled.take(key),
            Position::Instance(restarts, _) => self.restarts_settled = restarts,
            Position::File { .. } | Position::Spool(_) => {}
        }
    }

    /// The settled position, with the container's name; before that is known, what the checkpoint said.
    pub fn positions(&self) -> Vec<(String, ContainerPosition)> {
        let Some(container) = &self.container else {
            return self.known.clone();
        };
        let position = ContainerPosition {
            restarts: self.restarts_settled,
            last_second: self.settled.last_second(),
            lines: self.settled.lines(),
        };
        vec![(container.clone(), position)]
    }

    fn probed(&mut self, now: Tick, instance: Instance, random: f64, outlets: &Outlets) -> Option<Report> {
        self.adopt(&instance.container, outlets);
        self.complete = self
            .read_to_end
            .take()
            .filter(|restarts| *restarts == instance.restarts)
            .or(self.complete);
        // At a drain the status may lag behind a short container, so its output is asked for anyway.
        if instance.state == ContainerState::NotStarted && self.drain.is_none() {
            self.wait(now, random);
            return self.say(format!("container {:?} has not started", instance.container));
        }
        if instance.state == ContainerState::Ended && self.complete == Some(instance.restarts) {
            match self.drain {
                Some(_) => self.state = State::Done,
                None => self.wait(now, random),
            }
            return None;
        }
        let behind = instance.restarts.saturating_sub(self.restarts.unwrap_or(0));
        let previous = behind > 0 && self.complete != Some(instance.restarts - 1);
        let gap = previous && behind > 1 && self.restarts.is_some();
        let report = if gap {
            Some(Report::OutputGap {
                container: instance.container.clone(),
                restarts: behind,
            })
        } else if self.restarts.is_none() {
            Some(Report::OutputFollowed(instance.container.clone()))
        } else {
            None
        };
        if !previous {
            self.restarts = Some(instance.restarts);
        }
        self.open(now, previous, instance);
        report
    }

    fn open(&mut self, now: Tick, previous: bool, of: Instance) {
        self.lines = no_lines();
        self.repeats = self.taken.repeats();
        self.state = State::Streaming {
            previous,
            of,
            opened: now,
            any_new: false,
        };
        self.question += 1;
        self.asked = false;
    }

    fn data(&mut self, now: Tick, bytes: &[u8], outlets: &mut Outlets) -> Option<Report> {
        if !matches!(self.state, State::Streaming { .. }) {
            return None;
        }
        let mut lines = std::mem::replace(&mut self.lines, no_lines());
        let mut notice = None;
        lines.push(bytes, |line| {
            if !self.line(now, &line, outlets) {
                notice = Some(String::from_utf8_lossy(&line.bytes[..line.bytes.len().min(256)]).into_owned());
            }
        });
        self.lines = lines;
        notice.and_then(|notice| self.say(notice))
    }

    /// Takes one line. False: it carries no timestamp, so it is a notice of the API and none of the container's output.
    fn line(&mut self, now: Tick, line: &Line<'_>, outlets: &mut Outlets) -> bool {
        let Some(line) = line.text(RECORD_BYTES_MAX + TIMESTAMP_BYTES_MAX) else {
            return true;
        };
        let Some(line) = OutputLine::read(line.bytes, line.length) else {
            return false;
        };
        if !self.repeats.holds(line.key) {
            self.taken.take(line.key);
            self.progressed();
            outlets.line(now, self.id, &self.context, &line);
        }
        true
    }

    /// Something new came; repeats do not count, because every connection begins with them.
    fn progressed(&mut self) {
        if let State::Streaming { any_new, .. } = &mut self.state {
            *any_new = true;
        }
        self.backoff.succeeded();
        self.said = None;
    }

    fn ended(&mut self, now: Tick, random: f64, outlets: &mut Outlets) {
        let State::Streaming {
            previous,
            of,
            opened,
            any_new,
        } = &self.state
        else {
            return;
        };
        let (previous, ended, restarts) = (*previous, of.state == ContainerState::Ended, of.restarts);
        let in_vain = !any_new && now < *opened + STREAM_AGE_MIN;
        let is_last = !previous && self.drain == Some(Drain::WhatIsThere);
        if previous || ended || is_last {
            // Nothing follows, so a last line without newline is complete.
            let mut lines = std::mem::replace(&mut self.lines, no_lines());
            lines.flush(|line| {
                self.line(now, &line, outlets);
            });
        }
        if previous {
            self.at_instance(restarts, outlets);
        } else if ended {
            self.at_instance(restarts, outlets);
            self.read_to_end = Some(restarts);
        }
        if is_last {
            self.state = State::Done;
        } else if in_vain && !previous && !ended {
            self.wait(now, random);
        } else {
            self.ask_probe();
        }
    }

    fn failed(&mut self, now: Tick, error: String, random: f64) -> Option<Report> {
        self.wait(now, random);
        self.say(error)
    }

    fn absent(&mut self, now: Tick, error: String, random: f64, outlets: &mut Outlets) -> Option<Report> {
        let State::Streaming {
            previous: true, of, ..
        } = &self.state
        else {
            if self.drain.is_some() {
                self.absent_at_drain(now);
                return None;
            }
            return self.failed(now, error, random);
        };
        // The API does not have the previous instance any more: go on with the current one.
        let of = of.clone();
        self.wait(now, random);
        self.at_instance(of.restarts, outlets);
        Some(Report::OutputGap {
            container: of.container,
            restarts: 1,
        })
    }

    fn absent_at_drain(&mut self, now: Tick) {
        self.state = if now < self.patience {
            State::Waiting(now + DRAIN_RETRY_INTERVAL)
        } else {
            State::Done
        };
    }

    fn at_instance(&mut self, restarts: u32, outlets: &mut Outlets) {
        self.restarts = Some(restarts);
        outlets.instance(self.id, &self.context, restarts);
    }

    /// Takes over the name of the container, and what the checkpoint knows of it.
    fn adopt(&mut self, container: &str, outlets: &Outlets) {
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
            self.taken = Resume::restore(position.last_second, &position.lines);
            self.settled = self.taken.clone();
            self.restarts = Some(position.restarts);
            self.restarts_settled = position.restarts;
        }
    }

    fn ask_probe(&mut self) {
        self.state = State::Probing;
        self.question += 1;
        self.asked = false;
    }

    fn wait(&mut self, now: Tick, random: f64) {
        self.state = State::Waiting(now + self.backoff.failed(random));
        self.question += 1;
    }

    fn say(&mut self, text: String) -> Option<Report> {
        let new = self.said.as_ref() != Some(&text);
        self.said = Some(text.clone());
        new.then_some(Report::OutputUnavailable(text))
    }
}

/// At the beginning of a connection.
fn no_lines() -> Lines {
    Lines::new(RECORD_BYTES_MAX + TIMESTAMP_BYTES_MAX + 1, 0, false)
}

#[cfg(test)]
mod tests;
