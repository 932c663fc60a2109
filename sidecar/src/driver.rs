//! The only loop: performs what a pipeline's engine asks for and tells it what came of it.

use crate::engine::batch::{BatchId, Rejected};
use crate::engine::follow::Drain;
use crate::engine::outlets::StreamId;
use crate::engine::report::Report;
use crate::engine::status::PipelineStatus;
use crate::engine::{Engine, Input, Output};
use crate::io::clock;
use crate::io::clock::{Alarm, Clock};
use crate::io::fs::{StateDirectory, append_bounded, replace};
use crate::io::spool::SpoolFiles;
use crate::io::terminal;
use crate::metrics::past::Past;
use crate::roster::Question;
use crate::sink::Numbered;
use crate::sink::dead_letter::DeadLetter;
use crate::sink::encode::Encode;
use crate::sink::verdict::Verdict;
use crate::source::container_output::{self, Reply};
use crate::source::files::{Change, OpenFiles};
use crate::source::replies::Replies;
use futures::StreamExt;
use futures::stream::SelectAll;
use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io::Write;
use std::sync::Arc;
use tokio::sync::{mpsc, watch};

/// Everything that one pipeline runs with.
pub struct Driver {
    /// Name of the pipeline.
    pub name: String,
    /// Its engine.
    pub engine: Engine,
    /// The clock that the engine's time comes from.
    pub clock: Clock,
    /// Its log files.
    pub files: OpenFiles,
    /// Where each container's questions go.
    pub questions: HashMap<StreamId, mpsc::Sender<container_output::Question>>,
    /// Where their replies come from.
    pub replies: Replies,
    /// The files of the engine's spools, by their numbers.
    pub spools: Vec<SpoolFiles>,
    /// Its sinks, in order.
    pub sinks: Vec<SinkPort>,
    /// What the sinks say, with their number.
    pub verdicts: SelectAll<Verdicts>,
    /// Bytes of the dead-letter file of each sink.
    pub dead_letter_bytes_max: u64,
    /// Where its checkpoint lies.
    pub state: Option<Arc<StateDirectory>>,
    /// What the pipeline is to do.
    pub orders: watch::Receiver<Orders>,
    /// Who asks for the status.
    pub status: mpsc::Receiver<Question>,
    /// What was counted under names that the pipeline does not have any more.
    pub past: Past,
    /// What was said once and still holds.
    pub said: Said,
}

/// What a pipeline is to do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Orders {
    /// The generation of its resource that it counts as.
    pub generation: i64,
    /// None: go on.
    pub end: Option<End>,
}

/// How a pipeline is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Another is to go on where it is.
    HandOver,
    /// It is to send what is left.
    Drain(Drain),
}

/// How a pipeline ended.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Everything was sent, or given up for good; otherwise the drain time was over.
    pub drained: bool,
    /// A file or a directory could not be read.
    pub unread: bool,
    /// At the end.
    pub status: PipelineStatus,
}

/// What a pipeline leaves to the one that goes on in its place.
#[derive(Debug)]
pub struct Remains {
    /// It has ended.
    pub engine: Engine,
    /// Open for it.
    pub files: OpenFiles,
    /// Who asks meanwhile waits.
    pub status: mpsc::Receiver<Question>,
    /// See [`Driver::past`].
    pub past: Past,
    /// See [`SinkPort::lost`], by the sink's name.
    pub lost: HashMap<String, u64>,
    /// It has ended only for that.
    pub is_handed_over: bool,
}

/// Troubles that were said and are not over, and what is still to be done about some.
#[derive(Debug, Default)]
pub struct Said {
    save_fails: bool,
    /// A file or a directory could not be read.
    unread: bool,
    /// Sinks whose refused records are dropped.
    drops: BTreeSet<usize>,
    /// Sinks whose refused records are kept, which is not durable yet.
    kept: BTreeSet<usize>,
}

/// Where a sink's batches go.
pub struct SinkPort {
    /// Its name.
    pub name: String,
    /// With room for as many batches as the engine has on their way.
    pub batches: mpsc::Sender<Numbered>,
    /// Form of its records.
    pub encoder: Arc<dyn Encode>,
    /// Records that were given up and not even kept.
    pub lost: u64,
}

/// The verdicts of one sink, with its number.
pub type Verdicts = futures::stream::BoxStream<'static, (usize, BatchId, Verdict)>;

