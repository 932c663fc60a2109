//! Leader election by a Lease (coordination.k8s.io/v1).
//!
//! *Guarantees*: work runs on at most one replica at a time, as long as clocks run at the same speed; they need not agree
//! on the time. A holder that could not renew for [`RENEW_DEADLINE`] drops its work; others take the lease no sooner than
//! [`LEASE_DURATION`] after they last saw it change. Writes carry the resourceVersion that was read, so of two
//! that take an expired lease one loses. A clean stop gives the lease back at once.

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client};
use logship_crd::names;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

/// How long a lease is respected after its last change.
const LEASE_DURATION: Duration = Duration::from_secs(15);
/// How long a holder goes on without a renewal: shorter than [`LEASE_DURATION`].
const RENEW_DEADLINE: Duration = Duration::from_secs(10);
/// How often a holder renews.
const RENEW_INTERVAL: Duration = Duration::from_secs(5);
/// How often others look, and a failed request is repeated.
const RETRY_INTERVAL: Duration = Duration::from_secs(2);
/// How long work that is asked to stop may go on.
const WORK_STOP_DEADLINE: Duration = Duration::from_secs(3);
const REQUEST_DEADLINE: Duration = Duration::from_secs(3);

/// A Lease as one candidate sees it. Its own times are not used: they come from another clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseView {
    /// Who holds it; nobody after a release.
    pub holder: Option<String>,
    /// How long it is respected after a change.
    pub duration: Duration,
    /// Which write this is.
    pub resource_version: Option<String>,
    /// When this candidate saw this write first, on its own monotonic clock.
    pub seen_at: Duration,
}

/// What a candidate does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// There is no Lease: make it, held by us.
    Create,
    /// It is free or expired: write ourselves into it.
    Take,
    /// We hold it: renew it.
    Renew,
    /// Someone else holds it.
    Wait,
}

/// Decides for the candidate `me`.
pub fn decide(now: Duration, lease: Option<&LeaseView>, me: &str) -> Step {
    let Some(lease) = lease else { return Step::Create };
    match lease.holder.as_deref() {
        Some(holder) if holder == me => Step::Renew,
        Some(_) if now < lease.seen_at + lease.duration => Step::Wait,
        Some(_) | None => Step::Take,
    }
}

impl LeaseView {
    /// Looks at `lease`; an unchanged one keeps the time at which it was seen first.
    fn observe(now: Duration, lease: &Lease, before: Option<&Self>) -> Self {
        let spec = lease.spec.clone().unwrap_or_default();
        let resource_version = lease.metadata.resource_version.clone();
        let seen_at = before
            .filter(|before| before.resource_version == resource_version)
            .map(|before| before.seen_at);
        let seconds = spec
            .lease_duration_seconds
            .and_then(|seconds| u64::try_from(seconds).ok());
        Self {
            holder: spec.holder_identity.filter(|holder| !holder.is_empty()),
            duration: seconds.map_or(LEASE_DURATION, Duration::from_secs),
            resource_version,
            seen_at: seen_at.unwrap_or(now),
        }
    }
}

