//! What holds of injection for every pod and every set of resources.

use k8s_openapi::api::core::v1::{Container, Volume};
use logship_crd::names;
use logship_operator::inject::{Decision, Input, Settings, SkipReason, inject};
use logship_operator::policies::{Policy, Readiness};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;

const PATHS: [&str; 5] = [
    "/var/log",
    "/var/log/nginx",
    "/var/log/nginx/",
    "/data",
    "/data/logs",
];
const TOKEN_FROM_ADMISSION: &str = "kube-api-access-abcde";

fn volumes() -> impl Strategy<Value = Vec<Value>> {
    let usual = vec![
        json!({"name": "scratch", "emptyDir": {}, "future": {"x": 1}}),
        json!({"name": "data", "persistentVolumeClaim": {"claimName": "data"}}),
        json!({"name": "logship-logs-a-b", "emptyDir": {}}),
        json!({"name": TOKEN_FROM_ADMISSION, "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}}),
    ];
    let rare = vec![
        json!({"name": "conf", "configMap": {"name": "conf"}}),
        json!({"name": "mesh", "projected": {"sources": [{"serviceAccountToken": {"audience": "mesh", "path": "t"}}]}}),
    ];
    let rare = prop_oneof![4 => Just(Vec::new()), 1 => subsequence(rare, 1..=2)];
    (subsequence(usual, 0..=4), rare).prop_map(|(usual, rare)| [usual, rare].concat())
}

fn container(name: &'static str, volumes: &[Value]) -> impl Strategy<Value = Value> + use<> {
    let (tokens, others): (Vec<Value>, Vec<Value>) = volumes
        .iter()
        .map(|volume| volume["name"].clone())
        .partition(|name| name == TOKEN_FROM_ADMISSION);
    let places = if others.is_empty() { 0..=0 } else { 0..=3 };
    let mounts = subsequence(PATHS.to_vec(), places).prop_flat_map(move |paths| {
        let mounts: Vec<_> = paths
            .into_iter()
            .map(|path| (Just(path), select(others.clone())))
            .collect();
        mounts.prop_map(|mounts| {
            mounts
                .iter()
                .map(|(path, name)| mount(path, name))
                .collect::<Vec<_>>()
        })
    });
    let context = option_of([
        json!({"runAsUser": 0}),
        json!({"runAsUser": 1000, "future": true}),
    ]);
    (mounts, context).prop_map(move |(mounts, context)| {
        // ServiceAccount admission mounts its volume in every container.
        let token = tokens.iter().map(|name| mount(names::TOKEN_PATH, name));
        let mounts: Vec<Value> = mounts.into_iter().chain(token).collect();
        json!({"name": name, "image": "i", "volumeMounts": mounts, "securityContext": context, "future": [null]})
    })
}

fn mount(path: &str, volume: &Value) -> Value {
    json!({"mountPath": path, "name": volume})
}

fn option_of<const N: usize>(values: [Value; N]) -> impl Strategy<Value = Value> {
    select(values.into_iter().chain([Value::Null]).collect::<Vec<_>>())
}

fn pod() -> impl Strategy<Value = Value> {
    let main =
        subsequence(vec!["worker", "istio-proxy"], 0..=2).prop_map(|others| [vec!["web"], others].concat());
    // A container of our name is a conflict or an earlier injection, which is soon said.
    let init = prop_oneof![9 => Just(vec!["setup"]), 1 => Just(vec!["setup", "logship"])];
    let shape = (main, init, volumes()).prop_flat_map(|(main, init, volumes)| {
        let main: Vec<_> = main.into_iter().map(|name| container(name, &volumes)).collect();
        let init: Vec<_> = init.into_iter().map(|name| container(name, &volumes)).collect();
        (main, init, Just(volumes))
    });
    let account = option_of([json!("default"), json!("backend")]);
    let annotations = subsequence(
        vec![
            (names::KEEP_TOKEN_ANNOTATION, "true"),
            (names::NATIVE_ANNOTATION, "false"),
            (names::CONTAINER_ANNOTATION, "worker"),
            (names::SAFE_TO_EVICT_ANNOTATION, "scratch"),
            (names::INJECTED_ANNOTATION, "0"),
            ("example.org/other", "x"),
        ],
        0..=6,
    );
    (shape, account, annotations).prop_map(|((containers, init, volumes), account, annotations)| {
        let annotations: serde_json::Map<_, _> = annotations
            .into_iter()
            .map(|(key, value)| (key.to_owned(), json!(value)))
            .collect();
        json!({
            "metadata": {"generateName": "web-", "annotations": annotations, "future": {}},
            "spec": {
                "containers": containers, "initContainers": init, "volumes": volumes,
                "serviceAccountName": account, "serviceAccount": account, "future": 1,
            },
        })
    })
}

fn policy(name: &'static str) -> impl Strategy<Value = Arc<Policy>> {
    let container = option_of([json!("web"), json!("setup")]);
    let volume = prop_oneof![9 => Just(Value::Null), 1 => Just(json!({"name": "data"}))];
    let files = (select(PATHS.to_vec()), container, volume).prop_map(|(directory, container, volume)| {
        json!({"files": {"directory": directory, "pattern": ".", "container": container, "volume": volume}})
    });
    let source = prop_oneof![2 => files, 1 => Just(json!({"containerOutput": {}}))];
    let sidecar = (
        select(vec!["Auto", "Always", "Never"]),
        select(vec!["Inject", "Bind", "Keep"]),
        select(vec!["First", "Last"]),
        option_of([
            json!({"persistentVolumeClaim": {"claimName": "state"}}),
            json!({"emptyDir": {}}),
        ]),
    );
    let auth = option_of([
        json!({"bearer": {"secretName": "hub", "key": "k"}}),
        json!({"basic": {"secretName": "hub"}}),
    ]);
    (prop::collection::vec(source, 1..4), sidecar, auth).prop_map(
        move |(mut sources, (native, account, position, state), auth)| {
            for (source, name) in
                sources
                    .iter_mut()
                    .zip(["b", "source.c", "a-source-whose-name-is-as-long-as-allowed"])
            {
                source["name"] = json!(name);
            }
            let mut sidecar = json!({"native": native, "serviceAccount": account, "position": position});
            if !state.is_null() {
                sidecar["state"] = state;
            }
            let spec = json!({"selector": {}, "sources": sources, "sidecar": sidecar,
                "sinks": [{"name": "hub", "http": {"url": "https://hub", "auth": auth}}]});
            let spec = serde_json::from_value(spec).expect("a spec");
            Arc::new(Policy {
                name: name.to_owned(),
                created: None,
                spec,
                readiness: Readiness::Ready,
            })
        },
    )
}

fn policies() -> impl Strategy<Value = Vec<Arc<Policy>>> {
    let long = "a-name-that-is-as-long-as-a-name-of-a-resource-may-be-63-letters";
    (policy("a"), policy("a-b"), policy(long), 1..=3usize)
        .prop_map(|(a, b, c, count)| [a, b, c][..count].to_vec())
}

fn decide(pod: &Value, policies: &[Arc<Policy>], native: bool) -> Decision {
    let settings = Settings {
        image: "logship:test".to_owned(),
        image_pull_policy: "IfNotPresent".to_owned(),
        exclude_containers: Vec::new(),
        nodes_run_native: native,
    };
    inject(&Input {
        pod,
        namespace: "shop",
        namespace_injection: Some("enabled"),
        policies,
        settings: &settings,
    })
}

/// The pod after injection, or nothing if it is left alone.
fn injected(pod: &Value, policies: &[Arc<Policy>], native: bool) -> Option<Value> {
    let Decision::Inject { patch, .. } = decide(pod, policies, native) else {
        return None;
    };
    let mut patched = pod.clone();
    json_patch::patch(&mut patched, &patch).expect("the patch applies");
    Some(patched)
}

fn containers(pod: &Value) -> impl Iterator<Item = &Value> {
    ["containers", "initContainers"]
        .into_iter()
        .flat_map(|field| list(&pod["spec"][field]))
}

/// Whether a value has the fields of an API type, and no others.
fn is_exactly<T: DeserializeOwned + Serialize>(value: &Value) -> bool {
    T::deserialize(value).is_ok_and(|typed| json!(typed) == *value)
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// The pod without what D5 lets injection change: accounts, and token mounts with their volume.
fn without_account(pod: &Value) -> Value {
    let mut pod = pod.clone();
    for field in [
        "serviceAccount",
        "serviceAccountName",
        "automountServiceAccountToken",
    ] {
        pod["spec"][field] = Value::Null;
    }
    let is_token = |value: &Value| value["name"] == TOKEN_FROM_ADMISSION;
    let take_out = |list: &mut Value| {
        if let Some(list) = list.as_array_mut() {
            list.retain(|item| !is_token(item));
        }
    };
    take_out(&mut pod["spec"]["volumes"]);
    for field in ["containers", "initContainers"] {
        let all = pod["spec"][field].as_array_mut();
        all.into_iter()
            .flatten()
            .for_each(|container| take_out(&mut container["volumeMounts"]));
    }
    pod["metadata"]["annotations"][names::INJECTED_ANNOTATION] = Value::Null;
    pod
}

/// Whether everything in `original` is in `patched`: members of objects, and elements of lists in their order. Text may be extended
/// (the autoscaler's list).
fn contains(patched: &Value, original: &Value) -> bool {
    match (patched, original) {
        (_, Value::Null) => true,
        (Value::Object(patched), Value::Object(original)) => original
            .iter()
            .all(|(key, value)| contains(patched.get(key).unwrap_or(&Value::Null), value)),
        (Value::Array(patched), Value::Array(original)) => {
            let mut rest = patched.iter();
            original
                .iter()
                .all(|item| rest.any(|candidate| contains(candidate, item)))
        }
        (Value::String(patched), Value::String(original)) => patched.starts_with(original),
        _ => patched == original,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_second_injection_changes_nothing(pod in pod(), policies in policies(), native: bool) {
        if let Some(patched) = injected(&pod, &policies, native) {
            let again = decide(&patched, &policies, native);
            prop_assert!(matches!(again, Decision::Skip { reason: SkipReason::AlreadyInjected, .. }), "{again:?}");
        }
    }

    #[test]
    fn nothing_is_lost_but_accounts_and_their_tokens(pod in pod(), policies in policies(), native: bool) {
        if let Some(patched) = injected(&pod, &policies, native) {
            prop_assert!(contains(&without_account(&patched), &without_account(&pod)), "{patched:#}");
        }
    }

    #[test]
    fn the_pod_is_one_that_the_api_server_takes(pod in pod(), policies in policies(), native: bool) {
        let Some(patched) = injected(&pod, &policies, native) else { return Ok(()) };
        let volumes: Vec<&str> = list(&patched["spec"]["volumes"]).iter().filter_map(|volume| volume["name"].as_str()).collect();
        prop_assert_eq!(volumes.len(), volumes.iter().collect::<BTreeSet<_>>().len(), "volumes are unique: {:?}", volumes);
        for name in &volumes {
            let is_label = name.len() <= 63 && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
            prop_assert!(is_label && !name.starts_with('-') && !name.ends_with('-'), "{name} is a DNS label");
        }
        let ours = |volume: &&Value| [names::CONFIG_VOLUME, names::STATE_VOLUME, names::TOKEN_VOLUME, names::SECRETS_VOLUME].iter().any(|name| volume["name"] == *name);
        for volume in list(&patched["spec"]["volumes"]).iter().filter(ours) {
            prop_assert!(is_exactly::<Volume>(volume), "{volume}");
        }
        let sidecars: Vec<_> = containers(&patched).filter(|container| container["name"] == names::SIDECAR_CONTAINER).collect();
        prop_assert!(matches!(sidecars[..], [sidecar] if is_exactly::<Container>(sidecar)), "{:?}", sidecars);
        for container in containers(&patched) {
            let mounts = list(&container["volumeMounts"]);
            let paths: BTreeSet<&str> = mounts.iter().filter_map(|mount| mount["mountPath"].as_str()).collect();
            prop_assert_eq!(paths.len(), mounts.len(), "mount paths are unique: {}", container);
            for mount in mounts {
                let name = mount["name"].as_str().unwrap_or_default();
                prop_assert!(volumes.contains(&name), "mount of an unknown volume: {}", container);
            }
        }
    }

    #[test]
    fn the_application_never_gains_a_token_of_another_account_or_a_secret(pod in pod(), policies in policies(), native: bool) {
        let Some(patched) = injected(&pod, &policies, native) else { return Ok(()) };
        let replaced = patched["spec"]["serviceAccountName"] == names::SIDECAR_ACCOUNT;
        let keeps = pod["metadata"]["annotations"][names::KEEP_TOKEN_ANNOTATION] == "true";
        if replaced && !keeps {
            prop_assert_eq!(&patched["spec"]["automountServiceAccountToken"], &json!(false));
            prop_assert_eq!(&patched["spec"]["serviceAccount"], &pod["spec"]["serviceAccount"].as_str().map_or(Value::Null, |_| json!(names::SIDECAR_ACCOUNT)));
        }
        let has_token = |name: &Value| {
            let volume = list(&patched["spec"]["volumes"]).iter().find(|volume| volume["name"] == *name);
            volume.is_some_and(|volume| list(&volume["projected"]["sources"]).iter().any(|source| source.get("serviceAccountToken").is_some()))
        };
        for container in containers(&patched).filter(|container| container["name"] != names::SIDECAR_CONTAINER) {
            for mount in list(&container["volumeMounts"]) {
                prop_assert!(mount["name"] != names::TOKEN_VOLUME, "the sidecar's token in the application: {container}");
                prop_assert!(mount["name"] != names::SECRETS_VOLUME, "a sink's credentials in the application: {container}");
                prop_assert!(!replaced || keeps || !has_token(&mount["name"]), "a token of the new account: {container}");
            }
        }
    }
}
