//! What is injected, as far as it does not depend on the pod: the plan that several resources and the settings make together.
//!
//! Its hash tells whether a pod carries what it would get today. So the plan holds all that a running pod cannot take over (mounts,
//! image, resources, kind of container, token, Secrets, state) and nothing that it can (patterns, sinks, intervals).

use super::{Settings, resources, state};
use crate::policies::{Policy, Readiness};
use logship_crd::v1alpha1::{
    Native, Position, ResourceRequirements, SecretKey, ServiceAccountPolicy, Source, State, VolumeReference,
};
use serde::{Serialize, Serializer};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Raised when the same plan comes to mean another pod, so that pods of older operators count as outdated.
const REVISION: u32 = 2;

/// Hash of what the resources that select a pod give it: the value of `logship.dev/injected`. Resources that are not ready
/// give nothing.
pub fn injection_hash<'a>(
    policies: impl IntoIterator<Item = &'a Arc<Policy>>,
    settings: &Settings,
) -> String {
    let ready: Vec<_> = policies
        .into_iter()
        .filter(|policy| policy.readiness == Readiness::Ready)
        .collect();
    Plan::new(&ready, settings).hash()
}

/// The plan; its serialised form is what is hashed.
#[derive(Debug, Serialize)]
pub(super) struct Plan<'a> {
    revision: u32,
    pub(super) settings: HashedSettings<'a>,
    /// Names of the resources, in order.
    pub(super) shippings: Vec<&'a str>,
    /// Those of the oldest resource first, by name among equals. Hashed by name, because age alone makes no other pod.
    #[serde(serialize_with = "by_name")]
    pub(super) files: Vec<FilesPlan<'a>>,
    pub(super) resources: ResourceRequirements,
    pub(super) native: bool,
    pub(super) position: Position,
    pub(super) state: State,
    pub(super) needs_api: bool,
    /// Keys by the name of the Secret. Not in the hash of those who need none, whom it would make outdated.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) secrets: BTreeMap<&'a str, BTreeSet<&'a str>>,
    /// Hashed only where a token is given.
    #[serde(skip)]
    pub(super) account: ServiceAccountPolicy,
}

#[derive(Debug, Serialize)]
pub(super) struct HashedSettings<'a> {
    pub(super) image: &'a str,
    pub(super) image_pull_policy: &'a str,
    pub(super) exclude_containers: &'a [String],
}

/// A `files` source, as far as volumes and mounts depend on it.
#[derive(Debug, Serialize)]
pub(super) struct FilesPlan<'a> {
    pub(super) shipping: &'a str,
    pub(super) source: &'a str,
    pub(super) directory: &'a str,
    pub(super) container: Option<&'a str>,
    pub(super) volume: Option<&'a str>,
}

