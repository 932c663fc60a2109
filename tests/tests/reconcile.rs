//! The reconciler on the real cluster: what it maintains, what it repairs, what it refuses, and what it may do at all.

use k8s_openapi::api::core::v1::{ConfigMap, Pod, Secret, ServiceAccount};
use k8s_openapi::api::rbac::v1::{ClusterRole, PolicyRule, Role, RoleBinding};
use kube::api::{DeleteParams, ListParams};
use kube::{Api, ResourceExt};
use logship_crd::names::{CONFIG_KEY, SIDECAR_ACCOUNT, SIDECAR_TOKEN_SECRET, config_map};
use logship_crd::v1alpha1::{ConditionType, LogShipping};
use logship_tests::cluster::{self, Namespace, container_status, is_injected, is_ready, is_true};
use logship_tests::wait::{Look, PATIENCE, wait_for};
use logship_tests::{TOOLS_IMAGE, release};
use std::time::Duration;
use tokio::time::Instant;

/// "Within seconds". The machine may stall in one of several repairs: the one in the middle counts.
const REPAIR: Duration = Duration::from_secs(10);

const SPEC: &str = "  selector: {matchLabels: {app: all}}
  sources: [{name: output, containerOutput: {}}]
  sinks: [{name: out, stdout: {format: text}}]
";

/// Waits until an object that was deleted is there again, as another one: how long it took.
async fn restored<K>(api: &Api<K>, name: &str) -> anyhow::Result<Duration>
where
    K: kube::Resource + Clone + serde::de::DeserializeOwned + std::fmt::Debug,
{
    let before = api.get(name).await?.uid();
    let began = Instant::now();
    api.delete(name, &DeleteParams::default()).await?;
    wait_for(&format!("{name} is restored"), PATIENCE, async || {
        Ok(match api.get_opt(name).await? {
            Some(found) if found.uid() != before => Look::Done(()),
            other => Look::NotYet(other.map(|found| found.uid())),
        })
    })
    .await?;
    Ok(began.elapsed())
}

