//! Where a sink sends: URL, headers, credentials and TLS, by the same rules for every sink that speaks HTTP.
//!
//! Secrets become paths of files in the sidecar. Nothing of a URL that may be a password is ever repeated in a message.

use super::report::Report;
use logship_crd::agent_config as agent;
use logship_crd::names;
use logship_crd::v1alpha1::{Auth, Endpoint, SecretKey, Tls};
use std::collections::BTreeMap;

/// Headers that frame the request, and those that carry credentials.
const RESERVED_HEADERS: [&str; 13] = [
    "authorization",
    "proxy-authorization",
    "cookie",
    "host",
    "content-length",
    "content-type",
    "content-encoding",
    "transfer-encoding",
    "connection",
    "expect",
    "te",
    "trailer",
    "upgrade",
];

/// What the sinks of the document that speak HTTP have in common.
pub(super) struct Parsed {
    pub(super) url: String,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) timeout_ms: u64,
    pub(super) auth: Option<agent::Auth>,
    pub(super) tls: Option<agent::Tls>,
}

pub(super) fn parse(field: &str, endpoint: &Endpoint, report: &mut Report) -> Option<Parsed> {
    let Endpoint {
        url,
        headers,
        timeout,
        auth,
        tls,
    } = endpoint;
    check_url(&format!("{field}.url"), url, report);
    check_headers(&format!("{field}.headers"), headers, report);
    check_secrets(field, endpoint, report);
    if tls.is_some() && !url.to_ascii_lowercase().starts_with("https://") {
        report.add(
            &format!("{field}.tls"),
            without_credentials(url),
            "write https:// in url, or leave tls out",
        );
    }
    let auth = match auth.as_ref().map(|auth| self::auth(field, auth, report)) {
        Some(auth) => Some(auth?),
        None => None,
    };
    Some(Parsed {
        url: url.clone(),
        headers: headers.clone(),
        timeout_ms: report.duration_ms(&format!("{field}.timeout"), timeout)?,
        auth,
        tls: tls.as_ref().map(self::tls),
    })
}

/// Reports a header that means something to the protocol of a sink and is not to be set by hand.
pub(super) fn refuse_headers(
    field: &str,
    headers: &BTreeMap<String, String>,
    is_refused: impl Fn(&str) -> bool,
    remedy: &str,
    report: &mut Report,
) {
    for name in headers
        .keys()
        .filter(|name| is_refused(&name.to_ascii_lowercase()))
    {
        report.add(&format!("{field}.headers"), name, remedy);
    }
}

fn check_url(field: &str, text: &str, report: &mut Report) {
    let url = http::Uri::try_from(text).ok();
    let is_http = url.as_ref().is_some_and(|url| {
        matches!(url.scheme_str(), Some("http" | "https")) && url.host().is_some_and(|host| !host.is_empty())
    });
    let authority = url.as_ref().and_then(http::Uri::authority);
    if !is_http {
        report.add(
            field,
            without_credentials(text),
            "write an absolute http:// or https:// URL",
        );
    } else if authority.is_some_and(|authority| authority.as_str().contains('@')) {
        report.add(
            field,
            without_credentials(text),
            "leave user name and password out: put them into a Secret and name it in auth.basic",
        );
    }
}

/// What stands before an `@` may be a password.
fn without_credentials(url: &str) -> &str {
    url.rsplit_once('@').map_or(url, |(_, rest)| rest)
}

fn check_headers(field: &str, headers: &BTreeMap<String, String>, report: &mut Report) {
    for (name, value) in headers {
        let is_header =
            http::HeaderName::try_from(name).is_ok() && http::HeaderValue::try_from(value).is_ok();
        if !is_header {
            let remedy = "write a header name and a value of visible ASCII characters";
            report.add(&format!("{field}[{name}]"), value, remedy);
        }
        if RESERVED_HEADERS
            .iter()
            .any(|reserved| name.eq_ignore_ascii_case(reserved))
        {
            let remedy =
                "leave it out: the sink sets it itself, or it would carry a credential in a ConfigMap";
            report.add(field, name, remedy);
        }
    }
}

/// The token of the sidecars themselves is for the API server and nobody else.
fn check_secrets(field: &str, endpoint: &Endpoint, report: &mut Report) {
    let is_own = |key: &SecretKey<'_>| key.secret == names::SIDECAR_TOKEN_SECRET;
    if endpoint.secret_keys().iter().any(is_own) {
        report.add(
            field,
            names::SIDECAR_TOKEN_SECRET,
            "name another Secret: this one holds the sidecars' own token",
        );
    }
}

fn auth(field: &str, auth: &Auth, report: &mut Report) -> Option<agent::Auth> {
    match (&auth.basic, &auth.bearer) {
        (Some(basic), None) => Some(agent::Auth::Basic(agent::BasicAuth {
            username_file: basic.username().path(),
            password_file: basic.password().path(),
        })),
        (None, Some(bearer)) => Some(agent::Auth::BearerFile(bearer.token().path())),
        (basic, _) => {
            let found = if basic.is_some() { "basic and bearer" } else { "" };
            report.add(
                &format!("{field}.auth"),
                found,
                "give it exactly one kind: basic or bearer",
            );
            None
        }
    }
}

fn tls(tls: &Tls) -> agent::Tls {
    let Tls {
        ca,
        certificate,
        server_name,
        insecure_skip_verify,
    } = tls;
    agent::Tls {
        ca_file: ca.as_ref().map(|ca| ca.certificates().path()),
        cert_file: certificate.as_ref().map(|own| own.chain().path()),
        key_file: certificate.as_ref().map(|own| own.key().path()),
        server_name: server_name.clone(),
        insecure_skip_verify: *insecure_skip_verify,
    }
}