impl<'a> Plan<'a> {
    /// The plan of all `policies` together. It does not depend on their order.
    ///
    /// Each pod has one sidecar, so what cannot be had per resource is decided for all: the greatest requests and limits; `Never`
    /// before `Always` before `Auto`; `Last` before `First`; the state as [`state::combined`] says, the account as [`account`] does.
    pub(super) fn new(policies: &[&'a Arc<Policy>], settings: &'a Settings) -> Self {
        let mut policies: Vec<&'a Policy> = policies.iter().map(|&policy| &**policy).collect();
        policies.sort_by_key(|policy| policy.seniority());
        let shippings: BTreeSet<&'a str> = policies.iter().map(|policy| policy.name.as_str()).collect();
        let Settings {
            image,
            image_pull_policy,
            exclude_containers,
            nodes_run_native,
        } = settings;
        Self {
            revision: REVISION,
            settings: HashedSettings {
                image,
                image_pull_policy,
                exclude_containers,
            },
            shippings: shippings.into_iter().collect(),
            files: policies.iter().flat_map(|policy| files(policy)).collect(),
            resources: resources::combined(policies.iter().map(|policy| &policy.spec.sidecar.resources)),
            native: native(&policies, *nodes_run_native),
            position: position(&policies),
            state: state::combined(&policies),
            needs_api: policies.iter().any(|policy| policy.spec.needs_api()),
            secrets: secrets(&policies),
            account: account(&policies),
        }
    }

    /// Whether the sidecar talks to the Kubernetes API: for a source, or, as a classic container, to learn when the pod's other
    /// containers have ended.
    pub(super) fn needs_token(&self, native: bool) -> bool {
        self.needs_api || !native
    }

    pub(super) fn hash(&self) -> String {
        let account = self.needs_token(self.native).then_some(self.account);
        let document = serde_json::to_vec(&(self, account)).expect("names, flags and lists are valid JSON");
        digest(&document)
    }
}

/// The first 64 bits of the SHA-256 of a text, in hexadecimal digits.
pub(super) fn digest(text: &[u8]) -> String {
    let bytes: [u8; 32] = Sha256::digest(text).into();
    bytes
        .iter()
        .take(8)
        .fold(String::new(), |digits, byte| digits + &format!("{byte:02x}"))
}

/// The sources of one resource stay in their order.
fn by_name<S: Serializer>(files: &[FilesPlan<'_>], serializer: S) -> Result<S::Ok, S::Error> {
    let mut files: Vec<_> = files.iter().collect();
    files.sort_by_key(|files| files.shipping);
    serializer.collect_seq(files)
}

fn files(policy: &Policy) -> impl Iterator<Item = FilesPlan<'_>> {
    policy.spec.sources.iter().filter_map(
        |Source {
             name,
             files,
             container_output: _,
         }| {
            let files = files.as_ref()?;
            Some(FilesPlan {
                shipping: &policy.name,
                source: name,
                directory: &files.directory,
                container: files.container.as_deref(),
                volume: files
                    .volume
                    .as_ref()
                    .map(|VolumeReference { name }| name.as_str()),
            })
        },
    )
}

fn native(policies: &[&Policy], nodes_run_native: bool) -> bool {
    let asks_for = |native| policies.iter().any(|policy| policy.spec.sidecar.native == native);
    if asks_for(Native::Never) {
        return false;
    }
    asks_for(Native::Always) || nodes_run_native
}

fn position(policies: &[&Policy]) -> Position {
    let last = policies
        .iter()
        .any(|policy| policy.spec.sidecar.position == Position::Last);
    if last { Position::Last } else { Position::First }
}

/// What is to be said of resources whose claim for the state is not the one that the sidecar has.
pub(super) fn unused_claims(policies: &[&Arc<Policy>], plan: &Plan<'_>) -> Vec<String> {
    let Some(used) = &plan.state.persistent_volume_claim else {
        return Vec::new();
    };
    let served = |policy: &&&Arc<Policy>| plan.shippings.contains(&&*policy.name);
    let warning = |policy: &&Arc<Policy>| {
        let own = policy.spec.sidecar.state.persistent_volume_claim.as_ref()?;
        (own != used).then(|| {
            format!(
                "LogShipping {}: its state is on claim {}, not on {}, because a pod has one sidecar with one state and another resource came first",
                policy.name, used.claim_name, own.claim_name
            )
        })
    };
    policies.iter().filter(served).filter_map(warning).collect()
}

fn secrets<'a>(policies: &[&'a Policy]) -> BTreeMap<&'a str, BTreeSet<&'a str>> {
    let mut secrets = BTreeMap::<_, BTreeSet<_>>::new();
    for SecretKey { secret, key } in policies.iter().flat_map(|policy| policy.spec.secret_keys()) {
        secrets.entry(secret).or_default().insert(key);
    }
    secrets
}

/// The strictest policy (`Inject`, then `Bind`, then `Keep`) of the resources that use the API; of all of them where none does and
/// the token is for a classic sidecar.
fn account(policies: &[&Policy]) -> ServiceAccountPolicy {
    let needs_api = policies.iter().any(|policy| policy.spec.needs_api());
    let strictness = |account: &ServiceAccountPolicy| match account {
        ServiceAccountPolicy::Inject => 2,
        ServiceAccountPolicy::Bind => 1,
        ServiceAccountPolicy::Keep => 0,
    };
    policies
        .iter()
        .filter(|policy| policy.spec.needs_api() || !needs_api)
        .map(|policy| policy.spec.sidecar.service_account)
        .max_by_key(strictness)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests;
