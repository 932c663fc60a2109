//! What is asked of the API, and where. Pure.

use crate::config::Environment;
use http::header::{HeaderValue, InvalidHeaderValue};
use jiff::Timestamp;
use logship_crd::names::{ENV_API_HOST, ENV_API_PORT};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// The token's file in the ServiceAccount's mount.
pub(super) const TOKEN: &str = "token";
/// The file of the authority that vouches for the API server.
pub(super) const AUTHORITY: &str = "ca.crt";

/// All but the unreserved characters of RFC 3986, section 2.3.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Why the API server cannot be found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// A variable that the kubelet sets in every container.
    #[error("{0} is not set: this is no pod")]
    Missing(&'static str),
    /// It is no port.
    #[error("{ENV_API_PORT} is no port: {0:?}")]
    Port(String),
}

/// Which part of a container's output; every line comes with its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogQuery {
    /// Name of the container.
    pub container: String,
    /// Of the instance before the last restart.
    pub previous: bool,
    /// Stay connected at the end.
    pub follow: bool,
    /// Not what is older. The API takes whole seconds.
    pub since: Option<Timestamp>,
}

/// Scheme, host and port of the API server, as the kubelet tells them.
pub(super) fn address(environment: &Environment) -> Result<String, AddressError> {
    let value = |name| {
        let value = environment.get(name).filter(|value| !value.is_empty());
        value.ok_or(AddressError::Missing(name))
    };
    let (host, port) = (value(ENV_API_HOST)?, value(ENV_API_PORT)?);
    let port: u16 = port.parse().map_err(|_| AddressError::Port(port.clone()))?;
    // An IPv6 address needs brackets (RFC 3986, section 3.2.2); nothing else that names a host has colons.
    Ok(if host.contains(':') {
        format!("https://[{host}]:{port}")
    } else {
        format!("https://{host}:{port}")
    })
}

/// Path of a pod.
pub(super) fn pod(namespace: &str, name: &str) -> String {
    format!("/api/v1/namespaces/{}/pods/{}", encoded(namespace), encoded(name))
}

/// Path and query of a container's output.
pub(super) fn log(namespace: &str, name: &str, query: &LogQuery) -> String {
    let LogQuery {
        container,
        previous,
        follow,
        since,
    } = query;
    let since = since.map(|time| format!("&sinceTime={}", encoded(&time.to_string())));
    format!(
        "{}/log?container={}{}{}{}&timestamps=true",
        pod(namespace, name),
        encoded(container),
        if *follow { "&follow=true" } else { "" },
        if *previous { "&previous=true" } else { "" },
        since.unwrap_or_default(),
    )
}

/// The header for a token's file, which may end with a newline.
pub(super) fn bearer(token: &[u8]) -> Result<HeaderValue, InvalidHeaderValue> {
    HeaderValue::from_bytes(&[b"Bearer ", token.trim_ascii()].concat())
}

fn encoded(text: &str) -> impl std::fmt::Display {
    utf8_percent_encode(text, RESERVED)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn address_is_that_of_the_environment() {
        let check = |host: Option<&str>, port: Option<&str>, expected: Result<&str, AddressError>| {
            let pairs = [(ENV_API_HOST, host), (ENV_API_PORT, port)];
            let environment = pairs
                .into_iter()
                .filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())))
                .collect();
            assert_eq!(address(&environment), expected.map(str::to_owned));
        };
        check(Some("10.96.0.1"), Some("443"), Ok("https://10.96.0.1:443"));
        check(Some("fd00::1"), Some("6443"), Ok("https://[fd00::1]:6443"));
        check(Some("api.example"), Some("6443"), Ok("https://api.example:6443"));
        check(None, Some("443"), Err(AddressError::Missing(ENV_API_HOST)));
        check(Some(""), Some("443"), Err(AddressError::Missing(ENV_API_HOST)));
        check(Some("10.96.0.1"), None, Err(AddressError::Missing(ENV_API_PORT)));
        let port = "tcp://10.96.0.1:443";
        check(
            Some("10.96.0.1"),
            Some(port),
            Err(AddressError::Port(port.to_owned())),
        );
    }

    #[test]
    fn query_holds_what_is_asked_and_nothing_else() {
        let check = |query: LogQuery, expected: &str| {
            let path = "/api/v1/namespaces/shop/pods/web-0/log";
            assert_eq!(log("shop", "web-0", &query), format!("{path}?{expected}"));
        };
        let plain = LogQuery {
            container: "web".to_owned(),
            previous: false,
            follow: false,
            since: None,
        };
        check(plain.clone(), "container=web&timestamps=true");
        let follow = LogQuery {
            follow: true,
            since: Some(Timestamp::from_second(1_767_323_045).unwrap()),
            ..plain.clone()
        };
        check(
            follow,
            "container=web&follow=true&sinceTime=2026-01-02T03%3A04%3A05Z&timestamps=true",
        );
        let previous = LogQuery {
            previous: true,
            ..plain
        };
        check(previous, "container=web&previous=true&timestamps=true");
    }

    proptest! {
        /// Whatever a name holds, it stays one segment of the path or one value of the query.
        #[test]
        fn names_cannot_leave_their_place(name in "\\PC{1,20}") {
            let query = LogQuery { container: name.clone(), previous: false, follow: false, since: None };
            let target = log(&name, &name, &query);
            let uri: http::Uri = target.parse().unwrap();
            prop_assert_eq!(uri.path().split('/').count(), 8);
            prop_assert_eq!(uri.query().unwrap().split('&').count(), 2);
            let value = uri.query().unwrap()["container=".len()..].split('&').next().unwrap();
            let decoded = percent_encoding::percent_decode_str(value).decode_utf8().unwrap();
            prop_assert_eq!(decoded, name.as_str());
        }
    }

    #[test]
    fn token_is_taken_without_its_newline_and_refused_if_it_has_one_inside() {
        assert_eq!(bearer(b"abc.def\n").unwrap(), "Bearer abc.def");
        assert!(bearer(b"abc\r\nx-evil: 1").is_err());
    }
}
