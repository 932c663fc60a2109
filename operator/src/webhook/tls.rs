//! The certificate that the webhook serves, replaced while connections are open.
//!
//! [`Certificates`] hands the newest leaf to each handshake; established connections keep theirs. [`Signer`] signs
//! leaves with the authority of the Secret, in memory: no private key of a leaf is ever written anywhere.

use super::ca::{self, Authority, Leaf, LeafView, plan_leaf};
use super::trust::{Observed, Published, Trust};
use crate::metrics::Metrics;
use arc_swap::ArcSwapOption;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use rustls::ServerConfig;
use rustls::pki_types::CertificateDer;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::sync::Arc;
use std::time::Duration;

/// How often the leaf's age and the publication of its authority are looked at when nothing changes.
const CHECK_INTERVAL: Duration = Duration::from_secs(5);

/// The leaf that is served, if there is one yet.
#[derive(Debug, Default)]
pub struct Certificates(ArcSwapOption<Leaf>);

impl Certificates {
    /// The authority that signed the served leaf.
    pub fn authority(&self) -> Option<CertificateDer<'static>> {
        self.0.load().as_ref().map(|leaf| leaf.authority.clone())
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.load().as_ref().map(|leaf| leaf.certified.clone())
    }
}

/// TLS 1.2 and 1.3 with HTTP/2 and HTTP/1.1 by ALPN, without client certificates: what a review asks is harmless to answer.
pub fn server_config(certificates: Arc<Certificates>) -> Result<ServerConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(certificates);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// Keeps a leaf in [`Certificates`] that the API server trusts.
pub struct Signer {
    certificates: Arc<Certificates>,
    names: Vec<String>,
    /// The published authority and when it was seen published first.
    published: Option<(CertificateDer<'static>, Timestamp)>,
}

impl Signer {
    /// Signs for a server of these DNS names.
    pub fn new(certificates: Arc<Certificates>, names: Vec<String>) -> Self {
        Self {
            certificates,
            names,
            published: None,
        }
    }

    /// Replaces the leaf if it is time to. Returns the new leaf's last moment if it did.
    pub fn look(
        &mut self,
        now: Timestamp,
        secret: &Secret,
        published: Option<&Published>,
    ) -> Result<Option<Timestamp>, ca::Error> {
        let authority = Authority::from_secret(secret)?;
        let trusts = |certificate| published.is_some_and(|published| published.trusts(certificate));
        if !trusts(authority.certificate()) {
            self.published = None;
        } else if self
            .published
            .as_ref()
            .is_none_or(|(seen, _)| seen != authority.certificate())
        {
            self.published = Some((authority.certificate().clone(), now));
        }
        let leaf = self.certificates.0.load();
        let view = LeafView {
            leaf: leaf.as_deref(),
            published_since: self.published.as_ref().map(|(_, since)| *since),
            leaf_trusted: leaf.as_ref().is_some_and(|leaf| trusts(&leaf.authority)),
        };
        if !plan_leaf(now, &authority, view) {
            return Ok(None);
        }
        let leaf = authority.sign(now, &self.names)?;
        let not_after = leaf.validity.not_after;
        self.certificates.0.store(Some(Arc::new(leaf)));
        Ok(Some(not_after))
    }

    /// Looks at every change of the Secret and the published bundles, and from time to time.
    pub async fn run(mut self, mut trust: Trust, metrics: Arc<Metrics>) {
        loop {
            let secret = trust.secret.borrow_and_update().clone();
            let published = trust.published.borrow_and_update().clone();
            if let Observed::Present(secret) = &secret {
                match self.look(Timestamp::now(), secret, published.present()) {
                    Ok(None) => {}
                    Ok(Some(not_after)) => {
                        metrics.certificate_expiry.set(not_after.as_second());
                        tracing::info!(%not_after, "serving a new certificate");
                    }
                    Err(error) => {
                        tracing::warn!(
                            error = &error as &dyn std::error::Error,
                            "no certificate can be signed"
                        );
                    }
                }
            }
            tokio::select! {
                () = trust.changed() => {}
                () = tokio::time::sleep(CHECK_INTERVAL) => {}
            }
        }
    }
}
