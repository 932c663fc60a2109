//! Whatever happens to the sidecar, the application is left alone: nothing makes the pod unready but the moment in which the sidecar's
//! process is gone, and that passes.

use super::ground::{Ground, KINDS, SIDECAR, container, native, pod, restarts, status};
use super::volume::Volume;
use anyhow::Result;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use logship_crd::v1alpha1::{ConditionType, LogShippingStatus};
use logship_tests::cluster::{container_status, is_ready, is_true};
use logship_tests::wait::{Look, PATIENCE, wait_for};
use serde_json::{Value, json};

const QUIET: &str = "echo started > /var/log/app/app.log; echo started; exec sleep 100000";
/// More than a sidecar may have that has to keep it all.
const MUCH: &str = "yes 'a line that is long enough to fill a small memory soon' | head -c 40000000 > /var/log/app/app.log; exec sleep 100000";

fn sources() -> Value {
    json!([
        {"name": "output", "containerOutput": {}},
        {"name": "written", "files": {"directory": "/var/log/app", "pattern": "log$"}},
    ])
}

async fn app_is_untouched(ground: &Ground, name: &str) -> Result<()> {
    let pod = ground.wait_ready(name).await?;
    anyhow::ensure!(
        restarts(&pod, "app") == Some(0),
        "{name}: the application was restarted: {:?}",
        pod.status
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_sidecar_comes_back_and_the_application_is_not_restarted() -> anyhow::Result<()> {
    let ground = Ground::new("killed", |url| {
        json!({"selector": {}, "sources": sources(), "sinks": [{"name": "counter", "http": {"url": url}}]})
    })
    .await?;
    let pods = KINDS.map(|(kind, value)| {
        let mut container = container(QUIET);
        container["readinessProbe"] = json!({"exec": {"command": ["true"]}, "periodSeconds": 1});
        pod(kind, &native(value), &json!({"containers": [container]}))
    });
    ground.apply(&pods).await?;
    // What was sent just before a kill may be sent again.
    let each = KINDS.map(|(kind, _)| [(kind, "output", "started"), (kind, "written", "started")]);
    ground.wait_for_each_once(each.as_flattened()).await?;
    for (kind, _) in KINDS {
        let pod = ground.wait_ready(kind).await?;
        assert_eq!(restarts(&pod, SIDECAR), Some(0), "{kind}");
        ground.namespace.kill_container(&pod, SIDECAR).await?;
        ground
            .wait_pod(kind, "the sidecar is back", |pod| {
                restarts(pod, SIDECAR) == Some(1) && is_ready(pod)
            })
            .await?;
        app_is_untouched(&ground, kind).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn sidecar_out_of_memory_leaves_the_application_alone() -> anyhow::Result<()> {
    let ground = Ground::new("memory", |_| {
        json!({
            "selector": {},
            "sources": [{"name": "written", "files": {"directory": "/var/log/app", "pattern": "log$"}}],
            // Nobody listens there, so all that was read is kept: more than the pod's annotation leaves for it.
            "sinks": [{"name": "nobody", "http": {"url": "http://10.200.0.1:9/"}, "batch": {"maxBytes": "16Mi"}}],
            "limits": {"inFlightBytes": "64Mi"},
        })
    })
    .await?;
    let limits = r#"{"requests": {"memory": "16Mi"}, "limits": {"memory": "16Mi"}}"#;
    let pods = KINDS.map(|(kind, value)| {
        let annotations = json!({"logship.dev/native": value, "logship.dev/resources": limits});
        pod(kind, &annotations, &json!({"containers": [container(MUCH)]}))
    });
    ground.apply(&pods).await?;
    for (kind, _) in KINDS {
        let killed = |pod: &Pod| {
            let states = container_status(pod, SIDECAR).map(|status| [&status.state, &status.last_state]);
            let mut ends = states
                .into_iter()
                .flatten()
                .flatten()
                .filter_map(|state| state.terminated.as_ref());
            // The kubelet may tell of the one before it tells of the other.
            let has_started = container_status(pod, "app").is_some_and(|app| app.started == Some(true));
            has_started && ends.any(|end| end.reason.as_deref() == Some("OOMKilled"))
        };
        let pod = ground
            .wait_pod(kind, "the sidecar was killed for its memory", killed)
            .await?;
        let app = container_status(&pod, "app");
        assert!(app.is_some_and(|app| app.restart_count == 0), "{kind}: {app:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn state_volume_that_cannot_be_written_does_not_keep_a_pod_from_being_ready() -> anyhow::Result<()> {
    let ground = Ground::new("no-state", |url| {
        json!({
            "selector": {}, "sources": sources(),
            "sinks": [{"name": "counter", "http": {"url": url}}],
            "sidecar": {"state": {"persistentVolumeClaim": {"claimName": "state"}}},
        })
    })
    .await?;
    let _roots = Volume::new(&ground, "state", 0o755).await?;
    let pods =
        KINDS.map(|(kind, value)| pod(kind, &native(value), &json!({"containers": [container(QUIET)]})));
    ground.apply(&pods).await?;
    for (kind, _) in KINDS {
        ground
            .wait_for_each_once(&[(kind, "output", "started"), (kind, "written", "started")])
            .await?;
        let pod = ground.wait_ready(kind).await?;
        assert_eq!(restarts(&pod, SIDECAR), Some(0), "{kind}");
        wait_for(
            &format!("{kind}: the trouble is told and said"),
            PATIENCE,
            async || {
                let trouble = status(&pod).await.unwrap_or_default()["stateTrouble"].to_string();
                let said = ground.namespace.logs(kind, SIDECAR, false).await?;
                let is_told = trouble.contains("make it writable for uid 65532");
                Ok(if is_told && said.contains("going on without state") {
                    Look::Done(())
                } else {
                    Look::NotYet((trouble, said))
                })
            },
        )
        .await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn pod_whose_configuration_is_gone_starts_and_its_sidecar_waits_for_it() -> anyhow::Result<()> {
    let ground = Ground::new("no-config", |url| {
        json!({
            "selector": {},
            "sources": [{"name": "written", "files": {"directory": "/var/log/app", "pattern": "log$"}}],
            "sinks": [{"name": "counter", "http": {"url": url}}],
        })
    })
    .await?;
    // Injected now, and started only when the resource is gone.
    let gates = json!([{"name": "example.org/later"}]);
    let manifest = json!({"schedulingGates": gates, "containers": [container(QUIET)]});
    ground.apply(&[pod("late", &native("true"), &manifest)]).await?;
    ground
        .namespace
        .must_kubectl(&["delete", "logshipping", "all", "--wait=true"])
        .await?;
    let configuration = ground.namespace.api::<ConfigMap>();
    wait_for("the configuration is gone", PATIENCE, async || {
        let found = configuration.get_opt("logship-all").await?;
        Ok(if found.is_none() {
            Look::Done(())
        } else {
            Look::NotYet(())
        })
    })
    .await?;
    let open = r#"{"spec": {"schedulingGates": null}}"#;
    ground
        .namespace
        .must_kubectl(&["patch", "pod", "late", "--type=merge", "-p", open])
        .await?;
    app_is_untouched(&ground, "late").await?;
    wait_for("it says that it waits", PATIENCE, async || {
        let said = ground.namespace.logs("late", SIDECAR, false).await?;
        Ok(if said.contains("no configuration document yet") {
            Look::Done(())
        } else {
            Look::NotYet(said)
        })
    })
    .await?;
    let pod = ground.wait_ready("late").await?;
    assert_eq!(restarts(&pod, SIDECAR), Some(0));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn port_that_the_application_declares_is_left_to_it_and_the_status_says_who_cannot_be_asked()
-> anyhow::Result<()> {
    let ground = Ground::new("port", |url| {
        json!({"selector": {}, "sources": sources(), "sinks": [{"name": "counter", "http": {"url": url}}]})
    })
    .await?;
    let serves = "echo started > /var/log/app/app.log; echo started; exec httpd -f -p 9465";
    let pods = KINDS.map(|(kind, value)| {
        let mut container = container(serves);
        container["ports"] = json!([{"containerPort": 9465}]);
        container["readinessProbe"] = json!({"tcpSocket": {"port": 9465}, "periodSeconds": 1});
        pod(kind, &native(value), &json!({"containers": [container]}))
    });
    ground.apply(&pods).await?;
    for (kind, _) in KINDS {
        ground
            .wait_for_each_once(&[(kind, "output", "started"), (kind, "written", "started")])
            .await?;
        app_is_untouched(&ground, kind).await?;
    }
    let cannot_be_asked = |status: &LogShippingStatus| {
        let mut conditions = status.conditions.iter();
        conditions.any(|found| {
            (&*found.type_, &*found.status, &*found.reason) == ("Applied", "Unknown", "Unreachable")
        })
    };
    let status = ground
        .namespace
        .wait_status("all", "its sidecars cannot be asked", cannot_be_asked)
        .await?;
    anyhow::ensure!(is_true(&status, ConditionType::Ready), "{status:?}");
    Ok(())
}
