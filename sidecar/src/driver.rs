//! The only loop: performs what a pipeline's engine asks for and tells it what came of it.

use crate::engine::outlets::StreamId;
use crate::engine::report::Report;
use crate::engine::status::PipelineStatus;
use crate::engine::{Engine, Input, Output};
use crate::io::clock::Clock;
use crate::io::fs::{StateDirectory, append_bounded, replace};
use crate::sink::verdict::Verdict;
use crate::source::container_output::{Question, Reply};
use crate::source::files::OpenFiles;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::SelectAll;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot, watch};

/// Refused records of one sink are kept up to this size.
const REJECTED_BYTES_MAX: u64 = 8 << 20;

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
    pub questions: HashMap<StreamId, mpsc::Sender<Question>>,
    /// Where all their replies come from.
    pub replies: mpsc::Receiver<Reply>,
    /// Its sinks, in order.
    pub sinks: Vec<SinkPort>,
    /// What the sinks say, with their number.
    pub verdicts: SelectAll<Verdicts>,
    /// Where its checkpoint lies.
    pub state: Option<Arc<StateDirectory>>,
    /// Becomes true when the process is to stop.
    pub stop: watch::Receiver<bool>,
    /// Who asks for the status.
    pub status: mpsc::Receiver<oneshot::Sender<PipelineStatus>>,
}

/// Where a sink's batches go.
pub struct SinkPort {
    /// Its name.
    pub name: String,
    /// At most one batch is on its way.
    pub batches: mpsc::Sender<Bytes>,
}

/// The verdicts of one sink, with its number.
pub type Verdicts = futures::stream::BoxStream<'static, (usize, Verdict)>;

impl Driver {
    /// Runs until the pipeline is drained.
    pub async fn run(mut self) {
        loop {
            while let Some(output) = self.engine.poll(self.clock.now()) {
                if let Output::Finished { drained } = output {
                    return self.say_finished(drained);
                }
                self.perform(output);
            }
            self.observe().await;
        }
    }

    /// Waits for one thing to happen and tells the engine.
    async fn observe(&mut self) {
        let deadline = self.engine.next_deadline();
        let has_room = self.engine.has_room();
        let stopping = *self.stop.borrow();
        let input = tokio::select! {
            Some((sink, verdict)) = self.verdicts.next() => Input::Settled { sink, verdict },
            Some(reply) = self.replies.recv(), if has_room => {
                let Reply { stream, question, part } = reply;
                let input = Input::Answer { stream, question, answer: part.as_answer() };
                return self.engine.handle(self.clock.now(), input);
            }
            (source, names) = self.files.changed() => Input::Changed { source, names },
            Ok(()) = self.stop.changed(), if !stopping => Input::Drain,
            Some(asked) = self.status.recv() => {
                // Who asked may have gone away.
                let _ = asked.send(self.engine.status());
                return;
            }
            () = self.clock.sleep_until(deadline) => return,
        };
        self.engine.handle(self.clock.now(), input);
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
                    let _ = questions.try_send(Question {
                        number: question,
                        ask,
                    });
                }
            }
            Output::Send { sink, body } => {
                // The engine sends one batch at a time, so there is room unless the sink's task has ended, which ends us.
                let _ = self.sinks[sink].batches.try_send(body);
            }
            Output::Reject { sink, rejected } => self.keep_rejected(sink, &rejected.body, &rejected.error),
            Output::Save(document) => self.save(&document),
            Output::Report(report) => self.say(&report),
            Output::Finished { .. } => {}
        }
    }

    fn save(&mut self, document: &[u8]) {
        let Some(state) = &self.state else { return };
        let path = state.checkpoint(&self.name);
        if let Err(error) = replace(&path, document) {
            tracing::warn!(pipeline = self.name, %error, "the checkpoint cannot be written, trying again");
            self.engine.handle(self.clock.now(), Input::SaveFailed);
        }
    }

    fn keep_rejected(&self, sink: usize, body: &[u8], error: &str) {
        let sink = &self.sinks[sink].name;
        let kept = self
            .state
            .as_ref()
            .map(|state| append_bounded(&state.rejected(&self.name, sink), body, REJECTED_BYTES_MAX));
        if !matches!(kept, Some(Ok(true))) {
            tracing::warn!(
                pipeline = self.name,
                sink,
                error,
                "a refused record cannot be kept and is dropped"
            );
        }
    }

    fn say(&self, report: &Report) {
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
                "the drain time is over before everything was sent; the rest follows after the next start"
            );
        }
    }
}
