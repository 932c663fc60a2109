//! What a pod says about its sidecar by annotations, and what injection writes into them.
//!
//! A value that cannot be used is reported with what would be right, and the default is used: a typing error never stops a pod.

use super::patch::Draft;
use super::pod::Pod;
use super::served::LeftOut;
use super::{resources, served};
use logship_crd::names;
use logship_crd::v1alpha1::ResourceRequirements;
use serde_json::Value;

/// What the annotations of a pod ask for.
#[derive(Debug, Default)]
pub(super) struct Overrides<'a> {
    pub(super) container: Option<&'a str>,
    pub(super) native: Option<bool>,
    pub(super) image: Option<&'a str>,
    pub(super) resources: Option<ResourceRequirements>,
    pub(super) keep_token: bool,
}

impl<'a> Overrides<'a> {
    pub(super) fn read(pod: Pod<'a>, warnings: &mut Vec<String>) -> Self {
        warnings.extend(unknown_label(pod));
        let mut overrides = Self::default();
        for (key, value) in pod.annotations().filter(|(key, _)| is_ours(key)) {
            let problem = match key {
                names::CONTAINER_ANNOTATION => keep(&mut overrides.container, Some, container(pod, value)),
                names::NATIVE_ANNOTATION => keep(&mut overrides.native, Some, boolean(value)),
                names::IMAGE_ANNOTATION => keep(&mut overrides.image, Some, image(value)),
                names::RESOURCES_ANNOTATION => keep(&mut overrides.resources, Some, resources::parse(value)),
                names::KEEP_TOKEN_ANNOTATION => keep(&mut overrides.keep_token, |keep| keep, boolean(value)),
                names::INJECTED_ANNOTATION | names::LEFT_OUT_ANNOTATION => None,
                names::INJECTION_LABEL => {
                    Some("it is a label, not an annotation; it is ignored here".to_owned())
                }
                _ => Some(format!(
                    "unknown; known are {}",
                    names::USER_ANNOTATIONS.join(", ")
                )),
            };
            warnings
                .extend(problem.map(|problem| format!("annotation {key}={:?}: {problem}", shortened(value))));
        }
        overrides
    }
}

/// Writes the hash of what was injected and what was left out, and tells the cluster autoscaler that our volumes hold no node back.
pub(super) fn write<'a>(
    draft: &mut Draft,
    hash: &str,
    left_out: &[LeftOut],
    scratch_volumes: impl Iterator<Item = &'a String>,
) {
    const ANNOTATIONS: &str = "/metadata/annotations";
    let listed = draft
        .pod()
        .annotation(names::SAFE_TO_EVICT_ANNOTATION)
        .unwrap_or_default();
    let mut safe: Vec<String> = listed
        .split(',')
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .collect();
    for volume in scratch_volumes {
        if !safe.contains(volume) {
            safe.push(volume.clone());
        }
    }
    if !safe.is_empty() {
        draft.set(
            ANNOTATIONS,
            names::SAFE_TO_EVICT_ANNOTATION,
            Value::from(safe.join(",")),
        );
    }
    draft.set(ANNOTATIONS, names::INJECTED_ANNOTATION, Value::from(hash));
    let before = draft.pod().annotation(names::LEFT_OUT_ANNOTATION);
    if let Some(text) = served::written(left_out, before) {
        draft.set(ANNOTATIONS, names::LEFT_OUT_ANNOTATION, Value::from(text));
    }
}

/// Keeps a value that could be read; hands back the problem of one that could not.
fn keep<T, F>(field: &mut F, wrap: fn(T) -> F, read: Result<T, String>) -> Option<String> {
    match read {
        Ok(value) => {
            *field = wrap(value);
            None
        }
        Err(problem) => Some(format!("{problem}; the default is used")),
    }
}

fn boolean(value: &str) -> Result<bool, String> {
    value
        .parse()
        .map_err(|_| "write \"true\" or \"false\"".to_owned())
}

fn image(value: &str) -> Result<&str, String> {
    let usable = !value.is_empty() && value.chars().all(|c| c.is_ascii_graphic());
    usable
        .then_some(value)
        .ok_or_else(|| "write an image reference such as registry/logship:1.0".to_owned())
}

fn container<'a>(pod: Pod<'_>, value: &'a str) -> Result<&'a str, String> {
    let known = || super::listed(pod.container_names());
    pod.container(value)
        .map(|_| value)
        .ok_or_else(|| format!("write the name of a container of the pod ({})", known()))
}

/// Enough of a value to recognise it: an annotation can have 256 KiB.
fn shortened(value: &str) -> String {
    const SHOWN: usize = 64;
    let end = if value.chars().nth(SHOWN).is_some() {
        "…"
    } else {
        ""
    };
    value.chars().take(SHOWN).chain(end.chars()).collect()
}

fn is_ours(key: &str) -> bool {
    key.strip_prefix(names::GROUP)
        .is_some_and(|rest| rest.starts_with('/'))
}

fn unknown_label(pod: Pod<'_>) -> Vec<String> {
    let problem = |(key, value): (String, String)| {
        if key != names::INJECTION_LABEL {
            return Some(format!(
                "label {key}={value:?}: unknown; known is {}",
                names::INJECTION_LABEL
            ));
        }
        let known = [names::INJECTION_ENABLED, names::INJECTION_DISABLED].contains(&value.as_str());
        (!known).then(|| {
            format!("label {key}={value:?}: write \"enabled\" or \"disabled\"; the namespace decided")
        })
    };
    pod.labels()
        .into_iter()
        .filter(|(key, _)| is_ours(key))
        .filter_map(problem)
        .collect()
}
