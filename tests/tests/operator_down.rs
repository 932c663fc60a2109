//! What the API server does while the operator is away, and which pods it asks the operator about at all. These tests stop
//! the operator or read its counters, so they run one after the other.

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::rbac::v1::Role;
use kube::api::DeleteParams;
use logship_crd::names;
use logship_tests::cluster::{Namespace, is_injected, is_ready, must_run};
use logship_tests::manifests::{SHIP_OUTPUT, quiet_pod};
use logship_tests::release;
use logship_tests::wait::{Look, PATIENCE, wait_for};
use tokio::sync::Mutex;

static ALONE: Mutex<()> = Mutex::const_new(());

#[tokio::test(flavor = "multi_thread")]
async fn while_the_operator_is_down_only_required_pods_are_refused() -> anyhow::Result<()> {
    let _alone = ALONE.lock().await;
    release::ensure_installed().await?;
    let plain = Namespace::create("down-none", &[]).await?;
    let enabled = Namespace::enabled("down-enabled").await?;
    let required = Namespace::create("down-required", &["logship.dev/injection=required"]).await?;
    for namespace in [&enabled, &required] {
        namespace.ship("all", SHIP_OUTPUT).await?;
    }
    release::scale(0).await?;

    plain.apply(&quiet_pod("app")).await?;
    enabled.apply(&quiet_pod("app")).await?;
    for namespace in [&plain, &enabled] {
        let started = namespace.wait_pods("", 1, "ready", is_ready).await?;
        assert!(!is_injected(&started[0]));
    }
    let refusal = required.try_apply(&quiet_pod("app")).await?;
    assert!(!refusal.success, "{}", refusal.text);
    assert!(
        refusal
            .text
            .contains("failed calling webhook \"required.logship.dev\""),
        "{}",
        refusal.text
    );

    release::scale(2).await?;
    required.apply(&quiet_pod("app")).await?;
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
    enabled.ship("all", SHIP_OUTPUT).await?;
    let reviews = async || release::metric(&plain.client(), "logship_admission_reviews_total").await;

    let before = reviews().await?;
    for number in 0..5 {
        let quiet = quiet_pod(&format!("app-{number}"));
        plain.apply(&quiet).await?;
        let asking = quiet
            .replace("app-", "asking-")
            .replace("}, spec:", ", labels: {logship.dev/injection: enabled}}, spec:");
        plain.apply(&asking).await?;
    }
    assert!(
        (reviews().await? - before).abs() < f64::EPSILON,
        "pods of an unlabelled namespace were sent"
    );
    enabled.apply(&quiet_pod("app")).await?;
    assert!(
        (reviews().await? - before - 1.0).abs() < f64::EPSILON,
        "the counter counts"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn admission_recovers_from_the_loss_of_its_authority() -> anyhow::Result<()> {
    let _alone = ALONE.lock().await;
    release::ensure_installed().await?;
    let namespace = Namespace::create("authority", &["logship.dev/injection=required"]).await?;
    namespace.ship("all", SHIP_OUTPUT).await?;
    let blank = r#"[{"op": "remove", "path": "/webhooks/2/clientConfig/caBundle"}]"#;
    for loss in [
        &["delete", "secret", "logship-ca", "-n", release::NAMESPACE][..],
        &[
            "patch",
            "mutatingwebhookconfiguration",
            "logship",
            "--type=json",
            "-p",
            blank,
        ],
    ] {
        must_run("kubectl", loss, "").await?;
        namespace
            .wait_until_injected(&format!("{loss:?}"), PATIENCE)
            .await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn another_replica_takes_over_when_the_leader_dies() -> anyhow::Result<()> {
    let _alone = ALONE.lock().await;
    release::ensure_installed().await?;
    let namespace = Namespace::enabled("takeover").await?;
    namespace.ship("all", SHIP_OUTPUT).await?;
    let lease = [
        "-n",
        release::NAMESPACE,
        "get",
        "lease",
        "logship-operator",
        "-o",
        "jsonpath={.spec.holderIdentity}",
    ];
    let leader = must_run("kubectl", &lease, "").await?;
    let delete = [
        "-n",
        release::NAMESPACE,
        "delete",
        "pod",
        &leader,
        "--grace-period=0",
        "--force",
    ];
    must_run("kubectl", &delete, "").await?;

    // Its process outlives its object for a moment.
    // A lease that nobody renews is good for 15 s.
    wait_for("another replica leads", PATIENCE, async || {
        let holder = must_run("kubectl", &lease, "").await?;
        Ok(if holder == leader {
            Look::NotYet(holder)
        } else {
            Look::Done(())
        })
    })
    .await?;
    let roles = namespace.api::<Role>();
    roles
        .delete(names::SIDECAR_ACCOUNT, &DeleteParams::default())
        .await?;
    wait_for("the Role is restored by another leader", PATIENCE, async || {
        let found = roles.get_opt(names::SIDECAR_ACCOUNT).await?;
        Ok(if found.is_some() {
            Look::Done(())
        } else {
            Look::NotYet(())
        })
    })
    .await?;
    release::scale(2).await
}
