//! What a pod needs to be started anew outlives the resource that it was injected by: a pod whose resource was deleted comes back when its
//! sandbox ends, and when its node begins anew. A program of its own, because every other test needs the node.

use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::{Pod, ServiceAccount};
use kube::api::DeleteParams;
use logship_crd::names::SIDECAR_ACCOUNT;
use logship_crd::v1alpha1::LogShipping;
use logship_tests::cluster::{Kill, Namespace, container_status, is_injected, is_ready, name};
use logship_tests::manifests::SHIP_OUTPUT;
use logship_tests::program::KUBELET;
use logship_tests::wait::{Look, PATIENCE, wait_for};
use logship_tests::{TOOLS_IMAGE, release};
use std::collections::BTreeMap;

/// Whose token the sidecar has decides what it needs: a volume with one of the pod's account, or a Secret.
const PODS: [(&str, &str, &str); 3] = [
    ("native", "true", "default"),
    ("classic", "false", "default"),
    ("own-account", "true", "app"),
];

fn pods() -> String {
    let pod = |(name, native, account): (&str, &str, &str)| {
        format!(
            "{{apiVersion: v1, kind: Pod, metadata: {{name: {name}, labels: {{app: web}}, annotations: {{logship.dev/native: '{native}'}}}}, \
             spec: {{serviceAccountName: {account}, terminationGracePeriodSeconds: 1, containers: [{{name: app, image: '{TOOLS_IMAGE}', \
             imagePullPolicy: Never, command: [sh, -c, 'echo started; exec sleep 100000']}}]}}}}"
        )
    };
    PODS.map(pod).join("\n---\n")
}

fn starts(pod: &Pod) -> i32 {
    container_status(pod, "app").map_or(0, |status| status.restart_count)
}

/// Waits until every pod is ready again, after its application was started again.
async fn wait_ready_again(namespace: &Namespace, before: &[Pod], after: &str) -> Result<Vec<Pod>> {
    let starts_before: BTreeMap<&str, i32> = before.iter().map(|pod| (name(pod), starts(pod))).collect();
    let again = |pod: &Pod| {
        is_ready(pod)
            && starts_before
                .get(name(pod))
                .is_some_and(|before| starts(pod) > *before)
    };
    let what = format!("ready again after {after}");
    namespace.wait_pods("app=web", PODS.len(), &what, again).await
}

#[tokio::test(flavor = "multi_thread")]
async fn pods_whose_resource_was_deleted_come_back_after_their_sandbox_and_their_node_went_down() -> Result<()>
{
    release::ensure_installed().await?;
    let namespace = Namespace::enabled("node-down").await?;
    namespace
        .must_kubectl(&["create", "serviceaccount", "app"])
        .await?;
    namespace.ship("all", SHIP_OUTPUT).await?;
    namespace.apply(&pods()).await?;
    let whole = |pod: &Pod| is_ready(pod) && is_injected(pod);
    let pods = namespace
        .wait_pods("app=web", PODS.len(), "ready and injected", whole)
        .await?;
    let accounts = namespace.api::<ServiceAccount>();
    let all = namespace.api::<LogShipping>();
    all.delete("all", &DeleteParams::default()).await?;
    wait_for("what the resource owned is gone", PATIENCE, async || {
        let list = [
            "get",
            "configmaps,roles,rolebindings,secrets",
            "-l",
            "app.kubernetes.io/managed-by=logship",
            "-o",
            "name",
        ];
        let left = namespace.must_kubectl(&list).await?;
        Ok(if left.trim().is_empty() {
            Look::Done(())
        } else {
            Look::NotYet(left)
        })
    })
    .await?;

    namespace.kill_pods(Kill::Sandboxes).await?;
    let pods = wait_ready_again(&namespace, &pods, "the end of its sandbox").await?;

    KUBELET.kill()?;
    namespace.kill_pods(Kill::Everything).await?;
    KUBELET.start()?;
    wait_ready_again(&namespace, &pods, "a new beginning of its node").await?;
    ensure!(
        accounts.get_opt(SIDECAR_ACCOUNT).await?.is_some(),
        "pods run as the account"
    );
    Ok(())
}
