//! The certificate authority that vouches for the webhook: what it is, when it is replaced, what it signs.
//!
//! Decisions take the time as a parameter and nothing here does I/O (key generation draws on the system's randomness).
//!
//! A rotation never leaves a moment in which the API server distrusts a replica that serves:
//! 1. the leader writes a new authority into the Secret and keeps the certificate of the old one beside it;
//! 2. the leader publishes [`Authority::bundle`], which holds both, in every webhook entry;
//! 3. a replica goes on serving its old leaf until the new authority has been published for [`SETTLE`], which gives
//!    API servers time to see it, and only then signs with it ([`plan_leaf`]).
//!
//! The old certificate stays in the bundle until the next rotation, months after the last leaf that it signed.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, PublicKeyData, date_time_ymd,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Key of the Secret: the certificate that signs leaves.
pub const CERTIFICATE_KEY: &str = "ca.crt";
/// Key of the Secret: the private key of [`CERTIFICATE_KEY`].
pub const PRIVATE_KEY: &str = "ca.key";
/// Key of the Secret: the certificate of the authority before, still to be trusted; empty if there was none.
pub const PREVIOUS_KEY: &str = "previous.crt";

/// How long an authority is valid.
pub const AUTHORITY_LIFETIME: SignedDuration = SignedDuration::from_hours(365 * 24);
/// How long a leaf is valid, unless its authority ends earlier.
pub const LEAF_LIFETIME: SignedDuration = SignedDuration::from_hours(7 * 24);
/// How long an authority is published before it signs, where a replica has a leaf that is trusted.
pub const SETTLE: SignedDuration = SignedDuration::from_secs(15);
/// Certificates begin in the past, so that a peer whose clock is late accepts them.
const BACKDATE: SignedDuration = SignedDuration::from_hours(1);

/// Why an authority cannot be made, read or used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The Secret lacks a key.
    #[error("the Secret has no {0}")]
    Missing(&'static str),
    /// A certificate cannot be parsed.
    #[error("{0} is not a certificate in PEM form")]
    Certificate(&'static str),
    /// The private key cannot be parsed.
    #[error("{PRIVATE_KEY} is not a private key in PEM form")]
    Key(#[source] rcgen::Error),
    /// Certificate and key are not a pair.
    #[error("{CERTIFICATE_KEY} and {PRIVATE_KEY} are not a pair")]
    Mismatch,
    /// A certificate cannot be made.
    #[error("failed to make a certificate")]
    Make(#[source] rcgen::Error),
    /// The signed leaf is not usable by the TLS library.
    #[error("failed to use the signed certificate")]
    Use(#[source] rustls::Error),
}

/// An authority, with its private key.
pub struct Authority {
    certificate: CertificateDer<'static>,
    certificate_pem: String,
    key: KeyPair,
    validity: Validity,
    previous_pem: String,
}

/// A certificate for the webhook's server.
#[derive(Debug)]
pub struct Leaf {
    /// The certificate and its key, as the TLS library wants them.
    pub certified: Arc<CertifiedKey>,
    /// The authority that signed it.
    pub authority: CertificateDer<'static>,
    /// When it is valid.
    pub validity: Validity,
}

/// The time in which a certificate is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// First moment.
    pub not_before: Timestamp,
    /// Last moment.
    pub not_after: Timestamp,
}

impl Validity {
    fn starting(now: Timestamp, lifetime: SignedDuration) -> Self {
        Self {
            not_before: now - BACKDATE,
            not_after: now + lifetime,
        }
    }

    /// Whether less than a third of it remains.
    pub fn is_ending(&self, now: Timestamp) -> bool {
        self.not_after.duration_since(now) < self.not_after.duration_since(self.not_before) / 3
    }
}

/// What the leader does about the Secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CaAction {
    /// It holds an authority with enough time left.
    Keep,
    /// There is no usable authority: make one. Nothing earlier stays trusted, so deleting the Secret revokes a stolen key.
    Create,
    /// The authority nears its end: make another and keep this one trusted.
    Rotate,
}

/// Decides about the Secret; `authority` is absent where it is missing or unreadable.
pub fn plan(now: Timestamp, authority: Option<&Authority>) -> CaAction {
    match authority {
        None => CaAction::Create,
        Some(authority) if authority.validity.not_after <= now => CaAction::Create,
        Some(authority) if authority.validity.is_ending(now) => CaAction::Rotate,
        Some(_) => CaAction::Keep,
    }
}

/// What a replica knows when it decides about its leaf.
#[derive(Debug, Clone, Copy)]
pub struct LeafView<'a> {
    /// The leaf it serves.
    pub leaf: Option<&'a Leaf>,
    /// Since when this replica has seen the Secret's authority published, if it is.
    pub published_since: Option<Timestamp>,
    /// Whether the authority of the served leaf is published.
    pub leaf_trusted: bool,
}

/// Decides whether a replica signs another leaf with the Secret's authority.
pub fn plan_leaf(now: Timestamp, authority: &Authority, view: LeafView<'_>) -> bool {
    let Some(leaf) = view.leaf else { return true };
    if leaf.authority == authority.certificate {
        return leaf.validity.is_ending(now);
    }
    let settled = view
        .published_since
        .is_some_and(|since| now.duration_since(since) >= SETTLE);
    settled || !view.leaf_trusted || leaf.validity.not_after <= now
}

/// The certificates in a PEM text; what is not one is left out.
pub fn certificates(pem: &[u8]) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_slice_iter(pem)
        .filter_map(Result::ok)
        .collect()
}

