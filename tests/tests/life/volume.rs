//! Volumes that outlive pods: a folder of the node as PersistentVolume and claim, gone with its handle.

use super::ground::Ground;
use anyhow::Result;
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tempfile::TempDir;

/// A volume and its claim of the same name.
pub struct Volume {
    folder: TempDir,
    /// Names are the cluster's, not a namespace's.
    name: String,
}

impl Volume {
    /// Makes a volume that everybody may write, or only root, and a claim called `claim`.
    pub async fn new(ground: &Ground, claim: &str, mode: u32) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(mode))?;
        let volume = Self {
            name: format!("{}-{claim}", ground.namespace.name),
            folder,
        };
        ground
            .apply(&volume.objects(&ground.namespace.name, claim))
            .await?;
        Ok(volume)
    }

    /// Where something is on the node.
    pub fn path(&self, below: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(below)
    }

    fn objects(&self, namespace: &str, claim: &str) -> [Value; 2] {
        let size = json!({"storage": "1Gi"});
        [
            json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": self.name}, "spec": {
                "capacity": size, "accessModes": ["ReadWriteMany"], "storageClassName": "",
                "hostPath": {"path": self.folder.path(), "type": "Directory"},
                "claimRef": {"namespace": namespace, "name": claim},
            }}),
            json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": claim}, "spec": {
                "accessModes": ["ReadWriteMany"], "storageClassName": "", "volumeName": self.name,
                "resources": {"requests": size},
            }}),
        ]
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        // What stays behind ends with the cluster.
        let _ = std::process::Command::new("kubectl")
            .args(["delete", "persistentvolume", &self.name, "--wait=false"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
    }
}
