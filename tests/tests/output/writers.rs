//! Pods that write numbered lines, and sidecars that follow them.

use anyhow::Result;
use logship_tests::cluster::{Namespace, container_status};
use logship_tests::follower::{self, Follower, Task};
use logship_tests::peers::HttpSink;
use logship_tests::{TOOLS_IMAGE, api_server, oracle};

/// A program for awk that writes the lines `NAME=17;` of these numbers, even ones to standard output, odd ones to standard error;
/// `text` stands behind each, and after each `burst` it rests for a tenth of a second.
pub fn numbered(name: &str, numbers: std::ops::Range<usize>, burst: usize, text: &str) -> String {
    let std::ops::Range { start, end } = numbers;
    format!(
        "BEGIN {{ for (i = {start}; i < {end}; i++) {{ \
         if (i % 2) print \"{name}=\" i \";{text}\" > \"/dev/stderr\"; else print \"{name}=\" i \";{text}\"; \
         if (i % {burst} == {burst} - 1) {{ fflush(); system(\"usleep 95000\") }} }} }}"
    )
}

/// Between two such programs: the second waits until the pod [`goes_on`].
pub const REST: &str = "BEGIN { while (system(\"test -e /tmp/go\")) system(\"usleep 50000\") }";

/// Ends the [`REST`] of the pod's container.
pub async fn goes_on(namespace: &Namespace, pod: &str) -> Result<()> {
    namespace
        .must_kubectl(&["exec", pod, "--", "touch", "/tmp/go"])
        .await
        .map(drop)
}

/// Whether so many numbered lines of `web` arrived: the last of either stream may be the last of all.
pub fn have_arrived(sink: &HttpSink, lines: usize) -> bool {
    let ends_with = |number: usize| sink.ends_with(&format!("web={number};"));
    (ends_with(lines - 1) || ends_with(lines - 2)) && oracle::lines(&sink.received(), "web").len() >= lines
}

/// A container that runs a script.
pub fn container(name: &str, script: &str) -> String {
    let script = serde_json::Value::from(script);
    format!("{{name: {name}, image: '{TOOLS_IMAGE}', imagePullPolicy: Never, command: [sh, -c, {script}]}}")
}

/// A pod of one container `web` that runs the awk program and then does nothing.
pub fn pod(name: &str, program: &str) -> String {
    let web = container("web", &format!("awk '{program}'; exec sleep 100000"));
    format!(
        "{{apiVersion: v1, kind: Pod, metadata: {{name: {name}, labels: {{app: {name}}}}}, \
         spec: {{terminationGracePeriodSeconds: 1, containers: [{web}]}}}}"
    )
}

/// Starts the pod, and a sidecar on the node that follows its container `web` through this port.
pub async fn follow(
    namespace: &Namespace,
    name: &str,
    program: &str,
    api_port: u16,
    sink: &HttpSink,
) -> Result<Follower> {
    follower::allow(namespace).await?;
    let token = follower::token(namespace, None).await?;
    let task = Task {
        pod: name,
        containers: &["web"],
        api_port,
        sink: &sink.url,
        token: &token,
    };
    namespace.apply(&pod(name, program)).await?;
    Follower::start(namespace, &task).await
}

/// How often the container of a pod was restarted.
pub async fn restarts(namespace: &Namespace, pod: &str, container: &str) -> Result<i32> {
    let pod = namespace
        .api::<k8s_openapi::api::core::v1::Pod>()
        .get(pod)
        .await?;
    Ok(container_status(&pod, container).map_or(0, |status| status.restart_count))
}

/// How often the previous instance of a pod's container was asked for.
pub fn asked_for_previous(namespace: &Namespace, pod: &str, container: &str) -> Result<usize> {
    let container = format!("container={container}");
    let asked = api_server::asked(&namespace.name)?;
    let is_meant = |target: &str| target.contains("previous=true") && target.contains(&container);
    Ok(asked
        .iter()
        .filter(|asked| asked.pod == pod && is_meant(&asked.target))
        .count())
}
