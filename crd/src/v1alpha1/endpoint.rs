//! What the sinks that speak HTTP have in common: where, with what credentials, and how the server is known.
//!
//! A secret is always a reference: the key of a Secret in the resource's own namespace. Its pods get a volume with the keys that
//! are referred to, mounted in the sidecar only; the operator itself never reads one.

use crate::names;
use crate::types::DURATION_PATTERN;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Names of objects, as the API server has them.
const OBJECT_NAME: &str = "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$";
/// Keys of Secrets, without those that begin with a dot: the first part of a file's name in a volume.
const KEY: &str = "^[-_A-Za-z0-9][-._A-Za-z0-9]*$";

/// Where a sink sends, and how both sides know each other.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.tls) || !isURL(self.url) || url(self.url).getScheme() == 'https'").message("tls: is for https:// only; write https:// in url, or leave tls out"))]
pub struct Endpoint {
    /// `http://` or `https://` URL of the server, without credentials.
    #[schemars(length(min = 1, max = 2048))]
    #[x_kube(validation = Rule::new("isURL(self) && url(self).getScheme() in ['http', 'https'] && url(self).getHost() != ''").message("url: must be an absolute http:// or https:// URL"))]
    #[x_kube(validation = Rule::new("!self.matches('^[^/]*//[^/?#]*@')").message("url: must not hold a user name or a password; put them into a Secret and name it in auth.basic"))]
    pub url: String,
    /// Headers sent with each request, at most 16. Secrets do not belong here: names that carry credentials are refused, and so
    /// are those that the sink sets itself.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 16, "additionalProperties" = {"type": "string", "maxLength": 1024}))]
    pub headers: BTreeMap<String, String>,
    /// Time until a request without an answer counts as failed, for example `10s`.
    #[serde(default = "Endpoint::default_timeout")]
    #[schemars(length(max = 16), regex(pattern = DURATION_PATTERN))]
    #[x_kube(validation = Rule::new("duration(self) >= duration('100ms') && duration(self) <= duration('5m')").message("timeout: must be between 100ms and 5m"))]
    pub timeout: String,
    /// Credentials, from a Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<Auth>,
    /// How the server is known, and we to it. Without it, the server's certificate must be of an authority that the system
    /// trusts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
}

impl Endpoint {
    fn default_timeout() -> String {
        "10s".to_owned()
    }

    /// The keys of Secrets that are referred to.
    pub fn secret_keys(&self) -> Vec<SecretKey<'_>> {
        let auth = self.auth.iter().flat_map(Auth::secret_keys);
        auth.chain(self.tls.iter().flat_map(Tls::secret_keys)).collect()
    }
}

/// One key of a Secret of the resource's namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SecretKey<'a> {
    /// Name of the Secret.
    pub secret: &'a str,
    /// The key.
    pub key: &'a str,
}

impl SecretKey<'_> {
    /// The file in the sidecar that holds the value.
    pub fn path(&self) -> String {
        names::secret_path(self.secret, self.key)
    }
}

/// Credentials, from a Secret: exactly one kind. Changes of the Secret reach running pods.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.basic) != has(self.bearer)").message("auth: exactly one kind is required: basic or bearer"))]
pub struct Auth {
    /// A user name and a password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basic: Option<BasicAuth>,
    /// A token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bearer: Option<BearerAuth>,
}

impl Auth {
    /// The keys that are referred to.
    pub fn secret_keys(&self) -> Vec<SecretKey<'_>> {
        let basic = self.basic.iter();
        let basic = basic.flat_map(|basic| [basic.username(), basic.password()]);
        basic.chain(self.bearer.iter().map(BearerAuth::token)).collect()
    }
}

/// `Authorization: Basic`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BasicAuth {
    /// Name of a Secret in this namespace with the keys `username` and `password` (type `kubernetes.io/basic-auth`, or any).
    #[schemars(length(min = 1, max = 253), regex(pattern = OBJECT_NAME))]
    pub secret_name: String,
}

impl BasicAuth {
    /// The key with the name.
    pub fn username(&self) -> SecretKey<'_> {
        self.key("username")
    }

    /// The key with the password.
    pub fn password(&self) -> SecretKey<'_> {
        self.key("password")
    }

    fn key(&self, key: &'static str) -> SecretKey<'_> {
        SecretKey {
            secret: &self.secret_name,
            key,
        }
    }
}

/// `Authorization: Bearer`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BearerAuth {
    /// Name of a Secret in this namespace.
    #[schemars(length(min = 1, max = 253), regex(pattern = OBJECT_NAME))]
    pub secret_name: String,
    /// The key that holds the token.
    #[serde(default = "BearerAuth::default_key")]
    #[schemars(length(min = 1, max = 253), regex(pattern = KEY))]
    pub key: String,
}

impl BearerAuth {
    fn default_key() -> String {
        "token".to_owned()
    }

    /// The key with the token.
    pub fn token(&self) -> SecretKey<'_> {
        SecretKey {
            secret: &self.secret_name,
            key: &self.key,
        }
    }
}

/// How the server is known, and we to it. Files are PEM; changes of the Secrets reach running pods.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!(has(self.ca) && has(self.insecureSkipVerify) && self.insecureSkipVerify)").message("tls: insecureSkipVerify takes any certificate, so ca would mean nothing; leave one of them out"))]
pub struct Tls {
    /// Certificates of the authorities that are trusted instead of the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<CertificateAuthority>,
    /// Our own certificate, where the server asks for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<ClientCertificate>,
    /// The name that the server's certificate must have, where it is not the host of the URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = "^[A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?$")
    )]
    pub server_name: Option<String>,
    /// Takes any certificate: whoever sits between the pod and the server can read and change the records.
    #[serde(default)]
    pub insecure_skip_verify: bool,
}

impl Tls {
    /// The keys that are referred to.
    pub fn secret_keys(&self) -> Vec<SecretKey<'_>> {
        let ca = self.ca.iter().map(CertificateAuthority::certificates);
        let own = self.certificate.iter();
        ca.chain(own.flat_map(|own| [own.chain(), own.key()])).collect()
    }
}

/// Certificates of authorities.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CertificateAuthority {
    /// Name of a Secret in this namespace.
    #[schemars(length(min = 1, max = 253), regex(pattern = OBJECT_NAME))]
    pub secret_name: String,
    /// The key that holds the certificates.
    #[serde(default = "CertificateAuthority::default_key")]
    #[schemars(length(min = 1, max = 253), regex(pattern = KEY))]
    pub key: String,
}

impl CertificateAuthority {
    fn default_key() -> String {
        "ca.crt".to_owned()
    }

    /// The key with the certificates.
    pub fn certificates(&self) -> SecretKey<'_> {
        SecretKey {
            secret: &self.secret_name,
            key: &self.key,
        }
    }
}

/// Our own certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClientCertificate {
    /// Name of a Secret in this namespace with the keys `tls.crt` and `tls.key` (type `kubernetes.io/tls`, or any).
    #[schemars(length(min = 1, max = 253), regex(pattern = OBJECT_NAME))]
    pub secret_name: String,
}

impl ClientCertificate {
    /// The key with the certificate and those between it and the authority.
    pub fn chain(&self) -> SecretKey<'_> {
        self.part("tls.crt")
    }

    /// The key with its private key.
    pub fn key(&self) -> SecretKey<'_> {
        self.part("tls.key")
    }

    fn part(&self, key: &'static str) -> SecretKey<'_> {
        SecretKey {
            secret: &self.secret_name,
            key,
        }
    }
}
