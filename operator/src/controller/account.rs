//! The account of the sidecars, which outlives the resources of its namespace.
//!
//! A pod that runs as it has a volume with its token, and a kubelet that begins anew, as after a reboot of its node, starts nothing in
//! a pod of which it cannot mount every volume. So no resource owns the account. It goes when its namespace has no resource any more and no pod
//! that runs as it, and has had none for a while: a replica of the webhook may not have heard of the end of the last resource at once.
//! Without the Role, which goes with the last resource, it has no rights. It stays where the operator was removed before that.

use super::cluster::Cluster;
use crate::policies::Guarded;
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::{DeleteParams, PartialObjectMeta, Preconditions};
use kube::runtime::reflector::Store;
use kube::{Api, Client, Resource, ResourceExt};
use logship_crd::names;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval};

/// An account that nobody needed at two looks in a row is removed.
const INTERVAL: Duration = Duration::from_secs(15);

/// The accounts of the cluster that are ours.
pub(super) type Account = PartialObjectMeta<ServiceAccount>;

/// Removes accounts that are not needed any more; a failure is logged, and it is tried again. Ends only when the process does.
pub(super) async fn run(
    client: Client,
    accounts: Store<Account>,
    shippings: Store<Guarded>,
    cluster: Arc<Cluster>,
) {
    // Before the first lists nobody would seem to need any.
    cluster.filled().await;
    if accounts.wait_until_ready().await.is_err() || shippings.wait_until_ready().await.is_err() {
        return;
    }
    let mut ticks = interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut unneeded_before = BTreeSet::new();
    loop {
        ticks.tick().await;
        let shipped = shippings.state();
        let shipped: BTreeSet<_> = shipped
            .iter()
            .map(|shipping| shipping.meta().namespace.as_deref())
            .collect();
        let is_shipped = |namespace: &str| shipped.contains(&Some(namespace));
        let is_run_as = |namespace: &str| {
            let (_, pods) = cluster.namespace(namespace);
            pods.iter().any(|pod| pod.account == names::SIDECAR_ACCOUNT)
        };
        let unneeded = unneeded(&accounts.state(), is_shipped, is_run_as);
        for account in unneeded
            .iter()
            .filter(|account| unneeded_before.contains(*account))
        {
            let namespace = &account.namespace;
            match remove(&client, account).await {
                Ok(()) => {
                    tracing::info!(
                        namespace,
                        "removed the account of the sidecars, which nobody needs any more"
                    );
                }
                Err(error) => {
                    tracing::warn!(namespace, %error, "failed to remove the account of the sidecars, trying again");
                }
            }
        }
        unneeded_before = unneeded;
    }
}

/// An account as it was seen.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Unneeded {
    namespace: String,
    uid: Option<String>,
    /// As it was: it is left alone if somebody has written it since.
    version: Option<String>,
}

/// The accounts in whose namespaces there are neither resources nor pods that run as them.
fn unneeded(
    accounts: &[Arc<Account>],
    is_shipped: impl Fn(&str) -> bool,
    is_run_as: impl Fn(&str) -> bool,
) -> BTreeSet<Unneeded> {
    let seen = |account: &Arc<Account>| Unneeded {
        namespace: account.namespace().unwrap_or_default(),
        uid: account.uid(),
        version: account.resource_version(),
    };
    accounts
        .iter()
        .filter(|account| account.name_any() == names::SIDECAR_ACCOUNT)
        .map(seen)
        .filter(|account| !is_shipped(&account.namespace) && !is_run_as(&account.namespace))
        .collect()
}

/// Removes it as it was seen, and not if it is another by now. One that is gone is as good.
async fn remove(client: &Client, account: &Unneeded) -> Result<(), kube::Error> {
    let accounts = Api::<ServiceAccount>::namespaced(client.clone(), &account.namespace);
    let parameters = DeleteParams {
        preconditions: Some(Preconditions {
            uid: account.uid.clone(),
            resource_version: account.version.clone(),
        }),
        ..DeleteParams::default()
    };
    match accounts.delete(names::SIDECAR_ACCOUNT, &parameters).await {
        Err(kube::Error::Api(status)) if status.is_not_found() || status.is_conflict() => Ok(()),
        result => result.map(drop),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn account_is_unneeded_where_there_is_no_resource_and_no_pod_runs_as_it() {
        let account = |namespace: &str, name: &str| {
            let metadata = json!({"namespace": namespace, "name": name, "uid": "1", "resourceVersion": "2"});
            let account: Account = serde_json::from_value(
                json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}),
            )
            .unwrap();
            Arc::new(account)
        };
        let accounts = [
            account("shipped", names::SIDECAR_ACCOUNT),
            account("run", names::SIDECAR_ACCOUNT),
            account("left", names::SIDECAR_ACCOUNT),
            account("other", "another"),
        ];
        let unneeded = unneeded(
            &accounts,
            |namespace| namespace == "shipped",
            |namespace| namespace == "run",
        );
        let left = Unneeded {
            namespace: "left".to_owned(),
            uid: Some("1".to_owned()),
            version: Some("2".to_owned()),
        };
        assert_eq!(unneeded, BTreeSet::from([left]));
    }
}
