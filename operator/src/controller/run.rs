//! What makes a resource be reconciled: its own changes and those of its siblings, of the objects made for it, of its
//! namespace's label, and of the pods there and what their sidecars say.

use super::account::{self, Account};
use super::cluster::{self, Cluster};
use super::seen::Seen;
use super::survey::{self, Survey};
use super::{Context, Error, reconcile, retry};
use crate::inject::Settings;
use crate::metrics::{Metrics, Reconciled};
use crate::policies::{Guarded, Policies};
use futures::{FutureExt, Stream, StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::api::PartialObjectMeta;
use kube::runtime::controller::{self, Action, Config, Controller};
use kube::runtime::reflector::store::Writer;
use kube::runtime::reflector::{ObjectRef, Store, store};
use kube::runtime::watcher::{self, Event, watcher};
use kube::runtime::{WatchStreamExt, reflector};
use kube::{Api, Client, Resource, ResourceExt};
use logship_crd::names;
use std::collections::BTreeSet;
use std::error::Error as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::mpsc;

/// Changes of one resource that follow each other within this time are one reconciliation.
const DEBOUNCE: Duration = Duration::from_millis(200);
const CONCURRENCY: u16 = 8;
const CHANGES_MAX: usize = 64;

/// The controller ended although nobody stopped it.
#[derive(Debug, thiserror::Error)]
#[error(
    "the watch of namespaces and pods ended, or the survey of their sidecars, or the care for their accounts"
)]
pub struct Ended;

/// Runs the controller until `shutdown`, then lets the reconciliations under way finish.
///
/// `settings` is what the flags say; its `nodes_run_native` is ignored, `policies` knows better. Resources in the namespaces `excluded` are
/// not carried out.
pub async fn run(
    client: Client,
    policies: Arc<Policies>,
    settings: Arc<Settings>,
    excluded: Arc<BTreeSet<String>>,
    metrics: Arc<Metrics>,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), Ended> {
    let shutdown = shutdown.shared();
    let cluster = Arc::new(Cluster::default());
    let survey = Arc::new(Survey::default());
    let (sender, changed) = mpsc::channel(CHANGES_MAX);
    let (teller, told) = mpsc::channel(CHANGES_MAX);
    let (shippings, writer) = store();
    let (accounts, accounts_writer) = store();
    let asking = survey::run(survey.clone(), shippings.clone(), metrics.clone(), teller);
    let ctx = Arc::new(Context {
        client: client.clone(),
        shippings: shippings.clone(),
        cluster: cluster.clone(),
        survey,
        policies,
        settings,
        excluded,
        metrics,
        failures: Mutex::default(),
    });
    let controller = Controller::for_stream(with_siblings(&client, writer, &shippings), shippings.clone())
        .with_config(Config::default().debounce(DEBOUNCE).concurrency(CONCURRENCY))
        .watches_stream(
            with_accounts(&client, accounts_writer),
            in_namespace_of(&shippings),
        )
        .owns(Api::<Role>::all(client.clone()), ours())
        .owns(Api::<RoleBinding>::all(client.clone()), ours())
        .owns(Api::<ConfigMap>::all(client.clone()), ours())
        .owns(Api::<PartialObjectMeta<Secret>>::all(client.clone()), tokens())
        .reconcile_on(resources_in(received(changed), shippings.clone()))
        .reconcile_on(received(told))
        .graceful_shutdown_on(shutdown.clone());
    // Boxed, because the state machines of the watches are tens of kilobytes.
    let removing = Box::pin(account::run(client.clone(), accounts, shippings, cluster.clone()));
    let watching = Box::pin(cluster::watch(client, cluster.clone(), sender));
    let controlling = Box::pin(async {
        // Before the first lists every count would be wrong.
        tokio::select! {
            () = cluster.filled() => controller.run(reconcile, retry_later, ctx).for_each(log).await,
            () = shutdown => {}
        }
    });
    tokio::select! {
        () = watching => Err(Ended),
        () = Box::pin(asking) => Err(Ended),
        () = removing => Err(Ended),
        () = controlling => Ok(()),
    }
}

