//! Log directories on mounts of every kind are shipped: on no volume at all, on an emptyDir, on a claim, on folders of it named by
//! subPath and subPathExpr, below a read-only root file system. What cannot be is said when the pod is created.

use super::ground::{Ground, container_with, pod};
use super::volume::Volume;
use logship_tests::cluster::is_injected;
use serde_json::{Value, json};

const SCRIPT: &str = "mkdir -p /var/log/app; echo \"of $HOSTNAME\" > /var/log/app/app.log; exec sleep 100000";

fn spec(url: &str) -> Value {
    json!({
        "selector": {},
        "sources": [{"name": "written", "files": {"directory": "/var/log/app", "pattern": "log$"}}],
        "sinks": [{"name": "counter", "http": {"url": url}}],
    })
}

/// The application's variable has the name of one of the sidecar's, and another value.
fn variables() -> Value {
    let field = |path: &str| json!({"fieldRef": {"fieldPath": path}});
    json!([
        {"name": "POD_NAME", "valueFrom": field("metadata.uid")},
        {"name": "ACCOUNT", "valueFrom": field("spec.serviceAccountName")},
        {"name": "ADDRESS", "valueFrom": field("status.podIP")},
        {"name": "TEAM", "value": "team"},
        {"name": "FOLDER", "value": "$(TEAM)-$(ACCOUNT)"},
    ])
}

fn writer(name: &str, mount: &Value, more: &Value) -> Value {
    let mut container = container_with(SCRIPT, more);
    let mut volumes = Vec::new();
    if let Some(volume) = mount["name"].as_str() {
        container["volumeMounts"] = json!([mount]);
        volumes.push(match volume {
            "scratch" => json!({"name": volume, "emptyDir": {}}),
            claim => json!({"name": claim, "persistentVolumeClaim": {"claimName": claim}}),
        });
    }
    pod(
        name,
        &json!({}),
        &json!({"containers": [container], "volumes": volumes}),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn directories_on_mounts_of_every_kind_are_shipped() -> anyhow::Result<()> {
    let ground = Ground::new("mounts", spec).await?;
    let shared = Volume::new(&ground, "shared", 0o777).await?;
    let hardened = json!({"securityContext": {
        "readOnlyRootFilesystem": true, "runAsUser": 1000, "runAsNonRoot": true,
        "allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]},
    }});
    let none = json!({});
    let with = |more: Value| {
        let mut mount = json!({"name": "shared", "mountPath": "/var/log/app"});
        for (name, value) in more.as_object().into_iter().flatten() {
            mount[name] = value.clone();
        }
        mount
    };
    let variables = json!({"env": variables()});
    let expression = |text: &str| with(json!({"subPathExpr": text}));
    ground
        .apply(&[
            writer("no-volume", &none, &none),
            writer(
                "empty-dir",
                &json!({"name": "scratch", "mountPath": "/var/log"}),
                &none,
            ),
            writer("read-only-root", &none, &hardened),
            writer("sub-path", &with(json!({"subPath": "fixed/folder"})), &none),
            writer(
                "expression-1",
                &expression("$(FOLDER)/$(POD_NAME)/$(ADDRESS)"),
                &variables,
            ),
            writer(
                "expression-2",
                &expression("$(FOLDER)/$(POD_NAME)/$(ADDRESS)"),
                &variables,
            ),
            writer("expression-literal", &expression("$(TEAM)/logs"), &variables),
        ])
        .await?;
    let names = [
        "no-volume",
        "empty-dir",
        "read-only-root",
        "sub-path",
        "expression-1",
        "expression-2",
        "expression-literal",
    ];
    let lines: Vec<String> = names.iter().map(|name| format!("of {name}")).collect();
    let expected: Vec<_> = names
        .iter()
        .zip(&lines)
        .map(|(name, line)| (*name, "written", line.as_str()))
        .collect();
    ground.wait_for_each_once(&expected).await?;
    // Each sidecar saw the folder of its own pod and no other.
    assert_eq!(ground.arrivals().len(), names.len(), "{:?}", ground.arrivals());
    assert!(shared.path("fixed/folder/app.log").exists() && shared.path("team/logs/app.log").exists());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn expression_that_only_the_kubelet_can_expand_is_refused_with_the_variables_name() -> anyhow::Result<()>
{
    let ground = Ground::new("expression", spec).await?;
    let from_map =
        json!({"env": [{"name": "TEAM", "valueFrom": {"configMapKeyRef": {"name": "team", "key": "name"}}}]});
    let mount = json!({"name": "scratch", "mountPath": "/var/log/app", "subPathExpr": "$(TEAM)"});
    let said = ground.apply(&[writer("unknown", &mount, &from_map)]).await?;
    assert!(
        said.contains("Warning: logship") && said.contains("the variable TEAM"),
        "{said}"
    );
    let pod = ground.namespace.pods("").await?;
    assert!(!is_injected(&pod[0]));
    Ok(())
}