impl Driver {
    /// Runs until the pipeline is drained, or handed over.
    pub async fn run(mut self) -> (Outcome, Remains) {
        if self.orders.borrow().end.is_some() {
            // Told to stop before we began.
            self.orders.mark_changed();
        }
        let mut alarm = Alarm::new(self.clock);
        loop {
            while let Some(output) = self.engine.poll(self.clock.now()) {
                match output {
                    Output::Finished { drained } => {
                        self.say_finished(drained);
                        return self.end(drained, false);
                    }
                    Output::HandedOver { drained } => return self.end(drained, true),
                    output => self.perform(output),
                }
            }
            self.observe(&mut alarm).await;
        }
    }

    fn end(self, drained: bool, is_handed_over: bool) -> (Outcome, Remains) {
        let outcome = Outcome {
            drained,
            unread: self.said.unread,
            status: self.status(),
        };
        let lost = self.sinks.into_iter().map(|sink| (sink.name, sink.lost));
        let remains = Remains {
            engine: self.engine,
            files: self.files,
            status: self.status,
            past: self.past,
            lost: lost.collect(),
            is_handed_over,
        };
        (outcome, remains)
    }

    /// Waits for one thing to happen and tells the engine.
    async fn observe(&mut self, alarm: &mut Alarm) {
        let deadline = self.engine.next_deadline();
        let engine = &self.engine;
        let input = tokio::select! {
            Some((sink, batch, verdict)) = self.verdicts.next() => Input::Settled { sink, batch, verdict },
            reply = self.replies.next(|stream| engine.takes_output_of(stream)) => {
                let Reply { stream, question, part } = reply;
                let input = Input::Answer { stream, question, answer: part.as_answer() };
                return self.engine.handle(self.clock.now(), input);
            }
            changes = self.files.changed() => return self.tell(&changes),
            Ok(()) = self.orders.changed() => {
                let Orders { generation, end } = *self.orders.borrow_and_update();
                self.engine.is_of(generation);
                match end {
                    Some(End::HandOver) => Input::HandOver,
                    Some(End::Drain(how)) => Input::Drain(how),
                    None => return,
                }
            }
            Some(asked) = self.status.recv() => {
                // Who asked may have gone away.
                let _ = asked.send((self.status(), self.past.clone()));
                return;
            }
            () = alarm.wait_until(deadline) => return,
        };
        self.engine.handle(self.clock.now(), input);
    }

    fn tell(&mut self, changes: &[Change]) {
        let now = self.clock.now();
        for change in changes {
            let input = match change {
                Change::Names(source) => Input::Changed {
                    source: *source,
                    names: true,
                },
                Change::Contents(source, name) => Input::Touched {
                    source: *source,
                    name,
                },
            };
            self.engine.handle(now, input);
        }
    }

    fn perform(&mut self, output: Output) {
        let now = self.clock.now();
        match output {
            Output::List { source, wanted } => self.files.list(now, source, &wanted, &mut self.engine),
            Output::Open { source, file, name } => {
                self.files.open(now, source, file, &name, &mut self.engine);
            }
            Output::Read {
                file,
                offset,
                look_at_head,
            } => {
                self.files.read(now, file, offset, look_at_head, &mut self.engine);
            }
            Output::Close { file } => self.files.close(file),
            Output::Ask {
                stream,
                question,
                ask,
            } => {
                if let Some(questions) = self.questions.get(&stream) {
                    // A full queue holds newer questions than the one being answered; the task takes the newest last.
                    let _ = questions.try_send(container_output::Question {
                        number: question,
                        ask,
                    });
                }
            }
            Output::Send { sink, id, batch } => {
                // There is room for all that are on their way, unless the sink's task has ended, which ends us.
                let _ = self.sinks[sink].batches.try_send((id, batch));
            }
            Output::Reject { sink, rejected } => self.keep_rejected(sink, &rejected),
            Output::Alert(line) => alert(line),
            Output::Spool { spool, act } => {
                let done = self.spools[spool].perform(act).into_done();
                self.engine.handle(now, Input::Spooled { spool, done });
            }
            Output::Save(document) => self.save(&document),
            Output::Report(report) => self.say(&report),
            Output::Finished { .. } | Output::HandedOver { .. } => {}
        }
    }

