//! The HTTP endpoints of a document: url, headers, credentials, TLS.

use super::super::{Auth, Dialect, Endpoint, Mistake, SinkKind, Tls};
use super::invalid;
use crate::sink::compress::Codec;
use http::header::{AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION};
use logship_crd::agent_config::{
    self, Compression, ElasticsearchSink, HttpSink, LokiSink, OtlpProtocol, OtlpSink,
};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// Headers whose values are credentials, which stand in files and not in documents.
const CREDENTIALS: [http::HeaderName; 3] = [AUTHORIZATION, PROXY_AUTHORIZATION, COOKIE];

/// What the kinds of HTTP sinks have in common.
struct Parts<'a> {
    place: &'a str,
    url: &'a str,
    /// Added to a URL without a path, with its query.
    path: String,
    headers: BTreeMap<String, String>,
    timeout_ms: u64,
    auth: Option<agent_config::Auth>,
    tls: Option<agent_config::Tls>,
    codec: Codec,
    dialect: Dialect,
}

/// An endpoint that takes NDJSON.
pub(super) fn http(place: &str, sink: HttpSink, mistakes: &mut Vec<Mistake>) -> Option<SinkKind> {
    let HttpSink {
        url,
        headers,
        compression,
        timeout_ms,
        auth,
        tls,
    } = sink;
    let parts = Parts {
        place,
        url: &url,
        path: String::new(),
        headers,
        timeout_ms,
        auth,
        tls,
        codec: codec(compression),
        dialect: Dialect::Ndjson,
    };
    endpoint(parts, mistakes)
}

/// Loki's push API.
pub(super) fn loki(place: &str, sink: LokiSink, mistakes: &mut Vec<Mistake>) -> Option<SinkKind> {
    let LokiSink {
        url,
        tenant,
        labels: _,
        structured_metadata: _,
        timeout_ms,
        mut headers,
        auth,
        tls,
    } = sink;
    headers.extend(tenant.map(|tenant| ("X-Scope-OrgID".to_owned(), tenant)));
    let parts = Parts {
        place,
        url: &url,
        path: "/loki/api/v1/push".to_owned(),
        headers,
        timeout_ms,
        auth,
        tls,
        codec: Codec::Snappy,
        dialect: Dialect::Loki,
    };
    endpoint(parts, mistakes)
}

/// A receiver of OTLP.
pub(super) fn otlp(place: &str, sink: OtlpSink, mistakes: &mut Vec<Mistake>) -> Option<SinkKind> {
    let OtlpSink {
        url,
        protocol,
        compression,
        timeout_ms,
        headers,
        resource: _,
        auth,
        tls,
    } = sink;
    let (path, dialect) = match protocol {
        OtlpProtocol::Http => ("/v1/logs", Dialect::OtlpHttp),
        OtlpProtocol::Grpc => (
            "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
            Dialect::OtlpGrpc,
        ),
    };
    let parts = Parts {
        place,
        url: &url,
        path: path.to_owned(),
        headers,
        timeout_ms,
        auth,
        tls,
        codec: codec(compression),
        dialect,
    };
    endpoint(parts, mistakes)
}

/// Elasticsearch's or OpenSearch's bulk API.
pub(super) fn elasticsearch(
    place: &str,
    sink: ElasticsearchSink,
    mistakes: &mut Vec<Mistake>,
) -> Option<SinkKind> {
    let ElasticsearchSink {
        url,
        index,
        ingest_pipeline,
        compression,
        timeout_ms,
        headers,
        auth,
        tls,
    } = sink;
    if compression == Compression::Zstd {
        let remedy = "write gzip or none";
        mistakes.push(invalid(
            format!("{place}.compression"),
            &"zstd",
            "not known to the bulk API",
            remedy,
        ));
    }
    let is_name = |name: &str| {
        !name.is_empty()
            && name
                .bytes()
                .all(|byte| byte.is_ascii_graphic() && !b"/?#%\\*\"<>|, ".contains(&byte))
    };
    for (field, name) in [
        ("index", Some(&index)),
        ("ingestPipeline", ingest_pipeline.as_ref()),
    ] {
        if let Some(name) = name.filter(|name| !is_name(name)) {
            let remedy = "write a name such as logs-shop-default";
            mistakes.push(invalid(format!("{place}.{field}"), name, "not a name", remedy));
        }
    }
    // The answer is as small as it can be: what the verdict needs and no more.
    let mut path =
        format!("/{index}/_bulk?filter_path=errors,items.*.status,items.*.error.type,items.*.error.reason");
    if let Some(pipeline) = ingest_pipeline {
        path = format!("{path}&pipeline={pipeline}");
    }
    let parts = Parts {
        place,
        url: &url,
        path,
        headers,
        timeout_ms,
        auth,
        tls,
        codec: codec(compression),
        dialect: Dialect::Elasticsearch,
    };
    endpoint(parts, mistakes)
}

