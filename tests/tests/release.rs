//! helm install, upgrade, uninstall, install again. Alone in its program, because the others need the release.

use anyhow::ensure;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Api;
use logship_crd::names::INJECTED_ANNOTATION;
use logship_crd::v1alpha1::LogShipping;
use logship_tests::cluster::{Namespace, is_injected, is_ready, must_run, run};
use logship_tests::manifests::{SHIP_OUTPUT, quiet_pod};
use logship_tests::release;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Pods that are made while the release is upgraded, and have to get ready.
const CREATED: usize = 20;

#[tokio::test(flavor = "multi_thread")]
async fn install_upgrade_uninstall_and_install_again() -> anyhow::Result<()> {
    release::ensure_installed().await?;
    let namespace = Namespace::create("release", &["logship.dev/injection=required"]).await?;
    namespace.ship("all", SHIP_OUTPUT).await?;

    // An upgrade never leaves admission without a server: a required pod made at any time is injected.
    let upgrade = async {
        release::install(&["podAnnotations.upgraded=once"])
            .await
            .map(drop)
    };
    let (upgraded, asked) = (AtomicBool::new(false), AtomicUsize::new(0));
    let create = async {
        for number in 0.. {
            if upgraded.load(Ordering::Relaxed) {
                break;
            }
            // A node has room for 110 pods, and this one takes long to start them: admission is asked the same without a pod behind it.
            let dry_run: &[&str] = if number < CREATED {
                &[]
            } else {
                &["--dry-run=server"]
            };
            let create = ["-n", &namespace.name, "create", "-o", "yaml", "-f", "-"];
            let pod = quiet_pod(&format!("app-{number}"));
            let answer = must_run("kubectl", &[&create[..], dry_run].concat(), &pod).await?;
            ensure!(answer.contains(INJECTED_ANNOTATION), "{answer}");
            asked.store(number + 1, Ordering::Relaxed);
        }
        Ok(())
    };
    let finish = async {
        upgrade
            .await
            .inspect(|()| upgraded.store(true, Ordering::Relaxed))
    };
    futures::try_join!(finish, create)?;
    let created = asked.into_inner().min(CREATED);
    for pod in namespace.pods("").await? {
        assert!(is_injected(&pod), "{:?}", pod.metadata.name);
    }

    // Nothing of an uninstalled release stands in the way of pods, resources or namespaces.
    release::uninstall().await?;
    let webhook = run("kubectl", &["get", "mutatingwebhookconfiguration", "logship"], "").await?;
    assert!(webhook.text.contains("NotFound"), "{}", webhook.text);
    namespace.apply(&quiet_pod("after")).await?;
    assert!(!is_injected(&namespace.api::<Pod>().get("after").await?));
    let definitions = Api::<CustomResourceDefinition>::all(namespace.client());
    assert!(
        definitions.get_opt("logshippings.logship.dev").await?.is_some(),
        "resources of users survive"
    );
    namespace
        .must_kubectl(&["delete", "logshipping", "all", "--wait", "--timeout=240s"])
        .await?;
    namespace
        .apply(&logship_tests::cluster::shipping("kept", SHIP_OUTPUT))
        .await?;
    must_run(
        "kubectl",
        &[
            "delete",
            "namespace",
            release::NAMESPACE,
            "--wait",
            "--timeout=240s",
        ],
        "",
    )
    .await?;

    // Ready means ready: the first required pod after `helm install --wait` and a ready resource is injected.
    release::install(&[]).await?;
    assert!(namespace.api::<LogShipping>().get_opt("kept").await?.is_some());
    namespace.ship("all", SHIP_OUTPUT).await?;
    namespace.apply(&quiet_pod("again")).await?;
    assert!(is_injected(&namespace.api::<Pod>().get("again").await?));
    namespace.wait_pods("", created + 2, "ready", is_ready).await?;
    Ok(())
}
