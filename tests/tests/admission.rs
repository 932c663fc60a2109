//! Which pods get the sidecar, on the real cluster: labels in all combinations, workloads of every kind, PodSecurity.

use k8s_openapi::api::core::v1::Pod;
use logship_tests::cluster::{Namespace, container_status, is_injected, is_ready, name, phase};
use logship_tests::manifests::SHIP_OUTPUT;
use logship_tests::wait::{Look, PATIENCE, wait_for};
use logship_tests::{TOOLS_IMAGE, release};

fn pod(name: &str, label: Option<&str>) -> String {
    let labels = label
        .map(|value| format!(", labels: {{logship.dev/injection: {value}}}"))
        .unwrap_or_default();
    format!(
        "apiVersion: v1
kind: Pod
metadata: {{name: {name}{labels}}}
spec:
  containers:
  - {{name: app, image: '{TOOLS_IMAGE}', imagePullPolicy: Never, command: [sh, -c, 'echo started; exec sleep 100000']}}
"
    )
}

/// The template of every workload here: prints one line and ends, or goes on for ever.
fn template(ends: bool) -> String {
    let (script, restart) = if ends {
        ("echo done", "Never")
    } else {
        ("echo started; exec sleep 100000", "Always")
    };
    format!(
        "{{metadata: {{labels: {{app: all}}}}, spec: {{restartPolicy: {restart}, terminationGracePeriodSeconds: 1, containers: \
         [{{name: app, image: '{TOOLS_IMAGE}', imagePullPolicy: Never, command: [sh, -c, '{script}']}}]}}}}"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn labels_of_namespace_and_pod_decide_in_all_combinations() -> anyhow::Result<()> {
    release::ensure_installed().await?;
    let labels = [None, Some("enabled"), Some("disabled")];
    for (namespace_label, expected) in [
        (None, [false, false, false]),
        (Some("enabled"), [true, true, false]),
        (Some("required"), [true, true, false]),
        (Some("disabled"), [false, true, false]),
    ] {
        let suffix = namespace_label.unwrap_or("none");
        let labelled: Vec<String> = namespace_label
            .iter()
            .map(|value| format!("logship.dev/injection={value}"))
            .collect();
        let labelled: Vec<&str> = labelled.iter().map(String::as_str).collect();
        let namespace = Namespace::create(&format!("labels-{suffix}"), &labelled).await?;
        namespace.ship("all", SHIP_OUTPUT).await?;
        for (label, expected) in labels.into_iter().zip(expected) {
            let name = format!("pod-{}", label.unwrap_or("none"));
            namespace.apply(&pod(&name, label)).await?;
            let created = namespace.api::<Pod>().get(&name).await?;
            assert_eq!(
                is_injected(&created),
                expected,
                "namespace label {namespace_label:?}, pod label {label:?}"
            );
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_that_is_not_injected_says_why() -> anyhow::Result<()> {
    release::ensure_installed().await?;
    let namespace = Namespace::enabled("reasons").await?;
    let answer = namespace.apply(&pod("early", None)).await?;
    assert!(answer.contains("Warning: logship"), "{answer}");
    namespace.ship("all", SHIP_OUTPUT).await?;
    let answer = namespace
        .apply(&pod("taken", None).replace("{name: app,", "{name: logship,"))
        .await?;
    assert!(answer.contains("has a container named \"logship\""), "{answer}");
    let status = namespace
        .wait_status("all", "both pods are counted as missed", |status| {
            status.pods.missed == 2
        })
        .await?;
    assert_eq!((status.pods.matched, status.pods.injected), (2, 0));
    let mut reasons: Vec<&str> = status
        .recent_skips
        .iter()
        .map(|skip| skip.reason.as_str())
        .collect();
    reasons.sort_unstable();
    assert_eq!(reasons, ["Conflict", "CreatedBefore"], "{status:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn workloads_of_every_kind_get_the_sidecar_and_jobs_complete() -> anyhow::Result<()> {
    release::ensure_installed().await?;
    let namespace = Namespace::enabled("workloads").await?;
    namespace.ship("all", SHIP_OUTPUT).await?;
    let (runs, ends) = (template(false), template(true));
    let manifests = [
        format!(
            "{{apiVersion: apps/v1, kind: Deployment, metadata: {{name: deployment}}, spec: {{selector: {{matchLabels: {{app: all}}}}, template: {runs}}}}}"
        ),
        format!(
            "{{apiVersion: apps/v1, kind: StatefulSet, metadata: {{name: statefulset}}, spec: {{serviceName: none, selector: {{matchLabels: {{app: all}}}}, template: {runs}}}}}"
        ),
        format!(
            "{{apiVersion: apps/v1, kind: DaemonSet, metadata: {{name: daemonset}}, spec: {{selector: {{matchLabels: {{app: all}}}}, template: {runs}}}}}"
        ),
        format!(
            "{{apiVersion: batch/v1, kind: Job, metadata: {{name: job}}, spec: {{backoffLimit: 0, template: {ends}}}}}"
        ),
        format!(
            "{{apiVersion: batch/v1, kind: CronJob, metadata: {{name: cronjob}}, spec: {{schedule: '0 0 1 1 *', jobTemplate: {{spec: {{backoffLimit: 0, template: {ends}}}}}}}}}"
        ),
    ];
    namespace.apply(&manifests.join("\n---\n")).await?;
    namespace
        .must_kubectl(&["create", "job", "--from=cronjob/cronjob", "from-cronjob"])
        .await?;
    let pods = namespace
        .wait_pods("app=all", 5, "ready or ended, and injected", |pod| {
            is_injected(pod) && (is_ready(pod) || phase(pod) == "Succeeded")
        })
        .await?;
    for job in ["job/job", "job/from-cronjob"] {
        namespace
            .must_kubectl(&["wait", "--for=condition=complete", job, "--timeout=240s"])
            .await?;
    }
    // The line of a container that ended at once was shipped all the same.
    for pod in pods.iter().filter(|pod| name(pod).contains("job")) {
        wait_for(&format!("{} shipped its line", name(pod)), PATIENCE, async || {
            let output = namespace.logs(name(pod), "logship", false).await?;
            Ok(if output.lines().any(|line| line == "done") {
                Look::Done(())
            } else {
                Look::NotYet(output)
            })
        })
        .await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_classic_sidecar_lets_a_job_complete() -> anyhow::Result<()> {
    release::ensure_installed().await?;
    let namespace = Namespace::enabled("classic").await?;
    namespace
        .ship("all", &format!("{SHIP_OUTPUT}  sidecar: {{native: Never}}\n"))
        .await?;
    let job = format!(
        "{{apiVersion: batch/v1, kind: Job, metadata: {{name: job}}, spec: {{backoffLimit: 0, template: {}}}}}",
        template(true)
    );
    namespace.apply(&job).await?;
    namespace
        .must_kubectl(&["wait", "--for=condition=complete", "job/job", "--timeout=240s"])
        .await?;
    let pods = namespace.pods("app=all").await?;
    let sidecar =
        container_status(&pods[0], "logship").and_then(|status| status.state.as_ref()?.terminated.as_ref());
    assert_eq!(sidecar.map(|ended| ended.exit_code), Some(0));
    wait_for("its log has the line", PATIENCE, async || {
        let output = namespace.logs(name(&pods[0]), "logship", false).await?;
        Ok(if output.lines().any(|line| line == "done") {
            Look::Done(())
        } else {
            Look::NotYet(output)
        })
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_injected_container_passes_pod_security_restricted() -> anyhow::Result<()> {
    release::ensure_installed().await?;
    let labels = [
        "logship.dev/injection=required",
        "pod-security.kubernetes.io/enforce=restricted",
    ];
    let namespace = Namespace::create("restricted", &labels).await?;
    let sources = "[{name: output, containerOutput: {}}, {name: written, files: {directory: /var/log/app, pattern: log}}]";
    namespace
        .ship(
            "all",
            &SHIP_OUTPUT.replace("[{name: output, containerOutput: {}}]", sources),
        )
        .await?;
    namespace
        .apply(&format!(
            "{{apiVersion: v1, kind: Pod, metadata: {{name: hardened}}, spec: {{containers: [{{name: app, image: '{TOOLS_IMAGE}', \
             imagePullPolicy: Never, command: [sh, -c, 'echo started; umask 077; echo written > /var/log/app/log; exec sleep 100000'], securityContext: {{runAsNonRoot: true, \
             runAsUser: 1000, allowPrivilegeEscalation: false, capabilities: {{drop: [ALL]}}, seccompProfile: {{type: \
             RuntimeDefault}}}}}}]}}}}"
        ))
        .await?;
    let running = namespace.wait_pods("", 1, "ready", is_ready).await?;
    assert!(is_injected(&running[0]));
    wait_for("it ships", PATIENCE, async || {
        let output = namespace.logs("hardened", "logship", false).await?;
        Ok(if output.contains("started") && output.contains("written") {
            Look::Done(())
        } else {
            Look::NotYet(output)
        })
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn with_bind_the_pods_own_account_reads_the_log() -> anyhow::Result<()> {
    release::ensure_installed().await?;
    let namespace = Namespace::enabled("bind").await?;
    namespace
        .ship(
            "all",
            &format!("{SHIP_OUTPUT}  sidecar: {{serviceAccount: Bind}}\n"),
        )
        .await?;
    namespace
        .must_kubectl(&["create", "serviceaccount", "backend"])
        .await?;
    namespace
        .apply(&pod("app", None).replace("spec:\n", "spec:\n  serviceAccountName: backend\n"))
        .await?;
    wait_for("it ships", PATIENCE, async || {
        let output = namespace.logs("app", "logship", false).await?;
        Ok(if output.lines().any(|line| line == "started") {
            Look::Done(())
        } else {
            Look::NotYet(output)
        })
    })
    .await?;
    let status = namespace
        .wait_status("all", "the account is named", |status| {
            !status.service_accounts.is_empty()
        })
        .await?;
    assert!(
        status.service_accounts.iter().any(|account| account == "backend"),
        "{status:?}"
    );
    Ok(())
}

/// What `logship check` can be asked about only if it can read it.
const READABLE: &str = r#"{"version":1,"name":"a","sources":[{"name":"a","containerOutput":{}}],"sinks":[{"name":"a","stdout":{}}]}"#;

#[tokio::test(flavor = "multi_thread")]
async fn the_sidecar_alone_can_read_the_keys_of_secrets_that_sinks_refer_to() -> anyhow::Result<()> {
    release::ensure_installed().await?;
    let namespace = Namespace::enabled("secrets").await?;
    namespace
        .apply(&format!(
            "{{apiVersion: v1, kind: Secret, metadata: {{name: hub}}, stringData: {{token: '{READABLE}', other: x}}}}"
        ))
        .await?;
    let spec = "  selector: {}
  sources: [{name: output, containerOutput: {}}]
  sinks:
  - {name: hub, http: {url: 'http://hub.invalid', auth: {bearer: {secretName: hub}}}}
  - {name: later, http: {url: 'http://hub.invalid', auth: {basic: {secretName: not-there-yet}}}}
";
    namespace.ship("all", spec).await?;
    for (name, context) in [("alone", "{}"), ("group", "{fsGroup: 2000}")] {
        let pod = pod(name, None).replace("spec:\n", &format!("spec:\n  securityContext: {context}\n"));
        namespace.apply(&pod).await?;
        wait_for(&format!("{name} is ready"), PATIENCE, async || {
            let pod = namespace.api::<Pod>().get(name).await?;
            Ok(if is_ready(&pod) && is_injected(&pod) {
                Look::Done(())
            } else {
                Look::NotYet(pod.status)
            })
        })
        .await?;
        let secrets = "/etc/logship/secrets";
        let checked = |key: &str| format!("{secrets}/hub/{key}");
        let check = async |key: &str| {
            let file = checked(key);
            let arguments = ["exec", name, "-c", "logship", "--", "/logship", "check", &file];
            namespace.kubectl(&arguments).await
        };
        let token = check("token").await?;
        assert!(token.success, "{name}: {}", token.text);
        assert!(
            !check("other").await?.success,
            "{name}: a key that no sink refers to"
        );
        let listed = namespace
            .kubectl(&["exec", name, "-c", "app", "--", "ls", secrets])
            .await?;
        assert!(!listed.success, "{name}: the application sees {}", listed.text);
    }
    Ok(())
}