/// The Lease after `step` by `me`; `lease` is what was read.
fn written(now: Timestamp, lease: Option<Lease>, step: Step, me: &str) -> Lease {
    let mut lease = lease.unwrap_or_default();
    let spec = lease.spec.get_or_insert_with(LeaseSpec::default);
    if step != Step::Renew {
        spec.acquire_time = Some(MicroTime(now));
        spec.lease_transitions = Some(
            spec.lease_transitions
                .map_or(0, |transitions| transitions.saturating_add(1)),
        );
    }
    spec.holder_identity = Some(me.to_owned());
    spec.lease_duration_seconds = i32::try_from(LEASE_DURATION.as_secs()).ok();
    spec.renew_time = Some(MicroTime(now));
    lease
}

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("failed to read the lease")]
    Read(#[source] kube::Error),
    #[error("failed to write the lease")]
    Write(#[source] kube::Error),
    #[error("the API server did not answer in time")]
    Deadline,
}

/// Who stands behind the lease after an attempt.
enum Standing {
    Leading,
    Following,
    /// Our write lost against another one; what that was is not known yet.
    Contended,
}

/// A candidate for the lease.
pub struct Candidate {
    api: Api<Lease>,
    name: String,
    me: String,
    view: Option<LeaseView>,
    started: Instant,
}

impl Candidate {
    /// The candidate `me` for the Lease `name`.
    pub fn new(client: Client, namespace: &str, name: String, me: String) -> Self {
        Self {
            api: Api::namespaced(client, namespace),
            name,
            me,
            view: None,
            started: Instant::now(),
        }
    }

    /// Does `work` whenever this candidate leads, and drops it when it no longer does. At `stop` the work has
    /// [`WORK_STOP_DEADLINE`] to end by itself, then the lease is given back. `leading` is told each change. Ends early only
    /// if the work does, with its result.
    pub async fn run<W: Future>(
        mut self,
        stop: CancellationToken,
        leading: impl Fn(bool),
        work: impl Fn() -> W,
    ) -> Option<W::Output> {
        while let Some(acquired) = stop.run_until_cancelled(self.acquire()).await {
            leading(true);
            tracing::info!(lease = self.name, "leading");
            let ended = tokio::select! {
                () = self.hold(acquired) => None,
                () = given_time(&stop) => None,
                output = work() => Some(output),
            };
            leading(false);
            tracing::info!(lease = self.name, "no longer leading");
            if ended.is_some() && !stop.is_cancelled() {
                return ended;
            }
        }
        self.release().await;
        None
    }

    /// Returns once this candidate leads: when the successful attempt began.
    async fn acquire(&mut self) -> Instant {
        loop {
            let began = Instant::now();
            match self.attempt().await {
                Ok(Standing::Leading) => return began,
                Ok(Standing::Following | Standing::Contended) => {}
                Err(error) => report(&error),
            }
            sleep(RETRY_INTERVAL).await;
        }
    }

    /// Returns once this candidate must not lead any more.
    async fn hold(&mut self, mut renewed: Instant) {
        loop {
            sleep(RENEW_INTERVAL).await;
            match timeout_at(renewed + RENEW_DEADLINE, self.renew()).await {
                Ok(Some(at)) => renewed = at,
                Ok(None) | Err(_) => return,
            }
        }
    }

    /// Tries until the lease is renewed or lost. Returns when the successful attempt began.
    async fn renew(&mut self) -> Option<Instant> {
        loop {
            let began = Instant::now();
            match self.attempt().await {
                Ok(Standing::Leading) => return Some(began),
                Ok(Standing::Following) => return None,
                Ok(Standing::Contended) => {}
                Err(error) => report(&error),
            }
            sleep(RETRY_INTERVAL).await;
        }
    }

    async fn attempt(&mut self) -> Result<Standing, Error> {
        let lease = within(self.api.get_opt(&self.name)).await?.map_err(Error::Read)?;
        let now = self.started.elapsed();
        self.view = lease
            .as_ref()
            .map(|lease| LeaseView::observe(now, lease, self.view.as_ref()));
        let step = decide(now, self.view.as_ref(), &self.me);
        if step == Step::Wait {
            return Ok(Standing::Following);
        }
        let mut lease = written(Timestamp::now(), lease, step, &self.me);
        let params = PostParams {
            field_manager: Some(names::FIELD_MANAGER.to_owned()),
            ..PostParams::default()
        };
        let answer = if step == Step::Create {
            lease.metadata = ObjectMeta {
                name: Some(self.name.clone()),
                ..ObjectMeta::default()
            };
            within(self.api.create(&params, &lease)).await?
        } else {
            within(self.api.replace(&self.name, &params, &lease)).await?
        };
        match answer {
            Ok(_) => Ok(Standing::Leading),
            Err(kube::Error::Api(status)) if status.is_conflict() || status.is_already_exists() => {
                Ok(Standing::Contended)
            }
            Err(error) => Err(Error::Write(error)),
        }
    }

    /// Gives the lease back if it is ours, so that another replica need not wait for it to expire.
    async fn release(&self) {
        let released = async {
            let Some(mut lease) = within(self.api.get_opt(&self.name)).await?.map_err(Error::Read)? else {
                return Ok(());
            };
            let Some(spec) = lease
                .spec
                .as_mut()
                .filter(|spec| spec.holder_identity.as_ref() == Some(&self.me))
            else {
                return Ok(());
            };
            spec.holder_identity = None;
            within(self.api.replace(&self.name, &PostParams::default(), &lease))
                .await?
                .map_err(Error::Write)?;
            Ok(())
        };
        if let Err(error) = released.await {
            report(&error);
        }
    }
}

async fn given_time(stop: &CancellationToken) {
    stop.cancelled().await;
    sleep(WORK_STOP_DEADLINE).await;
}

async fn within<F: Future>(request: F) -> Result<F::Output, Error> {
    timeout(REQUEST_DEADLINE, request)
        .await
        .map_err(|_| Error::Deadline)
}

fn report(error: &Error) {
    tracing::warn!(error = error as &dyn std::error::Error, "leader election failed");
}

#[cfg(test)]
mod tests;
