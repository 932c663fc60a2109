//! A scripted API server for one pod: it serves the output of its containers as the real one does, and fails as it is told. Its HTTP/1.1
//! is its own, so that a connection can break anywhere. It ends with the test's process.

use crate::container::{Container, Kind, Query, Reader, Step};
use crate::tls;
use logship::io::clock;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::net::TcpListener;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// How streams end that are open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// Cleanly.
    End,
    /// By a reset.
    Reset,
    /// Cleanly, but within a line.
    Within,
    /// By a reset within a line.
    ResetWithin,
    /// Not at all: nothing comes any more.
    Freeze,
}

/// An answer instead of what was asked for.
#[derive(Debug, Clone, Copy)]
pub struct Refusal {
    pub code: u16,
    pub retry_after: Option<u32>,
}

/// A request.
#[derive(Debug, Clone)]
pub struct Asked {
    /// When, in nanoseconds since 1970.
    pub at: i64,
    pub target: String,
    pub pod: String,
    /// It was refused with this.
    pub refused: Option<u16>,
}

#[derive(Debug)]
struct State {
    containers: Vec<Container>,
    token: String,
    refusals: VecDeque<Refusal>,
    cut: (u64, Cut),
    /// Nobody listens.
    is_down: bool,
    /// The status that is told instead of the true one.
    old_status: Option<Value>,
    /// No chunk is longer.
    chunk_bytes: usize,
    asked: Vec<Asked>,
}

/// What connections share.
struct Shared {
    state: Mutex<State>,
    changed: watch::Sender<()>,
}

/// The server, and the mount of a ServiceAccount that it takes.
pub struct Api {
    pub port: u16,
    pub mount: TempDir,
    shared: Arc<Shared>,
}

impl Api {
    /// With the container `web`, which runs.
    pub fn start() -> Self {
        Self::with(&[("web", Kind::Regular)])
    }

    pub fn with(containers: &[(&str, Kind)]) -> Self {
        let now = clock::wall();
        let containers = containers
            .iter()
            .map(|(name, kind)| Container::new(name, *kind, now));
        let state = State {
            containers: containers.collect(),
            token: "first".to_owned(),
            refusals: VecDeque::new(),
            cut: (0, Cut::End),
            is_down: false,
            old_status: None,
            chunk_bytes: usize::MAX,
            asked: Vec::new(),
        };
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            changed: watch::channel(()).0,
        });
        let (acceptor, authority) = tls::acceptor("127.0.0.1");
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let served = Arc::clone(&shared);
        std::thread::spawn(move || listen(listener, &acceptor, &served));
        let api = Self {
            port,
            mount: tempfile::tempdir().unwrap(),
            shared,
        };
        std::fs::write(api.mount.path().join("ca.crt"), authority).unwrap();
        api.write_token("first");
        api
    }

    pub fn write_token(&self, token: &str) {
        std::fs::write(self.mount.path().join("token"), token).unwrap();
    }

    /// Changes a container, which open streams see at once.
    pub fn change<T>(&self, container: &str, change: impl FnOnce(&mut Container) -> T) -> T {
        let mut state = self.state();
        let mut containers = state.containers.iter_mut();
        let result = change(containers.find(|found| found.name == container).unwrap());
        drop(state);
        self.shared.changed.send_replace(());
        result
    }

    /// Writes a line to a container's output now.
    pub fn write(&self, container: &str, text: &str) {
        self.change(container, |container| {
            container.run().write(clock::wall(), text.as_bytes());
        });
    }

    /// Readers of the first file do not hear of the next one.
    pub fn be_blind(&self) {
        self.change("web", |container| container.run().is_blind = true);
    }

    /// Ends every stream that is open.
    pub fn cut(&self, how: Cut) {
        self.set(|state| state.cut = (state.cut.0 + 1, how));
    }

    /// From now on only this token is taken.
    pub fn take_only(&self, token: &str) {
        self.set(|state| token.clone_into(&mut state.token));
    }

    /// The next requests are refused so.
    pub fn refuse(&self, refusals: &[Refusal]) {
        self.set(|state| state.refusals.extend(refusals));
    }

    pub fn set_chunks(&self, bytes_max: usize) {
        self.set(|state| state.chunk_bytes = bytes_max);
    }

    /// Breaks every connection and takes none, or takes them again.
    pub fn set_down(&self, is_down: bool) {
        self.set(|state| {
            state.is_down = is_down;
            state.cut = (state.cut.0 + 1, Cut::Reset);
        });
    }

    /// The status stays what it is now, or is the true one again.
    pub fn keep_status(&self, keep: bool) {
        self.set(|state| state.old_status = keep.then(|| pod(&state.containers)));
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.state().asked.clone()
    }

    /// The streams that were asked for and given.
    pub fn streams(&self) -> usize {
        let asked = self.asked();
        let streams = asked
            .iter()
            .filter(|asked| asked.refused.is_none() && asked.target.contains("/log?"));
        streams.count()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap()
    }

    fn set(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state());
        self.shared.changed.send_replace(());
    }
}

