//! Notices that the documents changed: by the kernel's notices, by SIGHUP, and, for what the kernel does not tell (a network's file
//! system, a link into a directory that is not watched), by a look now and then.
//!
//! Guarantees: documents are compared by their bytes, so that a touch is no change; the same contents are told once; at rest there is
//! one look every few seconds, and a busy directory wakes us a few times a second.

use super::load::{Place, Spot};
use crate::config::revision::Documents;
use crate::io::notices::Notices;
use crate::io::signal::Hangup;
use inotify::WatchMask;
use std::time::Duration;
use tokio::sync::mpsc;

/// Between two looks although nothing was noticed.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);
/// The same where the kernel refuses watches.
const BLIND_INTERVAL: Duration = Duration::from_secs(1);
/// After a notice others may follow: who writes several documents, or one in pieces, is given time.
const SETTLING: Duration = Duration::from_millis(150);

/// What was found: the documents, or why there are none.
pub(super) type Found = Result<Documents, String>;

/// Tells whatever is there and is not what was told last, beginning with what is not `known`. Ends when nobody listens.
pub(super) async fn watch(
    place: Place,
    known: Documents,
    mut hangup: Option<Hangup>,
    told: mpsc::Sender<Found>,
) {
    let mut notices = Notices::new().inspect_err(refused).ok();
    let mut last: Found = Ok(known);
    loop {
        let spots = place.spots();
        let is_watched = notices.as_ref().is_some_and(|notices| watch_all(notices, &spots));
        let found = place
            .read()
            .map_err(|error| format!("{}: {error}", place.path().display()));
        if found != last {
            if told.send(found.clone()).await.is_err() {
                return;
            }
            last = found;
        }
        let interval = if is_watched { LOOK_INTERVAL } else { BLIND_INTERVAL };
        tokio::select! {
            () = noticed(&mut notices, &spots) => tokio::time::sleep(SETTLING).await,
            () = hung_up(&mut hangup) => {}
            () = tokio::time::sleep(interval) => {}
        }
    }
}

/// Sets every watch that is not set yet. Whether all are set.
fn watch_all(notices: &Notices, spots: &[Spot]) -> bool {
    let mask = WatchMask::CLOSE_WRITE
        | WatchMask::CREATE
        | WatchMask::MOVE
        | WatchMask::DELETE
        | WatchMask::DELETE_SELF
        | WatchMask::MOVE_SELF;
    spots
        .iter()
        .all(|spot| notices.watch(&spot.directory, mask).is_ok())
}

/// Waits until something happened that may be about the documents.
async fn noticed(notices: &mut Option<Notices>, spots: &[Spot]) {
    loop {
        let Some(queue) = notices else {
            return std::future::pending().await;
        };
        let mut is_ours = false;
        let taken = queue.wait().await.and_then(|()| {
            queue.take(|event| {
                let name = event.name.and_then(|name| name.to_str());
                is_ours |= name.is_none_or(|name| spots.iter().any(|spot| spot.is_about(name)));
            })
        });
        queue.rest();
        if let Err(error) = taken {
            refused(&error);
            *notices = None;
        } else if is_ours {
            return;
        } else {
            // Somebody else is busy here.
            tokio::time::sleep(SETTLING).await;
        }
    }
}

/// Never, where hanging up means the end.
async fn hung_up(hangup: &mut Option<Hangup>) {
    match hangup {
        Some(hangup) => hangup.came().await,
        None => std::future::pending().await,
    }
}

fn refused(error: &std::io::Error) {
    tracing::warn!(%error, "the kernel refuses to watch the configuration, looking at it every second");
}
