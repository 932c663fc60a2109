//! What the kubelet keeps of a pod on its node, which is this machine: the files of its containers' output, and its volumes.

use crate::program::state;
use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::Pod;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The files that a container's output was rotated to, as far as they were seen.
#[derive(Debug)]
pub struct Rotated {
    folder: PathBuf,
    /// Their times, by which they are named.
    pub seen: BTreeSet<String>,
}

impl Rotated {
    /// None were seen yet.
    pub fn of(pod: &Pod, container: &str) -> Self {
        let text = |field: &Option<String>| field.clone().unwrap_or_default();
        let metadata = &pod.metadata;
        let [namespace, name, uid] = [&metadata.namespace, &metadata.name, &metadata.uid].map(text);
        Self {
            folder: format!("/var/log/pods/{namespace}_{name}_{uid}/{container}").into(),
            seen: BTreeSet::new(),
        }
    }

    /// Looks at the folder; returns how many were seen by now.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn look(&mut self) -> Result<usize> {
        // It is not there before the container is.
        for entry in fs::read_dir(&self.folder).into_iter().flatten() {
            let name = entry?.file_name().to_string_lossy().into_owned();
            // 0.log.20060102-150405, later with .gz or, half-way, .tmp.
            let stamp = name
                .strip_prefix("0.log.")
                .and_then(|rest| rest.split('.').next());
            self.seen.extend(stamp.map(str::to_owned));
        }
        Ok(self.seen.len())
    }
}

/// Where an emptyDir of a pod is.
///
/// # Errors
/// When this is not the cluster's node.
pub fn empty_dir(pod: &Pod, volume: &str) -> Result<PathBuf> {
    let uid = pod.metadata.uid.as_deref().context("the pod is there")?;
    let path = format!("kubelet/pods/{uid}/volumes/kubernetes.io~empty-dir/{volume}");
    // `tests/cluster/inner.d/runtime.sh` gives the kubelet a folder there.
    Ok(state()?.join(path))
}

/// All files below a folder. What vanishes meanwhile is not there.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let below = entries.flat_map(|entry| match entry.file_type() {
        Ok(kind) if kind.is_dir() => files(&entry.path()),
        Ok(_) => vec![entry.path()],
        Err(_) => Vec::new(),
    });
    below.collect()
}

/// Bytes of these files.
pub fn bytes(files: &[PathBuf]) -> u64 {
    let metadata = files.iter().filter_map(|file| file.metadata().ok());
    metadata.map(|metadata| metadata.len()).sum()
}
