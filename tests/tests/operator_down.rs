//! What the API server does while the operator is away, and which pods it asks the operator about at all. These tests stop
//! the operator or read its counters, so they run one after the other.

use k8s_openapi::api::core::v1::Pod;
use logship_tests::cluster::{Namespace, is_injected};
use logship_tests::{TOOLS_IMAGE, release};
use tokio::sync::Mutex;

static ALONE: Mutex<()> = Mutex::const_new(());

const SPEC: &str = "  selector: {}
  sources: [{name: output, containerOutput: {}}]
  sinks: [{name: out, stdout: {format: text}}]
";

fn pod(name: &str) -> String {
    format!(
        "{{apiVersion: v1, kind: Pod, metadata: {{name: {name}}}, spec: {{containers: \
         [{{name: app, image: '{TOOLS_IMAGE}', imagePullPolicy: Never, command: [sh, -c, 'exec sleep 100000']}}]}}}}"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_operator_is_down_only_required_pods_are_refused() -> anyhow::Result<()> {
    let _alone = ALONE.lock().await;
    release::ensure_installed().await?;
    let plain = Namespace::create("down-none", &[]).await?;
    let enabled = Namespace::enabled("down-enabled").await?;
    let required = Namespace::create("down-required", &["logship.dev/injection=required"]).await?;
    for namespace in [&enabled, &required] {
        namespace.ship("all", SPEC).await?;
    }
    release::scale(0).await?;

    plain.apply(&pod("app")).await?;
    enabled.apply(&pod("app")).await?;
    assert!(!is_injected(&enabled.api::<Pod>().get("app").await?));
    let refusal = required.try_apply(&pod("app")).await?;
    assert!(
        !refusal.success && refusal.text.contains("required.logship.dev"),
        "{}",
        refusal.text
    );

    release::scale(2).await?;
    required.apply(&pod("app")).await?;
    assert!(is_injected(&required.api::<Pod>().get("app").await?));
    let status = enabled
        .wait_status("all", "the pod of the outage is counted", |status| {
            status.pods.missed == 1
        })
        .await?;
    assert_eq!(
        status.recent_skips.first().map(|skip| skip.reason.as_str()),
        Some("CreatedBefore")
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_without_label_is_never_sent_to_the_webhook() -> anyhow::Result<()> {
    let _alone = ALONE.lock().await;
    release::ensure_installed().await?;
    let plain = Namespace::create("unlabelled", &[]).await?;
    let enabled = Namespace::enabled("labelled").await?;
    enabled.ship("all", SPEC).await?;
    let reviews = async || release::metric(&plain.client(), "logship_admission_reviews_total").await;

    let before = reviews().await?;
    for number in 0..5 {
        plain.apply(&pod(&format!("app-{number}"))).await?;
    }
    assert!(
        (reviews().await? - before).abs() < f64::EPSILON,
        "pods of an unlabelled namespace were sent"
    );
    enabled.apply(&pod("app")).await?;
    assert!(
        (reviews().await? - before - 1.0).abs() < f64::EPSILON,
        "the counter counts"
    );
    Ok(())
}
