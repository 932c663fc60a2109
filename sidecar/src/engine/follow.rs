//! Follows one container's output through the API. Pure: it is told what the API answered and says what to ask next.
//!
//! Before each stream the pod is looked at, because only its status tells a broken connection from a container that ended. A
//! container that was restarted has its previous instance read once, from the known position, before the present one. A
//! clean end is followed by the next question almost at once, a failure after a backoff of at most five seconds. Where lines seem to be
//! missing the pod is looked at again, for a restart that its status did not tell before is no gap.

mod account;
mod instances;
mod pause;
mod position;
mod question;
mod stream;

pub use self::account::FollowCounts;
pub use self::instances::Instances;
pub use self::question::{Answer, Ask, ContainerState, Drain, Instance};
pub use self::stream::{Cause, Gap};

use self::account::Account;
use self::instances::Next;
use self::pause::Pause;
use self::stream::{Seen, Stream, Taken};
use super::checkpoint::ContainerPosition;
use super::framer::lines::Line;
use super::outlets::{Context, Outlets, StreamId};
use super::report::Report;
use super::resume::Resume;
use super::{Output, Tick};
use crate::record::time::SECOND;
use std::time::Duration;

/// A stream that ended without anything new this soon is not reopened at once.
const STREAM_AGE_MIN: Duration = Duration::from_secs(1);
/// Where the node's clock was set back, what is older than this by it is not asked for again: the connection that got nothing
/// any more for that reason is given up before.
const CLOCK_BACK_SECONDS: i64 = 300;
/// Who read a file to its end and asks for the next one this soon behind its last line misses none between: the kubelet looks at
/// most every three seconds whether a file is to be rotated (`containerLogMonitorInterval`), and what it does then may take a moment.
const READ_OUT_AGE_MAX: Duration = Duration::from_secs(2);
/// At a drain, output that the API does not have is asked for again for this long, at this interval: a short container may have
/// ended before anybody heard that it started.
const DRAIN_PATIENCE: Duration = Duration::from_secs(2);
const DRAIN_RETRY_INTERVAL: Duration = Duration::from_millis(250);

#[derive(Debug)]
enum State {
    /// Until this time, then the pod is looked at.
    Waiting(Tick),
    /// The pod is being looked at.
    Probing,
    /// A stream is open.
    Streaming(Box<Stream>),
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
    /// Taken, and of that what is settled.
    taken: Resume,
    settled: Resume,
    instances: Instances,
    restarts_settled: u32,
    /// Of the last stream of a present instance, should it have been of the next one.
    seen: Option<Seen>,
    /// The last stream was given up because nothing came any more.
    is_silent: bool,
    /// It was found not to have started then.
    awaited_since: Option<Tick>,
    pause: Pause,
    account: Account,
    drain: Option<Drain>,
    /// Until then output that is absent at a drain may still come.
    patience: Tick,
}

impl Follow {
    /// Follows the container that the shell chooses for stream `id`, from the position among `known` that is its own; where there is
    /// none, of these `instances` nothing was read.
    pub fn new(
        id: StreamId,
        context: Context,
        instances: Instances,
        known: Vec<(String, ContainerPosition)>,
    ) -> Self {
        Self {
            id,
            context,
            state: State::Waiting(Tick::ZERO),
            question: 0,
            asked: false,
            known,
            container: None,
            taken: Resume::default(),
            settled: Resume::default(),
            instances,
            restarts_settled: 0,
            seen: None,
            is_silent: false,
            awaited_since: None,
            pause: Pause::new(),
            account: Account::default(),
            drain: None,
            patience: Tick::ZERO,
        }
    }

    /// Number of this stream.
    pub fn id(&self) -> StreamId {
        self.id
    }

    /// What was counted.
    pub fn counts(&self) -> FollowCounts {
        self.account.counts
    }

