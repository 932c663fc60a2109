//! Standard output of real pods through the Kubernetes API: it arrives, and the application gains no right.

use logship_tests::cluster::{Namespace, is_injected, is_ready, name};
use logship_tests::{NGINX_IMAGE, TOOLS_IMAGE, peers, release, traffic};

const CURL: &str = "T=$(cat /var/run/secrets/kubernetes.io/serviceaccount/token 2>/dev/null); [ -n \"$T\" ] || { echo absent; exit 0; }; \
    curl -sk -o /dev/null -w '%{http_code}' -H \"Authorization: Bearer $T\" \
    \"https://$KUBERNETES_SERVICE_HOST/api/v1/namespaces/$1/pods/$2/log?container=nginx\"";

/// nginx that logs to standard output, beside a container with curl that stands for the application's own use of its token.
fn nginx(account: &str) -> String {
    format!(
        "apiVersion: v1
kind: ServiceAccount
metadata: {{name: shop-backend}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web}}
spec:
  replicas: 3
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web}}}}
    spec:
      serviceAccountName: {account}
      containers:
      - name: nginx
        image: {NGINX_IMAGE}
        imagePullPolicy: Never
        args: [/etc/nginx/stdout.conf]
        readinessProbe: {{tcpSocket: {{port: 8080}}, periodSeconds: 1}}
      - name: tools
        image: {TOOLS_IMAGE}
        imagePullPolicy: Never
        command: [sh, -c, 'exec sleep 100000']
"
    )
}

async fn ships_output_without_giving_rights(
    namespace: &str,
    account: &str,
    expected: &str,
) -> anyhow::Result<()> {
    release::ensure_installed().await?;
    let sink = peers::HttpSink::start().await?;
    let namespace = Namespace::enabled(namespace).await?;
    let spec = format!(
        "  selector: {{matchLabels: {{app: web}}}}
  sources: [{{name: output, containerOutput: {{}}}}]
  sinks:
  - {{name: out, stdout: {{format: text}}}}
  - {{name: counter, http: {{url: '{}'}}}}
",
        sink.url
    );
    namespace.ship("web", &spec).await?;
    namespace.apply(&nginx(account)).await?;
    let pods = namespace
        .wait_pods("app=web", 3, "ready and injected", |pod| {
            is_ready(pod) && is_injected(pod)
        })
        .await?;
    traffic::arrives_although_the_sidecars_are_killed(&namespace, &pods, &sink, 3_000).await?;

    // The sidecar reads the log of its pod; the application's own container cannot.
    let pod = &pods[0];
    let answer = namespace
        .must_kubectl(&[
            "exec",
            name(pod),
            "-c",
            "tools",
            "--",
            "sh",
            "-c",
            CURL,
            "sh",
            &namespace.name,
            name(pod),
        ])
        .await?;
    assert_eq!(answer.trim(), expected);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn default_account_the_sidecar_reads_and_the_application_has_no_token() -> anyhow::Result<()> {
    ships_output_without_giving_rights("output-default", "default", "absent").await
}

#[tokio::test(flavor = "multi_thread")]
async fn own_account_the_sidecar_reads_and_the_application_is_forbidden() -> anyhow::Result<()> {
    ships_output_without_giving_rights("output-own", "shop-backend", "403").await
}
