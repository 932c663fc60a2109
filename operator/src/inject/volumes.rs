//! The volumes that every sidecar has: its configuration and its state.

use super::Skip;
use super::patch::Draft;
use super::plan::Plan;
use logship_crd::names;
use logship_crd::v1alpha1::State;
use serde_json::{Value, json};

/// Mode of files in projected volumes: what the API server sets by default, named so that a volume compares equal after
/// a round trip.
pub(super) const PROJECTED_MODE: u32 = 0o644;

/// Adds both volumes. Returns the name of the state volume when it is scratch space, which may be lost with its node.
pub(super) fn add_config_and_state(draft: &mut Draft, plan: &Plan<'_>) -> Result<Option<String>, Skip> {
    draft.add_volume(config(&plan.shippings))?;
    match &plan.state {
        State {
            persistent_volume_claim: Some(claim),
            ..
        } => {
            draft.add_volume(json!({
                "name": names::STATE_VOLUME,
                "persistentVolumeClaim": {"claimName": claim.claim_name},
            }))?;
            Ok(None)
        }
        State {
            persistent_volume_claim: None,
            empty_dir,
        } => {
            let size_limit = empty_dir.clone().unwrap_or_default().size_limit;
            draft.add_volume(json!({"name": names::STATE_VOLUME, "emptyDir": {"sizeLimit": size_limit}}))?;
            Ok(Some(names::STATE_VOLUME.to_owned()))
        }
    }
}

/// The mounts of both volumes in the sidecar.
///
/// Pods of one resource share its claim, and two sidecars cannot share checkpoints: a rolling update of even one replica would
/// block itself. So each pod has a folder of its own on the claim, by name: a pod of a `StatefulSet` finds its own again.
pub(super) fn mounts(plan: &Plan<'_>) -> [Value; 2] {
    let mut state = json!({"name": names::STATE_VOLUME, "mountPath": names::STATE_PATH});
    if plan.state.persistent_volume_claim.is_some() {
        state["subPathExpr"] = json!(format!("$({})", names::ENV_POD_NAME));
    }
    [
        json!({"name": names::CONFIG_VOLUME, "mountPath": names::CONFIG_PATH, "readOnly": true}),
        state,
    ]
}

/// Every source is optional: a pod starts, and goes on, without its resources.
fn config(shippings: &[&str]) -> Value {
    let sources: Vec<Value> = shippings
        .iter()
        .map(|shipping| {
            json!({"configMap": {
                "name": names::config_map(shipping),
                "items": [{"key": names::CONFIG_KEY, "path": format!("{shipping}.json")}],
                "optional": true,
            }})
        })
        .collect();
    json!({"name": names::CONFIG_VOLUME, "projected": {"defaultMode": PROJECTED_MODE, "sources": sources}})
}
