//! The survey: the leader asks the sidecars which generation they run and what they refuse.
//!
//! It needs no right, neither for the operator nor in the pods, and no write for each pod: sidecars have an administration anyway. It
//! promises to ask at most [`QUESTIONS_MAX`] at once, and to tell the controller of a resource at most once in [`QUIET`], so that a change
//! which reaches a thousand pods one by one does not become a thousand writes. It forgets everything with its process: the next leader asks anew.

mod answer;
mod ask;
mod roll;

pub(super) use answer::Silence;
pub(super) use roll::Heard;

use crate::metrics::{Asked, Metrics};
use crate::policies::Guarded;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use kube::runtime::reflector::{ObjectRef, Store};
use logship_crd::names::SIDECAR_ADMIN_PORT;
use logship_crd::report::{PodName, Report};
use roll::Roll;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, mpsc};
use tokio::time::{MissedTickBehavior, interval};

/// Questions at once.
const QUESTIONS_MAX: usize = 16;
/// The first news of a resource are told at once, what follows within this time together.
const QUIET: Duration = Duration::from_secs(5);
/// How often resources that are no more are left out.
const SWEEP: Duration = Duration::from_secs(60);

/// What the sidecars said.
#[derive(Debug, Default)]
pub(super) struct Survey {
    roll: Mutex<Roll>,
    changed: Notify,
}

impl Survey {
    /// Has the sidecars at `addresses`, by the names of their pods, asked until they run this generation, and those that do not carry the
    /// resource any more not.
    pub(super) fn expect(
        &self,
        namespace: &str,
        shipping: &str,
        generation: i64,
        addresses: &BTreeMap<&str, IpAddr>,
    ) {
        self.lock()
            .expect(namespace, shipping, generation, addresses, now());
        self.changed.notify_one();
    }

    /// What is known of a pod's sidecar.
    pub(super) fn heard(&self, namespace: &str, pod: &str) -> Heard {
        self.lock().heard(&PodName {
            namespace: namespace.to_owned(),
            name: pod.to_owned(),
        })
    }

    // A writer that panicked leaves whole entries behind.
    fn lock(&self) -> MutexGuard<'_, Roll> {
        self.roll.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asks, and sends the resources of which something else is known than before. Returns only when nobody listens.
pub(super) async fn run(
    survey: Arc<Survey>,
    shippings: Store<Guarded>,
    metrics: Arc<Metrics>,
    sender: mpsc::Sender<ObjectRef<Guarded>>,
) {
    let mut asked = FuturesUnordered::new();
    let mut news = HashSet::new();
    let mut tell = interval(QUIET);
    tell.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut sweep = interval(SWEEP);
    sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let next = survey.lock().next();
        tokio::select! {
            Some((question, answer)) = asked.next() => {
                let question: roll::Question = question;
                metrics.count_question(result(&answer));
                let concerned = survey.lock().settle(&question, answer, now(), fastrand::f64());
                news.extend(references(&question.pod.namespace, concerned));
            }
            () = sleep_until(next), if asked.len() < QUESTIONS_MAX => {
                let due = survey.lock().due(now(), QUESTIONS_MAX - asked.len());
                asked.extend(due.into_iter().map(async |question| {
                    let answer = ask::ask(&question, SIDECAR_ADMIN_PORT).await;
                    (question, answer)
                }));
            }
            () = survey.changed.notified() => {}
            _ = tell.tick(), if !news.is_empty() => {
                for shipping in news.drain() {
                    if sender.send(shipping).await.is_err() {
                        return;
                    }
                }
            }
            _ = sweep.tick() => survey.lock().retain(|namespace, name| {
                shippings.get(&ObjectRef::new(name).within(namespace)).is_some()
            }),
        }
    }
}

fn result(answer: &Result<Report, Silence>) -> Asked {
    match answer {
        Ok(_) => Asked::Answered,
        Err(Silence::Unreachable) => Asked::Unreachable,
        Err(Silence::NoReport | Silence::Foreign) => Asked::NoReport,
    }
}

fn references(namespace: &str, names: BTreeSet<String>) -> impl Iterator<Item = ObjectRef<Guarded>> {
    names
        .into_iter()
        .map(move |name| ObjectRef::new(&name).within(namespace))
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// Never, where there is nothing to wait for.
async fn sleep_until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment.into()).await,
        None => std::future::pending().await,
    }
}
