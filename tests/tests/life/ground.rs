//! Where a test of a pod's life happens: a namespace, a sink that counts, one resource that ships to it, and pods made of little.

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::{ContainerStateTerminated, Pod};
use logship_tests::cluster::{Namespace, container_status, is_ready};
use logship_tests::peers::HttpSink;
use logship_tests::wait::{Look, PATIENCE, wait_for};
use logship_tests::{TOOLS_IMAGE, release};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The sidecar's container.
pub const SIDECAR: &str = "logship";
/// The two kinds of sidecar, as the annotation `logship.dev/native` has them, each with a word for names.
pub const KINDS: [(&str, &str); 2] = [("native", "true"), ("classic", "false")];

/// A namespace with a resource that ships to a sink of the test's own.
pub struct Ground {
    pub namespace: Namespace,
    pub sink: HttpSink,
}

/// A record as it arrived: pod, source and text.
pub type Arrival = (String, String, String);

impl Ground {
    /// The resource is called `all`; `spec` makes it of the sink's URL.
    pub async fn new(name: &str, spec: impl FnOnce(&str) -> Value) -> Result<Self> {
        release::ensure_installed().await?;
        let sink = HttpSink::start().await?;
        let namespace = Namespace::enabled(&format!("life-{name}")).await?;
        namespace.ship("all", &format!("  {}\n", spec(&sink.url))).await?;
        Ok(Self { namespace, sink })
    }

    /// Creates pods and other objects, and returns what was said about them.
    pub async fn apply(&self, objects: &[Value]) -> Result<String> {
        let manifests: Vec<String> = objects.iter().map(Value::to_string).collect();
        self.namespace.apply(&manifests.join("\n---\n")).await
    }

    /// Everything that arrived, with how many times it did.
    pub fn arrivals(&self) -> BTreeMap<Arrival, usize> {
        let mut arrivals = BTreeMap::new();
        for line in self.sink.received().lines() {
            let record: Value = serde_json::from_str(line).unwrap_or_default();
            let field = |name: &str| record[name].as_str().unwrap_or_default().to_owned();
            *arrivals
                .entry((field("pod"), field("source"), field("message")))
                .or_default() += 1;
        }
        arrivals
    }

    /// Waits until each of these arrived; a pod is named by the beginning of its name, a text by its beginning. Whatever
    /// arrived has to have arrived exactly once.
    pub async fn wait_for_each_once(&self, expected: &[(&str, &str, &str)]) -> Result<()> {
        let is = |arrival: &Arrival, wanted: &(&str, &str, &str)| {
            arrival.0.starts_with(wanted.0) && arrival.1 == wanted.1 && arrival.2.starts_with(wanted.2)
        };
        wait_for("every line arrived", PATIENCE, async || {
            let arrivals = self.arrivals();
            let missing = |wanted: &&(&str, &str, &str)| !arrivals.keys().any(|arrival| is(arrival, wanted));
            let missing: Vec<_> = expected.iter().filter(missing).collect();
            Ok(if missing.is_empty() {
                Look::Done(())
            } else {
                Look::NotYet(format!("missing {missing:?} of {arrivals:?}"))
            })
        })
        .await?;
        for (arrival, count) in self.arrivals() {
            anyhow::ensure!(count == 1, "{arrival:?} arrived {count} times");
        }
        Ok(())
    }

    /// Waits until the pod of this name fulfils `condition`.
    pub async fn wait_pod(&self, name: &str, what: &str, condition: impl Fn(&Pod) -> bool) -> Result<Pod> {
        let pods = self.namespace.api::<Pod>();
        wait_for(&format!("{name}: {what}"), PATIENCE, async || {
            Ok(match pods.get_opt(name).await? {
                Some(pod) if condition(&pod) => Look::Done(pod),
                seen => Look::NotYet(seen.and_then(|pod| pod.status)),
            })
        })
        .await
    }

    /// Waits until the pod of this name is ready.
    pub async fn wait_ready(&self, name: &str) -> Result<Pod> {
        self.wait_pod(name, "it is ready", is_ready).await
    }

    /// Tells a pod to stop, and does not wait.
    pub async fn delete(&self, pod: &str) -> Result<()> {
        let arguments = ["delete", "pod", pod, "--wait=false"];
        self.namespace.must_kubectl(&arguments).await.map(drop)
    }

    /// Lets a pod go whose end was to be seen.
    pub async fn release(&self, pod: &str) -> Result<()> {
        let patch = r#"{"metadata": {"finalizers": null}}"#;
        let arguments = ["patch", "pod", pod, "--type=merge", "-p", patch];
        self.namespace.must_kubectl(&arguments).await.map(drop)
    }
}

/// A pod, labelled for none but the resource that selects all.
pub fn pod(name: &str, annotations: &Value, spec: &Value) -> Value {
    let mut spec = spec.clone();
    if spec.get("terminationGracePeriodSeconds").is_none() {
        spec["terminationGracePeriodSeconds"] = json!(1);
    }
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "annotations": annotations}, "spec": spec})
}

/// A container of the application.
pub fn container(script: &str) -> Value {
    json!({"name": "app", "image": TOOLS_IMAGE, "imagePullPolicy": "Never", "command": ["sh", "-c", script]})
}

/// The same with further fields.
pub fn container_with(script: &str, fields: &Value) -> Value {
    let mut container = container(script);
    for (name, value) in fields.as_object().into_iter().flatten() {
        container[name] = value.clone();
    }
    container
}

/// The annotation for a kind of sidecar.
pub fn native(value: &str) -> Value {
    json!({"logship.dev/native": value})
}

/// How a container ended, if it has.
pub fn end<'a>(pod: &'a Pod, container: &str) -> Option<&'a ContainerStateTerminated> {
    container_status(pod, container)?
        .state
        .as_ref()?
        .terminated
        .as_ref()
}

/// How often a container was restarted.
pub fn restarts(pod: &Pod, container: &str) -> Option<i32> {
    container_status(pod, container).map(|status| status.restart_count)
}

/// The sidecar's `/status`. A pod may ship, and be ready, before its sidecar can be asked: who waits takes an error for "not yet".
pub async fn status(pod: &Pod) -> Result<Value> {
    let address = logship_tests::cluster::address(pod)?;
    let text = logship_tests::peers::get(&format!("http://{address}:9465/status")).await?;
    serde_json::from_str(&text).context("the status is JSON")
}
