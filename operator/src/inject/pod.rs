//! A read-only view of a pod's raw JSON.
//!
//! It promises to cope with any JSON: what is absent, null or of another type than the API says reads as empty.

use super::selection;
use logship_crd::names;
use serde_json::Value;
use std::collections::BTreeMap;

/// The account that a pod without one runs as.
const DEFAULT_ACCOUNT: &str = "default";

/// A pod as the API server sent it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pod<'a>(&'a Value);

impl<'a> Pod<'a> {
    pub(super) fn new(pod: &'a Value) -> Self {
        Self(pod)
    }

    pub(super) fn labels(self) -> BTreeMap<String, String> {
        entries(self.0.pointer("/metadata/labels"))
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect()
    }

    pub(super) fn annotations(self) -> impl Iterator<Item = (&'a str, &'a str)> {
        entries(self.0.pointer("/metadata/annotations"))
    }

    pub(super) fn annotation(self, key: &str) -> Option<&'a str> {
        self.0.pointer("/metadata/annotations")?.get(key)?.as_str()
    }

    pub(super) fn spec(self, field: &str) -> Option<&'a Value> {
        self.0.get("spec")?.get(field).filter(|value| !value.is_null())
    }

    pub(super) fn volumes(self) -> &'a [Value] {
        items(self.spec("volumes"))
    }

    pub(super) fn volume(self, name: &str) -> Option<&'a Value> {
        self.volumes()
            .iter()
            .find(|volume| text(volume, "name") == Some(name))
    }

    pub(super) fn containers(self) -> &'a [Value] {
        items(self.spec("containers"))
    }

    /// Containers and init containers, each with its JSON pointer.
    pub(super) fn all_containers(self) -> impl Iterator<Item = (String, &'a Value)> {
        ["containers", "initContainers"]
            .into_iter()
            .flat_map(move |field| {
                let numbered = items(self.spec(field)).iter().enumerate();
                numbered.map(move |(index, container)| (format!("/spec/{field}/{index}"), container))
            })
    }

    /// The container or init container `name`, with its JSON pointer.
    pub(super) fn container(self, name: &str) -> Option<(String, &'a Value)> {
        self.all_containers()
            .find(|(_, container)| text(container, "name") == Some(name))
    }

    pub(super) fn container_names(self) -> impl Iterator<Item = &'a str> {
        self.containers()
            .iter()
            .filter_map(|container| text(container, "name"))
    }

    /// The container that a pod's logs are taken from when nobody names one: that of `kubectl logs`, else the first that is
    /// the application's.
    pub(super) fn default_container(self, exclude: &[String]) -> Option<&'a str> {
        self.annotation(names::DEFAULT_CONTAINER_ANNOTATION)
            .filter(|name| self.container(name).is_some())
            .or_else(|| {
                self.container_names()
                    .find(|name| !selection::is_helper(name, exclude))
            })
    }

    /// The ServiceAccount, when it is not the namespace's default.
    pub(super) fn own_account(self) -> Option<&'a str> {
        ["serviceAccountName", "serviceAccount"]
            .into_iter()
            .filter_map(|field| self.spec(field)?.as_str())
            .find(|account| !account.is_empty())
            .filter(|account| *account != DEFAULT_ACCOUNT)
    }

    /// Whether its volumes belong to a group that every container is in.
    pub(super) fn has_group(self) -> bool {
        let context = self.spec("securityContext");
        context
            .and_then(|context| context.get("fsGroup")?.as_i64())
            .is_some()
    }

    /// Whether its containers see each other's processes.
    pub(super) fn shares_processes(self) -> bool {
        self.spec("shareProcessNamespace").and_then(Value::as_bool) == Some(true)
    }

    pub(super) fn restart_policy(self) -> &'a str {
        self.spec("restartPolicy")
            .and_then(Value::as_str)
            .unwrap_or("Always")
    }

    /// Whether one of its containers says that it listens at this port; they share their network.
    pub(super) fn declares_port(self, port: u16) -> bool {
        let declares = |container: &Value| {
            let mut ports = items(container.get("ports")).iter();
            ports.any(|declared| {
                let is_tcp = text(declared, "protocol").is_none_or(|protocol| protocol == "TCP");
                is_tcp && declared.get("containerPort").and_then(Value::as_u64) == Some(port.into())
            })
        };
        self.all_containers().any(|(_, container)| declares(container))
    }

    /// Whether its containers share a budget (`spec.resources`).
    pub(super) fn has_budget(self) -> bool {
        self.spec("resources")
            .and_then(Value::as_object)
            .is_some_and(|budget| !budget.is_empty())
    }
}

/// The elements of a list.
pub(super) fn items(list: Option<&Value>) -> &[Value] {
    list.and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The field `key` of an object, as text.
pub(super) fn text<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    object.get(key)?.as_str()
}

/// The mounts of a container.
pub(super) fn mounts(container: &Value) -> &[Value] {
    items(container.get("volumeMounts"))
}

fn entries(map: Option<&Value>) -> impl Iterator<Item = (&str, &str)> {
    let map = map.and_then(Value::as_object);
    map.into_iter()
        .flatten()
        .filter_map(|(key, value)| Some((key.as_str(), value.as_str()?)))
}
