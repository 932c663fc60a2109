//! The HTTP clients of the sinks and of the Kubernetes API.

use bytes::Bytes;
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, pem::PemObject};
use rustls::{ClientConfig, RootCertStore};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// A client for http and https that keeps few connections.
pub type HttpClient = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// Where distributions keep the certificates of well-known authorities.
const SYSTEM_BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The TLS library refuses its own defaults.
    #[error("failed to set up TLS")]
    Tls(#[source] rustls::Error),
    /// There is nobody to trust.
    #[error("it holds no certificate")]
    NoAuthority,
}

/// A client that trusts the authorities in `bundle`, else those of the system, else the built-in ones.
pub fn http_client(bundle: Option<&Path>) -> Result<HttpClient, Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let roots = roots(bundle.unwrap_or(Path::new(SYSTEM_BUNDLE)));
    let builder = HttpsConnectorBuilder::new();
    let builder = if roots.is_empty() {
        builder
            .with_provider_and_webpki_roots(provider)
            .map_err(Error::Tls)?
    } else {
        builder.with_tls_config(tls(provider, roots)?)
    };
    let connector = builder.https_or_http().enable_http1().build();
    Ok(client(connector))
}

/// A client for https that trusts the authorities in this PEM and no others.
pub fn client_trusting_only(authorities: &[u8]) -> Result<HttpClient, Error> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(CertificateDer::pem_slice_iter(authorities).filter_map(Result::ok));
    if roots.is_empty() {
        return Err(Error::NoAuthority);
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = HttpsConnectorBuilder::new().with_tls_config(tls(provider, roots)?);
    Ok(client(builder.https_only().enable_http1().build()))
}

fn tls(provider: Arc<CryptoProvider>, roots: RootCertStore) -> Result<ClientConfig, Error> {
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    Ok(config
        .map_err(Error::Tls)?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

fn client(connector: HttpsConnector<HttpConnector>) -> HttpClient {
    Client::builder(TokioExecutor::new())
        .pool_idle_timeout(Duration::from_secs(60))
        .pool_max_idle_per_host(1)
        .pool_timer(TokioTimer::new())
        .build(connector)
}

fn roots(bundle: &Path) -> RootCertStore {
    let mut store = RootCertStore::empty();
    if let Ok(certificates) = CertificateDer::pem_file_iter(bundle) {
        store.add_parsable_certificates(certificates.filter_map(Result::ok));
    }
    store
}