    fn save(&mut self, document: &[u8]) {
        let Some(state) = &self.state else { return };
        // A position counts records as settled that are nowhere but there. The directory is made durable with the checkpoint.
        for number in std::mem::take(&mut self.said.kept) {
            let letters = File::open(state.rejected(&self.name, &self.sinks[number].name));
            // They may have been taken away to be sent again.
            let _ = letters.and_then(|letters| letters.sync_data());
        }
        let path = state.checkpoint(&self.name);
        let saved = replace(&path, document);
        let said = std::mem::replace(&mut self.said.save_fails, saved.is_err());
        match saved {
            Ok(()) if said => tracing::info!(pipeline = self.name, "the checkpoint is written again"),
            Ok(()) => {}
            Err(error) => {
                if !said {
                    tracing::warn!(pipeline = self.name, %error, "the checkpoint cannot be written, trying again");
                }
                self.engine.handle(self.clock.now(), Input::SaveFailed);
            }
        }
    }

    fn keep_rejected(&mut self, number: usize, rejected: &Rejected) {
        let sink = &mut self.sinks[number];
        let letter = DeadLetter::new(clock::wall(), rejected, &*sink.encoder);
        let kept = self.state.as_ref().map(|state| {
            let path = state.rejected(&self.name, &sink.name);
            let line = letter.to_line();
            state.room().take(line.len() as u64)?;
            append_bounded(&path, &line, self.dead_letter_bytes_max)
        });
        if matches!(kept, Some(Ok(true))) {
            self.said.drops.remove(&number);
            self.said.kept.insert(number);
            return;
        }
        sink.lost += rejected.records;
        if self.said.drops.insert(number) {
            tracing::warn!(
                pipeline = self.name,
                sink = sink.name,
                error = rejected.error,
                "refused records cannot be kept and are dropped; send those of the dead-letter file again, or raise limits.deadLetterBytes"
            );
        }
    }

    /// The pipeline at this moment.
    pub fn status(&self) -> PipelineStatus {
        let mut status = self.engine.status();
        for (status, sink) in status.sinks.iter_mut().zip(&self.sinks) {
            status.lost = sink.lost;
        }
        status
    }

    fn say(&mut self, report: &Report) {
        self.said.unread |= report.is_unread();
        if report.is_warning() {
            tracing::warn!(pipeline = self.name, "{report}");
        } else {
            tracing::info!(pipeline = self.name, "{report}");
        }
    }

    fn say_finished(&self, drained: bool) {
        if drained {
            tracing::info!(pipeline = self.name, "everything was sent");
        } else {
            tracing::warn!(
                pipeline = self.name,
                left = self.status().left(),
                "the drain time is over before everything was sent; the rest follows after the next start, where logs and state outlive this one"
            );
        }
    }
}

/// If nobody takes it, nobody can be told.
fn alert(mut line: Vec<u8>) {
    line.push(b'\n');
    let _ = terminal::Stderr.write_all(&line);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Pipeline, Pod};
    use crate::engine::Start;
    use std::collections::BTreeMap;
    use std::time::Duration;

    #[tokio::test]
    async fn pipeline_that_is_told_to_stop_before_it_begins_finishes() {
        let pipeline = Pipeline::empty();
        let start = Start {
            pod: &Pod::default(),
            checkpoint: None,
            spools: BTreeMap::new(),
            persistent: false,
            is_first: true,
            once: false,
            seed: 1,
        };
        let told = Orders {
            generation: 0,
            end: Some(End::Drain(Drain::WhatIsThere)),
        };
        let (_ordering, orders) = watch::channel(told);
        let (_status, status) = mpsc::channel(1);
        let driver = Driver {
            name: pipeline.name.clone(),
            engine: Engine::new(&pipeline, start),
            clock: Clock::start(),
            files: OpenFiles::new(Vec::new()),
            questions: HashMap::new(),
            replies: Replies::default(),
            spools: Vec::new(),
            sinks: Vec::new(),
            verdicts: SelectAll::new(),
            dead_letter_bytes_max: 0,
            state: None,
            orders,
            status,
            past: Past::default(),
            said: Said::default(),
        };
        let run = tokio::time::timeout(Duration::from_secs(10), driver.run());
        assert!(run.await.is_ok());
    }
}
