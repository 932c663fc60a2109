//! The name of a receiver that moves to another address.

use anyhow::Result;
use axum::Router;
use axum::extract::State;
use axum::routing::post;
use logship_tests::peers::process::free_port;
use logship_tests::peers::shipper::{Shipper, Task};
use logship_tests::wait::{Look, PATIENCE, wait_for};
use serde_json::json;
use std::fs;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// Serves on `address` until it is dropped, and keeps what it got.
struct Receiver {
    received: Arc<Mutex<String>>,
    _server: JoinSet<std::io::Result<()>>,
}

impl Receiver {
    async fn start(address: &str, port: u16) -> Result<Self> {
        let listener = TcpListener::bind((address, port)).await?;
        let received = Arc::new(Mutex::new(String::new()));
        let keep = async |State(received): State<Arc<Mutex<String>>>, body: String| {
            received.lock().expect("nobody panics with it").push_str(&body);
        };
        let router = Router::new().route("/", post(keep)).with_state(received.clone());
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, router).await });
        Ok(Self {
            received,
            _server: server,
        })
    }

    async fn wait_for(&self, part: &str) -> Result<()> {
        wait_for(&format!("{part} arrives"), PATIENCE, async || {
            let received = self.received.lock().expect("nobody panics with it").clone();
            Ok(if received.contains(part) {
                Look::Done(())
            } else {
                Look::NotYet(received)
            })
        })
        .await
    }
}

/// A mount namespace of its own, in which this file is /etc/hosts.
fn with_hosts(file: &str) -> Vec<String> {
    let script = format!("mount --bind '{file}' /etc/hosts && exec \"$@\"");
    ["unshare", "--mount", "sh", "-c", &script, "sh"]
        .map(str::to_owned)
        .into()
}

#[tokio::test]
async fn receiver_whose_name_moves_to_another_address_is_found_there() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let hosts = directory.path().join("hosts");
    fs::write(&hosts, "127.0.0.1 localhost receiver.test\n")?;
    let port = free_port()?;
    let before = Receiver::start("127.0.0.1", port).await?;
    let url = format!("http://receiver.test:{port}/");
    let task = Task {
        framing: "lines",
        pipeline: json!([]),
        sink: json!({"http": {"url": url, "compression": "none"}}),
        runner: with_hosts(&hosts.display().to_string()),
    };
    let mut shipper = Shipper::start(task, "first\n")?;
    before.wait_for("first").await?;
    drop(before);
    shipper.append("second\n")?;
    wait_for("the old address refuses", PATIENCE, async || {
        let sink = shipper.sink().await?;
        Ok(if sink["error"].is_null() {
            Look::NotYet(sink)
        } else {
            Look::Done(())
        })
    })
    .await?;
    // In place: the mount is of the file.
    fs::write(&hosts, "127.0.0.1 localhost\n127.0.0.2 receiver.test\n")?;
    let after = Receiver::start("127.0.0.2", port).await?;
    after.wait_for("second").await?;
    shipper.process.stop().await?;
    Ok(())
}
