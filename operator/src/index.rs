//! Values by namespace and name, kept from the events of a watch.
//!
//! It promises that a relist replaces everything at once: until it is complete, the old values are served.

use kube::ResourceExt;
use kube::runtime::watcher::Event;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What is known about a namespace, by name. Objects without a namespace lie below the empty one.
type ByNamespace<T> = BTreeMap<String, BTreeMap<String, Arc<T>>>;

/// The newest values of a watch.
#[derive(Debug)]
pub(crate) struct Index<T> {
    current: ByNamespace<T>,
    relisted: ByNamespace<T>,
    filled: bool,
}

impl<T> Default for Index<T> {
    fn default() -> Self {
        Self {
            current: BTreeMap::new(),
            relisted: BTreeMap::new(),
            filled: false,
        }
    }
}

impl<T: PartialEq> Index<T> {
    /// Applies an event; `make` takes what is needed from the object, or `None` to leave it out. Returns the namespaces in
    /// which something may have changed.
    pub(crate) fn apply<K: ResourceExt>(
        &mut self,
        event: Event<K>,
        make: impl FnOnce(K) -> Option<T>,
    ) -> Vec<String> {
        match event {
            Event::Init => {
                self.relisted.clear();
                Vec::new()
            }
            Event::InitApply(object) => {
                let (namespace, name) = key(&object);
                put(&mut self.relisted, &namespace, name, make(object));
                Vec::new()
            }
            Event::InitDone => {
                let old = std::mem::replace(&mut self.current, std::mem::take(&mut self.relisted));
                self.filled = true;
                old.into_keys().chain(self.current.keys().cloned()).collect()
            }
            Event::Apply(object) => {
                let (namespace, name) = key(&object);
                let changed = put(&mut self.current, &namespace, name, make(object));
                changed.then_some(namespace).into_iter().collect()
            }
            Event::Delete(object) => {
                let (namespace, name) = key(&object);
                let changed = put(&mut self.current, &namespace, name, None);
                changed.then_some(namespace).into_iter().collect()
            }
        }
    }

    /// Whether a first list was completed.
    pub(crate) fn is_filled(&self) -> bool {
        self.filled
    }

    /// The value of one object.
    pub(crate) fn get(&self, namespace: &str, name: &str) -> Option<&Arc<T>> {
        self.current.get(namespace)?.get(name)
    }

    /// The names of what is known about one namespace.
    pub(crate) fn names(&self, namespace: &str) -> Vec<String> {
        self.current
            .get(namespace)
            .into_iter()
            .flat_map(BTreeMap::keys)
            .cloned()
            .collect()
    }

    /// The values of one namespace, ordered by name.
    pub(crate) fn namespace(&self, namespace: &str) -> Vec<Arc<T>> {
        self.current
            .get(namespace)
            .into_iter()
            .flat_map(BTreeMap::values)
            .cloned()
            .collect()
    }
}

fn key<K: ResourceExt>(object: &K) -> (String, String) {
    (object.namespace().unwrap_or_default(), object.name_any())
}

/// Sets or removes a value; returns whether that made a difference. An empty namespace is not kept.
fn put<T: PartialEq>(values: &mut ByNamespace<T>, namespace: &str, name: String, value: Option<T>) -> bool {
    let Some(value) = value else {
        let Some(names) = values.get_mut(namespace) else {
            return false;
        };
        let removed = names.remove(&name).is_some();
        if names.is_empty() {
            values.remove(namespace);
        }
        return removed;
    };
    let names = values.entry(namespace.to_owned()).or_default();
    if names.get(&name).is_some_and(|old| **old == value) {
        return false;
    }
    names.insert(name, Arc::new(value));
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::api::ObjectMeta;

    fn object(namespace: &str, name: &str, generation: i64) -> ConfigMap {
        let metadata = ObjectMeta {
            namespace: Some(namespace.to_owned()),
            name: Some(name.to_owned()),
            generation: Some(generation),
            ..ObjectMeta::default()
        };
        ConfigMap {
            metadata,
            ..ConfigMap::default()
        }
    }

    fn apply(index: &mut Index<i64>, event: Event<ConfigMap>) -> Vec<String> {
        index.apply(event, |object| object.metadata.generation)
    }

    #[test]
    fn a_relist_replaces_everything_when_it_is_complete() {
        let mut index = Index::default();
        apply(&mut index, Event::Apply(object("shop", "old", 1)));
        apply(&mut index, Event::Init);
        apply(&mut index, Event::InitApply(object("bank", "new", 2)));
        assert_eq!(
            index.get("shop", "old").map(|v| **v),
            Some(1),
            "served until the list is complete"
        );
        assert!(!index.is_filled());

        assert_eq!(apply(&mut index, Event::InitDone), ["shop", "bank"]);
        assert_eq!(index.get("shop", "old"), None);
        assert_eq!(index.get("bank", "new").map(|v| **v), Some(2));
        assert!(index.is_filled());
    }

    #[test]
    fn only_a_difference_counts_as_a_change() {
        let mut index = Index::default();
        assert_eq!(
            apply(&mut index, Event::Apply(object("shop", "web", 1))),
            ["shop"]
        );
        assert_eq!(apply(&mut index, Event::Apply(object("shop", "web", 1))), [""; 0]);
        assert_eq!(
            apply(&mut index, Event::Apply(object("shop", "web", 2))),
            ["shop"]
        );
        assert_eq!(
            apply(&mut index, Event::Delete(object("shop", "web", 2))),
            ["shop"]
        );
        assert_eq!(
            apply(&mut index, Event::Delete(object("shop", "web", 2))),
            [""; 0]
        );
    }

    #[test]
    fn the_values_of_a_namespace_are_ordered_by_name() {
        let mut index = Index::default();
        for (name, value) in [("web", 2), ("api", 1)] {
            apply(&mut index, Event::Apply(object("shop", name, value)));
        }
        assert_eq!(
            index.namespace("shop").iter().map(|v| **v).collect::<Vec<_>>(),
            [1, 2]
        );
        assert_eq!(index.names("shop"), ["api", "web"]);
        assert!(index.namespace("bank").is_empty());
    }
}
