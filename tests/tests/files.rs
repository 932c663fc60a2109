//! Log files of real nginx pods: every request is exactly one record, also when the sidecars die in between.

use logship_tests::cluster::{Namespace, address, is_injected, is_ready, name};
use logship_tests::wait::{Look, PATIENCE, wait_for};
use logship_tests::{NGINX_IMAGE, cluster, oracle, peers, release};
use std::collections::BTreeSet;

const REQUESTS: usize = 3_600;

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
    let addresses: Vec<String> = pods
        .iter()
        .map(|pod| address(pod).map(str::to_owned))
        .collect::<Result<_, _>>()?;

    peers::send_requests(&addresses, 8080, 0..REQUESTS / 3).await?;
    for pod in &pods {
        namespace.kill_container(pod, "logship").await?;
    }
    // While the sidecars are away, the files are the queue.
    peers::send_requests(&addresses, 8080, REQUESTS / 3..REQUESTS).await?;

    let sent: BTreeSet<usize> = (0..REQUESTS).collect();
    wait_for("the sink has every request", PATIENCE, async || {
        let (arrived, _) = oracle::requests(&sink.received());
        Ok(if arrived == sent {
            Look::Done(())
        } else {
            Look::NotYet(arrived.len())
        })
    })
    .await?;
    wait_for("the sidecars' output has every request", PATIENCE, async || {
        let mut output = String::new();
        for pod in &pods {
            for previous in [true, false] {
                output += &namespace.logs(name(pod), "logship", previous).await?;
            }
        }
        let (arrived, _) = oracle::requests(&output);
        Ok(if arrived == sent {
            Look::Done(())
        } else {
            Look::NotYet(arrived.len())
        })
    })
    .await?;

    // The kill really happened, and it was the sidecar's alone.
    let pods = namespace.wait_pods("app=web", 3, "ready", is_ready).await?;
    for pod in &pods {
        let restarts =
            |container| cluster::container_status(pod, container).map(|status| status.restart_count);
        assert_eq!(
            (restarts("logship"), restarts("nginx")),
            (Some(1), Some(0)),
            "{}",
            name(pod)
        );
    }
    Ok(())
}
