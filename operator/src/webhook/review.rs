//! The `AdmissionReview` (admission.k8s.io/v1) as it crosses the wire.
//!
//! The object stays raw JSON: a typed Pod would lose the fields that are newer than the compiled API types. Unknown
//! fields of the review itself are ignored, as the API's conventions ask.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

const API_VERSION: &str = "admission.k8s.io/v1";
const KIND: &str = "AdmissionReview";

/// What the API server asks.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    /// To be repeated in the answer.
    pub uid: String,
    /// The resource that the request is about.
    pub resource: Resource,
    /// E.g. `status`; empty for the object itself.
    #[serde(default)]
    pub sub_resource: String,
    /// Where the object is created; its body may not say.
    #[serde(default)]
    pub namespace: String,
    /// `CREATE`, `UPDATE`, `DELETE` or `CONNECT`.
    pub operation: String,
    /// The object, as it came.
    #[serde(default)]
    pub object: Value,
}

/// A resource's name.
#[derive(Debug, Deserialize)]
pub struct Resource {
    /// API group; empty for the core group.
    pub group: String,
    /// Plural name.
    pub resource: String,
}

impl Request {
    /// Whether it brings a new pod, which is the only thing that injection is about.
    pub fn creates_pod(&self) -> bool {
        let Resource { group, resource } = &self.resource;
        (group.as_str(), resource.as_str()) == ("", "pods")
            && self.sub_resource.is_empty()
            && self.operation == "CREATE"
            && self.object.is_object()
    }
}

/// Why a body is not a review.
#[derive(Debug, thiserror::Error)]
pub enum Malformed {
    /// Without a uid no answer would be accepted.
    #[error("the body is not an AdmissionReview with a uid")]
    Unanswerable(#[source] serde_json::Error),
    /// It has a uid, so that it can be answered, but is not what it has to be.
    #[error("the AdmissionReview cannot be understood")]
    Answerable {
        /// To be repeated in the answer.
        uid: String,
        /// What is wrong.
        #[source]
        source: serde_json::Error,
    },
}

/// Reads a request.
pub fn parse(body: &[u8]) -> Result<Request, Malformed> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Review {
        api_version: Version,
        request: Request,
    }
    #[derive(Deserialize)]
    enum Version {
        #[serde(rename = "admission.k8s.io/v1")]
        V1,
    }
    #[derive(Deserialize)]
    struct Identified {
        request: Identity,
    }
    #[derive(Deserialize)]
    struct Identity {
        uid: String,
    }

    match serde_json::from_slice(body) {
        Ok(Review {
            api_version: Version::V1,
            request,
        }) => Ok(request),
        Err(source) => match serde_json::from_slice::<Identified>(body) {
            Ok(Identified {
                request: Identity { uid },
            }) => Err(Malformed::Answerable { uid, source }),
            Err(source) => Err(Malformed::Unanswerable(source)),
        },
    }
}

/// What the API server is told. A pod is always allowed: refusing is the failure policy's business.
#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Response {
    /// Repeats the request's.
    pub uid: String,
    /// Always true.
    pub allowed: bool,
    /// `JSONPatch` where there is a patch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patch_type: Option<&'static str>,
    /// A JSON Patch (RFC 6902) in base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patch: Option<String>,
    /// Shown to the person who created the pod.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// For the audit log; the API server prefixes the keys with the webhook's name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub audit_annotations: BTreeMap<&'static str, String>,
}

impl Response {
    /// The body of the answer.
    pub fn into_review(self) -> Value {
        serde_json::json!({"apiVersion": API_VERSION, "kind": KIND, "response": self})
    }
}
