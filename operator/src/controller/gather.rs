//! Gathering: everything that is read before a resource is reconciled, from the caches and from the API.

use super::Context;
use super::census::{Conflict, Missed, Namespace, Why, bound_accounts, count, needs_token};
use super::cluster::PodSummary;
use super::tally::Carrier;
use crate::inject::{Decision, Input, Settings, inject};
use crate::policies::{Guarded, Policy, Readiness, readiness};
use futures::future::try_join_all;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{GetParams, ObjectMeta, Request, Resource};
use kube::runtime::reflector::Store;
use kube::{Client, ResourceExt};
use logship_crd::names;
use logship_crd::v1alpha1::{LogShipping, LogShippingStatus, PodCounts, ServiceAccountPolicy};
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Pods that one reconciliation asks about.
const SKIPS_MAX: usize = 10;

/// What was read.
#[derive(Debug, Clone, Default)]
pub struct Gathered {
    /// The namespace of the resource.
    pub namespace: String,
    /// The injection label of the namespace.
    pub injection: Option<String>,
    /// Every resource of the namespace that is not being deleted, ordered by name, the resource itself among them.
    pub siblings: Vec<Arc<Guarded>>,
    /// Accounts of pods that any of them binds.
    pub bound_accounts: BTreeSet<String>,
    /// Whether any of them needs a token for pods that keep an account of their own.
    pub needs_token: bool,
    /// The pods that the resource means, but for what their sidecars run.
    pub counts: PodCounts,
    /// Those with a sidecar, and what is known of it.
    pub(super) carriers: Vec<Carrier>,
    /// Accounts that may read logs because of the resource.
    pub accounts: Vec<String>,
    /// Why some of its pods, the newest, are not shipped; at most ten.
    pub skips: Vec<Skip>,
    /// Its pods that had to choose between it and another resource, newest first.
    pub conflicts: Vec<Conflict>,
}

/// Why a pod is not shipped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skip {
    /// Name of the pod.
    pub pod: String,
    /// In one word.
    pub reason: String,
    /// For a person.
    pub message: String,
}

/// What can fail.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An object could not be read.
    #[error("failed to read {kind} {name}")]
    Read {
        /// Its kind.
        kind: &'static str,
        /// Its name.
        name: String,
        /// Why.
        source: kube::Error,
    },
    /// No request can be made for it.
    #[error("failed to build the request for {kind} {name}")]
    Request {
        /// Its kind.
        kind: &'static str,
        /// Its name.
        name: String,
        /// Why.
        source: kube::core::request::Error,
    },
}

impl Error {
    /// Name of the failure in logs.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Read { .. } => "ReadFailed",
            Self::Request { .. } => "RequestFailed",
        }
    }
}

/// Reads what belongs to `shipping`.
pub(super) async fn gather(ctx: &Context, shipping: &LogShipping) -> Result<Gathered, Error> {
    let namespace = shipping.namespace().unwrap_or_default();
    let name = shipping.name_any();
    let siblings = siblings(&ctx.shippings, &namespace);
    let policies: Vec<Arc<Policy>> = siblings
        .iter()
        .filter_map(|sibling| policy(sibling))
        .map(Arc::new)
        .collect();
    let (injection, pods) = ctx.cluster.namespace(&namespace);
    let seen = Namespace {
        injection: injection.as_deref(),
        policies: &policies,
        pods: &pods,
    };
    let settings = ctx.settings();

    let census = count(&name, seen, &settings);
    let carriers = survey(ctx, shipping, &census.carriers);
    let pods_path = Pod::url_path(&(), Some(&namespace));
    let explained = census
        .missed
        .iter()
        .take(SKIPS_MAX)
        .map(async |Missed { pod, why }| {
            Ok(match why {
                Why::LeftOut(left_out) => Some(Skip {
                    pod: pod.clone(),
                    reason: left_out.reason.clone(),
                    message: left_out.message.clone(),
                }),
                Why::Outdated => Some(created_before(pod)),
                // Raw, because injection must see every field.
                Why::NoSidecar => read(&ctx.client, &pods_path, "Pod", pod)
                    .await?
                    .map(|object| explain(pod, &object, &namespace, seen, &settings)),
            })
        });
    let skips = try_join_all(explained).await?.into_iter().flatten().collect();
    let own = policies.iter().find(|policy| policy.name == name);
    Ok(Gathered {
        bound_accounts: policies
            .iter()
            .flat_map(|policy| bound_accounts(policy, seen))
            .collect(),
        needs_token: policies.iter().any(|policy| needs_token(policy, &settings)),
        counts: census.counts,
        conflicts: census.conflicts,
        carriers,
        accounts: own.map(|policy| accounts(policy, seen)).unwrap_or_default(),
        skips,
        siblings,
        injection,
        namespace,
    })
}