fn pod(containers: &[Container]) -> Value {
    let mut pod =
        json!({"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "web-0"}, "spec": {}, "status": {}});
    for container in containers {
        let kind = container.kind;
        let mut add = |part: &str, list: &str, value: Value| {
            let list = &mut pod[part][list];
            if list.is_null() {
                *list = json!([]);
            }
            list.as_array_mut().unwrap().push(value);
        };
        add("spec", kind.of_spec(), json!({"name": container.name}));
        add("status", kind.of_status(), container.status());
    }
    pod
}

fn listen(listener: TcpListener, acceptor: &TlsAcceptor, shared: &Arc<Shared>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        listener.set_nonblocking(true).unwrap();
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        let mut connections = JoinSet::new();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            stream.set_zero_linger().unwrap();
            stream.set_nodelay(true).unwrap();
            if shared.state.lock().unwrap().is_down {
                continue;
            }
            let (acceptor, shared) = (acceptor.clone(), Arc::clone(shared));
            connections.spawn(async move {
                // Who breaks off, or is broken off, is not answered.
                if let Ok(stream) = acceptor.accept(stream).await {
                    serve(BufReader::new(stream), &shared).await;
                }
            });
        }
    });
}

type Connection = BufReader<TlsStream<TcpStream>>;

/// Answers requests until the connection ends. Dropping it resets it.
async fn serve(mut connection: Connection, shared: &Shared) -> Option<()> {
    loop {
        let (target, authorization) = request(&mut connection).await?;
        let is_down = shared.state.lock().unwrap().is_down;
        if is_down {
            return None;
        }
        match shared.answer(&target, &authorization) {
            Answer::Whole(code, headers, body) => {
                let head = format!(
                    "HTTP/1.1 {code} X\r\ncontent-length: {}\r\n{headers}\r\n",
                    body.len()
                );
                connection.write_all(head.as_bytes()).await.ok()?;
                connection.write_all(body.as_bytes()).await.ok()?;
                connection.flush().await.ok()?;
            }
            Answer::Stream(container, reader) => stream(&mut connection, shared, container, reader).await?,
        }
    }
}

async fn request(connection: &mut Connection) -> Option<(String, String)> {
    let (mut target, mut authorization) = (String::new(), String::new());
    loop {
        let mut line = String::new();
        connection.read_line(&mut line).await.ok()?;
        let line = line.strip_suffix("\r\n")?;
        if line.is_empty() {
            return Some((target, authorization));
        }
        if let Some(rest) = line.strip_prefix("GET ") {
            rest.split(' ').next()?.clone_into(&mut target);
        }
        if let Some(value) = line.strip_prefix("authorization: ") {
            value.clone_into(&mut authorization);
        }
    }
}

enum Answer {
    Whole(u16, String, String),
    Stream(usize, Reader),
}

