//! The controller: keeps what each `LogShipping` needs in its namespace, and its status.
//!
//! A reconciliation is five calls: gather, validate, build, apply, status (and its publication). It runs on the leader only. An invalid resource
//! is reported and not retried; when the world fails, it is retried with a capped, jittered backoff. It never writes outside
//! of the resource's namespace, and never deletes: the API server's garbage collector follows the owners. Only the account of the
//! sidecars, which pods need longer than any owner lives, is removed by `account.rs`.

use crate::inject::Settings;
use crate::metrics::{Metrics, Reconciled};
use crate::policies::{Guarded, Policies};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use kube::runtime::controller::Action;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::{Client, Resource, ResourceExt};
use logship_crd::v1alpha1::LogShipping;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

mod account;
mod apply;
mod build;
mod census;
mod cluster;
mod gather;
mod publish;
mod retry;
mod run;
mod seen;
mod status;
mod survey;
mod tally;
mod token;
pub mod validate;

pub use run::{Ended, run};

use publish::publish;
use status::{Outcome, Subject, status};

/// What a reconciliation works with.
pub(crate) struct Context {
    client: Client,
    shippings: Store<Guarded>,
    cluster: Arc<cluster::Cluster>,
    survey: Arc<survey::Survey>,
    policies: Arc<Policies>,
    settings: Arc<Settings>,
    excluded: Arc<BTreeSet<String>>,
    metrics: Arc<Metrics>,
    failures: Mutex<retry::Failures>,
}

impl Context {
    /// What the flags say, with what the nodes allow now.
    fn settings(&self) -> Settings {
        Settings {
            nodes_run_native: self.policies.nodes_run_native(),
            ..Settings::clone(&self.settings)
        }
    }
}

/// Why a reconciliation failed: by step.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Something could not be read.
    #[error("failed to gather")]
    Gather(#[source] gather::Error),
    /// Something could not be written.
    #[error("failed to apply")]
    Apply(#[source] apply::Error),
    /// The status could not be written.
    #[error("failed to publish the status")]
    Publish(#[source] publish::Error),
}

impl Error {
    /// Name of the failure in logs.
    fn reason(&self) -> &'static str {
        match self {
            Self::Gather(error) => error.reason(),
            Self::Apply(error) => error.reason(),
            Self::Publish(error) => error.reason(),
        }
    }
}

async fn reconcile(object: Arc<Guarded>, ctx: Arc<Context>) -> Result<Action, Error> {
    let reconciled = match &object.0 {
        _ if object.meta().deletion_timestamp.is_some() => return Ok(Action::await_change()),
        Ok(shipping) => reconcile_well_formed(&object, shipping, &ctx).await?,
        Err(malformed) => report_malformed(&object, &malformed.error, &ctx).await?,
    };
    ctx.metrics.count_reconcile(reconciled);
    retry::forget(&ctx.failures, &ObjectRef::from_obj(&*object));
    Ok(match reconciled {
        Reconciled::Applied => Action::requeue(retry::resync(fastrand::f64())),
        Reconciled::Invalid | Reconciled::Malformed | Reconciled::Failed => Action::await_change(),
    })
}

async fn reconcile_well_formed(
    object: &Guarded,
    shipping: &LogShipping,
    ctx: &Context,
) -> Result<Reconciled, Error> {
    let now = Timestamp::now();
    let gathered = gather::gather(ctx, shipping).await.map_err(Error::Gather)?;
    let previous = shipping.status.clone().unwrap_or_default();
    let name = shipping.name_any();
    let report = |sources, outcome| {
        let generation = shipping.metadata.generation;
        let subject = Subject {
            name: &name,
            generation,
            sinks: &shipping.spec.sinks,
            sources,
        };
        status(&previous, subject, outcome, &gathered, &whole_seconds(now))
    };
    match validate::validate_in(&gathered.namespace, &ctx.excluded, &shipping.spec) {
        Ok(valid) => {
            let desired = build::build(shipping, &valid, &gathered);
            let applied = apply::apply(&ctx.client, desired, now).await;
            let status = report(Some(valid.sources.as_slice()), Outcome::Applied(&applied));
            publish(&ctx.client, object, &previous, &status)
                .await
                .map_err(Error::Publish)?;
            applied.config.and(applied.rbac).map_err(Error::Apply)?;
            Ok(Reconciled::Applied)
        }
        Err(violations) => {
            let status = report(None, Outcome::Invalid(&violations));
            publish(&ctx.client, object, &previous, &status)
                .await
                .map_err(Error::Publish)?;
            Ok(Reconciled::Invalid)
        }
    }
}

async fn report_malformed(object: &Guarded, text: &str, ctx: &Context) -> Result<Reconciled, Error> {
    let previous = gather::read_status(&ctx.client, object.meta())
        .await
        .map_err(Error::Gather)?;
    let nothing = gather::Gathered::default();
    let now = whole_seconds(Timestamp::now());
    let subject = Subject {
        name: object.meta().name.as_deref().unwrap_or_default(),
        generation: object.meta().generation,
        sinks: &[],
        sources: None,
    };
    let status = status(&previous, subject, Outcome::Malformed(text), &nothing, &now);
    publish(&ctx.client, object, &previous, &status)
        .await
        .map_err(Error::Publish)?;
    Ok(Reconciled::Malformed)
}

/// Conditions carry whole seconds.
fn whole_seconds(now: Timestamp) -> Time {
    Time(Timestamp::from_second(now.as_second()).unwrap_or(now))
}
