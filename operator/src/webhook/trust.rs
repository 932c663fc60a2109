//! What the cluster holds about the webhook's trust: the Secret with the authority, and the bundles that are published in
//! the `MutatingWebhookConfiguration`. Every replica watches both; the watches never end by themselves.

use super::ca::certificates;
use futures::StreamExt as _;
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use k8s_openapi::api::core::v1::Secret;
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, Resource};
use rustls::pki_types::CertificateDer;
use serde::de::DeserializeOwned;
use std::fmt::Debug;
use tokio::sync::watch;

/// What a watch of one object has seen.
#[derive(Debug, Clone, PartialEq)]
pub enum Observed<T> {
    /// Nothing yet.
    Unknown,
    /// The object does not exist.
    Absent,
    /// The object.
    Present(T),
}

impl<T> Observed<T> {
    /// The object, if it was seen.
    pub fn present(&self) -> Option<&T> {
        match self {
            Self::Present(value) => Some(value),
            Self::Unknown | Self::Absent => None,
        }
    }
}

/// The bundles of a webhook configuration, by entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// Name and `caBundle` of each entry.
    pub entries: Vec<(String, Vec<u8>)>,
}

impl Published {
    /// Whether every entry trusts `authority`.
    pub fn trusts(&self, authority: &CertificateDer<'_>) -> bool {
        !self.entries.is_empty()
            && self
                .entries
                .iter()
                .all(|(_, bundle)| certificates(bundle).contains(authority))
    }
}

impl From<MutatingWebhookConfiguration> for Published {
    fn from(configuration: MutatingWebhookConfiguration) -> Self {
        let entries = configuration.webhooks.unwrap_or_default().into_iter();
        let bundle = |bytes: Option<k8s_openapi::ByteString>| bytes.map(|bytes| bytes.0).unwrap_or_default();
        Self {
            entries: entries
                .map(|entry| (entry.name, bundle(entry.client_config.ca_bundle)))
                .collect(),
        }
    }
}

/// Reading ends of both watches.
#[derive(Clone)]
pub struct Trust {
    /// The Secret with the authority.
    pub secret: watch::Receiver<Observed<Secret>>,
    /// The published bundles.
    pub published: watch::Receiver<Observed<Published>>,
}

impl Trust {
    /// Makes the reading ends together with the writing ends for [`follow`].
    pub fn channels() -> (
        Self,
        watch::Sender<Observed<Secret>>,
        watch::Sender<Observed<Published>>,
    ) {
        let (secret_tx, secret) = watch::channel(Observed::Unknown);
        let (published_tx, published) = watch::channel(Observed::Unknown);
        (Self { secret, published }, secret_tx, published_tx)
    }

    /// Waits for news of either. Never returns once both writing ends are gone, which happens at shutdown only.
    pub async fn changed(&mut self) {
        tokio::select! {
            Ok(()) = self.secret.changed() => {}
            Ok(()) = self.published.changed() => {}
            else => std::future::pending().await,
        }
    }
}

/// Keeps `observed` equal to the object `name`. Failures of the watch are logged and retried with backoff.
pub async fn follow<K, T>(api: Api<K>, name: String, observed: watch::Sender<Observed<T>>)
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
    T: From<K> + PartialEq,
{
    let mut events = watcher::watch_object(api, &name).default_backoff().boxed();
    while let Some(event) = events.next().await {
        let seen = match event {
            Ok(Some(object)) => Observed::Present(T::from(object)),
            Ok(None) => Observed::Absent,
            Err(error) => {
                tracing::warn!(
                    name,
                    error = &error as &dyn std::error::Error,
                    "failed to watch an object"
                );
                continue;
            }
        };
        observed.send_if_modified(|current| {
            let differs = *current != seen;
            *current = seen;
            differs
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::webhook::ca::Authority;
    use jiff::Timestamp;

    #[test]
    fn an_authority_is_trusted_when_every_entry_holds_it() {
        let first = Authority::generate(Timestamp::UNIX_EPOCH, None).unwrap();
        let second = Authority::generate(Timestamp::UNIX_EPOCH, Some(&first)).unwrap();
        let check = |bundles: &[String], expected: (bool, bool)| {
            let entries = bundles
                .iter()
                .map(|pem| ("entry".to_owned(), pem.clone().into_bytes()))
                .collect();
            let published = Published { entries };
            let trusted = (
                published.trusts(first.certificate()),
                published.trusts(second.certificate()),
            );
            assert_eq!(trusted, expected, "{bundles:?}");
        };
        check(&[], (false, false));
        check(&[first.bundle()], (true, false));
        check(&[second.bundle()], (true, true));
        check(&[second.bundle(), first.bundle()], (true, false));
        check(&[second.bundle(), String::new()], (false, false));
        check(&[second.bundle(), "garbage".to_owned()], (false, false));
    }
}
