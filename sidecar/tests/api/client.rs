//! The client of the pod's API against a scripted server with TLS.

use crate::{server, tls};
use bytes::Bytes;
use futures::{StreamExt, stream};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{ACCEPT, AUTHORIZATION, USER_AGENT};
use hyper::{Request, Response, StatusCode};
use logship::config::Pod;
use logship::engine::follow::{Ask, ContainerState, Instance};
use logship::engine::outlets::StreamId;
use logship::source::container_output::{self, Part, PodApi, Question, Reply};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex};
use tempfile::TempDir;
use tokio::sync::mpsc;

const STREAM: StreamId = 0;

#[derive(Clone)]
enum Answer {
    Whole(u16, String),
    /// This much, then nothing for ever.
    Open(&'static str),
}

/// Answers in the order of the script and remembers what was asked.
#[derive(Clone, Default)]
struct Script {
    answers: Arc<Mutex<VecDeque<Answer>>>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

#[derive(Debug, Clone)]
struct Asked {
    target: String,
    authorization: String,
    agent: String,
    accept: String,
}

impl Script {
    fn answer(&self, request: &Request<Incoming>) -> Response<server::Body> {
        let header = |name| request.headers()[name].to_str().unwrap().to_owned();
        self.asked.lock().unwrap().push(Asked {
            target: request.uri().to_string(),
            authorization: header(AUTHORIZATION),
            agent: header(USER_AGENT),
            accept: header(ACCEPT),
        });
        let answer = self.answers.lock().unwrap().pop_front().unwrap();
        match answer {
            Answer::Whole(code, text) => {
                let mut response = Response::new(Full::from(text).boxed_unsync());
                *response.status_mut() = StatusCode::from_u16(code).unwrap();
                response
            }
            Answer::Open(text) => {
                let first = stream::iter([Ok(Frame::data(Bytes::from(text)))]);
                Response::new(StreamBody::new(first.chain(stream::pending())).boxed_unsync())
            }
        }
    }
}

/// A scripted API server, and the mount of the ServiceAccount that it takes.
struct Api {
    script: Script,
    mount: TempDir,
    port: u16,
}

impl Api {
    fn start(answers: Vec<Answer>) -> Self {
        let (acceptor, authority) = tls::acceptor("127.0.0.1");
        let script = Script {
            answers: Arc::new(Mutex::new(answers.into())),
            ..Script::default()
        };
        let served = script.clone();
        let address = server::start(Some(acceptor), move |request| {
            let answer = served.answer(&request);
            async { answer }
        });
        let api = Self {
            script,
            mount: tempfile::tempdir().unwrap(),
            port: address.port(),
        };
        api.write("ca.crt", &authority);
        api.write("token", "first\n");
        api
    }

    fn write(&self, file: &str, text: &str) {
        std::fs::write(self.mount.path().join(file), text).unwrap();
    }

    fn client(&self) -> PodApi {
        client(self.port, self.mount.path())
    }

    fn asked(&self) -> Vec<Asked> {
        self.script.asked.lock().unwrap().clone()
    }

