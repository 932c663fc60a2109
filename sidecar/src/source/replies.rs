//! The replies about the containers of a pipeline, of which only those are taken that there is room for. So one container whose source
//! has to wait keeps no other waiting.

use super::container_output::Reply;
use crate::engine::outlets::StreamId;
use std::task::Poll;
use tokio::sync::mpsc::Receiver;

/// Where the replies about each container come from.
#[derive(Debug, Default)]
pub struct Replies {
    containers: Vec<(StreamId, Receiver<Reply>)>,
    /// Which is asked first, so that one that always has something does not keep the others waiting.
    turn: usize,
}

impl Replies {
    /// One more container.
    pub fn add(&mut self, stream: StreamId, replies: Receiver<Reply>) {
        self.containers.push((stream, replies));
    }

    /// The next reply about a container that is taken; for ever, if there is none.
    pub async fn next(&mut self, is_taken: impl Fn(StreamId) -> bool) -> Reply {
        std::future::poll_fn(|context| {
            let count = self.containers.len();
            for step in 0..count {
                let index = (self.turn + step) % count;
                let (stream, replies) = &mut self.containers[index];
                if !is_taken(*stream) {
                    continue;
                }
                if let Poll::Ready(Some(reply)) = replies.poll_recv(context) {
                    self.turn = (index + 1) % count;
                    return Poll::Ready(reply);
                }
            }
            Poll::Pending
        })
        .await
    }
}
