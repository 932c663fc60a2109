//! Answers what the engine asks the Kubernetes API about one container's output.

mod api;
mod patience;
mod pod;
mod reading;

pub use self::api::{Error, LogQuery, PodApi};
pub use self::pod::{choose, instance, others_ended};

use self::patience::Patience;
use self::reading::Port;
use crate::engine::follow::{Answer, Ask, Instance};
use crate::engine::outlets::StreamId;
use crate::io::clock;
use bytes::Bytes;
use std::time::Duration;
use tokio::sync::mpsc;

/// How often a classic sidecar looks whether the other containers have ended.
const COMPLETION_INTERVAL: Duration = Duration::from_secs(2);

/// So many denials in a row are no moment of an API server that is just starting.
const DENIALS_MAX: u32 = 15;

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
    /// See [`Answer::HeldBack`].
    HeldBack,
    /// See [`Answer::Silent`].
    Silent,
    /// See [`Answer::Ended`].
    Ended,
    /// See [`Answer::Failed`].
    Failed {
        /// Why.
        error: String,
        /// The API wants to be left alone for so long.
        retry_after: Option<Duration>,
    },
    /// See [`Answer::Absent`].
    Absent(String),
}

impl Part {
    fn failed(error: String) -> Self {
        Self::Failed {
            error,
            retry_after: None,
        }
    }

    /// As the engine takes it.
    pub fn as_answer(&self) -> Answer<'_> {
        match self {
            Self::Probed(instance) => Answer::Probed(instance.clone()),
            Self::Data(bytes) => Answer::Data(bytes),
            Self::HeldBack => Answer::HeldBack,
            Self::Silent => Answer::Silent,
            Self::Ended => Answer::Ended,
            Self::Failed { error, retry_after } => Answer::Failed {
                error: error.clone(),
                retry_after: *retry_after,
            },
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
        let port = Port {
            stream,
            question: number,
            replies: &replies,
        };
        tokio::select! {
            last = answer(&mut api, ask, container.as_deref(), port) => {
                if !port.tell(last).await {
                    return;
                }
                next = questions.recv().await;
            }
            question = questions.recv() => next = question,
        }
    }
}

/// Answers one question; the last part is returned.
async fn answer(api: &mut PodApi, ask: Ask, wanted: Option<&str>, port: Port<'_>) -> Part {
    match ask {
        Ask::Probe => probe(api, wanted).await,
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
            match api.log(&query).await {
                Ok(body) => reading::read(body, Patience::new(follow, fastrand::f64()), port).await,
                Err(error) => failure(error),
            }
        }
    }
}

async fn probe(api: &mut PodApi, wanted: Option<&str>) -> Part {
    let pod = match api.pod().await {
        Ok(pod) => pod,
        Err(error) => return failure(error),
    };
    let container = wanted.map(str::to_owned).or_else(|| choose(&pod));
    let found = container.and_then(|container| instance(&pod, &container, clock::wall()));
    match found {
        Some(found) => Part::Probed(found),
        None => Part::failed("the pod has no such container".to_owned()),
    }
}

/// Returns when every other container of the pod has ended for good: then a classic sidecar must end, or a Job never does. Also
/// when the pod is not shown to us any more and we `may_leave`, because there is nothing to ship: the rights went with the last resource.
pub async fn wait_for_others(mut api: PodApi, may_leave: impl Fn() -> bool) {
    let (mut said, mut denials) = (false, Denials::default());
    loop {
        let found = api.pod().await;
        denials.hear(found.as_ref().err());
        match found {
            Ok(pod) if others_ended(&pod) => return,
            Ok(_) => said = false,
            Err(error) => {
                if denials.are_final() && may_leave() {
                    tracing::info!("there is nothing to ship any more, not waiting for the other containers");
                    return;
                }
                if !std::mem::replace(&mut said, true) {
                    tracing::warn!(
                        error = describe(&error),
                        "the other containers cannot be watched, trying again"
                    );
                }
            }
        }
        tokio::time::sleep(COMPLETION_INTERVAL).await;
    }
}

/// How often in a row the API has denied us an answer.
#[derive(Debug, Default)]
struct Denials(u32);

impl Denials {
    fn hear(&mut self, error: Option<&Error>) {
        let is_denial = error.is_some_and(Error::is_denial);
        self.0 = if is_denial { self.0.saturating_add(1) } else { 0 };
    }

    fn are_final(&self) -> bool {
        self.0 >= DENIALS_MAX
    }
}

fn failure(error: Error) -> Part {
    let text = describe(&error);
    match error {
        Error::Refused(refusal) if refusal.is_absence() => Part::Absent(text),
        Error::Refused(refusal) => Part::Failed {
            error: text,
            retry_after: refusal.retry_after,
        },
        _ => Part::failed(text),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_denials_in_a_row_are_final_and_silence_or_an_answer_is_none() {
        let gone = || Error::Mount("token".into(), std::io::ErrorKind::NotFound.into());
        let mut denials = Denials::default();
        for interruption in [None, Some(Error::Silence)] {
            for _ in 1..DENIALS_MAX {
                denials.hear(Some(&gone()));
                assert!(!denials.are_final());
            }
            denials.hear(interruption.as_ref());
            assert!(!denials.are_final());
        }
        for _ in 0..DENIALS_MAX {
            denials.hear(Some(&gone()));
        }
        assert!(denials.are_final());
    }
}
