//! The Secret with a short-lived token of the sidecars' account, for pods that keep an account of their own.
//!
//! Such a pod's account gains no right: the sidecar alone mounts this token. It is replaced long before it expires, and at
//! once when the account was made anew, because that ends every token of the old one, or when somebody overwrote it.

use super::apply::{Error, apply_object, existing};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::ByteString;
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client};
use logship_crd::names;
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};

const TOKEN_KEY: &str = "token";
const LIFETIME_SECONDS: i64 = 24 * 60 * 60;

/// Makes sure that the Secret `wanted` holds a token that is good for a while.
pub(super) async fn ensure(
    client: &Client,
    wanted: ObjectMeta,
    account_uid: &str,
    now: Timestamp,
) -> Result<(), Error> {
    let found = read(client, &wanted).await?;
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

/// The Secret, if there is one and it is ours: the content of another's is none of our business.
async fn read(client: &Client, wanted: &ObjectMeta) -> Result<Option<Secret>, Error> {
    if existing::<Secret>(client, wanted).await?.is_none() {
        return Ok(None);
    }
    let secrets = Api::<Secret>::namespaced(client.clone(), wanted.namespace.as_deref().unwrap_or_default());
    secrets
        .get_opt(names::SIDECAR_TOKEN_SECRET)
        .await
        .map_err(|source| Error::Read {
            kind: "Secret".to_owned(),
            name: names::SIDECAR_TOKEN_SECRET.to_owned(),
            source,
        })
}

/// Whether the Secret speaks for this account, needs no renewal yet, holds what was written, and has every owner that
/// it should have.
fn is_fresh(found: &Secret, wanted: &ObjectMeta, account_uid: &str, now: Timestamp) -> bool {
    let annotation = |name: &str| {
        found
            .metadata
            .annotations
            .as_ref()
            .and_then(|annotations| annotations.get(name))
    };
    let renewal = annotation(names::TOKEN_RENEWAL_ANNOTATION).and_then(|text| text.parse::<Timestamp>().ok());
    annotation(names::TOKEN_ACCOUNT_UID_ANNOTATION).is_some_and(|uid| uid == account_uid)
        && renewal.is_some_and(|renewal| now < renewal)
        && annotation(names::TOKEN_DIGEST_ANNOTATION) == token(found).map(digest).as_ref()
        && owners(&found.metadata) == owners(wanted)
}

fn token(secret: &Secret) -> Option<&[u8]> {
    Some(&secret.data.as_ref()?.get(TOKEN_KEY)?.0)
}

fn digest(token: &[u8]) -> String {
    STANDARD.encode(Sha256::digest(token))
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
        (
            names::TOKEN_DIGEST_ANNOTATION.to_owned(),
            digest(token.as_bytes()),
        ),
    ]));
    let data = BTreeMap::from([(TOKEN_KEY.to_owned(), ByteString(token.into_bytes()))]);
    Secret {
        metadata,
        data: Some(data),
        ..Secret::default()
    }
}

#[cfg(test)]
mod tests;
