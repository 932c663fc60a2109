//! A pod in the making: every change is done to a copy and written down as one JSON patch operation (RFC 6902).
//!
//! So each operation is planned on the pod as the operations before it left it, and the patch applies by construction.

use super::pod::{Pod, text};
use super::{Skip, SkipReason};
use json_patch::jsonptr::PointerBuf;
use json_patch::{AddOperation, Patch, PatchOperation, RemoveOperation, ReplaceOperation};
use serde_json::{Value, json};

/// A copy of a pod and the operations that made it out of the original.
#[derive(Debug)]
pub(super) struct Draft {
    pod: Value,
    operations: Vec<PatchOperation>,
}

impl Draft {
    pub(super) fn new(pod: &Value) -> Self {
        Self {
            pod: pod.clone(),
            operations: Vec::new(),
        }
    }

    /// The pod as it is by now.
    pub(super) fn pod(&self) -> Pod<'_> {
        Pod::new(&self.pod)
    }

    pub(super) fn into_patch(self) -> Patch {
        Patch(self.operations)
    }

    /// Sets the member `key` of the object at `parent` (directly below the pod or one of its objects).
    pub(super) fn set(&mut self, parent: &str, key: &str, value: Value) {
        self.ensure(parent, Value::is_object, json!({}));
        let path = member(parent, key);
        self.perform(match self.pod.pointer(path.as_str()) {
            Some(old) if *old == value => return,
            Some(old) if !old.is_null() => PatchOperation::Replace(ReplaceOperation { path, value }),
            _ => PatchOperation::Add(AddOperation { path, value }),
        });
    }

    /// Adds `value` behind the elements of the list at `list`.
    pub(super) fn append(&mut self, list: &str, value: Value) {
        self.ensure(list, Value::is_array, json!([]));
        self.perform(PatchOperation::Add(AddOperation {
            path: member(list, "-"),
            value,
        }));
    }

    /// Adds `value` before the elements of the list at `list`.
    pub(super) fn prepend(&mut self, list: &str, value: Value) {
        self.ensure(list, Value::is_array, json!([]));
        self.perform(PatchOperation::Add(AddOperation {
            path: member(list, "0"),
            value,
        }));
    }

    /// Removes the element `index` of the list at `list`.
    pub(super) fn remove(&mut self, list: &str, index: usize) {
        self.perform(PatchOperation::Remove(RemoveOperation {
            path: member(list, &index.to_string()),
        }));
    }

    /// Adds a volume. One of the same name and content, from an earlier injection, serves as well.
    pub(super) fn add_volume(&mut self, volume: Value) -> Result<(), Skip> {
        let name = text(&volume, "name").unwrap_or_default();
        match self.pod().volume(name) {
            Some(other) if *other == volume => Ok(()),
            Some(_) => {
                let message = format!("the pod has a volume named {name:?} of another content: rename it");
                Err(Skip::new(SkipReason::Conflict, message))
            }
            None => {
                self.append("/spec/volumes", volume);
                Ok(())
            }
        }
    }

    fn ensure(&mut self, pointer: &str, is_wanted: fn(&Value) -> bool, empty: Value) {
        if self.pod.pointer(pointer).is_some_and(is_wanted) {
            return;
        }
        let (parent, key) = pointer.rsplit_once('/').unwrap_or_default();
        if !parent.is_empty() {
            self.ensure(parent, |value| value.is_object() || value.is_array(), json!({}));
        }
        // `add` on a member that is null replaces it.
        self.perform(PatchOperation::Add(AddOperation {
            path: member(parent, key),
            value: empty,
        }));
    }

    fn perform(&mut self, operation: PatchOperation) {
        json_patch::patch(&mut self.pod, std::slice::from_ref(&operation))
            .expect("the place was made or found just before");
        self.operations.push(operation);
    }
}

/// The pointer to `key` below `parent`, a pointer of our own making.
fn member(parent: &str, key: &str) -> PointerBuf {
    let mut path = PointerBuf::parse(parent).expect("pointers in this crate are well formed");
    path.push_back(key);
    path
}
