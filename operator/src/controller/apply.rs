//! Applying: server-side apply of every object, by one field manager.
//!
//! Order: the ConfigMap first, because a sidecar without configuration does nothing; then the account, the Role, and the
//! binding that joins them; last the token, which needs the account's uid. An object of the same name that is not ours is
//! never touched.

use super::build::Desired;
use super::token;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::jiff::Timestamp;
use kube::api::{ObjectMeta, Patch, PatchParams};
use kube::{Api, Client, Resource, ResourceExt};
use logship_crd::names;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::Debug;

/// What came of it.
#[derive(Debug)]
pub struct Applied {
    /// The ConfigMap.
    pub config: Result<(), Error>,
    /// ServiceAccount, Role, RoleBinding and token.
    pub rbac: Result<(), Error>,
}

/// What can fail.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What is there could not be read.
    #[error("failed to read {kind} {name}")]
    Read {
        /// Kind of the object.
        kind: String,
        /// Its name.
        name: String,
        /// Why.
        source: kube::Error,
    },
    /// The API server did not take the object.
    #[error("failed to apply {kind} {name}")]
    Write {
        /// Kind of the object.
        kind: String,
        /// Its name.
        name: String,
        /// Why.
        source: kube::Error,
    },
    /// The name is taken.
    #[error(
        "{kind} {name} exists and is not managed by logship: delete it, or hand it over with the label {}={}",
        names::MANAGED_BY_LABEL,
        names::MANAGED_BY
    )]
    Foreign {
        /// Kind of the object.
        kind: String,
        /// Its name.
        name: String,
    },
    /// The API server gave no token.
    #[error("failed to request a token of ServiceAccount {}", names::SIDECAR_ACCOUNT)]
    Token(#[source] kube::Error),
    /// The API server answered without a token.
    #[error("got an answer without a token for ServiceAccount {}", names::SIDECAR_ACCOUNT)]
    NoToken,
}

impl Error {
    /// Name of the failure in conditions and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Read { .. } => "ReadFailed",
            Self::Write { .. } => "ApplyFailed",
            Self::Foreign { .. } => "NameTaken",
            Self::Token(_) | Self::NoToken => "TokenRequestFailed",
        }
    }
}

/// Applies everything that can be: the configuration does not wait for rights, nor rights for the configuration.
pub(super) async fn apply(client: &Client, desired: Desired, now: Timestamp) -> Applied {
    let Desired {
        config_map,
        service_account,
        role,
        role_binding,
        token,
    } = desired;
    let config = apply_object(client, config_map).await.map(drop);
    let rbac = async {
        let account = apply_object(client, service_account).await?;
        apply_object(client, role).await?;
        apply_object(client, role_binding).await?;
        match token {
            Some(metadata) => token::ensure(client, metadata, &account.uid().unwrap_or_default(), now).await,
            None => Ok(()),
        }
    };
    Applied {
        config,
        rbac: rbac.await,
    }
}

/// Applies one object unless another owner has its name.
pub(super) async fn apply_object<K>(client: &Client, object: K) -> Result<K, Error>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Serialize
        + DeserializeOwned
        + Clone
        + Debug,
{
    existing::<K>(client, object.meta()).await?;
    let api = Api::<K>::namespaced(client.clone(), &object.namespace().unwrap_or_default());
    let name = object.name_any();
    let params = PatchParams::apply(names::FIELD_MANAGER).force();
    let kind = K::kind(&()).into_owned();
    api.patch(&name, &params, &Patch::Apply(&object))
        .await
        .map_err(|source| Error::Write { kind, name, source })
}

/// The metadata of the object that has the name of `wanted`, if there is one and it is ours.
pub(super) async fn existing<K>(client: &Client, wanted: &ObjectMeta) -> Result<Option<ObjectMeta>, Error>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + DeserializeOwned + Clone + Debug,
{
    let api = Api::<K>::namespaced(client.clone(), wanted.namespace.as_deref().unwrap_or_default());
    let name = wanted.name.clone().unwrap_or_default();
    let kind = K::kind(&()).into_owned();
    match api.get_metadata_opt(&name).await {
        Ok(Some(found)) if !is_ours(&found.metadata) => Err(Error::Foreign { kind, name }),
        Ok(found) => Ok(found.map(|found| found.metadata)),
        Err(source) => Err(Error::Read { kind, name, source }),
    }
}

/// An object of ours has our label or, if someone took that away, an owner of our group.
fn is_ours(found: &ObjectMeta) -> bool {
    let label = found
        .labels
        .as_ref()
        .and_then(|labels| labels.get(names::MANAGED_BY_LABEL));
    let ours = format!("{}/", names::GROUP);
    label.is_some_and(|value| value == names::MANAGED_BY)
        || found
            .owner_references
            .iter()
            .flatten()
            .any(|owner| owner.api_version.starts_with(&ours))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_object_is_ours_by_its_label_or_by_its_owner() {
        let check = |metadata, expected| {
            let metadata: ObjectMeta = serde_json::from_value(metadata).unwrap();
            assert_eq!(is_ours(&metadata), expected, "{metadata:?}");
        };
        let owner =
            |group: &str| json!({"apiVersion": group, "kind": "LogShipping", "name": "a", "uid": "1"});
        check(
            json!({"labels": {"app.kubernetes.io/managed-by": "logship"}}),
            true,
        );
        check(json!({"ownerReferences": [owner("logship.dev/v1alpha1")]}), true);
        check(json!({"labels": {"app.kubernetes.io/managed-by": "Helm"}}), false);
        check(
            json!({"ownerReferences": [owner("logship.dev.example.org/v1")]}),
            false,
        );
        check(json!({}), false);
    }
}
