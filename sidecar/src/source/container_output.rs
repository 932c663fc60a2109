//! Answers what the engine asks the Kubernetes API about one container's output.

mod pod;

pub use self::pod::{choose, instance, others_ended};

use crate::config::Pod as OwnPod;
use crate::engine::follow::{Answer, Ask, Instance};
use crate::engine::outlets::StreamId;
use bytes::Bytes;
use futures::AsyncReadExt;
use k8s_openapi::api::core::v1::Pod;
use kube::api::LogParams;
use kube::{Api, Client, Config};
use std::time::Duration;
use tokio::sync::mpsc;

const READ_BYTES: usize = 64 << 10;
/// A stream without data for this long is opened again: the connection may be half open.
const IDLE_MAX: Duration = Duration::from_secs(240);
/// Connecting takes longer only when nobody answers.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(30);
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

/// The API of the own pod. The client is made at the first question, and anew after a 401 (the token was rotated).
#[derive(Debug, Clone)]
pub struct PodApi {
    name: String,
    namespace: String,
    client: Option<Api<Pod>>,
}

impl PodApi {
    /// The API of this pod, whose name and namespace are known where the API is needed.
    pub fn new(pod: &OwnPod) -> Self {
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        Self {
            name: text(&pod.name),
            namespace: text(&pod.namespace),
            client: None,
        }
    }

    fn pods(&mut self) -> Result<Api<Pod>, Part> {
        if let Some(pods) = &self.client {
            return Ok(pods.clone());
        }
        let config = Config::incluster()
            .map_err(|error| Part::Failed(format!("failed to read the ServiceAccount's mount: {error}")))?;
        let client = Client::try_from(config)
            .map_err(|error| Part::Failed(format!("failed to make a client: {error}")))?;
        Ok(self
            .client
            .insert(Api::namespaced(client, &self.namespace))
            .clone())
    }

    async fn pod(&mut self) -> Result<Pod, Part> {
        let pods = self.pods()?;
        let answer = tokio::time::timeout(ANSWER_TIME_MAX, pods.get(&self.name)).await;
        answer
            .map_err(|_| timed_out())?
            .map_err(|error| self.failure(&error))
    }

    /// Says what went wrong, and forgets a client whose token is refused.
    fn failure(&mut self, error: &kube::Error) -> Part {
        let kube::Error::Api(status) = error else {
            return Part::Failed(describe(error));
        };
        let text = format!("{} ({})", status.message, status.code);
        match status.code {
            401 => {
                self.client = None;
                Part::Failed(text)
            }
            400 | 404 => Part::Absent(text),
            _ => Part::Failed(text),
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
        Ask::Probe => api.pod().await.and_then(|pod| {
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
            let since_time = since.and_then(|second| jiff::Timestamp::from_second(second).ok());
            let container = Some(container);
            let parameters = LogParams {
                container,
                previous,
                follow,
                since_time,
                timestamps: true,
                ..LogParams::default()
            };
            read(api, stream, question, &parameters, replies).await
        }
    };
    result.unwrap_or_else(|failed| failed)
}

async fn read(
    api: &mut PodApi,
    stream: StreamId,
    question: u64,
    parameters: &LogParams,
    replies: &mpsc::Sender<Reply>,
) -> Result<Part, Part> {
    let pods = api.pods()?;
    let opened = tokio::time::timeout(ANSWER_TIME_MAX, pods.log_stream(&api.name, parameters)).await;
    let body = opened
        .map_err(|_| timed_out())?
        .map_err(|error| api.failure(&error))?;
    let mut body = std::pin::pin!(body);
    let mut buffer = vec![0; READ_BYTES];
    loop {
        // Silence is no failure: ending the stream here makes the engine ask again from where it was.
        let Ok(read) = tokio::time::timeout(IDLE_MAX, body.read(&mut buffer)).await else {
            return Ok(Part::Ended);
        };
        match read {
            Ok(0) => return Ok(Part::Ended),
            Ok(count) => {
                let part = Part::Data(Bytes::copy_from_slice(&buffer[..count]));
                if replies
                    .send(Reply {
                        stream,
                        question,
                        part,
                    })
                    .await
                    .is_err()
                {
                    return Ok(Part::Ended);
                }
            }
            Err(error) => return Err(Part::Failed(format!("the stream broke: {error}"))),
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
            Err(Part::Failed(error) | Part::Absent(error)) if !said => {
                tracing::warn!(%error, "the other containers cannot be watched, trying again");
                said = true;
            }
            Err(_) => {}
        }
        tokio::time::sleep(COMPLETION_INTERVAL).await;
    }
}

fn timed_out() -> Part {
    Part::Failed(format!("the API did not answer within {ANSWER_TIME_MAX:?}"))
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
