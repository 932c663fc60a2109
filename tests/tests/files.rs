//! Log files of real nginx pods: every request is exactly one record, also when the sidecars die in between.

use logship_tests::cluster::{Namespace, is_injected, is_ready};
use logship_tests::{NGINX_IMAGE, peers, release, traffic};

/// Three replicas of nginx that write files, as a user would deploy them: nothing in the manifest speaks of logship.
fn nginx() -> String {
    format!(
        "apiVersion: apps/v1
kind: Deployment
metadata: {{name: web}}
spec:
  replicas: 3
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web}}}}
    spec:
      containers:
      - name: nginx
        image: {NGINX_IMAGE}
        imagePullPolicy: Never
        readinessProbe: {{tcpSocket: {{port: 8080}}, periodSeconds: 1}}
"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn every_request_to_three_nginx_replicas_arrives_although_the_sidecars_are_killed() -> anyhow::Result<()>
{
    release::ensure_installed().await?;
    let sink = peers::HttpSink::start().await?;
    let namespace = Namespace::enabled("files").await?;
    let spec = format!(
        "  selector: {{matchLabels: {{app: web}}}}
  sources:
  - name: access
    files: {{directory: /var/log/nginx, pattern: '^access\\.log$', scanInterval: 1s}}
  sinks:
  - name: out
    stdout: {{format: json}}
  - name: counter
    http: {{url: '{}'}}
",
        sink.url
    );
    namespace.ship("web", &spec).await?;
    namespace.apply(&nginx()).await?;
    let pods = namespace
        .wait_pods("app=web", 3, "ready and injected", |pod| {
            is_ready(pod) && is_injected(pod)
        })
        .await?;
    traffic::arrives_although_the_sidecars_are_killed(&namespace, &pods, &sink, 3_600).await
}
