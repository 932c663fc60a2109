//! The volume with the keys of Secrets that sinks refer to.
//!
//! It promises that only the keys that are referred to are in it, and that only the sidecar mounts it. A projected volume can name
//! Secrets of the pod's own namespace alone. Every Secret is optional: a pod starts without it, and the sidecar waits for the file.

use super::Skip;
use super::patch::Draft;
use super::plan::Plan;
use super::pod::Pod;
use logship_crd::names;
use serde_json::{Value, json};

/// Mode of the files where the pod has an `fsGroup`: the kubelet gives them to that group, and the sidecar is in it.
const MODE_FOR_GROUP: u32 = 0o440;
/// Mode where it has none: the files are root's, and the sidecar is not root. Others can reach them only through its mount.
const MODE_FOR_ALL: u32 = 0o444;

/// Adds the volume, where a sink refers to a Secret.
pub(super) fn add(draft: &mut Draft, plan: &Plan<'_>) -> Result<(), Skip> {
    if plan.secrets.is_empty() {
        return Ok(());
    }
    let volume = volume(draft.pod(), plan);
    draft.add_volume(volume)
}

/// The mount of the volume in the sidecar.
pub(super) fn mount(plan: &Plan<'_>) -> Option<Value> {
    (!plan.secrets.is_empty())
        .then(|| json!({"name": names::SECRETS_VOLUME, "mountPath": names::SECRETS_PATH, "readOnly": true}))
}

fn volume(pod: Pod<'_>, plan: &Plan<'_>) -> Value {
    let mode = if pod.has_group() {
        MODE_FOR_GROUP
    } else {
        MODE_FOR_ALL
    };
    let sources: Vec<Value> = plan
        .secrets
        .iter()
        .map(|(secret, keys)| {
            let item = |key: &&str| json!({"key": key, "path": names::secret_file(secret, key)});
            let items: Vec<Value> = keys.iter().map(item).collect();
            json!({"secret": {"name": secret, "items": items, "optional": true}})
        })
        .collect();
    json!({"name": names::SECRETS_VOLUME, "projected": {"defaultMode": mode, "sources": sources}})
}
