//! The leader's part in the webhook's trust: it writes the Secret when the authority is missing or nears its end, and
//! publishes the bundle in every entry of the `MutatingWebhookConfiguration`, again whenever someone changes it.
//!
//! It owns the `caBundle` fields and nothing else of the configuration, which belongs to whoever installed it. Only an
//! authority that was read back from the Secret is published, so replicas can always sign with what the API server trusts.

use super::ca::{self, Authority, CaAction};
use super::trust::{Observed, Published, Trust};
use jiff::Timestamp;
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{ObjectMeta, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use logship_crd::names;
use serde_json::{Value, json};
use std::time::Duration;

/// How often the authority's age is looked at when nothing changes, and how soon a failed write is tried again.
const CHECK_INTERVAL: Duration = Duration::from_secs(30);

/// Where the authority lives and who must trust it.
#[derive(Debug, Clone)]
pub struct Places {
    /// Namespace of the Secret.
    pub namespace: String,
    /// Name of the Secret.
    pub secret: String,
    /// Name of the `MutatingWebhookConfiguration`.
    pub configuration: String,
}

/// Why the authority could not be maintained.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("failed to make an authority")]
    Make(#[source] ca::Error),
    #[error("failed to write the Secret of the authority")]
    Write(#[source] kube::Error),
    #[error("failed to publish the bundle")]
    Publish(#[source] kube::Error),
}

/// Maintains Secret and bundles for as long as it is polled. Failures are logged and tried again.
pub async fn maintain(client: Client, places: Places, mut trust: Trust) {
    loop {
        let secret = trust.secret.borrow_and_update().clone();
        let published = trust.published.borrow_and_update().clone();
        if let Err(error) = step(&client, &places, &secret, &published).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "failed to maintain the webhook's authority"
            );
        }
        tokio::select! {
            () = trust.changed() => {}
            () = tokio::time::sleep(CHECK_INTERVAL) => {}
        }
    }
}

async fn step(
    client: &Client,
    places: &Places,
    secret: &Observed<Secret>,
    published: &Observed<Published>,
) -> Result<(), Error> {
    let authority = match secret {
        Observed::Unknown => return Ok(()),
        Observed::Absent => None,
        Observed::Present(secret) => Authority::from_secret(secret)
            .inspect_err(|error| {
                tracing::warn!(
                    error = error as &dyn std::error::Error,
                    "the Secret is not usable"
                );
            })
            .ok(),
    };
    let now = Timestamp::now();
    let replaced = match ca::plan(now, authority.as_ref()) {
        CaAction::Keep => return publish(client, places, authority.as_ref(), published).await,
        CaAction::Create => None,
        CaAction::Rotate => authority.as_ref(),
    };
    let next = Authority::generate(now, replaced).map_err(Error::Make)?;
    write(client, places, secret.present(), &next).await
}

/// Writes the Secret, unless someone else wrote it since it was read: then the watch brings what they wrote.
async fn write(
    client: &Client,
    places: &Places,
    existing: Option<&Secret>,
    authority: &Authority,
) -> Result<(), Error> {
    let api = Api::<Secret>::namespaced(client.clone(), &places.namespace);
    let params = PostParams {
        field_manager: Some(names::CA_FIELD_MANAGER.to_owned()),
        ..Default::default()
    };
    let written = if let Some(existing) = existing {
        let secret = Secret {
            data: Some(authority.to_data()),
            ..existing.clone()
        };
        api.replace(&places.secret, &params, &secret).await
    } else {
        let labels = [(names::MANAGED_BY_LABEL.to_owned(), names::MANAGED_BY.to_owned())];
        let metadata = ObjectMeta {
            name: Some(places.secret.clone()),
            labels: Some(labels.into()),
            ..ObjectMeta::default()
        };
        api.create(
            &params,
            &Secret {
                metadata,
                data: Some(authority.to_data()),
                ..Secret::default()
            },
        )
        .await
    };
    match written {
        Ok(_) => {
            tracing::info!(
                secret = places.secret,
                replaced = existing.is_some(),
                "wrote a new authority"
            );
            Ok(())
        }
        Err(kube::Error::Api(status)) if status.is_conflict() || status.is_already_exists() => Ok(()),
        Err(error) => Err(Error::Write(error)),
    }
}

async fn publish(
    client: &Client,
    places: &Places,
    authority: Option<&Authority>,
    published: &Observed<Published>,
) -> Result<(), Error> {
    let (Some(authority), Some(published)) = (authority, published.present()) else {
        return Ok(());
    };
    let bundle = authority.bundle();
    if published
        .entries
        .iter()
        .all(|(_, published)| published == bundle.as_bytes())
    {
        return Ok(());
    }
    let api = Api::<MutatingWebhookConfiguration>::all(client.clone());
    let params = PatchParams::apply(names::CA_FIELD_MANAGER).force();
    let patch = Patch::Apply(bundle_patch(&places.configuration, published, &bundle));
    api.patch(&places.configuration, &params, &patch)
        .await
        .map_err(Error::Publish)?;
    tracing::info!(
        configuration = places.configuration,
        "published the authority's bundle"
    );
    Ok(())
}

/// The fields that we own: `webhooks` is a list keyed by name, so an entry needs its name and what we set in it.
fn bundle_patch(configuration: &str, published: &Published, bundle: &str) -> Value {
    use base64::Engine as _;
    let bundle = base64::engine::general_purpose::STANDARD.encode(bundle);
    let entry = |name: &String| json!({"name": name, "clientConfig": {"caBundle": bundle}});
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": configuration},
        "webhooks": published.entries.iter().map(|(name, _)| entry(name)).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests;
