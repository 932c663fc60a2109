//! The injected container.
//!
//! It promises to pass the Pod Security Standard `restricted`, and to have no probe: the sidecar's health may not depend on a sink,
//! and the pod's may not depend on the sidecar.

use super::annotations::Overrides;
use super::logs::Logs;
use super::patch::Draft;
use super::plan::Plan;
use super::pod::Pod;
use super::token::{self, Token};
use super::{Skip, SkipReason, resources, secrets, state, volumes};
use logship_crd::names;
use logship_crd::v1alpha1::Position;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The sidecar's user where the application's is not known or is root: `nonroot` of the distroless images.
const USER: i64 = 65532;

/// What the container is made of.
pub(super) struct Parts<'a> {
    pub(super) plan: &'a Plan<'a>,
    pub(super) overrides: &'a Overrides<'a>,
    pub(super) native: bool,
    pub(super) token: Token,
    pub(super) logs: &'a Logs,
}

pub(super) fn build(pod: Pod<'_>, parts: &Parts<'_>) -> Value {
    let Parts {
        plan,
        overrides,
        native,
        token,
        logs,
    } = parts;
    let mut mounts = volumes::mounts(plan).to_vec();
    mounts.extend(secrets::mount(plan));
    mounts.extend(token::mount(*token));
    mounts.extend(logs.mounts.iter().cloned());
    let mut container = json!({
        "name": names::SIDECAR_CONTAINER,
        "image": overrides.image.unwrap_or(plan.settings.image),
        "imagePullPolicy": plan.settings.image_pull_policy,
        "args": arguments(pod),
        "env": environment(pod, plan, *native, logs),
        "resources": requirements(pod, plan, overrides),
        "securityContext": security_context(pod, parts),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": mounts,
    });
    if *native {
        container["restartPolicy"] = json!("Always");
    }
    container
}

/// Adds the container to the pod. Position is for native sidecars: classic containers start together.
pub(super) fn place(draft: &mut Draft, sidecar: Value, native: bool, position: Position) -> Result<(), Skip> {
    if draft.pod().container(names::SIDECAR_CONTAINER).is_some() {
        let message = format!(
            "the pod has a container named {:?} without the annotation {}: rename it",
            names::SIDECAR_CONTAINER,
            names::INJECTED_ANNOTATION
        );
        return Err(Skip::new(SkipReason::Conflict, message));
    }
    match (native, position) {
        (true, Position::First) => draft.prepend("/spec/initContainers", sidecar),
        (true, Position::Last) => draft.append("/spec/initContainers", sidecar),
        (false, _) => draft.append("/spec/containers", sidecar),
    }
    Ok(())
}

/// A native sidecar starts first: it would take the application the port that it listens at. Then it goes without its administration.
fn arguments(pod: Pod<'_>) -> Vec<&'static str> {
    let without = pod.declares_port(names::SIDECAR_ADMIN_PORT);
    ["run"]
        .into_iter()
        .chain(without.then_some("--admin-port=0"))
        .collect()
}

fn environment(pod: Pod<'_>, plan: &Plan<'_>, native: bool, logs: &Logs) -> Vec<Value> {
    let from_pod = |name: &str, path: &str| json!({"name": name, "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": path}}});
    let mut environment = vec![
        from_pod(names::ENV_POD_NAME, "metadata.name"),
        from_pod(names::ENV_POD_NAMESPACE, "metadata.namespace"),
        from_pod(names::ENV_POD_UID, "metadata.uid"),
        from_pod(names::ENV_NODE_NAME, "spec.nodeName"),
    ];
    environment.extend(logs.fields.variables().map(|(name, path)| from_pod(&name, path)));
    if !logs.directories.is_empty() {
        let directories = json!(logs.directories).to_string();
        // Kubernetes expands `$(NAME)` in values; `$$` stands for a dollar.
        environment.push(json!({"name": names::ENV_DIRECTORIES, "value": directories.replace('$', "$$")}));
    }
    if let Some(bytes) = state::room(&plan.state) {
        environment.push(json!({"name": names::ENV_STATE_BYTES, "value": bytes.to_string()}));
    }
    if !native {
        environment.push(json!({"name": names::ENV_CLASSIC, "value": pod.restart_policy()}));
    }
    environment
}

/// A pod with a budget of its own (`spec.resources`, KEP-2837) shares it with the sidecar: requests beside it would make
/// the sum exceed it, and the API server would refuse the pod.
fn requirements(pod: Pod<'_>, plan: &Plan<'_>, overrides: &Overrides<'_>) -> Value {
    if pod.has_budget() {
        return json!({});
    }
    let own = match &overrides.resources {
        Some(own) => resources::completed(own),
        None => plan.resources.clone(),
    };
    let own = resources::with_storage(own, pod, state::room(&plan.state));
    json!(resources::fitted(own, pod))
}

fn security_context(pod: Pod<'_>, parts: &Parts<'_>) -> Value {
    let mut context = json!({
        "allowPrivilegeEscalation": false,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": true,
        "runAsNonRoot": true,
        "runAsUser": user(pod, parts),
        "seccompProfile": {"type": "RuntimeDefault"},
    });
    if let Some(group) = application_id(pod, parts, "runAsGroup") {
        context["runAsGroup"] = json!(group);
    }
    context
}

/// The user of the application, so that files which only their owner can read (0600, 0640) can be shipped. Files of root cannot be
/// owned by a user that `restricted` allows: those have to be readable by others, or by the pod's `fsGroup`.
///
/// Where processes see each other, a user's processes can read each other's files through `/proc/<pid>/root`, and so the token and
/// the Secrets of sinks.
fn user(pod: Pod<'_>, parts: &Parts<'_>) -> i64 {
    let has_secret = matches!(parts.token, Token::Replaced | Token::Secret) || !parts.plan.secrets.is_empty();
    if has_secret && pod.shares_processes() {
        return other_user(pod);
    }
    application_id(pod, parts, "runAsUser").unwrap_or(USER)
}

/// A user that is none of the pod's; one that only an image knows may well be [`USER`].
fn other_user(pod: Pod<'_>) -> i64 {
    let user = |context: Option<&Value>| context?.get("runAsUser")?.as_i64();
    let of_pod = user(pod.spec("securityContext")).unwrap_or(USER);
    let taken: BTreeSet<i64> = pod
        .all_containers()
        .map(|(_, container)| user(container.get("securityContext")).unwrap_or(of_pod))
        .collect();
    let mut candidates = (USER..).take(taken.len() + 1);
    candidates.find(|user| !taken.contains(user)).unwrap_or(USER)
}

/// A number from the security context of the application's container, else of the pod, unless it is that of root.
fn application_id(pod: Pod<'_>, parts: &Parts<'_>, field: &str) -> Option<i64> {
    let Parts {
        plan,
        overrides,
        logs,
        ..
    } = parts;
    let name = logs.writer.as_deref().or(overrides.container);
    let name = name.or_else(|| pod.default_container(plan.settings.exclude_containers));
    let container = name
        .and_then(|name| pod.container(name))
        .map(|(_, container)| container);
    let contexts = [
        container.and_then(|container| container.get("securityContext")),
        pod.spec("securityContext"),
    ];
    let number = contexts
        .into_iter()
        .find_map(|context| context?.get(field)?.as_i64());
    number.filter(|number| *number != 0)
}
