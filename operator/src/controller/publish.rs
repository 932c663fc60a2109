//! Publishing: the status is written with one patch, and only when it differs.
//!
//! Because an equal status is never written, our own patch coming back through the watch ends there.

use crate::policies::Guarded;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client, Resource};
use logship_crd::names;
use logship_crd::v1alpha1::{LogShipping, LogShippingStatus};
use serde_json::json;

/// What can fail.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API server did not take the status.
    #[error("failed to write the status of LogShipping {name}")]
    Write {
        /// Name of the resource.
        name: String,
        /// Why.
        source: kube::Error,
    },
}

impl Error {
    /// Name of the failure in logs.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Write { .. } => "StatusFailed",
        }
    }
}

/// Writes the status if it differs. A resource that is gone needs none.
pub(super) async fn publish(
    client: &Client,
    shipping: &Guarded,
    previous: &LogShippingStatus,
    status: &LogShippingStatus,
) -> Result<(), Error> {
    if previous == status {
        return Ok(());
    }
    let metadata = shipping.meta();
    let name = metadata.name.as_deref().unwrap_or_default();
    let api = Api::<Guarded>::namespaced(client.clone(), metadata.namespace.as_deref().unwrap_or_default());
    let patch = json!({
        "apiVersion": LogShipping::api_version(&()),
        "kind": LogShipping::kind(&()),
        "metadata": {"name": name, "uid": metadata.uid},
        "status": status,
    });
    let params = PatchParams::apply(names::FIELD_MANAGER).force();
    match api.patch_status(name, &params, &Patch::Apply(patch)).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(answer)) if answer.is_not_found() => Ok(()),
        Err(source) => Err(Error::Write {
            name: name.to_owned(),
            source,
        }),
    }
}