fn codec(compression: Compression) -> Codec {
    match compression {
        Compression::None => Codec::Identity,
        Compression::Gzip => Codec::Gzip,
        Compression::Zstd => Codec::Zstd,
    }
}

fn endpoint(parts: Parts<'_>, mistakes: &mut Vec<Mistake>) -> Option<SinkKind> {
    let Parts {
        place,
        url: text,
        path,
        headers,
        timeout_ms,
        auth,
        tls,
        codec,
        dialect,
    } = parts;
    let url = url(text, &path);
    if url.is_none() {
        mistakes.push(invalid(
            format!("{place}.url"),
            &without_credentials(text),
            "not an absolute URL without credentials",
            "write http://… or https://…, and credentials as auth",
        ));
    }
    let headers = self::headers(place, headers, mistakes);
    let tls = self::tls(place, tls.unwrap_or_default(), mistakes);
    Some(SinkKind::Http(Box::new(Endpoint {
        url: url?,
        headers,
        codec,
        timeout: Duration::from_millis(timeout_ms.max(1)),
        auth: auth.map(self::auth),
        tls: tls?,
        dialect,
    })))
}

/// The URL; `path` is added where it has none of its own.
fn url(text: &str, path: &str) -> Option<http::Uri> {
    let url: http::Uri = text.parse().ok()?;
    let is_absolute = matches!(url.scheme_str(), Some("http" | "https"))
        && url
            .authority()
            .is_some_and(|authority| !authority.as_str().contains('@'));
    if !is_absolute {
        return None;
    }
    if !path.is_empty()
        && matches!(
            url.path_and_query().map(http::uri::PathAndQuery::as_str),
            None | Some("" | "/")
        )
    {
        return format!("{}{path}", text.trim_end_matches('/')).parse().ok();
    }
    Some(url)
}

fn headers(place: &str, texts: BTreeMap<String, String>, mistakes: &mut Vec<Mistake>) -> http::HeaderMap {
    let mut headers = http::HeaderMap::new();
    for (name, value) in texts {
        let (problem, remedy) = match (name.parse::<http::HeaderName>(), value.parse()) {
            (Ok(name), _) if CREDENTIALS.contains(&name) => {
                ("a credential", "name a file that holds it as auth")
            }
            (Ok(name), Ok(value)) => {
                headers.insert(name, value);
                continue;
            }
            _ => ("not a header", "write visible ASCII characters"),
        };
        let place = format!("{place}.headers[{name}]");
        // It may be a credential.
        mistakes.push(invalid(place, &"(not shown)", problem, remedy));
    }
    headers
}

fn auth(auth: agent_config::Auth) -> Auth {
    match auth {
        agent_config::Auth::Basic(basic) => Auth::Basic {
            username: basic.username_file.into(),
            password: basic.password_file.into(),
        },
        agent_config::Auth::BearerFile(path) => Auth::Bearer(path.into()),
    }
}

fn tls(place: &str, tls: agent_config::Tls, mistakes: &mut Vec<Mistake>) -> Option<Tls> {
    let agent_config::Tls {
        ca_file,
        cert_file,
        key_file,
        server_name,
        insecure_skip_verify,
    } = tls;
    let identity = match (cert_file, key_file) {
        (None, None) => None,
        (Some(certificates), Some(key)) => Some((PathBuf::from(certificates), PathBuf::from(key))),
        (certificates, _) => {
            let (there, missing) = if certificates.is_some() {
                ("certFile", "keyFile")
            } else {
                ("keyFile", "certFile")
            };
            let remedy = "give both or none";
            mistakes.push(invalid(
                format!("{place}.tls.{missing}"),
                &"",
                &format!("missing beside {there}"),
                remedy,
            ));
            return None;
        }
    };
    Some(Tls {
        ca_file: ca_file.map(PathBuf::from),
        identity,
        server_name,
        insecure_skip_verify,
    })
}

/// What stands before an `@` in a URL may be a password.
fn without_credentials(url: &str) -> &str {
    url.rsplit_once('@').map_or(url, |(_, rest)| rest)
}
