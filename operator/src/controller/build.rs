//! Building: every object that a resource needs, from what was read and validated.
//!
//! It is pure and cannot fail. Objects that the resources of a namespace share carry one owner each, so that the API
//! server's garbage collector removes them with the last of them. The account alone has no owner: pods still need it then
//! (`controller/account.rs`).

use super::gather::Gathered;
use super::validate::Valid;
use k8s_openapi::api::core::v1::{ConfigMap, ServiceAccount};
use k8s_openapi::api::rbac::v1::{PolicyRule, Role, RoleBinding, RoleRef, Subject};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::ObjectMeta;
use kube::core::DeserializeGuard;
use kube::{Resource, ResourceExt};
use logship_crd::agent_config::{self, AgentConfig};
use logship_crd::names;
use logship_crd::v1alpha1::LogShipping;
use std::collections::BTreeMap;

/// The objects that a resource needs.
#[derive(Debug, Clone, PartialEq)]
pub struct Desired {
    /// What the sidecars of this resource do.
    pub config_map: ConfigMap,
    /// The account of sidecars in pods that have none of their own.
    pub service_account: ServiceAccount,
    /// The right to read logs.
    pub role: Role,
    /// Who has that right.
    pub role_binding: RoleBinding,
    /// Metadata of the Secret with a token of that account, where one is needed.
    pub token: Option<ObjectMeta>,
}

/// Builds them.
pub fn build(shipping: &LogShipping, valid: &Valid, gathered: &Gathered) -> Desired {
    let owners: Vec<OwnerReference> = gathered
        .siblings
        .iter()
        .filter_map(|sibling| owner(sibling))
        .collect();
    let shared = |name: &str| metadata(&gathered.namespace, name, owners.clone());
    Desired {
        config_map: config_map(shipping, valid, &gathered.namespace),
        service_account: ServiceAccount {
            metadata: metadata(&gathered.namespace, names::SIDECAR_ACCOUNT, Vec::new()),
            // The webhook mounts the token itself, in the sidecar only.
            automount_service_account_token: Some(false),
            ..ServiceAccount::default()
        },
        role: role(shared(names::SIDECAR_ACCOUNT)),
        role_binding: role_binding(shared(names::SIDECAR_ACCOUNT), gathered),
        token: gathered.needs_token.then(|| shared(names::SIDECAR_TOKEN_SECRET)),
    }
}

fn config_map(shipping: &LogShipping, valid: &Valid, namespace: &str) -> ConfigMap {
    let config = AgentConfig {
        version: agent_config::VERSION,
        name: shipping.name_any(),
        generation: shipping.metadata.generation.unwrap_or_default(),
        sources: valid.sources.clone(),
        sinks: valid.sinks.clone(),
        pipeline: valid.pipeline.clone(),
        drain_ms: valid.drain_ms,
        limits: valid.limits,
    };
    let document =
        serde_json::to_string_pretty(&config).expect("the document is made of strings, numbers and enums");
    let owners = shipping.owner_ref(&()).map(weak).into_iter().collect();
    let mut metadata = metadata(namespace, &names::config_map(&config.name), owners);
    metadata
        .labels
        .get_or_insert_default()
        .insert("app.kubernetes.io/instance".to_owned(), config.name);
    ConfigMap {
        metadata,
        data: Some(BTreeMap::from([(names::CONFIG_KEY.to_owned(), document)])),
        ..ConfigMap::default()
    }
}

fn role(metadata: ObjectMeta) -> Role {
    let rule = |resource: &str, verbs: &[&str]| PolicyRule {
        api_groups: Some(vec![String::new()]),
        resources: Some(vec![resource.to_owned()]),
        verbs: verbs.iter().map(|verb| (*verb).to_owned()).collect(),
        ..PolicyRule::default()
    };
    Role {
        metadata,
        rules: Some(vec![rule("pods", &["get"]), rule("pods/log", &["get"])]),
    }
}

fn role_binding(metadata: ObjectMeta, gathered: &Gathered) -> RoleBinding {
    let subject = |account: &str| Subject {
        kind: "ServiceAccount".to_owned(),
        name: account.to_owned(),
        namespace: Some(gathered.namespace.clone()),
        ..Subject::default()
    };
    let bound = gathered
        .bound_accounts
        .iter()
        .map(String::as_str)
        .filter(|account| *account != names::SIDECAR_ACCOUNT);
    RoleBinding {
        metadata,
        role_ref: RoleRef {
            api_group: Some("rbac.authorization.k8s.io".to_owned()),
            kind: "Role".to_owned(),
            name: names::SIDECAR_ACCOUNT.to_owned(),
        },
        subjects: Some(
            std::iter::once(names::SIDECAR_ACCOUNT)
                .chain(bound)
                .map(subject)
                .collect(),
        ),
    }
}

fn metadata(namespace: &str, name: &str, owners: Vec<OwnerReference>) -> ObjectMeta {
    let label = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    ObjectMeta {
        namespace: Some(namespace.to_owned()),
        name: Some(name.to_owned()),
        labels: Some(BTreeMap::from([
            label(names::MANAGED_BY_LABEL, names::MANAGED_BY),
            label("app.kubernetes.io/name", names::SIDECAR_ACCOUNT),
            label("app.kubernetes.io/part-of", names::MANAGED_BY),
        ])),
        owner_references: Some(owners),
        ..ObjectMeta::default()
    }
}

fn owner(shipping: &DeserializeGuard<LogShipping>) -> Option<OwnerReference> {
    shipping.owner_ref(&()).map(weak)
}

/// An owner among others: none controls the object, and none waits for its deletion.
fn weak(owner: OwnerReference) -> OwnerReference {
    OwnerReference {
        controller: Some(false),
        block_owner_deletion: Some(false),
        ..owner
    }
}

#[cfg(test)]
mod tests;
