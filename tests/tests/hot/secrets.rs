//! A sink's password and the sidecar's own certificate, exchanged while it ships.

use crate::tls::{Authority, Identity, Renewable};
use crate::writers::{are_not_restarted, hasten, start, stop, wait_for_each_once, wait_for_more};
use anyhow::Result;
use axum::serve::Listener;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::{ByteString, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use kube::api::{Patch, PatchParams};
use logship_tests::cluster::Namespace;
use logship_tests::peers::HttpSink;
use logship_tests::wait::{Look, PATIENCE, wait_for};
use logship_tests::{NODE_ADDRESS, release};
use std::net::SocketAddr;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// `shipper:first` and `shipper:second`, as HTTP's basic scheme writes them.
const FIRST: &str = "Basic c2hpcHBlcjpmaXJzdA==";
const SECOND: &str = "Basic c2hpcHBlcjpzZWNvbmQ=";

/// Connections over TLS. Those that are refused are none.
struct Secured {
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

impl Listener for Secured {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let (stream, address) = Listener::accept(&mut self.listener).await;
            if let Ok(stream) = self.acceptor.accept(stream).await {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

/// Writes a Secret as `kubectl apply` does.
async fn write(namespace: &Namespace, name: &str, keys: &[(&str, &str)]) -> Result<()> {
    let value = |(key, text): &(&str, &str)| ((*key).to_owned(), ByteString(text.as_bytes().to_vec()));
    let secret = Secret {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            ..ObjectMeta::default()
        },
        data: Some(keys.iter().map(value).collect()),
        ..Secret::default()
    };
    let params = PatchParams::apply("test").force();
    namespace
        .api::<Secret>()
        .patch(name, &params, &Patch::Apply(&secret))
        .await?;
    Ok(())
}

async fn write_login(namespace: &Namespace, password: &str) -> Result<()> {
    write(
        namespace,
        "login",
        &[("username", "shipper"), ("password", password)],
    )
    .await
}

async fn write_pair(namespace: &Namespace, pair: &Identity) -> Result<()> {
    let keys = [("tls.crt", &*pair.certificate_pem), ("tls.key", &*pair.key_pem)];
    write(namespace, "pair", &keys).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_and_a_pair_that_is_swapped_twice_are_used_without_restart_and_loss() -> Result<()> {
    release::ensure_installed().await?;
    let authority = Authority::new();
    let server = Renewable::new(authority.vouch_for(NODE_ADDRESS));
    let (acceptor, clients) = server.acceptor_for_clients_of(&authority);
    let listener = HttpSink::listener().await?;
    let url = format!("https://{}/logs", listener.local_addr()?);
    let sink = HttpSink::serve(Secured { listener, acceptor }, url);
    sink.demand(FIRST);

    let namespace = Namespace::enabled("hot-secrets").await?;
    let pairs: [Identity; 3] = std::array::from_fn(|_| authority.vouch_for("shipper"));
    write(&namespace, "authority", &[("ca.crt", &authority.pem)]).await?;
    write_login(&namespace, "first").await?;
    write_pair(&namespace, &pairs[0]).await?;
    let spec = format!(
        "  selector: {{matchLabels: {{app: web}}}}
  sources: [{{name: output, containerOutput: {{}}}}]
  sinks:
  - name: hub
    http:
      url: '{}'
      auth: {{basic: {{secretName: login}}}}
      tls: {{ca: {{secretName: authority}}, certificate: {{secretName: pair}}}}
",
        sink.url
    );
    namespace.ship("web", &spec).await?;
    let pods = start(&namespace, 1).await?;
    wait_for_shown(&clients, &pairs[0]).await?;
    wait_for_more(&sink).await?;

    for pair in &pairs[1..] {
        write_pair(&namespace, pair).await?;
        hasten(&namespace).await?;
        wait_for_shown(&clients, pair).await?;
        wait_for_more(&sink).await?;
    }

    // The receiver is the first to change, so some requests are refused, and their lines wait.
    sink.demand(SECOND);
    wait_for("the old password is refused", PATIENCE, async || {
        Ok(match sink.refused() {
            0 => Look::NotYet(()),
            _ => Look::Done(()),
        })
    })
    .await?;
    write_login(&namespace, "second").await?;
    hasten(&namespace).await?;
    wait_for_more(&sink).await?;

    let written = stop(&namespace, &pods, false).await?;
    wait_for_each_once(&[&sink], &written).await?;
    are_not_restarted(&namespace, &pods).await
}

async fn wait_for_shown(clients: &crate::tls::Clients, pair: &Identity) -> Result<()> {
    wait_for("the certificate is shown", PATIENCE, async || {
        Ok(if clients.have_seen(pair) {
            Look::Done(())
        } else {
            Look::NotYet(())
        })
    })
    .await
}
