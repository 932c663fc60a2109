//! Answers what the engine asks the Kubernetes API about one container's output.

mod api;
mod pod;

pub use self::api::{Error, LogQuery, PodApi};
pub use self::pod::{choose, instance, others_ended};

use crate::engine::follow::{Answer, Ask, Instance};
use crate::engine::outlets::StreamId;
use bytes::Bytes;
use http_body_util::BodyExt;
use std::time::Duration;
use tokio::sync::mpsc;

/// A stream without data for this long is opened again: the connection may be half open.
const IDLE_MAX: Duration = Duration::from_secs(240);
/// How often a classic sidecar looks whether the other containers have ended.
const COMPLETION_INTERVAL: Duration = Duration::from_secs(2);

/// A question of the engine.
#[derive(Debug)]
pub struct Question {
    /// Its number.
    pub number: u64,
    /// What is asked.
    pub ask: Ask,
}

/// A part of the answer to a question.
#[derive(Debug)]
pub struct Reply {
    /// Of which stream.
    pub stream: StreamId,
    /// Number of the question.
    pub question: u64,
    /// The part.
    pub part: Part,
}

/// [`Answer`] with bytes of its own.
#[derive(Debug)]
pub enum Part {
    /// See [`Answer::Probed`].
    Probed(Instance),
    /// See [`Answer::Data`].
    Data(Bytes),
    /// See [`Answer::Ended`].
    Ended,
    /// See [`Answer::Failed`].
    Failed(String),
    /// See [`Answer::Absent`].
    Absent(String),
}

impl Part {
    /// As the engine takes it.
    pub fn as_answer(&self) -> Answer<'_> {
        match self {
            Self::Probed(instance) => Answer::Probed(instance.clone()),
            Self::Data(bytes) => Answer::Data(bytes),
            Self::Ended => Answer::Ended,
            Self::Failed(error) => Answer::Failed(error.clone()),
            Self::Absent(error) => Answer::Absent(error.clone()),
        }
    }
}

/// Answers the questions about one container, one at a time; a new question ends the answer to the one before.
pub async fn run(
    mut api: PodApi,
    stream: StreamId,
    container: Option<String>,
    mut questions: mpsc::Receiver<Question>,
    replies: mpsc::Sender<Reply>,
) {
    let mut next = questions.recv().await;
    while let Some(Question { number, ask }) = next.take() {
        let answer = answer(&mut api, stream, number, ask, container.as_deref(), &replies);
        tokio::select! {
            last = answer => {
                if replies.send(Reply { stream, question: number, part: last }).await.is_err() {
                    return;
                }
                next = questions.recv().await;
            }
            question = questions.recv() => next = question,
        }
    }
}

/// Answers one question; the last part is returned.
async fn answer(
    api: &mut PodApi,
    stream: StreamId,
    question: u64,
    ask: Ask,
    wanted: Option<&str>,
    replies: &mpsc::Sender<Reply>,
) -> Part {
    let result = match ask {
        Ask::Probe => api.pod().await.map_err(failure).and_then(|pod| {
            let none = || Part::Failed("the pod has no such container".to_owned());
            let container = wanted
                .map(str::to_owned)
                .or_else(|| choose(&pod))
                .ok_or_else(none)?;
            instance(&pod, &container).map(Part::Probed).ok_or_else(none)
        }),
        Ask::Stream {
            container,
            previous,
            follow,
            since,
        } => {
            let query = LogQuery {
                container,
                previous,
                follow,
                since: since.and_then(|second| jiff::Timestamp::from_second(second).ok()),
            };
            read(api, stream, question, &query, replies).await
        }
    };
    result.unwrap_or_else(|failed| failed)
}

async fn read(
    api: &mut PodApi,
    stream: StreamId,
    question: u64,
    query: &LogQuery,
    replies: &mpsc::Sender<Reply>,
) -> Result<Part, Part> {
    let mut body = api.log(query).await.map_err(failure)?;
    loop {
        // Silence is no failure: ending the stream here makes the engine ask again from where it was.
        let Ok(frame) = tokio::time::timeout(IDLE_MAX, body.frame()).await else {
            return Ok(Part::Ended);
        };
        let frame = match frame {
            None => return Ok(Part::Ended),
            Some(Ok(frame)) => frame,
            Some(Err(error)) => return Err(Part::Failed(format!("the stream broke: {}", describe(&error)))),
        };
        // What is no data is trailers, which mean nothing here.
        let Ok(bytes) = frame.into_data() else { continue };
        let part = Part::Data(bytes);
        let reply = Reply {
            stream,
            question,
            part,
        };
        if replies.send(reply).await.is_err() {
            return Ok(Part::Ended);
        }
    }
}

/// Returns when every other container of the pod has ended for good: then a classic sidecar must end, or a Job never does.
pub async fn wait_for_others(mut api: PodApi) {
    let mut said = false;
    loop {
        match api.pod().await {
            Ok(pod) if others_ended(&pod) => return,
            Ok(_) => said = false,
            Err(error) if !said => {
                tracing::warn!(
                    error = describe(&error),
                    "the other containers cannot be watched, trying again"
                );
                said = true;
            }
            Err(_) => {}
        }
        tokio::time::sleep(COMPLETION_INTERVAL).await;
    }
}

fn failure(error: Error) -> Part {
    let text = describe(&error);
    match error {
        Error::Refused(refusal) if refusal.is_absence() => Part::Absent(text),
        _ => Part::Failed(text),
    }
}

fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