impl Shared {
    fn answer(&self, target: &str, authorization: &str) -> Answer {
        let mut state = self.state.lock().unwrap();
        let answer = state.answer(target, authorization);
        let refused = match &answer {
            Answer::Whole(code, ..) if *code != 200 => Some(*code),
            _ => None,
        };
        state.asked.push(Asked {
            at: clock::wall(),
            target: target.to_owned(),
            pod: target.split('/').nth(6).unwrap_or_default().to_owned(),
            refused,
        });
        answer
    }
}

impl State {
    fn answer(&mut self, target: &str, authorization: &str) -> Answer {
        let refusal = |code: u16| {
            let status = json!({"kind": "Status", "message": format!("refused with {code}"), "code": code});
            Answer::Whole(code, String::new(), status.to_string())
        };
        if let Some(Refusal { code, retry_after }) = self.refusals.pop_front() {
            let Answer::Whole(code, _, body) = refusal(code) else {
                unreachable!()
            };
            let header = retry_after.map(|seconds| format!("retry-after: {seconds}\r\n"));
            return Answer::Whole(code, header.unwrap_or_default(), body);
        }
        if authorization != format!("Bearer {}", self.token) {
            return refusal(401);
        }
        let Some((_, query)) = target.split_once("/log?container=") else {
            let pod = self.old_status.clone().unwrap_or_else(|| pod(&self.containers));
            return Answer::Whole(200, String::new(), pod.to_string());
        };
        let name = query.split('&').next().unwrap_or_default();
        let Some(index) = self
            .containers
            .iter()
            .position(|container| container.name == name)
        else {
            return refusal(404);
        };
        match Reader::new(&self.containers[index], Query::read(query)) {
            Some(reader) => Answer::Stream(index, reader),
            None => refusal(400),
        }
    }
}

/// None: the connection is not to be used any more.
async fn stream(
    connection: &mut Connection,
    shared: &Shared,
    container: usize,
    mut reader: Reader,
) -> Option<()> {
    let mut changed = shared.changed.subscribe();
    let begun = shared.state.lock().unwrap().cut.0;
    connection
        .write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        .await
        .ok()?;
    connection.flush().await.ok()?;
    loop {
        changed.borrow_and_update();
        let (step, (number, cut), chunk_bytes) = {
            let state = shared.state.lock().unwrap();
            let step = reader.step(&state.containers[container]);
            (step, state.cut, state.chunk_bytes)
        };
        if number != begun {
            let rest: &[u8] = match (&step, cut) {
                (Step::Bytes(bytes), Cut::End) => bytes,
                (Step::Bytes(bytes), Cut::Within | Cut::ResetWithin) => &bytes[..bytes.len() / 2],
                _ => b"",
            };
            chunks(connection, rest, chunk_bytes).await?;
            match cut {
                Cut::Freeze => std::future::pending().await,
                Cut::Reset | Cut::ResetWithin => return None,
                Cut::End | Cut::Within => {
                    connection.write_all(b"0\r\n\r\n").await.ok()?;
                    return connection.flush().await.ok();
                }
            }
        }
        match step {
            Step::Bytes(bytes) => chunks(connection, &bytes, chunk_bytes).await?,
            Step::Wait => {
                // A client that went away is not waited for.
                tokio::select! {
                    result = changed.changed() => result.ok()?,
                    gone = connection.fill_buf() => {
                        gone.ok().filter(|bytes| !bytes.is_empty())?;
                        tokio::time::sleep(Duration::from_millis(1)).await;
                    }
                }
            }
            Step::End => {
                connection.write_all(b"0\r\n\r\n").await.ok()?;
                return connection.flush().await.ok();
            }
        }
    }
}

async fn chunks(connection: &mut Connection, bytes: &[u8], bytes_max: usize) -> Option<()> {
    for chunk in bytes.chunks(bytes_max) {
        let head = format!("{:x}\r\n", chunk.len());
        connection.write_all(head.as_bytes()).await.ok()?;
        connection.write_all(chunk).await.ok()?;
        connection.write_all(b"\r\n").await.ok()?;
        connection.flush().await.ok()?;
    }
    Some(())
}