/// The resources: a change of one that concerns the others reconciles all of its namespace, because they share objects.
fn with_siblings(
    client: &Client,
    writer: Writer<Guarded>,
    shippings: &Store<Guarded>,
) -> impl Stream<Item = watcher::Result<Guarded>> + Send + 'static {
    let shippings = shippings.clone();
    let events = watcher(Api::<Guarded>::all(client.clone()), watcher::Config::default())
        .default_backoff()
        .modify(|shipping| shipping.meta_mut().managed_fields = None);
    let mut seen = Seen::default();
    let touched = reflector(writer, events).map_ok(move |event| {
        let concerns_all = seen.note(&event);
        let touched = match event {
            Event::Apply(shipping) | Event::Delete(shipping) if concerns_all => {
                let namespace = shipping.namespace();
                shippings.state_filter(|other| other.namespace() == namespace)
            }
            Event::Apply(shipping) | Event::Delete(shipping) => vec![Arc::new(shipping)],
            // The store is replaced when the list is complete, not before.
            Event::Init | Event::InitApply(_) => Vec::new(),
            Event::InitDone => shippings.state(),
        };
        stream::iter(touched.into_iter().map(|shipping| Ok(Guarded::clone(&shipping))))
    });
    touched.try_flatten()
}

/// The accounts of the sidecars.
fn with_accounts(
    client: &Client,
    writer: Writer<Account>,
) -> impl Stream<Item = watcher::Result<Account>> + Send + 'static {
    let accounts = watcher(Api::<Account>::all(client.clone()), ours())
        .default_backoff()
        .modify(|account| account.metadata.managed_fields = None);
    reflector(writer, accounts).touched_objects()
}

/// Finds every resource of the namespace of an object that none of them owns.
fn in_namespace_of<K: Resource>(
    shippings: &Store<Guarded>,
) -> impl Fn(K) -> Vec<ObjectRef<Guarded>> + Send + Sync + 'static {
    let shippings = shippings.clone();
    move |object| {
        let found = shippings.state_filter(|shipping| shipping.meta().namespace == object.meta().namespace);
        found
            .iter()
            .map(|shipping| ObjectRef::from_obj(&**shipping))
            .collect()
    }
}

fn received<T: Send + 'static>(mut changes: mpsc::Receiver<T>) -> impl Stream<Item = T> + Send + 'static {
    stream::poll_fn(move |cx| changes.poll_recv(cx))
}

fn resources_in(
    namespaces: impl Stream<Item = String> + Send + 'static,
    shippings: Store<Guarded>,
) -> impl Stream<Item = ObjectRef<Guarded>> + Send + 'static {
    namespaces.flat_map(move |namespace| {
        let found = shippings.state_filter(|shipping| shipping.namespace().as_deref() == Some(&*namespace));
        stream::iter(found.into_iter().map(|shipping| ObjectRef::from_obj(&*shipping)))
    })
}

fn ours() -> watcher::Config {
    watcher::Config::default().labels(&format!("{}={}", names::MANAGED_BY_LABEL, names::MANAGED_BY))
}

/// The token Secrets. By name, because the operator may list no others.
fn tokens() -> watcher::Config {
    watcher::Config::default().fields(&format!("metadata.name={}", names::SIDECAR_TOKEN_SECRET))
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the controller hands over what it shares"
)]
fn retry_later(object: Arc<Guarded>, _: &Error, ctx: Arc<Context>) -> Action {
    ctx.metrics.count_reconcile(Reconciled::Failed);
    let object = ObjectRef::from_obj(&*object);
    Action::requeue(retry::after_failure(
        &ctx.failures,
        object,
        &ctx.shippings,
        fastrand::f64(),
    ))
}

type Step = Result<(ObjectRef<Guarded>, Action), controller::Error<Error, watcher::Error>>;

async fn log(step: Step) {
    match step {
        Ok((object, _)) => tracing::debug!(%object, "reconciled"),
        Err(controller::Error::ObjectNotFound(object)) => tracing::debug!(%object, "gone"),
        Err(controller::Error::ReconcilerFailed(error, object)) => {
            let cause = causes(&error);
            tracing::warn!(%object, reason = error.reason(), cause, "failed to reconcile, retrying");
        }
        Err(error) => tracing::warn!(%error, "watch failed, retrying"),
    }
}

fn causes(error: &Error) -> String {
    let chain = std::iter::successors(error.source(), |cause: &&dyn std::error::Error| (*cause).source());
    chain.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
