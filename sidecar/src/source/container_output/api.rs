//! The API of the own pod: two GETs with the ServiceAccount's token, and nothing else of Kubernetes.
//!
//! Promises: only the authority of the mount is trusted. Token and authority are read at every request, because both are
//! rotated below us. Connecting and the head of an answer have a time limit, every body but the log stream has a bound; how
//! long a silent stream is kept is the reader's matter.

mod refusal;
mod request;

pub use self::refusal::Refusal;
pub use self::request::{AddressError, LogQuery};

use super::pod::Pod;
use crate::config::{Environment, Pod as OwnPod};
use crate::io::net::{self, HttpClient};
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, HeaderValue, RETRY_AFTER, USER_AGENT};
use http::{Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Connecting, TLS included, and the head of the answer; they take longer only when nobody answers.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(30);
/// A pod is at most 1.5 MiB in etcd; as JSON it may be larger.
const POD_BYTES_MAX: usize = 4 << 20;
/// More of a refusal's body is not read.
const REFUSAL_BYTES_MAX: usize = 64 << 10;
/// Tokens have one or two KiB, bundles of authorities a few.
const MOUNTED_BYTES_MAX: u64 = 1 << 20;
/// What kubectl asks for: objects and refusals as JSON, logs as they are.
const ACCEPTED: &str = "application/json, */*";
const AGENT: &str = concat!("logship/", env!("CARGO_PKG_VERSION"));

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The environment does not say where the API is.
    #[error("failed to find the API server")]
    Address(#[source] AddressError),
    /// The ServiceAccount's mount is incomplete.
    #[error("failed to read {} of the ServiceAccount's mount", .0.display())]
    Mount(PathBuf, #[source] io::Error),
    /// The authority's file has no certificate.
    #[error("failed to make a client that trusts {}", .0.display())]
    Client(PathBuf, #[source] net::Error),
    /// The token cannot be part of a request, or a name cannot be part of a path.
    #[error("failed to build the request")]
    Build(#[source] http::Error),
    /// Nobody answers at all.
    #[error("the API did not answer within {ANSWER_TIME_MAX:?}")]
    Silence,
    /// The connection failed.
    #[error("failed to ask the API")]
    Send(#[source] hyper_util::client::legacy::Error),
    /// The answer is a no.
    #[error(transparent)]
    Refused(Refusal),
    /// The answer broke off or has no bound.
    #[error("failed to read the API's answer")]
    Body(#[source] Cause),
    /// The answer is no pod.
    #[error("failed to understand the API's answer")]
    Pod(#[source] serde_json::Error),
}

impl Error {
    /// Whether we are not allowed to ask, or have nothing any more to be known by.
    pub fn is_denial(&self) -> bool {
        match self {
            Self::Mount(..) => true,
            Self::Refused(refusal) => refusal.is_denial(),
            _ => false,
        }
    }
}

/// The API of one pod.
#[derive(Debug, Clone)]
pub struct PodApi {
    address: Result<String, AddressError>,
    namespace: String,
    name: String,
    /// Where the ServiceAccount is mounted.
    mount: PathBuf,
    connected: Option<Connected>,
}

/// A client, and the authority that it trusts.
#[derive(Debug, Clone)]
struct Connected {
    authority: Vec<u8>,
    client: HttpClient,
}

impl PodApi {
    /// The API of this pod, whose name and namespace are known where the API is needed, as the ServiceAccount at `mount`.
    pub fn new(pod: &OwnPod, environment: &Environment, mount: &Path) -> Self {
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        Self {
            address: request::address(environment),
            namespace: text(&pod.namespace),
            name: text(&pod.name),
            mount: mount.to_owned(),
            connected: None,
        }
    }

    /// The pod as it is now.
    pub async fn pod(&mut self) -> Result<Pod, Error> {
        let answer = self.get(&request::pod(&self.namespace, &self.name)).await?;
        let body = Limited::new(answer.into_body(), POD_BYTES_MAX).collect();
        let body = tokio::time::timeout(ANSWER_TIME_MAX, body).await;
        let body = body.map_err(|_| Error::Silence)?.map_err(Error::Body)?;
        serde_json::from_slice(&body.to_bytes()).map_err(Error::Pod)
    }

    /// A container's output; the body goes on for as long as the container does if the query follows it.
    pub async fn log(&mut self, query: &LogQuery) -> Result<Incoming, Error> {
        let target = request::log(&self.namespace, &self.name, query);
        Ok(self.get(&target).await?.into_body())
    }

    async fn get(&mut self, target: &str) -> Result<Response<Incoming>, Error> {
        let request = self.request(target)?;
        let answer = self.client()?.request(request);
        let answer = tokio::time::timeout(ANSWER_TIME_MAX, answer).await;
        let answer = answer.map_err(|_| Error::Silence)?.map_err(Error::Send)?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        let code = answer.status();
        let retry_after = answer.headers().get(RETRY_AFTER).cloned();
        let body = Limited::new(answer.into_body(), REFUSAL_BYTES_MAX).collect();
        // The status says enough if the body does not come.
        let body = match tokio::time::timeout(ANSWER_TIME_MAX, body).await {
            Ok(Ok(body)) => body.to_bytes(),
            _ => Bytes::new(),
        };
        let refusal = Refusal::of(code, &body).retry_after(retry_after.as_ref());
        Err(Error::Refused(refusal))
    }

    fn request(&self, target: &str) -> Result<Request<Full<Bytes>>, Error> {
        let address = self
            .address
            .as_ref()
            .map_err(|error| Error::Address(error.clone()))?;
        let token = self.mounted(request::TOKEN)?;
        let mut bearer = request::bearer(&token).map_err(|error| Error::Build(error.into()))?;
        bearer.set_sensitive(true);
        Request::get(format!("{address}{target}"))
            .header(AUTHORIZATION, bearer)
            .header(ACCEPT, ACCEPTED)
            .header(USER_AGENT, HeaderValue::from_static(AGENT))
            .body(Full::default())
            .map_err(Error::Build)
    }

    /// The client that trusts today's authority.
    fn client(&mut self) -> Result<HttpClient, Error> {
        let authority = self.mounted(request::AUTHORITY)?;
        if let Some(connected) = self
            .connected
            .as_ref()
            .filter(|connected| connected.authority == authority)
        {
            return Ok(connected.client.clone());
        }
        let client = net::client_trusting_only(&authority)
            .map_err(|error| Error::Client(self.mount.join(request::AUTHORITY), error))?;
        self.connected = Some(Connected {
            authority,
            client: client.clone(),
        });
        Ok(client)
    }

    fn mounted(&self, name: &str) -> Result<Vec<u8>, Error> {
        let path = self.mount.join(name);
        let mut bytes = Vec::new();
        File::open(&path)
            .and_then(|file| file.take(MOUNTED_BYTES_MAX).read_to_end(&mut bytes))
            .map_err(|error| Error::Mount(path, error))?;
        Ok(bytes)
    }
}
