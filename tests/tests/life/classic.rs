//! A classic sidecar has to learn from the API that the other containers have ended: with rights for that and no more, and also after the
//! API was away for a while.

use super::ground::{Ground, SIDECAR, container, end, native, pod};
use anyhow::Result;
use k8s_openapi::api::core::v1::Pod;
use logship_tests::cluster::{address, must_run, phase, run};
use logship_tests::wait::{Look, PATIENCE, wait_for};
use serde_json::{Value, json};
use std::collections::BTreeSet;

fn spec(url: &str) -> Value {
    json!({
        "selector": {},
        "sources": [{"name": "output", "containerOutput": {}}],
        "sinks": [{"name": "counter", "http": {"url": url}}],
        "sidecar": {"native": "Never"},
    })
}

/// For one pod the API server is away: the node refuses its packets, also those of connections that are open.
struct Outage {
    rule: Vec<String>,
}

impl Outage {
    async fn begin(address: &str) -> Result<Self> {
        let rule = "-p tcp --dport 6443 -j REJECT --reject-with tcp-reset";
        let rule: Vec<String> = ["INPUT", "-s", address]
            .into_iter()
            .chain(rule.split(' '))
            .map(str::to_owned)
            .collect();
        // Others write rules, too: it waits for its turn.
        let arguments: Vec<&str> = ["-w", "-I"]
            .into_iter()
            .chain(rule.iter().map(String::as_str))
            .collect();
        must_run("iptables", &arguments, "").await?;
        Ok(Self { rule })
    }
}

impl Drop for Outage {
    fn drop(&mut self) {
        // Should it fail, the rule goes with the cluster.
        let _ = std::process::Command::new("iptables")
            .args(["-w", "-D"])
            .args(&self.rule)
            .status();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn job_pod_that_ends_while_the_api_is_away_is_finished_when_it_is_back() -> anyhow::Result<()> {
    let ground = Ground::new("outage", spec).await?;
    let script = "echo started; until [ -e /tmp/go ]; do sleep 0.1; done; echo 'while it was away'; exit 3";
    let manifest = json!({"restartPolicy": "Never", "containers": [container(script)]});
    ground.apply(&[pod("alone", &json!({}), &manifest)]).await?;
    let running = ground.wait_ready("alone").await?;
    ground
        .wait_for_each_once(&[("alone", "output", "started")])
        .await?;

    let outage = Outage::begin(address(&running)?).await?;
    wait_for("the sidecar notices the outage", PATIENCE, async || {
        let said = ground.namespace.logs("alone", SIDECAR, false).await?;
        Ok(if said.contains("the other containers cannot be watched") {
            Look::Done(())
        } else {
            Look::NotYet(said)
        })
    })
    .await?;
    let go = ["exec", "alone", "-c", "app", "--", "touch", "/tmp/go"];
    ground.namespace.must_kubectl(&go).await?;
    let app_ended = |pod: &Pod| end(pod, "app").is_some();
    let pod = ground
        .wait_pod("alone", "the application ended", app_ended)
        .await?;
    assert!(end(&pod, SIDECAR).is_none(), "it cannot know yet");

    drop(outage);
    let ended = |pod: &Pod| end(pod, SIDECAR).is_some();
    let pod = ground.wait_pod("alone", "the sidecar ended", ended).await?;
    let codes = ["app", SIDECAR].map(|name| end(&pod, name).map(|end| end.exit_code));
    assert_eq!(codes, [Some(3), Some(0)]);
    let lines = [
        ("alone", "output", "started"),
        ("alone", "output", "while it was away"),
    ];
    ground.wait_for_each_once(&lines).await
}

#[tokio::test(flavor = "multi_thread")]
async fn rights_of_the_sidecar_are_to_read_pods_and_their_logs() -> anyhow::Result<()> {
    let ground = Ground::new("rights", spec).await?;
    let namespace = &ground.namespace.name;
    let rights = async |account: &str| -> Result<BTreeSet<String>> {
        let account = format!("--as=system:serviceaccount:{namespace}:{account}");
        let arguments = [
            "-n",
            namespace,
            "auth",
            "can-i",
            "--list",
            "--no-headers",
            &account,
        ];
        let text = must_run("kubectl", &arguments, "").await?;
        Ok(text
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect())
    };
    // What every account has is not ours.
    let (ours, everybodys) = (rights("logship-sidecar").await?, rights("default").await?);
    let beyond: Vec<_> = ours.difference(&everybodys).collect();
    assert_eq!(beyond, ["pods [] [] [get]", "pods/log [] [] [get]"]);
    let elsewhere = format!("--as=system:serviceaccount:{namespace}:logship-sidecar");
    let answer = run(
        "kubectl",
        &["-n", "kube-system", "auth", "can-i", "get", "pods", &elsewhere],
        "",
    )
    .await?;
    assert_eq!(answer.text.trim(), "no");
    // That is enough to work with.
    let manifest = json!({"restartPolicy": "Never", "containers": [container("echo done")]});
    ground.apply(&[pod("alone", &native("false"), &manifest)]).await?;
    ground.wait_for_each_once(&[("alone", "output", "done")]).await?;
    let ended = |pod: &Pod| end(pod, SIDECAR).is_some_and(|end| end.exit_code == 0);
    ground
        .wait_pod("alone", "the sidecar ended", ended)
        .await
        .map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn job_pod_whose_resource_was_deleted_finishes_although_its_sidecar_may_not_look_any_more()
-> anyhow::Result<()> {
    let ground = Ground::new("unshipped", spec).await?;
    let script = "echo started; until [ -e /tmp/go ]; do sleep 0.1; done; exit 3";
    let manifest = json!({"restartPolicy": "Never", "containers": [container(script)]});
    ground.apply(&[pod("alone", &json!({}), &manifest)]).await?;
    ground.wait_ready("alone").await?;
    ground
        .wait_for_each_once(&[("alone", "output", "started")])
        .await?;
    let delete = ["delete", "logshipping", "all", "--wait=true"];
    ground.namespace.must_kubectl(&delete).await?;
    let go = ["exec", "alone", "-c", "app", "--", "touch", "/tmp/go"];
    ground.namespace.must_kubectl(&go).await?;
    let failed = |pod: &Pod| phase(pod) == "Failed";
    let pod = ground.wait_pod("alone", "it has ended", failed).await?;
    let codes = ["app", SIDECAR].map(|name| end(&pod, name).map(|end| end.exit_code));
    assert_eq!(codes, [Some(3), Some(0)]);
    Ok(())
}
