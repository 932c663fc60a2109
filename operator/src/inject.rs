//! Injection: a pure function from (raw pod, resources, settings) to a decision.
//!
//! It works on the raw JSON of the pod, so that fields newer than the compiled API types survive, and answers with explicit
//! `add` operations (and, for the token mounts and the account that D5 of ARCHITECTURE.md names, `replace` and `remove`).
//! It never takes anything away from a pod but those, and a pod that it cannot serve is left as it is, with a reason.

mod annotations;
mod container;
mod eligibility;
mod expression;
mod logs;
mod patch;
mod plan;
mod pod;
mod resources;
mod secrets;
mod selection;
mod served;
mod state;
mod token;
mod volumes;

pub use plan::injection_hash;
pub use selection::{asks, matching};
pub use served::{LeftOut, read_left_out};
pub(crate) use state::room;

use crate::policies::Policy;
use annotations::Overrides;
use logs::Logs;
use patch::Draft;
use plan::Plan;
use pod::Pod;
use serde_json::Value;
use std::sync::Arc;
use token::Token;

/// Everything that a decision depends on.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// The pod as the API server sent it.
    pub pod: &'a Value,
    /// Namespace of the request: a pod's body may not name it.
    pub namespace: &'a str,
    /// Value of the namespace's `logship.dev/injection` label.
    pub namespace_injection: Option<&'a str>,
    /// The resources of that namespace, ordered by name.
    pub policies: &'a [Arc<Policy>],
    /// What the operator was told by its flags and learned from the nodes.
    pub settings: &'a Settings,
}

/// What does not come from the pod or its resources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Image of the sidecar.
    pub image: String,
    /// `imagePullPolicy` of the sidecar: `Always`, `IfNotPresent` or `Never`.
    pub image_pull_policy: String,
    /// Containers that are never the application, beside the known proxies.
    pub exclude_containers: Vec<String>,
    /// Whether the kubelet of every node runs native sidecars (1.29 or newer).
    pub nodes_run_native: bool,
}

/// What is done about a pod.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// It gets the sidecar.
    Inject {
        /// What to change.
        patch: json_patch::Patch,
        /// Remarks for the person who created the pod, e.g. an unknown annotation.
        warnings: Vec<String>,
    },
    /// It stays as it is.
    Skip {
        /// Why, as a metric label.
        reason: SkipReason,
        /// Why, for a person: names what was found and what to do. Sent as an admission warning unless the pod did not ask.
        message: String,
        /// Further remarks.
        warnings: Vec<String>,
    },
}

/// Why a pod is not injected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SkipReason {
    /// It carries our sidecar already.
    AlreadyInjected,
    /// Its label or its namespace's says so, or neither asks.
    Disabled,
    /// It is a mirror of a static pod.
    StaticPod,
    /// It runs on Windows.
    Windows,
    /// No resource selects it.
    NoMatchingResource,
    /// The objects of the resource were not applied yet.
    ResourceNotReady,
    /// The resource cannot be carried out.
    ResourceInvalid,
    /// It uses the host's network and an API source, without an account that could be used.
    HostNetwork,
    /// The name of a volume, a mount path or a container is taken.
    Conflict,
    /// The log directory lies on a mount of a kind that cannot be shared.
    UnsupportedMount,
    /// The application's container was not found.
    ContainerNotFound,
}

impl SkipReason {
    /// Every reason, for metrics that start at zero.
    pub const ALL: [Self; 11] = [
        Self::AlreadyInjected,
        Self::Disabled,
        Self::StaticPod,
        Self::Windows,
        Self::NoMatchingResource,
        Self::ResourceNotReady,
        Self::ResourceInvalid,
        Self::HostNetwork,
        Self::Conflict,
        Self::UnsupportedMount,
        Self::ContainerNotFound,
    ];

    /// The reason as one word, for metrics, events and the status.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::AlreadyInjected => "AlreadyInjected",
            Self::Disabled => "Disabled",
            Self::StaticPod => "StaticPod",
            Self::Windows => "Windows",
            Self::NoMatchingResource => "NoMatchingResource",
            Self::ResourceNotReady => "ResourceNotReady",
            Self::ResourceInvalid => "ResourceInvalid",
            Self::HostNetwork => "HostNetwork",
            Self::Conflict => "Conflict",
            Self::UnsupportedMount => "UnsupportedMount",
            Self::ContainerNotFound => "ContainerNotFound",
        }
    }
}

/// Decides about a pod.
///
/// # Guarantees
/// The patch applies to `input.pod`; the pod that comes out is left alone by a second call.
pub fn inject(input: &Input<'_>) -> Decision {
    let mut warnings = Vec::new();
    match decide(input, &mut warnings) {
        Ok(patch) => Decision::Inject { patch, warnings },
        Err(Skip { reason, message }) => Decision::Skip {
            reason,
            message,
            warnings,
        },
    }
}

fn decide(input: &Input<'_>, warnings: &mut Vec<String>) -> Result<json_patch::Patch, Skip> {
    let pod = Pod::new(input.pod);
    eligibility::not_injected(pod)?;
    eligibility::asked_for(input, pod)?;
    let overrides = Overrides::read(pod, warnings);
    let policies = eligibility::policies(input, pod, warnings)?;
    // What is left out counts in the hash, too: when it could be served, the pod is not as it would be today.
    let hash = Plan::new(&policies, input.settings).hash();
    let (shared, left_out) = served::choose(&policies, |policies| share(input, policies, &overrides))?;
    warnings.extend(left_out.iter().map(LeftOut::warning));
    let Shared {
        plan,
        native,
        token,
        mut draft,
        logs,
    } = shared;
    warnings.extend(plan::unused_claims(&policies, &plan));
    let state = volumes::add_config_and_state(&mut draft, &plan)?;
    secrets::add(&mut draft, &plan)?;
    token::apply(&mut draft, token)?;
    let sidecar = container::build(
        pod,
        &container::Parts {
            plan: &plan,
            overrides: &overrides,
            native,
            token,
            logs: &logs,
        },
    );
    container::place(&mut draft, sidecar, native, plan.position)?;
    annotations::write(&mut draft, &hash, &left_out, state.iter().chain(&logs.made));
    Ok(draft.into_patch())
}

/// What resources have in common with each other and with the application, so that not all of them may be had in one pod.
struct Shared<'a> {
    plan: Plan<'a>,
    native: bool,
    token: Token,
    /// The pod with its log directories shared.
    draft: Draft,
    logs: Logs,
}

fn share<'a>(
    input: &Input<'a>,
    policies: &[&'a Arc<Policy>],
    overrides: &Overrides<'_>,
) -> Result<Shared<'a>, Skip> {
    let plan = Plan::new(policies, input.settings);
    let native = overrides.native.unwrap_or(plan.native);
    let token = token::decide(Pod::new(input.pod), &plan, native, overrides)?;
    let mut draft = Draft::new(input.pod);
    let logs = logs::share(&mut draft, &plan, overrides)?;
    Ok(Shared {
        plan,
        native,
        token,
        draft,
        logs,
    })
}

/// Why the work on a pod ends.
#[derive(Debug)]
struct Skip {
    reason: SkipReason,
    message: String,
}

impl Skip {
    fn new(reason: SkipReason, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
        }
    }
}

/// Names for a message; the API server cuts warnings off, so only the first few are listed.
fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    const SHOWN: usize = 5;
    let names: Vec<&str> = names.into_iter().collect();
    match names.len() {
        0 => "none".to_owned(),
        1..=SHOWN => names.join(", "),
        all => format!("{} and {} more", names[..SHOWN].join(", "), all - SHOWN),
    }
}