#[tokio::test(flavor = "multi_thread")]
async fn drift_is_repaired_within_seconds() -> anyhow::Result<()> {
    release::ensure_installed().await?;
    let namespace = Namespace::enabled("drift").await?;
    namespace.ship("all", SPEC).await?;
    let mut repairs = vec![
        restored(&namespace.api::<Role>(), SIDECAR_ACCOUNT).await?,
        restored(&namespace.api::<RoleBinding>(), SIDECAR_ACCOUNT).await?,
        restored(&namespace.api::<ServiceAccount>(), SIDECAR_ACCOUNT).await?,
        restored(&namespace.api::<ConfigMap>(), &config_map("all")).await?,
        restored(&namespace.api::<Secret>(), SIDECAR_TOKEN_SECRET).await?,
    ];

    let roles = namespace.api::<Role>();
    let intact_rules = roles.get(SIDECAR_ACCOUNT).await?.rules;
    let no_rules = "{\"rules\": []}";
    namespace
        .must_kubectl(&["patch", "role", SIDECAR_ACCOUNT, "--type=merge", "-p", no_rules])
        .await?;
    let edited = Instant::now();
    wait_for("the edited Role is as it was", PATIENCE, async || {
        let found = roles.get(SIDECAR_ACCOUNT).await?.rules;
        Ok(if found == intact_rules {
            Look::Done(())
        } else {
            Look::NotYet(found)
        })
    })
    .await?;
    repairs.push(edited.elapsed());

    let maps = namespace.api::<ConfigMap>();
    let intact = maps.get(&config_map("all")).await?.data;
    let edit = format!("{{\"data\": {{\"{CONFIG_KEY}\": \"broken\"}}}}");
    namespace
        .must_kubectl(&[
            "patch",
            "configmap",
            &config_map("all"),
            "--type=merge",
            "-p",
            &edit,
        ])
        .await?;
    let edited = Instant::now();
    wait_for("the edited ConfigMap is as it was", PATIENCE, async || {
        let data = maps.get(&config_map("all")).await?.data;
        Ok(if data == intact {
            Look::Done(())
        } else {
            Look::NotYet(data)
        })
    })
    .await?;
    repairs.push(edited.elapsed());
    repairs.sort_unstable();
    assert!(repairs[repairs.len() / 2] <= REPAIR, "{repairs:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_resource_takes_everything_along_but_the_account_which_stays_for_the_last_pod()
-> anyhow::Result<()> {
    release::ensure_installed().await?;
    let namespace = Namespace::enabled("collected").await?;
    namespace.ship("one", SPEC).await?;
    namespace.ship("two", SPEC).await?;
    namespace
        .apply(&format!(
            "{{apiVersion: v1, kind: Pod, metadata: {{name: app, labels: {{app: all}}}}, spec: {{containers: \
             [{{name: app, image: '{TOOLS_IMAGE}', imagePullPolicy: Never, command: [sh, -c, 'exec sleep 100000']}}]}}}}"
        ))
        .await?;
    let before = namespace
        .wait_pods("app=all", 1, "ready and injected", |pod| {
            is_ready(pod) && is_injected(pod)
        })
        .await?;

    let shippings = namespace.api::<LogShipping>();
    shippings.delete("one", &DeleteParams::default()).await?;
    wait_for("the ConfigMap of the first is gone", PATIENCE, async || {
        let found = namespace.api::<ConfigMap>().get_opt(&config_map("one")).await?;
        Ok(if found.is_none() {
            Look::Done(())
        } else {
            Look::NotYet(found.map(|map| map.metadata))
        })
    })
    .await?;
    assert!(
        namespace.api::<Role>().get_opt(SIDECAR_ACCOUNT).await?.is_some(),
        "the second still needs it"
    );

    shippings.delete("two", &DeleteParams::default()).await?;
    let only_left = async |expected: &str| {
        let kinds = "configmaps,serviceaccounts,roles,rolebindings,secrets";
        let ours = "app.kubernetes.io/managed-by=logship";
        wait_for(
            &format!("of ours there is only {expected:?}"),
            PATIENCE,
            async || {
                let left = namespace
                    .must_kubectl(&["get", kinds, "-l", ours, "-o", "name"])
                    .await?;
                Ok(if left.trim() == expected {
                    Look::Done(())
                } else {
                    Look::NotYet(left)
                })
            },
        )
        .await
    };
    only_left("serviceaccount/logship-sidecar").await?;
    let after = namespace.api::<Pod>().get("app").await?;
    let restarts = container_status(&after, "app").map(|status| status.restart_count);
    assert_eq!(
        (after.uid(), restarts, is_ready(&after)),
        (before[0].uid(), Some(0), true)
    );
    namespace
        .must_kubectl(&["delete", "pod", "app", "--grace-period=1"])
        .await?;
    only_left("").await
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_resources_are_refused_with_field_and_remedy() -> anyhow::Result<()> {
    release::ensure_installed().await?;
    let namespace = Namespace::create("bad", &[]).await?;
    let cases = include_str!("bad_resources.yaml");
    let mut wrong = Vec::new();
    let mut count = 0;
    for case in cases.split("\n---\n") {
        let expected = case
            .lines()
            .find_map(|line| line.strip_prefix("# expect: "))
            .unwrap_or("# expect: is missing");
        let outcome = namespace.try_apply(case).await?;
        let missing: Vec<&str> = expected
            .split(" | ")
            .filter(|part| !outcome.text.contains(part))
            .collect();
        if outcome.success || !missing.is_empty() {
            wrong.push(format!("{case}\nanswer: {}\nmissing: {missing:?}", outcome.text));
        }
        count += 1;
    }
    assert!(
        wrong.is_empty(),
        "{} of {count}:\n{}",
        wrong.len(),
        wrong.join("\n\n")
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_knows_the_short_name_the_columns_and_the_documentation() -> anyhow::Result<()> {
    release::ensure_installed().await?;
    let namespace = Namespace::enabled("kubectl").await?;
    namespace.ship("all", SPEC).await?;
    let table = namespace.must_kubectl(&["get", "lsh"]).await?;
    let rows: Vec<Vec<&str>> = table
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(
        rows[0],
        [
            "NAME", "READY", "MATCHED", "INJECTED", "CURRENT", "OUTDATED", "SINKS", "AGE"
        ]
    );
    assert_eq!(rows[1][..7], ["all", "True", "0", "0", "0", "0", "out"]);
    let explained = namespace
        .must_kubectl(&["explain", "logshipping.spec.sources.files.pattern"])
        .await?;
    assert!(
        explained.contains("Regular expression on the base name"),
        "{explained}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_samples_are_accepted_and_valid() -> anyhow::Result<()> {
    release::ensure_installed().await?;
    let namespace = Namespace::create("samples", &[]).await?;
    for (name, sample) in [
        ("nginx-files", include_str!("../../config/samples/files.yaml")),
        ("everything", include_str!("../../config/samples/output.yaml")),
        ("nginx-loki", include_str!("../../config/samples/loki.yaml")),
        ("collector-otlp", include_str!("../../config/samples/otlp.yaml")),
        (
            "java-elasticsearch",
            include_str!("../../config/samples/elasticsearch.yaml"),
        ),
    ] {
        namespace.apply(sample).await?;
        namespace
            .wait_status(name, "it is ready", |status| {
                is_true(status, ConditionType::Ready)
            })
            .await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_schema_cannot_refuse_is_reported_in_the_conditions() -> anyhow::Result<()> {
    release::ensure_installed().await?;
    let namespace = Namespace::create("reported", &[]).await?;
    let spec = "  selector: {matchExpressions: [{key: app, operator: In, values: []}]}
  sources: [{name: access, files: {directory: /var/log, pattern: '(unclosed'}}]
  sinks: [{name: out, stdout: {}}]
";
    namespace
        .apply(&logship_tests::cluster::shipping("reported", spec))
        .await?;
    let status = namespace
        .wait_status("reported", "Valid is False", |status| {
            status
                .conditions
                .iter()
                .any(|found| found.type_ == ConditionType::Valid.name() && found.status == "False")
        })
        .await?;
    assert!(!is_true(&status, ConditionType::Ready));
    let valid = status
        .conditions
        .iter()
        .find(|found| found.type_ == "Valid")
        .map(|found| found.message.as_str());
    let message = valid.unwrap_or_default();
    for part in [
        "spec.sources[0].files.pattern",
        "(unclosed",
        "unclosed group",
        "spec.selector.matchExpressions[0].values",
        "at least one value",
    ] {
        assert!(message.contains(part), "{part} is not in: {message}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_may_do_what_is_written_here_and_nothing_else() -> anyhow::Result<()> {
    release::ensure_installed().await?;
    let namespace = Namespace::create("rights", &[]).await?;
    let ours = ListParams::default().labels("app.kubernetes.io/instance=logship");
    let mut rights: Vec<String> = Vec::new();
    for role in Api::<ClusterRole>::all(namespace.client()).list(&ours).await? {
        rights.extend(written_out("everywhere", role.rules));
    }
    for role in Api::<Role>::all(namespace.client()).list(&ours).await? {
        rights.extend(written_out("in its own namespace", role.rules));
    }
    rights.sort();
    let written: Vec<&str> = include_str!("operator_rights.txt").lines().collect();
    assert_eq!(
        rights, written,
        "the operator's rights changed: a reviewer has to see it in operator_rights.txt"
    );
    // And what matters most, asked of the API server itself.
    for (verb, resource) in [
        ("get", "secrets"),
        ("list", "secrets"),
        ("create", "pods"),
        ("patch", "pods"),
        ("delete", "pods"),
        ("escalate", "roles"),
        ("impersonate", "users"),
    ] {
        let account = "--as=system:serviceaccount:logship-system:logship-operator";
        let answer = namespace
            .kubectl(&["auth", "can-i", verb, resource, account])
            .await?;
        assert_eq!(answer.text.trim().lines().last(), Some("no"), "{verb} {resource}");
    }
    for kind in ["clusterrolebindings", "rolebindings"] {
        let names = "jsonpath={.items[*].metadata.name}";
        let list = [
            "get",
            kind,
            "-A",
            "-l",
            "app.kubernetes.io/instance=logship",
            "-o",
            names,
        ];
        assert_eq!(namespace.must_kubectl(&list).await?, "logship-operator", "{kind}");
    }
    Ok(())
}

/// Each rule as lines of operator_rights.txt.
fn written_out(place: &str, rules: Option<Vec<PolicyRule>>) -> Vec<String> {
    let mut lines = Vec::new();
    for rule in rules.unwrap_or_default() {
        let names = rule
            .resource_names
            .map(|names| format!(" {names:?}"))
            .unwrap_or_default();
        let groups = rule.api_groups.unwrap_or_default().join(",");
        for resource in rule.resources.unwrap_or_default() {
            lines.push(format!(
                "{place}: {} {resource}.{groups}{names}",
                rule.verbs.join(",")
            ));
        }
    }
    lines
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stolen_operator_token_gets_no_token_of_another_account_and_overwrites_nothing()
-> anyhow::Result<()> {
    release::ensure_installed().await?;
    let namespace = Namespace::create("fence", &[]).await?;
    namespace
        .must_kubectl(&["create", "configmap", "settings", "--from-literal=a=b"])
        .await?;
    let account = "--as=system:serviceaccount:logship-system:logship-operator";
    let apply = [
        "-n",
        &namespace.name,
        "apply",
        "--server-side",
        "--force-conflicts",
        "-f",
        "-",
        account,
    ];
    for (manifest, expected) in [
        (
            "{apiVersion: v1, kind: Secret, metadata: {name: logship-sidecar-token, annotations: \
             {kubernetes.io/service-account.name: default}}, type: kubernetes.io/service-account-token}",
            "only Opaque Secrets",
        ),
        (
            "{apiVersion: v1, kind: Secret, metadata: {name: another}}",
            "forbidden",
        ),
        (
            "{apiVersion: v1, kind: ConfigMap, metadata: {name: settings}, data: {a: stolen}}",
            "no ConfigMaps but its own",
        ),
    ] {
        let answer = cluster::run("kubectl", &apply, manifest).await?;
        assert!(
            !answer.success && answer.text.contains(expected),
            "{manifest}: {}",
            answer.text
        );
    }
    Ok(())
}
