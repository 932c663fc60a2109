use super::*;
use http::{Method, Request, Response};
use kube::client::Body;
use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use tokio::sync::watch;
use tokio::task::JoinSet;

const ME: &str = "logship-0";

fn lease(holder: Option<&str>, version: &str, renewed: &str) -> Lease {
    Lease {
        metadata: ObjectMeta {
            resource_version: Some(version.to_owned()),
            ..ObjectMeta::default()
        },
        spec: Some(LeaseSpec {
            holder_identity: holder.map(str::to_owned),
            lease_duration_seconds: Some(15),
            lease_transitions: Some(3),
            renew_time: Some(MicroTime(renewed.parse().unwrap())),
            ..LeaseSpec::default()
        }),
    }
}

const NOON: &str = "2030-01-01T12:00:00Z";

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn a_candidate_takes_what_is_free_or_expired_and_respects_the_rest() {
    let view = |holder: Option<&str>| LeaseView::observe(seconds(100), &lease(holder, "1", NOON), None);
    let check = |now: u64, view: Option<LeaseView>, expected: Step| {
        assert_eq!(
            decide(seconds(now), view.as_ref(), ME),
            expected,
            "at {now}: {view:?}"
        );
    };
    check(100, None, Step::Create);
    check(100, Some(view(None)), Step::Take);
    check(100, Some(view(Some(""))), Step::Take);
    check(100, Some(view(Some(ME))), Step::Renew);
    check(1000, Some(view(Some(ME))), Step::Renew);
    check(100, Some(view(Some("logship-1"))), Step::Wait);
    check(114, Some(view(Some("logship-1"))), Step::Wait);
    check(115, Some(view(Some("logship-1"))), Step::Take);
}

#[test]
fn expiry_counts_from_the_last_change_seen_whatever_the_holders_clock_says() {
    for renewed in ["1990-01-01T00:00:00Z", NOON, "2090-01-01T00:00:00Z"] {
        let first = LeaseView::observe(seconds(100), &lease(Some("logship-1"), "1", renewed), None);
        let unchanged = LeaseView::observe(
            seconds(110),
            &lease(Some("logship-1"), "1", renewed),
            Some(&first),
        );
        assert_eq!(unchanged.seen_at, seconds(100));
        assert_eq!(
            decide(seconds(114), Some(&unchanged), ME),
            Step::Wait,
            "{renewed}"
        );
        assert_eq!(
            decide(seconds(115), Some(&unchanged), ME),
            Step::Take,
            "{renewed}"
        );
        let renewed_since = LeaseView::observe(
            seconds(112),
            &lease(Some("logship-1"), "2", renewed),
            Some(&unchanged),
        );
        assert_eq!(
            decide(seconds(115), Some(&renewed_since), ME),
            Step::Wait,
            "{renewed}"
        );
    }
}

#[test]
fn a_lease_without_a_duration_gets_ours() {
    let mut bare = lease(Some("logship-1"), "1", NOON);
    bare.spec.as_mut().unwrap().lease_duration_seconds = None;
    assert_eq!(
        LeaseView::observe(seconds(0), &bare, None).duration,
        LEASE_DURATION
    );
}

#[test]
fn taking_counts_a_transition_and_renewing_does_not() {
    let now: Timestamp = "2030-01-01T12:00:30Z".parse().unwrap();
    let spec = |step, from: Option<Lease>| written(now, from, step, ME).spec.unwrap();
    let taken = spec(Step::Take, Some(lease(Some("logship-1"), "1", NOON)));
    assert_eq!(
        (
            taken.holder_identity.as_deref(),
            taken.lease_transitions,
            taken.acquire_time.is_some()
        ),
        (Some(ME), Some(4), true)
    );
    let renewed = spec(Step::Renew, Some(lease(Some(ME), "1", NOON)));
    assert_eq!((renewed.lease_transitions, renewed.acquire_time), (Some(3), None));
    assert_eq!(renewed.renew_time, Some(MicroTime(now)));
    let created = spec(Step::Create, None);
    assert_eq!(
        (created.lease_transitions, created.lease_duration_seconds),
        (Some(0), Some(15))
    );
}

#[test]
fn a_write_keeps_the_resource_version_that_was_read() {
    let written = written(
        Timestamp::UNIX_EPOCH,
        Some(lease(None, "7", NOON)),
        Step::Take,
        ME,
    );
    assert_eq!(written.metadata.resource_version.as_deref(), Some("7"));
}

/// An API server that holds one Lease, checks resource versions, and can be cut off.
#[derive(Clone, Default)]
struct Server {
    lease: Arc<Mutex<Option<Lease>>>,
    cut_off: Arc<AtomicBool>,
}

