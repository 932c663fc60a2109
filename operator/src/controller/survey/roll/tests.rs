use super::*;
use logship_crd::report::Rejection;
use proptest::prelude::*;

const A: &str = "10.0.0.1";
const B: &str = "10.0.0.2";

/// Some moment.
fn start() -> Instant {
    tokio::time::Instant::now().into_std()
}

fn second(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn addresses<'a>(pods: &[(&'a str, &str)]) -> BTreeMap<&'a str, IpAddr> {
    pods.iter()
        .map(|(pod, address)| (*pod, address.parse().unwrap()))
        .collect()
}

fn pod(name: &str) -> PodName {
    PodName {
        namespace: "shop".to_owned(),
        name: name.to_owned(),
    }
}

fn question(name: &str, address: &str) -> Question {
    Question {
        pod: pod(name),
        address: address.parse().unwrap(),
    }
}

fn runs(generation: i64) -> Report {
    Report {
        applied_generations: [("web".to_owned(), generation)].into(),
        ..Report::default()
    }
}

/// One pod that should run generation 2 of one resource.
fn roll(now: Instant) -> Roll {
    let mut roll = Roll::default();
    roll.expect("shop", "web", 2, &addresses(&[("web-0", A)]), now);
    roll
}

/// The pause after this answer, `passed` after the roll began.
fn pause(roll: &mut Roll, answer: Result<Report, Silence>, start: Instant, passed: u64) -> Duration {
    let now = start + second(passed);
    roll.settle(&question("web-0", A), answer, now, 0.0);
    roll.next().unwrap() - now
}

#[test]
fn who_lags_behind_is_asked_again_after_a_quarter_of_the_time_and_who_does_not_rarely() {
    let start = start();
    let check = |answer: Result<Report, Silence>, passed: u64, expected: u64| {
        let found = pause(&mut roll(start), answer.clone(), start, passed);
        assert_eq!(found, second(expected), "{answer:?} after {passed} s");
    };
    check(Ok(runs(1)), 0, 1);
    check(Ok(runs(1)), 40, 10);
    check(Ok(runs(1)), 100_000, 300);
    check(Ok(Report::default()), 40, 10);
    check(Err(Silence::Unreachable), 40, 10);
    check(Ok(runs(2)), 40, 600);
    check(Ok(runs(3)), 40, 600);
    let refusing = Report {
        rejected: vec![Rejection::default()],
        ..runs(2)
    };
    check(Ok(refusing), 40, 10);
}

#[test]
fn a_new_generation_or_address_is_asked_for_at_once() {
    let start = start();
    let mut roll = roll(start);
    assert_eq!(pause(&mut roll, Ok(runs(2)), start, 0), second(600));
    let later = start + second(100);
    roll.expect("shop", "web", 3, &addresses(&[("web-0", A)]), later);
    assert_eq!(roll.next(), Some(later));
    assert_eq!(
        roll.heard(&pod("web-0")),
        Heard::Report(Arc::new(runs(2))),
        "what was heard is still true"
    );
    assert_eq!(pause(&mut roll, Ok(runs(3)), later, 0), second(600));

    roll.expect("shop", "web", 3, &addresses(&[("web-0", B)]), later);
    assert_eq!(roll.next(), Some(later));
    assert_eq!(roll.heard(&pod("web-0")), Heard::NotAsked);
    let late = roll.settle(&question("web-0", A), Ok(runs(9)), later, 0.0);
    assert!(late.is_empty(), "an answer from where the pod was");
    assert_eq!(roll.heard(&pod("web-0")), Heard::NotAsked);
}

#[test]
fn only_the_third_silence_in_a_row_counts_and_news_are_told_once() {
    let start = start();
    let mut roll = roll(start);
    let silence = Err(Silence::Unreachable);
    let told = |roll: &mut Roll, answer| {
        let resources = roll.settle(&question("web-0", A), answer, start, 0.0);
        resources.contains("web")
    };
    assert!(told(&mut roll, Ok(runs(2))));
    assert!(!told(&mut roll, Ok(runs(2))));
    assert!(!told(&mut roll, silence.clone()));
    assert!(!told(&mut roll, silence.clone()));
    assert!(!told(&mut roll, Ok(runs(2))));
    for expected in [false, false, true, false] {
        assert_eq!(told(&mut roll, silence.clone()), expected);
    }
    assert_eq!(roll.heard(&pod("web-0")), Heard::Silent(Silence::Unreachable));
    assert!(told(&mut roll, Ok(runs(2))));
}

#[test]
fn those_that_do_not_carry_a_resource_any_more_are_not_asked() {
    let now = start();
    let mut roll = roll(now);
    roll.expect("shop", "web", 2, &addresses(&[("web-0", A), ("web-1", B)]), now);
    roll.expect("bank", "web", 1, &addresses(&[("web-0", "10.0.0.3")]), now);
    roll.expect("shop", "db", 1, &addresses(&[("web-1", B)]), now);
    let mut later = now;
    let mut asked = |roll: &mut Roll| {
        later += second(2);
        let due = roll.due(later, 16);
        for question in &due {
            roll.settle(question, Err(Silence::NoReport), later, 0.0);
        }
        due.iter()
            .map(|question| format!("{}/{}", question.pod.namespace, question.pod.name))
            .collect::<Vec<_>>()
    };
    assert_eq!(asked(&mut roll), ["bank/web-0", "shop/web-0", "shop/web-1"]);
    roll.expect("shop", "web", 2, &BTreeMap::new(), now);
    assert_eq!(asked(&mut roll), ["bank/web-0", "shop/web-1"]);
    roll.retain(|namespace, _| namespace == "bank");
    assert_eq!(asked(&mut roll), ["bank/web-0"]);
    assert_eq!(roll.heard(&pod("web-1")), Heard::NotStarted);
}

#[test]
fn an_address_that_no_pod_has_is_not_asked() {
    let mut roll = Roll::default();
    roll.expect("shop", "web", 1, &addresses(&[("web-0", "127.0.0.1")]), start());
    assert_eq!(
        (roll.next(), roll.heard(&pod("web-0"))),
        (None, Heard::NotStarted)
    );
}

#[test]
fn a_sidecar_is_not_asked_twice_at_once_and_those_wait_least_that_waited_longest() {
    let start = start();
    let mut roll = roll(start + second(1));
    roll.expect("shop", "db", 1, &addresses(&[("db-0", B)]), start);
    let now = start + second(2);
    assert_eq!(roll.due(now, 1), [question("db-0", B)]);
    assert_eq!(roll.due(now, 9), [question("web-0", A)]);
    assert_eq!((roll.due(now, 9), roll.next()), (Vec::new(), None));
}

proptest! {
    /// Whenever a sidecar takes a change: it is known at the latest a quarter of that time later, or a second, and until then it was asked
    /// a few dozen times, not thousands.
    #[test]
    fn what_is_told_is_never_much_older_than_it_took(taken_ms in 0u64..3_600_000) {
        let start = start();
        let taken = Duration::from_millis(taken_ms);
        let mut roll = roll(start);
        let mut questions = 0;
        let known = loop {
            let now = roll.next().unwrap();
            let due = roll.due(now, 1);
            questions += 1;
            let generation = if now - start >= taken { 2 } else { 1 };
            roll.settle(&due[0], Ok(runs(generation)), now, 0.0);
            if generation == 2 {
                break now - start;
            }
        };
        prop_assert!(known <= taken + (taken / 4).clamp(PAUSE_MIN, PAUSE_MAX), "{known:?}");
        prop_assert!(questions <= 50, "{questions}");
    }
}
