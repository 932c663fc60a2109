//! The sidecar's API token, and what becomes of the pod's account (D5 of ARCHITECTURE.md).
//!
//! It promises that policy `Inject` never gives the application a right: where the pod's account is replaced, the application's token
//! goes; where the application has a token of its own, or asks to keep the one it has, the account stays and the sidecar's token
//! comes from a Secret.
//! `pods/log` cannot be limited to one pod by RBAC, so an application with the sidecar's token could read its whole namespace.

use super::annotations::Overrides;
use super::patch::Draft;
use super::plan::Plan;
use super::pod::{Pod, items, mounts, text};
use super::volumes::PROJECTED_MODE;
use super::{Skip, SkipReason};
use logship_crd::names;
use logship_crd::v1alpha1::ServiceAccountPolicy;
use serde_json::{Value, json};

/// Life of a projected token, as ServiceAccount admission has it: the kubelet renews it at 80 %.
const EXPIRATION_SECONDS: u32 = 3607;
/// Volumes that ServiceAccount admission adds begin with this.
const ADMISSION_VOLUME_PREFIX: &str = "kube-api-access-";

/// Whose token the sidecar gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token {
    /// None: it does not talk to the API.
    None,
    /// The pod now runs as the sidecar's account; the application's tokens go.
    Replaced,
    /// The pod's own account stays; the sidecar's account comes from a Secret.
    Secret,
    /// That of the pod's own account.
    Own,
}

pub(super) fn decide(
    pod: Pod<'_>,
    plan: &Plan<'_>,
    native: bool,
    overrides: &Overrides<'_>,
) -> Result<Token, Skip> {
    if !plan.needs_token(native) {
        return Ok(Token::None);
    }
    match plan.account {
        ServiceAccountPolicy::Inject if overrides.keep_token || has_own_identity(pod) => Ok(Token::Secret),
        ServiceAccountPolicy::Inject => Ok(Token::Replaced),
        ServiceAccountPolicy::Keep
            if plan.needs_api && pod.own_account().is_none() && on_host_network(pod) =>
        {
            let message = "the pod uses the host's network and the account \"default\", whose rights policy Keep leaves as they are: \
                           give it an account of its own, or set spec.sidecar.serviceAccount to Inject";
            Err(Skip::new(SkipReason::HostNetwork, message))
        }
        ServiceAccountPolicy::Bind | ServiceAccountPolicy::Keep => Ok(Token::Own),
    }
}

/// Adds the sidecar's token volume and does to the account what was decided.
pub(super) fn apply(draft: &mut Draft, token: Token) -> Result<(), Skip> {
    let source = match token {
        Token::None => return Ok(()),
        Token::Secret => json!({"secret": {
            "name": names::SIDECAR_TOKEN_SECRET,
            "items": [{"key": "token", "path": "token"}],
            "optional": true,
        }}),
        Token::Own | Token::Replaced => {
            json!({"serviceAccountToken": {"expirationSeconds": EXPIRATION_SECONDS, "path": "token"}})
        }
    };
    if token == Token::Replaced {
        replace_account(draft);
        remove_application_tokens(draft);
    }
    draft.add_volume(volume(&source))
}

/// The mount of the token in the sidecar, at the path where ServiceAccount admission would put the pod's own.
pub(super) fn mount(token: Token) -> Option<Value> {
    (token != Token::None)
        .then(|| json!({"name": names::TOKEN_VOLUME, "mountPath": names::TOKEN_PATH, "readOnly": true}))
}

fn on_host_network(pod: Pod<'_>) -> bool {
    pod.spec("hostNetwork")
        .and_then(Value::as_bool)
        .unwrap_or_default()
}

/// Whether the account means something to the pod: one of its own, or tokens for others, such as a mesh's certificate authority,
/// in volumes that it (or another injector) declares. Another account would change who it is to them.
fn has_own_identity(pod: Pod<'_>) -> bool {
    let has_token = |volume: &&Value| {
        let sources = items(volume.pointer("/projected/sources"));
        sources
            .iter()
            .any(|source| source.get("serviceAccountToken").is_some())
    };
    let is_declared = |name: &str| name != names::TOKEN_VOLUME && !is_by_admission(pod, name);
    let mut tokens = pod
        .volumes()
        .iter()
        .filter(has_token)
        .filter_map(|volume| text(volume, "name"));
    pod.own_account().is_some() || tokens.any(is_declared)
}

/// Whether the volume is one that ServiceAccount admission made, and is used as it mounts it, which is what is taken out.
fn is_by_admission(pod: Pod<'_>, name: &str) -> bool {
    let mut mounts = pod.all_containers().flat_map(|(_, container)| mounts(container));
    name.starts_with(ADMISSION_VOLUME_PREFIX)
        && mounts.all(|mount| text(mount, "name") != Some(name) || is_application_token(mount))
}

fn is_application_token(mount: &Value) -> bool {
    text(mount, "mountPath").is_some_and(|path| path.trim_end_matches('/') == names::TOKEN_PATH)
        && text(mount, "name").is_some_and(|name| name.starts_with(ADMISSION_VOLUME_PREFIX))
}

fn replace_account(draft: &mut Draft) {
    draft.set("/spec", "serviceAccountName", json!(names::SIDECAR_ACCOUNT));
    // The deprecated alias has to say the same.
    if draft.pod().spec("serviceAccount").is_some() {
        draft.set("/spec", "serviceAccount", json!(names::SIDECAR_ACCOUNT));
    }
}

/// ServiceAccount admission runs again after a webhook changed the pod, and would mount a token of the new account; so it is told not to.
fn remove_application_tokens(draft: &mut Draft) {
    draft.set("/spec", "automountServiceAccountToken", json!(false));
    while let Some((mounts, index)) = first_token_mount(draft.pod()) {
        draft.remove(&mounts, index);
    }
    while let Some(index) = first_unused_token_volume(draft.pod()) {
        draft.remove("/spec/volumes", index);
    }
}

fn first_token_mount(pod: Pod<'_>) -> Option<(String, usize)> {
    pod.all_containers().find_map(|(pointer, container)| {
        Some((
            format!("{pointer}/volumeMounts"),
            mounts(container).iter().position(is_application_token)?,
        ))
    })
}

fn first_unused_token_volume(pod: Pod<'_>) -> Option<usize> {
    let is_mounted = |name: &str| {
        let mut all = pod.all_containers().flat_map(|(_, container)| mounts(container));
        all.any(|mount| text(mount, "name") == Some(name))
    };
    pod.volumes().iter().position(|volume| {
        text(volume, "name")
            .is_some_and(|name| name.starts_with(ADMISSION_VOLUME_PREFIX) && !is_mounted(name))
    })
}

/// The same three files that ServiceAccount admission provides.
fn volume(token: &Value) -> Value {
    let certificate =
        json!({"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}});
    let namespace = json!({"downwardAPI": {"items": [
        {"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}},
    ]}});
    json!({"name": names::TOKEN_VOLUME, "projected": {"defaultMode": PROJECTED_MODE, "sources": [token, certificate, namespace]}})
}
