use super::*;
use crate::controller::validate::validate;
use crate::policies::Guarded;
use serde_json::{Value, json};
use std::sync::Arc;

fn shipping(name: &str, uid: &str) -> LogShipping {
    serde_json::from_value(json!({
        "apiVersion": "logship.dev/v1alpha1",
        "kind": "LogShipping",
        "metadata": {"namespace": "shop", "name": name, "uid": uid, "generation": 3},
        "spec": {
            "selector": {},
            "sources": [{"name": "out", "containerOutput": {}}],
            "pipeline": [{"severity": {}}],
            "sinks": [{"name": "out", "stdout": {}}],
        },
    }))
    .unwrap()
}

fn built(gathered: Gathered) -> Desired {
    let shipping = shipping("web", "uid-web");
    let siblings = [
        DeserializeGuard(Ok(shipping.clone())),
        DeserializeGuard(Ok(self::shipping("api", "uid-api"))),
    ];
    let siblings = siblings.into_iter().map(Arc::<Guarded>::new).collect();
    let gathered = Gathered {
        namespace: "shop".to_owned(),
        siblings,
        ..gathered
    };
    build(&shipping, &validate(&shipping.spec).unwrap(), &gathered)
}

fn owner(name: &str) -> Value {
    json!({"apiVersion": "logship.dev/v1alpha1", "kind": "LogShipping", "name": name, "uid": format!("uid-{name}"),
        "controller": false, "blockOwnerDeletion": false})
}

fn shared(name: &str) -> Value {
    json!({
        "name": name,
        "namespace": "shop",
        "labels": {
            "app.kubernetes.io/managed-by": "logship",
            "app.kubernetes.io/name": "logship-sidecar",
            "app.kubernetes.io/part-of": "logship",
        },
        "ownerReferences": [owner("web"), owner("api")],
    })
}

#[test]
fn the_config_map_belongs_to_its_resource_alone() {
    let config_map = serde_json::to_value(built(Gathered::default()).config_map).unwrap();
    let mut metadata = shared("logship-web");
    metadata["labels"]["app.kubernetes.io/instance"] = json!("web");
    metadata["ownerReferences"] = json!([owner("web")]);
    assert_eq!(config_map["metadata"], metadata);

    let document: Value = serde_json::from_str(config_map["data"]["logship.json"].as_str().unwrap()).unwrap();
    assert_eq!(
        document,
        json!({
            "version": 1,
            "name": "web",
            "generation": 3,
            "sources": [{"name": "out", "containerOutput": {"containers": [], "spill": {"maxBytes": 16 << 20}}}],
            "pipeline": [{"severity": {}}],
            "sinks": [{"name": "out", "batch": {"maxBytes": 1_048_576, "maxAgeMs": 200, "inFlight": 1}, "retry": {"maxAgeMs": 0},
                "whenFull": "Block", "stdout": {"format": "json"}}],
            "drainMs": 10_000,
            "limits": {"recordBytes": 1_048_576, "inFlightBytes": 8_388_608, "openFiles": 1000, "deadLetterBytes": 8_388_608},
        })
    );
}

#[test]
fn shared_objects_are_owned_by_every_resource_of_the_namespace() {
    let desired = built(Gathered::default());
    assert_eq!(
        serde_json::to_value(desired.role).unwrap(),
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": shared("logship-sidecar"), "rules": [
            {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]},
            {"apiGroups": [""], "resources": ["pods/log"], "verbs": ["get"]},
        ]})
    );
    assert_eq!(desired.token, None);
}

#[test]
fn the_account_has_no_owner_because_pods_need_it_longer_than_the_resources() {
    let account = serde_json::to_value(built(Gathered::default()).service_account).unwrap();
    let mut metadata = shared("logship-sidecar");
    // Empty rather than absent: owners of an earlier version are taken away.
    metadata["ownerReferences"] = json!([]);
    assert_eq!(
        account,
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata, "automountServiceAccountToken": false})
    );
}

#[test]
fn the_binding_names_our_account_once_and_every_bound_one() {
    let bound_accounts = ["backend", "logship-sidecar"].map(str::to_owned).into();
    let desired = built(Gathered {
        bound_accounts,
        ..Gathered::default()
    });
    let subject = |name: &str| json!({"kind": "ServiceAccount", "name": name, "namespace": "shop"});
    assert_eq!(
        serde_json::to_value(desired.role_binding).unwrap(),
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": shared("logship-sidecar"),
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "logship-sidecar"},
            "subjects": [subject("logship-sidecar"), subject("backend")],
        })
    );
}

#[test]
fn the_token_secret_is_wanted_only_where_it_is_needed() {
    let desired = built(Gathered {
        needs_token: true,
        ..Gathered::default()
    });
    assert_eq!(
        serde_json::to_value(desired.token).unwrap(),
        shared("logship-sidecar-token")
    );
}

#[test]
fn a_malformed_sibling_still_owns_the_shared_objects() {
    let web = shipping("web", "uid-web");
    let malformed: Guarded =
        serde_json::from_value(json!({"metadata": {"name": "api", "uid": "uid-api"}, "spec": 1})).unwrap();
    let siblings = vec![Arc::new(DeserializeGuard(Ok(web.clone()))), Arc::new(malformed)];
    let gathered = Gathered {
        namespace: "shop".to_owned(),
        siblings,
        ..Gathered::default()
    };
    let desired = build(&web, &validate(&web.spec).unwrap(), &gathered);
    assert_eq!(
        serde_json::to_value(desired.role.metadata).unwrap(),
        shared("logship-sidecar")
    );
}