impl Authority {
    /// Makes an authority that replaces `replaced`, whose certificate stays trusted.
    pub fn generate(now: Timestamp, replaced: Option<&Self>) -> Result<Self, Error> {
        let validity = Validity::starting(now, AUTHORITY_LIFETIME);
        let key = KeyPair::generate().map_err(Error::Make)?;
        let mut params = params(
            &format!("logship webhook authority {}", now.as_second()),
            validity,
        );
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key).map_err(Error::Make)?;
        Ok(Self {
            certificate: certificate.der().clone(),
            certificate_pem: certificate.pem(),
            key,
            validity,
            previous_pem: replaced
                .map(|replaced| replaced.certificate_pem.clone())
                .unwrap_or_default(),
        })
    }

    /// Reads what [`Authority::to_data`] wrote.
    pub fn from_secret(secret: &Secret) -> Result<Self, Error> {
        let text = |key: &'static str| {
            let value = secret.data.as_ref().and_then(|data| data.get(key));
            value
                .map(|bytes| String::from_utf8_lossy(&bytes.0))
                .ok_or(Error::Missing(key))
        };
        let certificate_pem = text(CERTIFICATE_KEY)?.into_owned();
        let certificate = CertificateDer::from_pem_slice(certificate_pem.as_bytes())
            .map_err(|_| Error::Certificate(CERTIFICATE_KEY))?;
        let key = KeyPair::from_pem(&text(PRIVATE_KEY)?).map_err(Error::Key)?;
        let (_, parsed) = x509_parser::parse_x509_certificate(&certificate)
            .map_err(|_| Error::Certificate(CERTIFICATE_KEY))?;
        if parsed.public_key().subject_public_key.data != key.der_bytes() {
            return Err(Error::Mismatch);
        }
        let moment = |time: x509_parser::time::ASN1Time| {
            Timestamp::from_second(time.timestamp()).map_err(|_| Error::Certificate(CERTIFICATE_KEY))
        };
        let validity = Validity {
            not_before: moment(parsed.validity().not_before)?,
            not_after: moment(parsed.validity().not_after)?,
        };
        let previous_pem = text(PREVIOUS_KEY).map(Cow::into_owned).unwrap_or_default();
        Ok(Self {
            certificate,
            certificate_pem,
            key,
            validity,
            previous_pem,
        })
    }

    /// The content of the Secret.
    pub fn to_data(&self) -> BTreeMap<String, ByteString> {
        [
            (CERTIFICATE_KEY, self.certificate_pem.clone()),
            (PRIVATE_KEY, self.key.serialize_pem()),
            (PREVIOUS_KEY, self.previous_pem.clone()),
        ]
        .into_iter()
        .map(|(key, text)| (key.to_owned(), ByteString(text.into_bytes())))
        .collect()
    }

    /// What the API server is to trust, in PEM form: this authority, then the one before.
    pub fn bundle(&self) -> String {
        format!("{}{}", self.certificate_pem, self.previous_pem)
    }

    /// The authority's own certificate.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// Signs a certificate with a new key for a server of these DNS names.
    pub fn sign(&self, now: Timestamp, names: &[String]) -> Result<Leaf, Error> {
        let mut validity = Validity::starting(now, LEAF_LIFETIME);
        validity.not_after = validity.not_after.min(self.validity.not_after);
        let issuer = Issuer::from_ca_cert_der(&self.certificate, &self.key).map_err(Error::Make)?;
        let key = KeyPair::generate().map_err(Error::Make)?;
        let mut params = params("logship webhook", validity);
        params.subject_alt_names = CertificateParams::new(names)
            .map_err(Error::Make)?
            .subject_alt_names;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&key, &issuer).map_err(Error::Make)?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let certified = CertifiedKey::from_der(
            vec![certificate.der().clone()],
            key,
            &rustls::crypto::ring::default_provider(),
        )
        .map_err(Error::Use)?;
        Ok(Leaf {
            certified: Arc::new(certified),
            authority: self.certificate.clone(),
            validity,
        })
    }
}

fn params(name: &str, validity: Validity) -> CertificateParams {
    let epoch = date_time_ymd(1970, 1, 1);
    let moment = |time: Timestamp| epoch + Duration::from_secs(time.as_second().unsigned_abs());
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = moment(validity.not_before);
    params.not_after = moment(validity.not_after);
    params
}

#[cfg(test)]
mod tests;
