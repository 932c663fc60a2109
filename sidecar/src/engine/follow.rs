//! Follows one container's output through the API. Pure: it is told what the API answered and says what to ask next.
//!
//! Before each stream the pod is looked at, because only its status tells a broken connection from a container that ended. A
//! container that was restarted has its previous instance read once, from the known position, before the present one. A
//! clean end is followed by the next question almost at once, a failure after a backoff of at most five seconds. Where lines seem to be
//! missing the pod is looked at again, for a restart that its status did not tell before is no gap. The end of what does not grow any more is
//! read twice.

mod account;
mod answers;
mod instances;
mod pause;
mod position;
mod question;
mod seen;
mod set_back;
mod stream;

pub use self::account::FollowCounts;
pub use self::instances::Instances;
pub use self::question::{Answer, Ask, ContainerState, Drain, Instance};
pub use self::stream::{Cause, Gap};

use self::account::Account;
use self::instances::Next;
use self::pause::Pause;
use self::seen::Seen;
use self::set_back::SetBack;
use self::stream::{End, Stream};
use super::checkpoint::ContainerPosition;
use super::outlets::{Context, StreamId};
use super::report::Report;
use super::resume::{LineKey, Resume};
use super::{Output, Tick};
use std::time::Duration;

/// At a drain, output that the API does not have is asked for again for this long: a short container may have ended before anybody
/// heard that it started.
const DRAIN_PATIENCE: Duration = Duration::from_secs(2);

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
    /// The streams of the present instance, should they have been of the next one.
    seen: Seen,
    /// The last line that was taken of the instance with this restart count, before the one before it was read to its end.
    ahead: Option<(u32, LineKey)>,
    /// Of the last stream of what does not grow any more.
    end: Option<End>,
    /// The last stream was given up because nothing came any more.
    is_silent: bool,
    set_back: SetBack,
    /// It was found not to have started then.
    awaited_since: Option<Tick>,
    pause: Pause,
    account: Account,
    /// Until then a previous instance that is absent may still come.
    previous_until: Option<Tick>,
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
            seen: Seen::default(),
            ahead: None,
            end: None,
            is_silent: false,
            set_back: SetBack::default(),
            awaited_since: None,
            pause: Pause::new(),
            account: Account::default(),
            previous_until: None,
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

    /// Nothing will be asked any more: what was suspected is told as it is.
    pub fn conclude(&mut self) -> Option<Report> {
        self.account.judge(self.container.as_deref()?, None)
    }

    fn follows(&self, stream: &Stream) -> bool {
        !stream.previous
            && stream.of.state == ContainerState::Running
            && self.drain != Some(Drain::WhatIsThere)
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
