//! Real requests to nginx pods while their sidecars are killed, and the proof that every one was shipped.

use crate::cluster::{Namespace, address, container_status, is_ready, name};
use crate::wait::{Look, PATIENCE, wait_for};
use crate::{oracle, peers};
use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::Pod;
use std::collections::BTreeSet;

/// Sends `requests` to the pods in turn and kills their sidecars in the middle; then exactly these requests have to be at the
/// sink and in the sidecars' output, before and after the kill together.
///
/// # Errors
/// When one is missing, or when something else than the sidecars was restarted.
pub async fn arrives_although_the_sidecars_are_killed(
    namespace: &Namespace,
    pods: &[Pod],
    sink: &peers::HttpSink,
    requests: usize,
) -> Result<()> {
    let addresses: Vec<String> = pods
        .iter()
        .map(|pod| address(pod).map(str::to_owned))
        .collect::<Result<_>>()?;
    peers::send_requests(&addresses, 8080, 0..requests / 3).await?;
    let kill = async {
        for pod in pods {
            namespace.kill_container(pod, "logship").await?;
        }
        Ok(())
    };
    futures::try_join!(
        peers::send_requests(&addresses, 8080, requests / 3..requests),
        kill
    )?;

    let sent: BTreeSet<usize> = (0..requests).collect();
    let all_in = |text: &str| {
        let (arrived, _) = oracle::requests(text);
        if arrived == sent {
            Look::Done(())
        } else {
            Look::NotYet(arrived.len())
        }
    };
    wait_for("the sink has every request", PATIENCE, async || {
        Ok(all_in(&sink.received()))
    })
    .await?;
    wait_for("the sidecars' output has every request", PATIENCE, async || {
        let mut output = String::new();
        for pod in pods {
            for previous in [true, false] {
                output += &namespace.logs(name(pod), "logship", previous).await?;
            }
        }
        Ok(all_in(&output))
    })
    .await?;

    // The kubelet may say so later than the lines arrive.
    let restarts = |pod: &Pod, container| container_status(pod, container).map(|status| status.restart_count);
    let back = namespace.wait_pods("app=web", pods.len(), "ready, with a new sidecar", |pod| {
        is_ready(pod) && restarts(pod, "logship") > Some(0)
    });
    for pod in back.await? {
        let seen = (restarts(&pod, "logship"), restarts(&pod, "nginx"));
        ensure!(
            seen == (Some(1), Some(0)),
            "{}: restarts of sidecar and nginx: {seen:?}",
            name(&pod)
        );
    }
    Ok(())
}
