//! What comes of each answer of the API. See [`super`].

use super::stream::{Cause, Stream, Suspicion, Taken};
use super::{Answer, ContainerState, Drain, Follow, Instance, Next, Pause, State};
use crate::engine::Tick;
use crate::engine::framer::lines::Line;
use crate::engine::outlets::Outlets;
use crate::engine::report::Report;
use crate::record::time::SECOND;
use std::time::Duration;

/// A stream that ended without anything new this soon is not reopened at once.
const STREAM_AGE_MIN: Duration = Duration::from_secs(1);
/// Where the node's clock was set back while no process looked at it, what is older than this by it is not asked for.
pub(super) const CLOCK_BACK_SECONDS: i64 = 300;
/// Who read a file to its end and asks for the next one this soon behind its last line misses none between: the kubelet looks at
/// most every three seconds whether a file is to be rotated (`containerLogMonitorInterval`), and what it does then may take a moment.
const READ_OUT_AGE_MAX: Duration = Duration::from_secs(2);
/// Output of a previous instance that the API does not have is asked for again for this long: a kubelet that was just started, or whose
/// runtime was, knows of no container for a while, and answers with 404 and 400 then, too.
pub(super) const PREVIOUS_PATIENCE: Duration = Duration::from_secs(3);
const PREVIOUS_INTERVAL_MAX: Duration = Duration::from_secs(1);
/// At a drain, output that the API does not have is asked for again at this interval.
pub(super) const DRAIN_RETRY_INTERVAL: Duration = Duration::from_millis(250);

impl Follow {
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
        if let Answer::ClockSetBack(by) = answer {
            // It is said once, and holds whatever is asked meanwhile.
            self.set_back.note(now, self.taken.since(), by);
        }
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
            Answer::ClockSetBack(_) => self.ask_probe(),
            Answer::Ended => self.ended(now, random, outlets, &mut reports),
            Answer::Absent(error) => self.absent(now, error, random, outlets, &mut reports),
            Answer::Failed { error, retry_after } => {
                self.failed(now, (error, retry_after), random, outlets, &mut reports);
            }
        }
        reports
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
        reports.extend(self.account.judge(&found.container, Some(&found)));
        if self.seen.was_of_next(found.restarts, found.started) {
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
                if !previous {
                    self.previous_until = None;
                }
                if let Some(instance) = begins {
                    self.begin_instance(instance, outlets);
                }
                self.open(now, previous, found);
            }
        }
    }

    fn open(&mut self, now: Tick, previous: bool, of: Instance) {
        let is_read_out = std::mem::take(&mut self.is_silent);
        // Lines of this instance were taken for those of the one before, of which nothing was read since.
        let mistaken = self.seen.first_of_next(of.restarts, of.started);
        let mistaken = mistaken.filter(|_| previous);
        let is_mistaken = previous && self.seen.was_of_next(of.restarts, of.started);
        if is_mistaken {
            let last = self.taken.last().filter(|last| Some(last.second()) > of.started);
            self.ahead = self.ahead.or(last.map(|last| (of.restarts, last)));
        }
        let since = mistaken.map_or_else(|| self.taken.since(), |stream| stream.since);
        let mut since = self.set_back.since(now, since);
        let found = of.found.div_euclid(SECOND);
        if since.is_some_and(|since| found < since) {
            since = Some(found.saturating_sub(CLOCK_BACK_SECONDS));
        }
        let read = of.restarts.checked_sub(u32::from(previous));
        let mut repeats = self.taken.repeats(since);
        let ahead = self
            .ahead
            .filter(|(restarts, _)| self.taken.is_fresh() && Some(*restarts) == read);
        let goes_on = match ahead {
            Some((_, last)) => repeats.expects(last),
            None => !self.taken.is_fresh() && !is_mistaken,
        };
        let continues = self.instances.present() == read
            && goes_on
            && !(is_read_out && self.taken.is_of(of.found, READ_OUT_AGE_MAX));
        let mut stream = Stream::new(now, (of, previous), since, repeats, continues);
        if previous {
            stream.reading.look_out(self.account.doubts());
        } else {
            self.account.explain();
        }
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
        self.seen.note(&stream);
        self.state = State::Streaming(stream);
        match gap {
            None => {}
            Some(Suspicion { gap, .. }) if gap.cause == Cause::HeldBack => {
                let container = self.container.as_deref().unwrap_or_default();
                reports.push(self.account.lacks(container, gap));
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
        let each = |line: Line<'_>| match reading.take(&line, &self.taken) {
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
            Some(bytes) => lines.push(bytes, each),
            None => lines.flush(each),
        }
        if reading.has_come() {
            let container = self.container.as_deref().unwrap_or_default();
            reports.extend(self.account.confirm(container));
        }
    }

    /// A clean end proves nothing: the API server copies what the kubelet sends, and ends its answer so also where the kubelet broke off
    /// (`StreamObject` looks at no error of its copy). So the end of what does not grow any more is believed once it was read again:
    /// nothing new came behind the last line that was known, or the same came twice.
    fn ended(&mut self, now: Tick, random: f64, outlets: &mut Outlets, reports: &mut Vec<Report>) {
        let Some(mut stream) = self.take_stream() else {
            return;
        };
        let (previous, restarts) = (stream.previous, stream.of.restarts);
        let is_over = previous
            || match stream.of.state {
                ContainerState::Running => false,
                ContainerState::Ended | ContainerState::BacksOff => true,
                // Its status may lag behind a short container; nobody waits for it.
                ContainerState::NotStarted => self.drain == Some(Drain::WhatIsThere),
            };
        let before = self.end.replace(stream.end());
        let was_so = stream.first.is_none() && before == Some(stream.end());
        let is_believed = is_over && (was_so || stream.ends_as_known());
        let is_last = !previous && self.drain == Some(Drain::WhatIsThere) && (is_believed || !is_over);
        let is_refused = previous && stream.ends_in_notice();
        let is_read_out = stream.is_read_out();
        // A line without newline that may go on is served again when it is complete.
        if is_believed || stream.ends_in_notice() {
            self.read(now, &mut stream, None, outlets, reports);
        }
        if is_believed {
            stream.reading.ends(stream.of.found);
        }
        if let Some(gap) = stream.reading.gap() {
            self.account.suspect(gap, restarts);
        }
        self.seen.note(&stream);
        if stream.first.is_some() {
            self.previous_until = None;
        }
        if is_refused {
            // The kubelet appends its error to what it sent (`response.WriteError`).
            self.state = State::Streaming(stream);
            let error = "the output of the previous instance broke off".to_owned();
            return self.absent(now, error, random, outlets, reports);
        }
        if is_believed && previous {
            self.instances.begin(restarts);
            self.begin_instance(restarts, outlets);
        } else if is_believed {
            self.instances.read_to_end(restarts);
        } else if !is_over && is_read_out {
            self.instances.read_out(restarts);
        }
        if is_last {
            reports.extend(self.account.judge(&stream.of.container, None));
            self.state = State::Done;
        } else if is_believed {
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
            self.seen.note(&stream);
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
            if now < *self.previous_until.get_or_insert(now + PREVIOUS_PATIENCE) {
                let pause = self.pause.in_vain(random).min(PREVIOUS_INTERVAL_MAX);
                self.wait(now + pause);
                reports.extend(self.account.unavailable(error));
                return;
            }
            // The API does not have the previous instance any more: go on with the present one.
            self.previous_until = None;
            self.ask_probe();
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
        self.seen.forget();
        outlets.instance(self.id, &self.context, restarts);
    }
}
