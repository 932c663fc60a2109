//! From a decision to the answer that the API server gets. Pure.
//!
//! No pod is ever refused here. What was not done is said as a warning, within the limits of the API server: it drops
//! warnings with control characters and cuts them once they are longer than 4096 characters in total.

use super::review::Response;
use crate::inject::{Decision, SkipReason};
use base64::Engine as _;
use std::collections::BTreeMap;

/// Longest warning, in characters: what the API server cuts to when it has to.
const WARNING_CHARS_MAX: usize = 256;
/// All warnings together, in characters.
const WARNINGS_CHARS_MAX: usize = 4096;
/// Warnings sit in front of the person who creates a pod, among those of others: they say who speaks.
const PREFIX: &str = "logship: ";

/// Answers the review `uid` with what was decided.
#[expect(clippy::missing_panics_doc, reason = "JSON values are always JSON")]
pub fn respond(uid: String, decision: Decision) -> Response {
    match decision {
        Decision::Inject { patch, warnings } => {
            let patch = serde_json::to_vec(&patch).expect("a patch of JSON values is JSON");
            Response {
                patch_type: Some("JSONPatch"),
                patch: Some(base64::engine::general_purpose::STANDARD.encode(patch)),
                ..allow(uid, warnings, [("decision", "injected")])
            }
        }
        Decision::Skip {
            reason,
            message,
            warnings,
        } => {
            let asked = !matches!(reason, SkipReason::Disabled | SkipReason::AlreadyInjected);
            let message = asked.then(|| format!("no sidecar was injected: {message}"));
            let warnings = message.into_iter().chain(warnings);
            allow(
                uid,
                warnings,
                [("decision", "skipped"), ("reason", reason.reason())],
            )
        }
    }
}

/// Answers a review that could not be carried out.
pub fn admit_despite(uid: String, failure: &str) -> Response {
    let warning = format!("no sidecar was injected: {failure}");
    allow(uid, [warning], [("decision", "error")])
}

fn allow<const N: usize>(
    uid: String,
    warnings: impl IntoIterator<Item = String>,
    audit: [(&'static str, &str); N],
) -> Response {
    Response {
        uid,
        allowed: true,
        patch_type: None,
        patch: None,
        warnings: bounded(warnings),
        audit_annotations: audit
            .into_iter()
            .map(|(key, value)| (key, value.to_owned()))
            .collect::<BTreeMap<_, _>>(),
    }
}

fn bounded(warnings: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut left = WARNINGS_CHARS_MAX;
    let mut kept = Vec::new();
    for warning in warnings {
        let warning = shown(&warning);
        let chars = warning.chars().count();
        if chars > left {
            break;
        }
        left -= chars;
        kept.push(warning);
    }
    kept
}

/// One line of at most [`WARNING_CHARS_MAX`] characters; an ellipsis stands for what was cut.
fn shown(warning: &str) -> String {
    let mut chars = PREFIX
        .chars()
        .chain(warning.chars())
        .map(|c| if c.is_control() { ' ' } else { c });
    let mut text: String = chars.by_ref().take(WARNING_CHARS_MAX).collect();
    if chars.next().is_some() {
        text.pop();
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn skip(reason: SkipReason, message: &str, warnings: &[&str]) -> Response {
        let warnings = warnings.iter().map(|&warning| warning.to_owned()).collect();
        respond(
            "u".to_owned(),
            Decision::Skip {
                reason,
                message: message.to_owned(),
                warnings,
            },
        )
    }

    #[test]
    fn an_injection_carries_its_patch_in_base64() {
        let operations =
            json!([{"op": "add", "path": "/spec/initContainers", "value": [{"name": "logship"}]}]);
        let patch = serde_json::from_value(operations.clone()).unwrap();
        let warnings = vec!["unknown annotation logship.dev/colour".to_owned()];
        let review = respond("u".to_owned(), Decision::Inject { patch, warnings }).into_review();
        let encoded = review["response"]["patch"].as_str().unwrap();
        let decoded = base64::engine::general_purpose::STANDARD.decode(encoded).unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&decoded).unwrap(), operations);
        let mut rest = review;
        rest["response"].as_object_mut().unwrap().remove("patch");
        assert_eq!(
            rest,
            json!({
                "apiVersion": "admission.k8s.io/v1",
                "kind": "AdmissionReview",
                "response": {
                    "uid": "u",
                    "allowed": true,
                    "patchType": "JSONPatch",
                    "warnings": ["logship: unknown annotation logship.dev/colour"],
                    "auditAnnotations": {"decision": "injected"},
                },
            })
        );
    }

    #[test]
    fn a_skip_is_allowed_and_says_why() {
        let response = skip(
            SkipReason::NoMatchingResource,
            "no LogShipping selects it",
            &["and more"],
        );
        assert!(response.allowed);
        assert_eq!(response.patch, None);
        assert_eq!(
            response.warnings,
            [
                "logship: no sidecar was injected: no LogShipping selects it",
                "logship: and more"
            ]
        );
        assert_eq!(response.audit_annotations["reason"], "NoMatchingResource");
    }

    #[test]
    fn a_pod_that_did_not_ask_or_has_its_sidecar_is_not_bothered() {
        assert!(skip(SkipReason::Disabled, "opted out", &[]).warnings.is_empty());
        assert!(
            skip(SkipReason::AlreadyInjected, "same hash", &[])
                .warnings
                .is_empty()
        );
    }

    #[test]
    fn an_error_admits_the_pod_with_a_warning() {
        let response = admit_despite("u".to_owned(), "the review cannot be understood");
        assert!(response.allowed);
        assert_eq!(
            response.warnings,
            ["logship: no sidecar was injected: the review cannot be understood"]
        );
    }

    #[test]
    fn warnings_stay_within_the_limits_of_the_api_server() {
        let long = "ü".repeat(1000);
        let many: Vec<&str> = std::iter::repeat_n(long.as_str(), 50).collect();
        let response = skip(SkipReason::Windows, "line one\nline two\t", &many);
        assert_eq!(
            response.warnings[0],
            "logship: no sidecar was injected: line one line two "
        );
        assert_eq!(response.warnings[1].chars().count(), WARNING_CHARS_MAX);
        assert!(response.warnings[1].ends_with('…'));
        let total: usize = response
            .warnings
            .iter()
            .map(|warning| warning.chars().count())
            .sum();
        assert!(
            total <= WARNINGS_CHARS_MAX && total > WARNINGS_CHARS_MAX - WARNING_CHARS_MAX,
            "{total}"
        );
    }
}
