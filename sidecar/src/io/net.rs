//! HTTP clients of the sinks and of the Kubernetes API.
//!
//! A client is made again when its certificates change, and every few minutes, because a connection is made to the addresses that
//! its name had at that time.

use super::secret::{self, Watched};
use crate::config::Tls;
use crate::engine::Tick;
use bytes::Bytes;
use http_body_util::Full;
use hyper_rustls::{FixedServerNameResolver, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem, pem::PemObject};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// A client for http and https that keeps few connections.
pub type HttpClient = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// Where distributions keep the certificates of well-known authorities.
const SYSTEM_BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";
/// Names are looked up again at least this often.
const CLIENT_AGE_MAX: Duration = Duration::from_secs(300);
/// A connection that takes longer is none.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(10);
/// The kernel asks after this silence, and so often, whether the other end is still there; nobody here wakes up for it. A connection
/// whose other end vanished without a word breaks after a minute.
const KEEP_ALIVE_AFTER: Duration = Duration::from_secs(30);
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEP_ALIVE_RETRIES: u32 = 3;

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The TLS library refuses its own defaults.
    #[error("failed to set up TLS")]
    Tls(#[source] rustls::Error),
    /// A file cannot be read.
    #[error(transparent)]
    Read(secret::Error),
    /// It holds no certificate.
    #[error("failed to find a certificate in {}; it must be PEM", .0.display())]
    NoCertificate(PathBuf),
    /// There is nobody to trust.
    #[error("it holds no certificate")]
    NoAuthority,
    /// It holds no key.
    #[error("failed to find a private key in {}; it must be PEM", .0.display())]
    NoKey(PathBuf, #[source] pem::Error),
    /// The certificate and the key do not belong together.
    #[error("failed to use the certificate {} with its key", .0.display())]
    Identity(PathBuf, #[source] rustls::Error),
    /// It is no host name.
    #[error("failed to use {0:?} as the server's name; write a DNS name or an address")]
    ServerName(String),
}

/// What a client is made for.
#[derive(Debug, Clone)]
pub struct ClientSettings {
    /// How the server is known, and we to it.
    pub tls: Tls,
    /// Certificates of the authorities that are trusted unless `tls` names its own; none: the system's. Not read for http.
    pub bundle: Option<PathBuf>,
    /// The URL's scheme is https.
    pub https: bool,
    /// HTTP/2 without asking the server, as gRPC does.
    pub http2_only: bool,
}

/// The client of one endpoint.
#[derive(Debug)]
pub struct Clients {
    settings: ClientSettings,
    files: Watched,
    client: Option<HttpClient>,
    made_at: Tick,
}

impl Clients {
    /// Connects to nothing yet.
    pub fn new(settings: ClientSettings) -> Self {
        let Tls {
            ca_file, identity, ..
        } = &settings.tls;
        let identity = identity
            .iter()
            .flat_map(|(certificates, key)| [certificates, key]);
        let files = ca_file.iter().chain(identity).cloned().collect();
        Self {
            settings,
            files: Watched::new(files),
            client: None,
            made_at: Tick::ZERO,
        }
    }

    /// The client to use now. Where new certificates cannot be used the old ones go on, and the error is given out beside. Without
    /// a client there is always an error.
    pub fn client(&mut self, now: Tick) -> (Option<HttpClient>, Option<Error>) {
        let error = self.renew(now).err();
        if self.client.is_none() {
            // Otherwise the next look would find nothing new, and nothing to say.
            self.files.forget();
        }
        (self.client.clone(), error)
    }

    fn renew(&mut self, now: Tick) -> Result<(), Error> {
        if now >= self.made_at + CLIENT_AGE_MAX {
            self.files.forget();
        }
        let Some(contents) = self.files.changed(now).map_err(Error::Read)? else {
            return Ok(());
        };
        let config = client_config(&self.settings, contents)?;
        self.client = Some(http_client(config, &self.settings)?);
        self.made_at = now;
        Ok(())
    }
}

/// A client for https that trusts the authorities in this PEM and no others.
pub fn client_trusting_only(authorities: &[u8]) -> Result<HttpClient, Error> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(CertificateDer::pem_slice_iter(authorities).filter_map(Result::ok));
    if roots.is_empty() {
        return Err(Error::NoAuthority);
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(Error::Tls)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let settings = ClientSettings {
        tls: Tls::default(),
        bundle: None,
        https: true,
        http2_only: false,
    };
    http_client(config, &settings)
}

/// `contents` are those of the authorities' file, the certificates' and the key's, as far as there are such.
fn client_config(settings: &ClientSettings, contents: &[Vec<u8>]) -> Result<ClientConfig, Error> {
    let ClientSettings {
        tls, bundle, https, ..
    } = settings;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut contents = contents.iter();
    let roots = match &tls.ca_file {
        Some(path) => {
            let authorities = certificates(path, contents.next())?;
            let mut store = RootCertStore::empty();
            store.add_parsable_certificates(authorities);
            store
        }
        None if *https => system_roots(bundle.as_deref().unwrap_or(Path::new(SYSTEM_BUNDLE))),
        None => RootCertStore::empty(),
    };
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(Error::Tls)?;
    let builder = if tls.insecure_skip_verify {
        builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
    } else {
        builder.with_root_certificates(roots)
    };
    let Some((certificate_path, key_path)) = &tls.identity else {
        return Ok(builder.with_no_client_auth());
    };
    let chain = certificates(certificate_path, contents.next())?;
    let key = contents.next().map(Vec::as_slice).unwrap_or_default();
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| Error::NoKey(key_path.clone(), error))?;
    builder
        .with_client_auth_cert(chain, key)
        .map_err(|error| Error::Identity(certificate_path.clone(), error))
}

fn http_client(config: ClientConfig, settings: &ClientSettings) -> Result<HttpClient, Error> {
    let http2_only = settings.http2_only;
    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(CONNECT_TIME_MAX));
    connector.set_keepalive(Some(KEEP_ALIVE_AFTER));
    connector.set_keepalive_interval(Some(KEEP_ALIVE_INTERVAL));
    connector.set_keepalive_retries(Some(KEEP_ALIVE_RETRIES));
    let builder = HttpsConnectorBuilder::new().with_tls_config(config);
    let mut builder = if settings.https {
        builder.https_only()
    } else {
        builder.https_or_http()
    };
    if let Some(name) = &settings.tls.server_name {
        let name = ServerName::try_from(name.clone()).map_err(|_| Error::ServerName(name.clone()))?;
        builder = builder.with_server_name_resolver(FixedServerNameResolver::new(name));
    }
    let connector = if http2_only {
        builder.enable_http2().wrap_connector(connector)
    } else {
        builder.enable_http1().wrap_connector(connector)
    };
    Ok(Client::builder(TokioExecutor::new())
        .http2_only(http2_only)
        .pool_idle_timeout(Duration::from_secs(60))
        .pool_max_idle_per_host(4)
        .pool_timer(TokioTimer::new())
        .timer(TokioTimer::new())
        .build(connector))
}

fn certificates(path: &Path, contents: Option<&Vec<u8>>) -> Result<Vec<CertificateDer<'static>>, Error> {
    let contents = contents.map(Vec::as_slice).unwrap_or_default();
    let found: Vec<_> = CertificateDer::pem_slice_iter(contents)
        .filter_map(Result::ok)
        .collect();
    if found.is_empty() {
        return Err(Error::NoCertificate(path.to_owned()));
    }
    Ok(found)
}

/// The authorities in `bundle`, else the built-in ones.
fn system_roots(bundle: &Path) -> RootCertStore {
    let mut store = RootCertStore::empty();
    if let Ok(certificates) = CertificateDer::pem_file_iter(bundle) {
        store.add_parsable_certificates(certificates.filter_map(Result::ok));
    }
    if store.is_empty() {
        store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    store
}

/// Takes every certificate, but only from who holds its key. For [`Tls::insecure_skip_verify`] alone.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            certificate,
            signature,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
