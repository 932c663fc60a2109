//! Hands a stream's bytes on as they come, at the speed of who takes them, and says how it ended.

use super::node_clock::NodeClock;
use super::patience::Patience;
use super::{Part, Reply, describe};
use crate::engine::outlets::StreamId;
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Body;
use std::pin::pin;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Who takes nothing for this long holds the API's reader back.
const HELD_BACK_MIN: Duration = Duration::from_secs(1);

/// Where the parts of the answer to a question go.
#[derive(Debug, Clone, Copy)]
pub(super) struct Port<'a> {
    pub stream: StreamId,
    pub question: u64,
    pub replies: &'a mpsc::Sender<Reply>,
}

impl Port<'_> {
    /// Whether somebody still wants to know it.
    pub async fn tell(&self, part: Part) -> bool {
        let reply = Reply {
            stream: self.stream,
            question: self.question,
            part,
        };
        self.replies.send(reply).await.is_ok()
    }
}

/// Reads a stream to its end, which is returned.
pub(super) async fn read<B>(mut body: B, mut patience: Patience, node: &NodeClock, port: Port<'_>) -> Part
where
    B: Body<Data = Bytes, Error: std::error::Error> + Unpin,
{
    loop {
        let Ok(frame) = timeout(patience.limit(), body.frame()).await else {
            return patience.lost();
        };
        let frame = match frame {
            None => return Part::Ended,
            Some(Ok(frame)) => frame,
            Some(Err(error)) => return Part::failed(format!("the stream broke: {}", describe(&error))),
        };
        // What is no data is trailers, which mean nothing here.
        let Ok(bytes) = frame.into_data() else { continue };
        if let Some(by) = node.set_back() {
            // What comes now may be behind something that was passed over; all of it is asked for again.
            return Part::ClockSetBack(by);
        }
        patience.received(bytes.len());
        if !hand_on(bytes, &mut patience, port).await {
            return Part::Ended;
        }
    }
}

/// Waits for as long as it takes until the bytes are taken. Whether they are.
async fn hand_on(bytes: Bytes, patience: &mut Patience, port: Port<'_>) -> bool {
    let mut taking = pin!(port.tell(Part::Data(bytes)));
    if let Ok(is_taken) = timeout(HELD_BACK_MIN, &mut taking).await {
        return is_taken;
    }
    patience.held_back();
    taking.await && port.tell(Part::HeldBack).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::{StreamExt, stream};
    use http_body_util::StreamBody;
    use hyper::body::Frame;
    use std::cell::Cell;

    const SOON: Duration = Duration::from_millis(20);

    /// Of a clock that nobody sets.
    fn node() -> NodeClock {
        NodeClock::new(|| 0)
    }

    /// The parts of a stream that carries these bytes and then nothing for ever; the first is taken after `wait`.
    async fn parts(follows: bool, chunks: &[&'static str], wait: Duration) -> Vec<String> {
        let frames = chunks.iter().map(|chunk| Bytes::from_static(chunk.as_bytes()));
        let frames: Vec<Result<_, std::io::Error>> = frames.map(|chunk| Ok(Frame::data(chunk))).collect();
        let body = StreamBody::new(stream::iter(frames).chain(stream::pending()));
        let (replies, mut taken) = mpsc::channel(1);
        let port = Port {
            stream: 0,
            question: 0,
            replies: &replies,
        };
        let reading = async {
            let end = read(body, Patience::of(follows, SOON), &node(), port).await;
            port.tell(end).await;
        };
        let taking = async {
            tokio::time::sleep(wait).await;
            let mut parts = Vec::new();
            loop {
                let Some(Reply { part, .. }) = taken.recv().await else {
                    return parts;
                };
                let is_end = !matches!(part, Part::Data(_) | Part::HeldBack);
                parts.push(format!("{part:?}"));
                if is_end {
                    return parts;
                }
            }
        };
        tokio::join!(reading, taking).1
    }

    #[tokio::test]
    async fn followed_stream_of_which_nothing_comes_is_given_up() {
        assert_eq!(
            parts(true, &["a"], Duration::ZERO).await,
            ["Data(b\"a\")", "Silent"]
        );
    }

    #[tokio::test]
    async fn stream_during_which_the_clock_is_set_back_is_asked_for_again() {
        thread_local! {
            static AHEAD: Cell<i64> = const { Cell::new(0) };
        }
        let node = NodeClock::new(|| AHEAD.get());
        let (replies, _taken) = mpsc::channel(1);
        let port = Port {
            stream: 0,
            question: 0,
            replies: &replies,
        };
        AHEAD.set(-60_000_000_000);
        let frame = Ok::<_, std::io::Error>(Frame::data(Bytes::from_static(b"a")));
        let body = StreamBody::new(stream::iter([frame]));
        let end = read(body, Patience::of(true, SOON), &node, port).await;
        assert!(
            matches!(end, Part::ClockSetBack(by) if by.as_secs() == 60),
            "{end:?}"
        );
    }

    #[tokio::test]
    async fn stream_that_should_have_ended_and_falls_silent_has_failed() {
        let parts = parts(false, &["a"], Duration::ZERO).await;
        assert!(parts[1].starts_with("Failed"), "{parts:?}");
    }

    #[tokio::test]
    async fn holding_back_is_told_behind_the_data_that_waited() {
        let parts = parts(true, &["a", "b", "c"], HELD_BACK_MIN + SOON * 5).await;
        // One part lies in the channel, the next one waits.
        let expected = [
            "Data(b\"a\")",
            "Data(b\"b\")",
            "HeldBack",
            "Data(b\"c\")",
            "Silent",
        ];
        assert_eq!(parts, expected);
    }
}