    fn authorizations(&self) -> Vec<String> {
        self.asked()
            .into_iter()
            .map(|asked| asked.authorization)
            .collect()
    }
}

fn client(port: u16, mount: &Path) -> PodApi {
    let pod = Pod {
        name: Some("web-0".to_owned()),
        namespace: Some("shop".to_owned()),
        node: None,
    };
    let environment = [
        ("KUBERNETES_SERVICE_HOST".to_owned(), "127.0.0.1".to_owned()),
        ("KUBERNETES_SERVICE_PORT".to_owned(), port.to_string()),
    ];
    PodApi::new(&pod, &environment.into(), mount)
}

/// The container `web`, running, among fields that nobody reads.
fn running_pod() -> Answer {
    let pod: Value = json!({
        "kind": "Pod", "apiVersion": "v1",
        "metadata": {"name": "web-0", "creationTimestamp": null, "managedFields": [{"manager": "kubectl"}]},
        "spec": {"containers": [{"name": "web", "image": "nginx"}, {"name": "logship"}], "nodeName": "n"},
        "status": {"phase": "Running", "containerStatuses": [
            {"name": "web", "restartCount": 3, "ready": true, "image": "nginx", "imageID": "", "lastState": {},
             "state": {"running": {"startedAt": "2026-01-02T03:04:05Z"}}}]},
    });
    Answer::Whole(200, pod.to_string())
}

fn refusal(code: u16, message: &str) -> Answer {
    Answer::Whole(
        code,
        json!({"kind": "Status", "message": message, "code": code}).to_string(),
    )
}

fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let limited = async { tokio::time::timeout(crate::support::DEADLINE, future).await };
    runtime.block_on(limited).expect("an end before the deadline")
}

/// The first parts of the answers to these questions, one part for each.
fn first_parts(api: PodApi, asks: Vec<Ask>) -> Vec<Part> {
    block_on(async {
        let (questions, asked) = mpsc::channel(1);
        let (replies, mut received) = mpsc::channel::<Reply>(1);
        let mut answering = std::pin::pin!(container_output::run(api, STREAM, None, asked, replies));
        let mut parts = Vec::new();
        let asking = async {
            for (number, ask) in (0..).zip(asks) {
                questions.send(Question { number, ask }).await.unwrap();
                loop {
                    let reply = received.recv().await.unwrap();
                    if reply.question == number {
                        parts.push(reply.part);
                        break;
                    }
                }
            }
        };
        tokio::select! {
            () = &mut answering => panic!("nobody answers any more"),
            () = asking => {}
        }
        parts
    })
}

fn stream_of(container: &str) -> Ask {
    Ask::Stream {
        container: container.to_owned(),
        previous: true,
        follow: true,
        since: Some(1_767_323_045),
    }
}

#[test]
fn pod_is_asked_for_and_only_what_matters_is_read() {
    let api = Api::start(vec![running_pod()]);
    let parts = first_parts(api.client(), vec![Ask::Probe]);
    let [Part::Probed(found)] = &parts[..] else {
        panic!("{parts:?}");
    };
    let expected = Instance {
        container: "web".to_owned(),
        state: ContainerState::Running,
        restarts: 3,
        started: Some(1_767_323_045),
        found: found.found,
    };
    assert_eq!(*found, expected);
    assert!(found.found > 1_767_323_045);
    let asked = &api.asked()[0];
    assert_eq!(asked.target, "/api/v1/namespaces/shop/pods/web-0");
    assert_eq!(asked.authorization, "Bearer first");
    assert!(asked.agent.starts_with("logship/"), "{asked:?}");
    assert!(asked.accept.contains("*/*"), "{asked:?}");
}

#[test]
fn followed_output_is_handed_on_while_the_stream_stays_open() {
    let api = Api::start(vec![Answer::Open("2026-01-02T03:04:05.1Z hello\n")]);
    let parts = first_parts(api.client(), vec![stream_of("web")]);
    let [Part::Data(bytes)] = &parts[..] else {
        panic!("{parts:?}");
    };
    assert_eq!(bytes, "2026-01-02T03:04:05.1Z hello\n");
    assert_eq!(
        api.asked()[0].target,
        "/api/v1/namespaces/shop/pods/web-0/log?container=web&follow=true&previous=true&sinceTime=2026-01-02T03%3A04%3A05Z&timestamps=true"
    );
}

#[test]
fn new_question_breaks_an_open_stream_off() {
    let api = Api::start(vec![Answer::Open("x\n"), running_pod()]);
    let parts = first_parts(api.client(), vec![stream_of("web"), Ask::Probe]);
    assert!(matches!(parts[..], [Part::Data(_), Part::Probed(_)]), "{parts:?}");
}

#[test]
fn stream_that_ends_is_ended_and_not_failed() {
    let api = Api::start(vec![Answer::Whole(200, String::new())]);
    let parts = first_parts(api.client(), vec![stream_of("web")]);
    assert!(matches!(parts[..], [Part::Ended]), "{parts:?}");
}

#[test]
fn rotated_token_is_used_by_the_next_request() {
    let api = Api::start(vec![running_pod(), running_pod()]);
    let mut client = api.client();
    block_on(async {
        client.pod().await.unwrap();
        api.write("token", "second");
        client.pod().await.unwrap();
    });
    assert_eq!(api.authorizations(), ["Bearer first", "Bearer second"]);
}

#[test]
fn refused_token_is_said_and_replaced_by_the_one_that_is_there_then() {
    let api = Api::start(vec![refusal(401, "Unauthorized"), running_pod()]);
    let mut client = api.client();
    block_on(async {
        let refused = client.pod().await.unwrap_err();
        assert_eq!(refused.to_string(), "Unauthorized (401)");
        api.write("token", "second");
        client.pod().await.unwrap();
    });
    assert_eq!(api.authorizations(), ["Bearer first", "Bearer second"]);
}

#[test]
fn refusals_mean_that_output_is_absent_or_that_asking_failed_and_say_what_the_api_said() {
    let waiting = r#"container "web" in pod "web-0" is waiting to start: ContainerCreating"#;
    let check = |code: u16, message: &str, absent: bool| {
        let api = Api::start(vec![refusal(code, message)]);
        let parts = first_parts(api.client(), vec![stream_of("web")]);
        let expected = format!("{message} ({code})");
        match &parts[..] {
            [Part::Absent(said)] if absent => assert_eq!(*said, expected),
            [Part::Failed { error: said, .. }] if !absent => assert_eq!(*said, expected),
            other => panic!("{code}: {other:?}"),
        }
    };
    check(400, waiting, true);
    check(404, r#"pods "web-0" not found"#, true);
    check(401, "Unauthorized", false);
    check(403, r#"pods "web-0" is forbidden"#, false);
    check(410, "gone", false);
    check(429, "too many requests", false);
    check(500, "etcd is away", false);
}

#[test]
fn stranger_who_is_in_place_of_the_api_gets_no_token_until_the_mount_vouches_for_it() {
    let api = Api::start(vec![running_pod()]);
    let authority = std::fs::read_to_string(api.mount.path().join("ca.crt")).unwrap();
    let (_, other) = tls::acceptor("127.0.0.1");
    api.write("ca.crt", &other);
    let parts = first_parts(api.client(), vec![Ask::Probe]);
    let [Part::Failed { error: said, .. }] = &parts[..] else {
        panic!("{parts:?}");
    };
    assert!(said.contains("certificate"), "{said}");
    assert!(api.asked().is_empty());
    let mut client = api.client();
    block_on(async {
        client.pod().await.unwrap_err();
        api.write("ca.crt", &authority);
        client.pod().await.unwrap();
    });
}

#[test]
fn incomplete_mount_is_named() {
    let check = |file: &str, text: Option<&str>| {
        let api = Api::start(Vec::new());
        match text {
            Some(text) => api.write(file, text),
            None => std::fs::remove_file(api.mount.path().join(file)).unwrap(),
        }
        let parts = first_parts(api.client(), vec![Ask::Probe]);
        let [Part::Failed { error: said, .. }] = &parts[..] else {
            panic!("{parts:?}");
        };
        assert!(said.contains(file), "{said}");
    };
    check("token", None);
    check("ca.crt", None);
    check("ca.crt", Some("no certificate"));
}

#[test]
fn classic_sidecar_hears_that_the_others_have_ended_although_the_first_answer_is_a_refusal() {
    let ended = json!({
        "spec": {"restartPolicy": "Never", "containers": [{"name": "job"}, {"name": "logship"}]},
        "status": {"containerStatuses": [{"name": "job", "restartCount": 0, "state": {"terminated": {"exitCode": 1}}}]},
    });
    let api = Api::start(vec![
        refusal(500, "etcd is away"),
        Answer::Whole(200, ended.to_string()),
    ]);
    block_on(container_output::wait_for_others(api.client(), || true));
    assert_eq!(api.asked().len(), 2);
}