/// Has the sidecars of the resource asked whether they run its generation; what is known of them by now.
fn survey(ctx: &Context, shipping: &LogShipping, carriers: &[(Arc<PodSummary>, bool)]) -> Vec<Carrier> {
    let namespace = shipping.namespace().unwrap_or_default();
    let addresses = carriers
        .iter()
        .filter_map(|(pod, _)| Some((pod.name.as_str(), pod.address?)))
        .collect();
    let generation = shipping.metadata.generation.unwrap_or_default();
    ctx.survey
        .expect(&namespace, &shipping.name_any(), generation, &addresses);
    let carrier = |(pod, is_outdated): &(Arc<PodSummary>, bool)| Carrier {
        pod: pod.name.clone(),
        is_outdated: *is_outdated,
        heard: ctx.survey.heard(&namespace, &pod.name),
    };
    carriers.iter().map(carrier).collect()
}

fn siblings(shippings: &Store<Guarded>, namespace: &str) -> Vec<Arc<Guarded>> {
    let lives = |shipping: &Guarded| {
        shipping.namespace().as_deref() == Some(namespace) && shipping.meta().deletion_timestamp.is_none()
    };
    let mut siblings = shippings.state_filter(lives);
    siblings.sort_by_key(|sibling| sibling.name_any());
    siblings
}

/// A resource as injection sees it once its objects were applied.
fn policy(shipping: &Guarded) -> Option<Policy> {
    let shipping = shipping.0.as_ref().ok()?;
    let readiness = match readiness(shipping) {
        Readiness::Ready | Readiness::Pending => Readiness::Ready,
        Readiness::Invalid(text) => Readiness::Invalid(text),
    };
    Some(Policy {
        name: shipping.name_any(),
        created: shipping.creation_timestamp().map(|time| time.0),
        spec: shipping.spec.clone(),
        readiness,
    })
}

fn accounts(policy: &Policy, namespace: Namespace<'_>) -> Vec<String> {
    match policy.spec.sidecar.service_account {
        ServiceAccountPolicy::Inject if policy.spec.needs_api() => vec![names::SIDECAR_ACCOUNT.to_owned()],
        _ => bound_accounts(policy, namespace).into_iter().collect(),
    }
}

/// The status of a resource that cannot be read as a whole; the default where that cannot be read either.
pub(super) async fn read_status(client: &Client, shipping: &ObjectMeta) -> Result<LogShippingStatus, Error> {
    let name = shipping.name.clone().unwrap_or_default();
    let path = LogShipping::url_path(&(), shipping.namespace.as_deref());
    let object = read(client, &path, "LogShipping", &name)
        .await?
        .unwrap_or_default();
    Ok(serde_json::from_value(object["status"].clone()).unwrap_or_default())
}

/// A raw object; `None` if it is gone.
async fn read(client: &Client, path: &str, kind: &'static str, name: &str) -> Result<Option<Value>, Error> {
    let request = Request::new(path)
        .get(name, &GetParams::default())
        .map_err(|source| Error::Request {
            kind,
            name: name.to_owned(),
            source,
        })?;
    match client.request(request).await {
        Ok(object) => Ok(Some(object)),
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(None),
        Err(source) => Err(Error::Read {
            kind,
            name: name.to_owned(),
            source,
        }),
    }
}

fn explain(name: &str, pod: &Value, namespace: &str, seen: Namespace<'_>, settings: &Settings) -> Skip {
    let input = Input {
        pod,
        namespace,
        namespace_injection: seen.injection,
        policies: seen.policies,
        settings,
    };
    match inject(&input) {
        Decision::Skip { reason, message, .. } => Skip {
            pod: name.to_owned(),
            reason: reason.reason().to_owned(),
            message,
        },
        Decision::Inject { .. } => created_before(name),
    }
}

fn created_before(pod: &str) -> Skip {
    let message =
        "it was created before it could be injected; recreate it, for example with kubectl rollout restart";
    Skip {
        pod: pod.to_owned(),
        reason: "CreatedBefore".to_owned(),
        message: message.to_owned(),
    }
}
