//! Certificates of both sides by an authority of the test's own, and a server's side that changes while it runs.

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{DigitallySignedStruct, DistinguishedName, RootCertStore, ServerConfig, SignatureScheme};
use std::sync::{Arc, Mutex};
use tokio_rustls::TlsAcceptor;

/// Its name in the handshake.
const HTTP2: &[u8] = b"h2";

/// Vouches for servers and clients.
pub struct Authority {
    /// Its certificate.
    pub pem: String,
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key.
pub struct Identity {
    pub certificate_pem: String,
    pub key_pem: String,
    certificate: CertificateDer<'static>,
    key: Vec<u8>,
}

impl Authority {
    pub fn new() -> Self {
        let mut parameters = CertificateParams::new(Vec::new()).unwrap();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = parameters.self_signed(&key).unwrap();
        Self {
            pem: certificate.pem(),
            certificate: certificate.der().clone(),
            issuer: Issuer::new(parameters, key),
        }
    }

    /// For a host or a client of this name.
    pub fn vouch_for(&self, name: &str) -> Identity {
        self.sign(&CertificateParams::new(vec![name.to_owned()]).unwrap())
    }

    /// The same, but it was valid only until the end of 2020.
    pub fn vouch_for_in_2020(&self, name: &str) -> Identity {
        let mut parameters = CertificateParams::new(vec![name.to_owned()]).unwrap();
        parameters.not_before = date_time_ymd(2020, 1, 1);
        parameters.not_after = date_time_ymd(2020, 12, 31);
        self.sign(&parameters)
    }

    fn sign(&self, parameters: &CertificateParams) -> Identity {
        let key = KeyPair::generate().unwrap();
        let certificate = parameters.signed_by(&key, &self.issuer).unwrap();
        Identity {
            certificate_pem: certificate.pem(),
            key_pem: key.serialize_pem(),
            certificate: certificate.der().clone(),
            key: key.serialize_der(),
        }
    }
}

/// A server's side whose certificate can be replaced.
#[derive(Debug, Clone)]
pub struct Renewable(Arc<Mutex<Arc<CertifiedKey>>>);

impl Renewable {
    pub fn new(identity: Identity) -> Self {
        Self(Arc::new(Mutex::new(certified(identity))))
    }

    pub fn renew(&self, identity: Identity) {
        *self.0.lock().unwrap() = certified(identity);
    }

    pub fn acceptor(&self) -> TlsAcceptor {
        let config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(self.clone()));
        TlsAcceptor::from(Arc::new(config))
    }

    /// Takes only clients that offer HTTP/2 in the handshake, as servers of gRPC do.
    pub fn acceptor_for_http2(&self) -> TlsAcceptor {
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(OnlyHttp2(self.clone())));
        config.alpn_protocols = vec![HTTP2.to_vec()];
        TlsAcceptor::from(Arc::new(config))
    }

    /// Takes only clients for whom `authority` vouches, and notes the certificate of each.
    pub fn acceptor_for_clients_of(&self, authority: &Authority) -> (TlsAcceptor, Clients) {
        let mut roots = RootCertStore::empty();
        roots.add(authority.certificate.clone()).unwrap();
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider());
        let clients = Clients {
            verifier: verifier.build().unwrap(),
            seen: Arc::default(),
        };
        let config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(Arc::new(clients.clone()))
            .with_cert_resolver(Arc::new(self.clone()));
        (TlsAcceptor::from(Arc::new(config)), clients)
    }
}

impl ResolvesServerCert for Renewable {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.lock().unwrap()))
    }
}

/// Has no certificate for who does not offer HTTP/2.
#[derive(Debug)]
struct OnlyHttp2(Renewable);

impl ResolvesServerCert for OnlyHttp2 {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let offers = hello.alpn()?.any(|protocol| protocol == HTTP2);
        offers.then(|| self.0.resolve(hello)).flatten()
    }
}

/// The clients that were let in.
#[derive(Debug, Clone)]
pub struct Clients {
    verifier: Arc<dyn ClientCertVerifier>,
    seen: Arc<Mutex<Vec<CertificateDer<'static>>>>,
}

impl Clients {
    pub fn have_seen(&self, client: &Identity) -> bool {
        self.seen.lock().unwrap().contains(&client.certificate)
    }
}

impl ClientCertVerifier for Clients {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.verifier.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        let verified = self.verifier.verify_client_cert(end_entity, intermediates, now)?;
        self.seen.lock().unwrap().push(end_entity.clone().into_owned());
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        self.verifier
            .verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        self.verifier
            .verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}

/// Accepts connections to `host`; with the PEM of the authority.
pub fn acceptor(host: &str) -> (TlsAcceptor, String) {
    let authority = Authority::new();
    let renewable = Renewable::new(authority.vouch_for(host));
    (renewable.acceptor(), authority.pem)
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn certified(identity: Identity) -> Arc<CertifiedKey> {
    let key = PrivateKeyDer::Pkcs8(identity.key.into());
    let certified = CertifiedKey::from_der(vec![identity.certificate], key, &provider());
    Arc::new(certified.unwrap())
}