impl Server {
    fn candidate(&self, me: &str) -> Candidate {
        let server = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let server = server.clone();
            async move {
                if server.cut_off.load(Relaxed) {
                    std::future::pending::<()>().await;
                }
                let (head, body) = request.into_parts();
                let body = body.collect_bytes().await.unwrap();
                Ok::<_, Infallible>(server.answer(&head.method, &body))
            }
        });
        Candidate::new(
            Client::new(service, "logship-system"),
            "logship-system",
            "lease".to_owned(),
            me.to_owned(),
        )
    }

    fn answer(&self, method: &Method, body: &[u8]) -> Response<Body> {
        let mut stored = self.lease.lock().unwrap();
        let version = |lease: &Lease| lease.metadata.resource_version.clone();
        if *method == Method::GET {
            return match &*stored {
                Some(lease) => respond(200, serde_json::to_vec(lease).unwrap()),
                None => respond(
                    404,
                    br#"{"status":"Failure","reason":"NotFound","code":404}"#.to_vec(),
                ),
            };
        }
        let mut lease: Lease = serde_json::from_slice(body).unwrap();
        if stored.as_ref().and_then(version) != version(&lease) {
            return respond(
                409,
                br#"{"status":"Failure","reason":"Conflict","code":409}"#.to_vec(),
            );
        }
        let next = version(&lease).map_or(1, |version| version.parse::<u32>().unwrap() + 1);
        lease.metadata.resource_version = Some(next.to_string());
        *stored = Some(lease);
        respond(200, body.to_vec())
    }

    fn holder(&self) -> Option<String> {
        self.lease
            .lock()
            .unwrap()
            .clone()
            .and_then(|lease| lease.spec)
            .and_then(|spec| spec.holder_identity)
    }
}

fn respond(status: u16, body: Vec<u8>) -> Response<Body> {
    Response::builder().status(status).body(Body::from(body)).unwrap()
}

/// Runs a candidate beside the test; `leading` follows it.
fn campaign(
    tasks: &mut JoinSet<()>,
    candidate: Candidate,
    stop: &CancellationToken,
) -> watch::Receiver<bool> {
    let (sender, leading) = watch::channel(false);
    let stop = stop.clone();
    tasks.spawn(async move {
        let told = |leading| {
            sender.send_replace(leading);
        };
        assert!(
            candidate
                .run(stop, told, std::future::pending::<()>)
                .await
                .is_none()
        );
    });
    leading
}

#[tokio::test(start_paused = true)]
async fn one_candidate_leads_and_gives_the_lease_back_when_it_stops() {
    let server = Server::default();
    let mut tasks = JoinSet::new();
    let [stop_first, stop_second] = [CancellationToken::new(), CancellationToken::new()];
    let mut first = campaign(&mut tasks, server.candidate("first"), &stop_first);
    first.wait_for(|leading| *leading).await.unwrap();
    let mut second = campaign(&mut tasks, server.candidate("second"), &stop_second);
    assert!(
        timeout(seconds(600), second.changed()).await.is_err(),
        "the first renews for as long as it runs"
    );
    assert!(*first.borrow());

    let stopped = Instant::now();
    stop_first.cancel();
    second.wait_for(|leading| *leading).await.unwrap();
    assert!(
        stopped.elapsed() <= WORK_STOP_DEADLINE + RETRY_INTERVAL,
        "{:?}",
        stopped.elapsed()
    );
    assert_eq!(server.holder().as_deref(), Some("second"));
    stop_second.cancel();
    while tasks.join_next().await.is_some() {}
    assert_eq!(server.holder(), None);
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_cannot_renew_stops_before_another_may_start() {
    let server = Server::default();
    let mut tasks = JoinSet::new();
    let stop = CancellationToken::new();
    let mut first = campaign(&mut tasks, server.candidate("first"), &stop);
    first.wait_for(|leading| *leading).await.unwrap();

    let cut_off = Instant::now();
    server.cut_off.store(true, Relaxed);
    first.wait_for(|leading| !*leading).await.unwrap();
    assert!(
        cut_off.elapsed() <= RENEW_DEADLINE && RENEW_DEADLINE < LEASE_DURATION,
        "{:?}",
        cut_off.elapsed()
    );

    server.cut_off.store(false, Relaxed);
    first.wait_for(|leading| *leading).await.unwrap();
    assert_eq!(
        server.holder().as_deref(),
        Some("first"),
        "it goes on as a candidate"
    );
}

#[tokio::test(start_paused = true)]
async fn a_vanished_leader_is_replaced_after_the_lease_has_run_out() {
    let server = Server::default();
    *server.lease.lock().unwrap() = Some(lease(Some("vanished"), "1", NOON));
    let mut tasks = JoinSet::new();
    let stop = CancellationToken::new();
    let began = Instant::now();
    let mut first = campaign(&mut tasks, server.candidate("first"), &stop);
    first.wait_for(|leading| *leading).await.unwrap();
    assert!(
        (LEASE_DURATION..LEASE_DURATION + RETRY_INTERVAL).contains(&began.elapsed()),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn work_that_ends_by_itself_ends_the_candidacy() {
    let candidate = Server::default().candidate("first");
    let ended = candidate
        .run(CancellationToken::new(), |_| {}, || std::future::ready("done"))
        .await;
    assert_eq!(ended, Some("done"));
}

#[tokio::test(start_paused = true)]
async fn work_that_stops_when_asked_is_not_cut_and_the_lease_is_free_at_once() {
    let server = Server::default();
    let stop = CancellationToken::new();
    let finished = AtomicBool::new(false);
    let work = async || {
        stop.cancelled().await;
        sleep(seconds(1)).await;
        finished.store(true, Relaxed);
    };
    let candidate = server.candidate("first");
    let began = Instant::now();
    let leading = |leading: bool| {
        if leading {
            stop.cancel();
        }
    };
    assert!(candidate.run(stop.clone(), leading, work).await.is_none());
    assert!(finished.load(Relaxed));
    assert_eq!(began.elapsed().as_secs(), 1);
    assert_eq!(server.holder(), None);
}