    /// Stops reading in this way.
    pub fn drain(&mut self, now: Tick, how: Drain) {
        self.drain = Some(how);
        self.patience = now + DRAIN_PATIENCE;
        self.pause.succeeded();
        let ended = matches!(&self.state, State::Streaming(stream) if stream.of.state.has_ended());
        let is_waiting = matches!(self.state, State::Waiting(_));
        if is_waiting || (how == Drain::WhatIsThere && !ended) {
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
            State::Streaming(stream) => Ask::Stream {
                container: stream.of.container.clone(),
                previous: stream.previous,
                follow: self.follows(stream),
                since: stream.since,
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
            State::Probing | State::Streaming(_) | State::Done => None,
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
    ) -> Vec<Report> {
        let mut reports = Vec::new();
        if question != self.question {
            return reports;
        }
        match answer {
            Answer::Probed(instance) => self.probed(now, instance, random, outlets, &mut reports),
            Answer::Data(bytes) => self.data(now, bytes, outlets, &mut reports),
            Answer::HeldBack => {
                if let State::Streaming(stream) = &mut self.state {
                    stream.held_back();
                }
            }
            Answer::Silent => {
                self.is_silent = true;
                self.ask_probe();
            }
            Answer::Ended => self.ended(now, random, outlets, &mut reports),
            Answer::Absent(error) => self.absent(now, error, random, outlets, &mut reports),
            Answer::Failed { error, retry_after } => {
                self.failed(now, (error, retry_after), random, outlets, &mut reports);
            }
        }
        reports
    }

    fn follows(&self, stream: &Stream) -> bool {
        !stream.previous
            && stream.of.state == ContainerState::Running
            && self.drain != Some(Drain::WhatIsThere)
    }

    fn probed(
        &mut self,
        now: Tick,
        found: Instance,
        random: f64,
        outlets: &mut Outlets,
        reports: &mut Vec<Report>,
    ) {
        self.adopt(&found.container, outlets);
        reports.extend(self.account.judge(&found.container, Some(found.restarts)));
        if self
            .seen
            .is_some_and(|seen| seen.was_of_next(found.restarts, found.started))
        {
            self.instances.mistook();
        }
        match self.instances.next(&found, self.drain.is_some()) {
            Next::NotStarted => {
                let since = now.saturating_sub(*self.awaited_since.get_or_insert(now));
                let pause = self.pause.before_start(since, random);
                self.wait(now + pause);
                let text = format!("container {:?} has not started", found.container);
                reports.extend(self.account.unavailable(text));
            }
            Next::Complete if self.drain.is_some() => self.state = State::Done,
            Next::Complete => {
                let pause = self.pause.in_vain(random);
                self.wait(now + pause);
            }
            Next::Read {
                previous,
                begins,
                missing,
            } => {
                reports.extend(self.account.reads(&found.container));
                reports.extend(self.account.missed(&found.container, missing));
                if let Some(instance) = begins {
                    self.begin_instance(instance, outlets);
                }
                self.open(now, previous, found);
            }
        }
    }

    fn open(&mut self, now: Tick, previous: bool, of: Instance) {
        let (seen, is_read_out) = (self.seen.take(), std::mem::take(&mut self.is_silent));
        // Its lines were taken for those of the instance before, of which nothing was read since that stream was opened.
        let mistaken = seen.filter(|seen| previous && seen.may_be_of_next(of.restarts, of.started));
        let mut since = mistaken.map_or_else(|| self.taken.since(), |seen| seen.since);
        let found = of.found.div_euclid(SECOND);
        if since.is_some_and(|since| found < since) {
            since = Some(found.saturating_sub(CLOCK_BACK_SECONDS));
        }
        let read = of.restarts.checked_sub(u32::from(previous));
        let continues = self.instances.present() == read
            && !self.taken.is_fresh()
            && mistaken.is_none()
            && !(is_read_out && self.taken.is_of(of.found, READ_OUT_AGE_MAX));
        let repeats = self.taken.repeats(since);
        let stream = Stream::new(now, (of, previous), since, repeats, continues);
        self.state = State::Streaming(Box::new(stream));
        self.question += 1;
        self.asked = false;
    }

    fn data(&mut self, now: Tick, bytes: &[u8], outlets: &mut Outlets, reports: &mut Vec<Report>) {
        let Some(mut stream) = self.take_stream() else {
            return;
        };
        self.read(now, &mut stream, Some(bytes), outlets, reports);
        let (gap, restarts, follows) = (stream.reading.gap(), stream.of.restarts, self.follows(&stream));
        self.seen = stream.seen();
        self.state = State::Streaming(stream);
        match gap {
            None => {}
            Some(gap) if gap.cause == Cause::HeldBack => {
                reports.push(
                    self.account
                        .lacks(self.container.as_deref().unwrap_or_default(), gap),
                );
            }
            Some(gap) => {
                self.account.suspect(gap, restarts);
                // What is not followed ends soon by itself.
                if follows {
                    self.ask_probe();
                }
            }
        }
    }

    /// Takes the lines of these bytes; none: the open line is complete.
    fn read(
        &mut self,
        now: Tick,
        stream: &mut Stream,
        bytes: Option<&[u8]>,
        outlets: &mut Outlets,
        reports: &mut Vec<Report>,
    ) {
        let Stream {
            lines,
            reading,
            first,
            ..
        } = stream;
        let each = |line: Line<'_>| match reading.take(&line) {
            Some(Taken::New(line)) => {
                first.get_or_insert(line.key.time);
                self.taken.take(line.key);
                self.pause.succeeded();
                self.account.progressed();
                outlets.line(now, self.id, &self.context, &line);
            }
            Some(Taken::Notice(text)) => reports.extend(self.account.notice(text)),
            Some(Taken::Repeat) | None => {}
        };
        match bytes {
            Some(bytes) => {
                lines.push(bytes, each);
                reading.count(bytes.len());
            }
            None => lines.flush(each),
        }
    }

    fn ended(&mut self, now: Tick, random: f64, outlets: &mut Outlets, reports: &mut Vec<Report>) {
        let Some(mut stream) = self.take_stream() else {
            return;
        };
        let (previous, restarts) = (stream.previous, stream.of.restarts);
        let has_ended = stream.of.state.has_ended();
        let is_last = !previous && self.drain == Some(Drain::WhatIsThere);
        // Where something follows, a last line without newline is served again when it is complete.
        if previous || has_ended || is_last || stream.ends_in_notice() {
            self.read(now, &mut stream, None, outlets, reports);
        }
        if let Some(gap) = stream.reading.gap() {
            self.account.suspect(gap, restarts);
        }
        self.seen = stream.seen();
        if previous {
            self.instances.begin(restarts);
            self.begin_instance(restarts, outlets);
        } else if has_ended {
            self.instances.read_to_end(restarts);
        } else {
            self.instances.read_out(restarts);
        }
        if is_last {
            reports.extend(self.account.judge(&stream.of.container, None));
            self.state = State::Done;
        } else if previous || has_ended {
            self.ask_probe();
        } else if stream.first.is_none() && now < stream.opened + STREAM_AGE_MIN {
            let pause = self.pause.in_vain(random);
            self.wait(now + pause);
        } else {
            self.wait(now + Pause::after_end(random));
        }
    }

    fn failed(
        &mut self,
        now: Tick,
        failure: (String, Option<Duration>),
        random: f64,
        outlets: &mut Outlets,
        reports: &mut Vec<Report>,
    ) {
        let (error, retry_after) = failure;
        self.instances.interrupted();
        if let Some(mut stream) = self.take_stream() {
            self.seen = stream.seen();
            if stream.ends_in_notice() {
                self.read(now, &mut stream, None, outlets, reports);
            }
        }
        let pause = self.pause.after_failure(retry_after, random);
        self.wait(now + pause);
        reports.extend(self.account.unavailable(error));
    }

    fn absent(
        &mut self,
        now: Tick,
        error: String,
        random: f64,
        outlets: &mut Outlets,
        reports: &mut Vec<Report>,
    ) {
        let gone = match &self.state {
            State::Streaming(stream) if stream.previous => Some(stream.of.clone()),
            _ => None,
        };
        if let Some(Instance {
            container, restarts, ..
        }) = gone
        {
            // The API does not have the previous instance any more: go on with the present one.
            let pause = self.pause.in_vain(random);
            self.wait(now + pause);
            self.instances.begin(restarts);
            self.begin_instance(restarts, outlets);
            reports.extend(self.account.missed(&container, 1));
        } else if self.drain.is_none() {
            let pause = self.pause.in_vain(random);
            self.wait(now + pause);
            reports.extend(self.account.unavailable(error));
        } else if now < self.patience {
            self.wait(now + DRAIN_RETRY_INTERVAL);
        } else {
            self.state = State::Done;
        }
    }

    fn begin_instance(&mut self, restarts: u32, outlets: &mut Outlets) {
        self.taken.begin_instance();
        outlets.instance(self.id, &self.context, restarts);
    }

    fn take_stream(&mut self) -> Option<Box<Stream>> {
        match std::mem::replace(&mut self.state, State::Probing) {
            State::Streaming(stream) => Some(stream),
            other => {
                self.state = other;
                None
            }
        }
    }

    fn ask_probe(&mut self) {
        self.state = State::Probing;
        self.question += 1;
        self.asked = false;
    }

    fn wait(&mut self, until: Tick) {
        self.state = State::Waiting(until);
        self.question += 1;
    }
}

#[cfg(test)]
mod tests;
