//! The Secret with a short-lived token of the sidecars' account, for pods that keep an account of their own.
//!
//! Such a pod's account gains no right: the sidecar alone mounts this token. It is replaced long before it expires, and at
//! once when the account was made anew, because that ends every token of the old one.

use super::apply::{Error, apply_object, existing};
use k8s_openapi::ByteString;
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client};
use logship_crd::names;
use std::collections::{BTreeMap, BTreeSet};

const LIFETIME_SECONDS: i64 = 24 * 60 * 60;

/// Makes sure that the Secret `wanted` holds a token that is good for a while.
pub(super) async fn ensure(
    client: &Client,
    wanted: ObjectMeta,
    account_uid: &str,
    now: Timestamp,
) -> Result<(), Error> {
    let found = existing::<Secret>(client, &wanted).await?;
    if found.is_some_and(|found| is_fresh(&found, &wanted, account_uid, now)) {
        return Ok(());
    }
    let accounts =
        Api::<ServiceAccount>::namespaced(client.clone(), wanted.namespace.as_deref().unwrap_or_default());
    let request = TokenRequest {
        spec: Some(TokenRequestSpec {
            expiration_seconds: Some(LIFETIME_SECONDS),
            ..TokenRequestSpec::default()
        }),
        ..TokenRequest::default()
    };
    let granted = accounts
        .create_token_request(names::SIDECAR_ACCOUNT, &PostParams::default(), &request)
        .await
        .map_err(Error::Token)?;
    let status = granted.status.unwrap_or_default();
    let (Some(token), Some(Time(expiry))) = (status.token, status.expiration_timestamp) else {
        return Err(Error::NoToken);
    };
    apply_object(client, secret(wanted, token, expiry, account_uid, now))
        .await
        .map(drop)
}

/// Whether the Secret speaks for this account, needs no renewal yet, and has every owner that it should have.
fn is_fresh(found: &ObjectMeta, wanted: &ObjectMeta, account_uid: &str, now: Timestamp) -> bool {
    let annotation = |name: &str| {
        found
            .annotations
            .as_ref()
            .and_then(|annotations| annotations.get(name))
    };
    let renewal = annotation(names::TOKEN_RENEWAL_ANNOTATION).and_then(|text| text.parse::<Timestamp>().ok());
    annotation(names::TOKEN_ACCOUNT_UID_ANNOTATION).is_some_and(|uid| uid == account_uid)
        && renewal.is_some_and(|renewal| now < renewal)
        && owners(found) == owners(wanted)
}

fn owners(metadata: &ObjectMeta) -> BTreeSet<&str> {
    metadata
        .owner_references
        .iter()
        .flatten()
        .map(|owner| owner.uid.as_str())
        .collect()
}

/// The API server may grant another lifetime than was asked for: a third of what was granted counts.
fn secret(
    mut metadata: ObjectMeta,
    token: String,
    expiry: Timestamp,
    account_uid: &str,
    now: Timestamp,
) -> Secret {
    let renewal = now.saturating_add(expiry.duration_since(now) / 3).unwrap_or(now);
    metadata.annotations = Some(BTreeMap::from([
        (
            names::TOKEN_ACCOUNT_UID_ANNOTATION.to_owned(),
            account_uid.to_owned(),
        ),
        (names::TOKEN_RENEWAL_ANNOTATION.to_owned(), renewal.to_string()),
    ]));
    let data = BTreeMap::from([("token".to_owned(), ByteString(token.into_bytes()))]);
    Secret {
        metadata,
        data: Some(data),
        ..Secret::default()
    }
}

#[cfg(test)]
mod tests;
