//! Sidecars that the operator cannot ask, because a firewall as a NetworkPolicy makes it stands between them.

use crate::writers::{applied, are_not_restarted, generations, hasten, start, stop, wait_for_each_once};
use anyhow::Result;
use logship_crd::names::SIDECAR_ADMIN_PORT;
use logship_tests::cluster::{Namespace, address, must_run, shipping};
use logship_tests::peers::HttpSink;
use logship_tests::release;
use std::process::{Command, Stdio};

/// Refuses connections of other pods to the administration of one; taken away when the test ends, also when it fails.
struct Firewall {
    rule: Vec<String>,
}

impl Firewall {
    async fn raise(address: &str) -> Result<Self> {
        let port = SIDECAR_ADMIN_PORT.to_string();
        let rule = [
            "FORWARD", "-p", "tcp", "-d", address, "--dport", &port, "-j", "REJECT",
        ];
        let rule: Vec<String> = rule.map(str::to_owned).to_vec();
        let mut arguments = vec!["-w", "-I"];
        arguments.extend(rule.iter().map(String::as_str));
        must_run("iptables", &arguments, "").await?;
        Ok(Self { rule })
    }
}

impl Drop for Firewall {
    fn drop(&mut self) {
        // What stays behind ends with the cluster.
        let _ = Command::new("iptables")
            .args(["-w", "-D"])
            .args(&self.rule)
            .stderr(Stdio::null())
            .status();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sidecar_that_cannot_be_asked_is_unknown_and_no_error() -> Result<()> {
    release::ensure_installed().await?;
    let sink = HttpSink::start().await?;
    let namespace = Namespace::enabled("hot-blocked").await?;
    let spec = |version: &str| {
        format!(
            "  selector: {{matchLabels: {{app: web}}}}
  sources: [{{name: output, containerOutput: {{}}}}]
  pipeline: [{{set: {{fields: {{version: {version}}}}}}}]
  sinks: [{{name: hub, http: {{url: '{}'}}}}]
",
            sink.url
        )
    };
    namespace.ship("web", &spec("v1")).await?;
    let pods = start(&namespace, 1).await?;
    namespace
        .wait_status("web", "it runs generation 1", |status| status.pods.current == 1)
        .await?;

    let firewall = Firewall::raise(address(&pods[0])?).await?;
    namespace.apply(&shipping("web", &spec("v2"))).await?;
    let status = namespace
        .wait_status("web", "it is not known what it runs", |status| {
            status.pods.unknown == 1 && status.pods.current == 0
        })
        .await?;
    let (status_text, reason, message) = applied(&status);
    assert_eq!((status_text, reason), ("Unknown", "Unreachable"), "{message}");
    for part in ["web-0", "9465", "NetworkPolicy", "shipped all the same"] {
        assert!(message.contains(part), "{part} is not in: {message}");
    }
    let ready = status.conditions.iter().find(|found| found.type_ == "Ready");
    assert_eq!(ready.map(|found| &*found.status), Some("True"));

    drop(firewall);
    hasten(&namespace).await?;
    namespace
        .wait_status("web", "it runs generation 2", |status| {
            generations(status) == [(2, 1)] && applied(status).0 == "True"
        })
        .await?;
    let written = stop(&namespace, &pods, false).await?;
    wait_for_each_once(&[&sink], &written).await?;
    are_not_restarted(&namespace, &pods).await
}
