use super::*;
use crate::controller::survey::Silence;
use logship_crd::report::{PodName, Rejection};
use proptest::prelude::*;
use std::sync::Arc;

fn carrier(pod: &str, heard: Heard) -> Carrier {
    Carrier {
        pod: pod.to_owned(),
        is_outdated: false,
        heard,
    }
}

fn outdated(carrier: Carrier) -> Carrier {
    Carrier {
        is_outdated: true,
        ..carrier
    }
}

fn report(generation: Option<i64>, rejected: Vec<Rejection>) -> Heard {
    let applied = generation.map(|generation| ("shop".to_owned(), generation));
    Heard::Report(Arc::new(Report {
        pod: PodName::default(),
        applied_generations: applied.into_iter().chain([("other".to_owned(), 99)]).collect(),
        rejected,
    }))
}

fn runs(generation: i64) -> Heard {
    report(Some(generation), Vec::new())
}

fn rejection(document: Option<&str>, generation: Option<i64>) -> Rejection {
    Rejection {
        document: document.map(str::to_owned),
        generation,
        errors: vec![
            "shop.json:3:7: no".to_owned(),
            "shop.json:4:1: nor this".to_owned(),
        ],
    }
}

fn refuses(refused: i64, runs: Option<i64>) -> Heard {
    report(runs, vec![rejection(Some("shop.json"), Some(refused))])
}

/// The verdict about generation 3 of `shop`.
fn check(carriers: &[Carrier], counts: (i32, i32), verdict: [&str; 3]) {
    let tally = tally("shop", 3, carriers);
    let found = tally.verdict.unwrap();
    assert_eq!((tally.current, tally.unknown), counts, "{carriers:?}");
    assert_eq!([found.status, found.reason, &found.message], verdict);
}

#[test]
fn every_answer_has_its_verdict() {
    let silent = || carrier("web-2", Heard::Silent(Silence::Unreachable));
    check(&[], (0, 0), ["True", "NoPods", "no pod carries the sidecar"]);
    check(
        &[carrier("web-0", runs(3)), carrier("web-1", runs(3))],
        (2, 0),
        ["True", "Applied", "2 of 2 pods run generation 3"],
    );
    check(
        &[carrier("web-0", runs(3)), carrier("web-1", Heard::NotStarted)],
        (1, 1),
        ["True", "Applied", "1 of 2 pods run generation 3"],
    );
    check(
        &[carrier("web-0", runs(3)), outdated(carrier("web-1", runs(3)))],
        (2, 0),
        [
            "True",
            "Applied",
            "2 of 2 pods run generation 3; what cannot change in a running pod is as it was in 1 (outdated)",
        ],
    );
    check(
        &[carrier("web-0", runs(3)), carrier("web-1", runs(2)), silent()],
        (1, 1),
        [
            "Unknown",
            "Pending",
            "1 of 3 pods run generation 3; web-1, for example, runs generation 2: the kubelet takes up to a minute and a half to bring a change",
        ],
    );
    check(
        &[carrier("web-0", report(None, Vec::new()))],
        (0, 0),
        [
            "Unknown",
            "Pending",
            "0 of 1 pods run generation 3; web-0, for example, runs none yet: the kubelet takes up to a minute and a half to bring a change",
        ],
    );
    check(
        &[
            carrier("web-0", runs(3)),
            outdated(carrier("web-1", report(None, Vec::new()))),
        ],
        (1, 0),
        [
            "False",
            "Outdated",
            "1 of 2 pods run generation 3; web-1 was created before this resource selected it: recreate it, for example with kubectl rollout restart",
        ],
    );
    check(
        &[carrier("web-0", runs(3)), silent()],
        (1, 1),
        [
            "Unknown",
            "Unreachable",
            "1 of 2 pods run generation 3; others cannot be asked at port 9465, for example web-2: there is no connection. Their logs are \
             shipped all the same; a NetworkPolicy may have to let the operator in",
        ],
    );
    check(
        &[
            carrier("web-0", Heard::NotStarted),
            carrier("web-1", Heard::NotAsked),
        ],
        (0, 2),
        [
            "Unknown",
            "Pending",
            "0 of 2 pods run generation 3: the sidecars have not started yet",
        ],
    );
}

#[test]
fn who_refuses_is_named_with_its_own_words_and_what_it_goes_on_with() {
    let refusing = carrier("web-1", refuses(3, Some(2)));
    check(
        &[carrier("web-0", runs(3)), refusing.clone()],
        (1, 0),
        [
            "False",
            "Refused",
            "1 of 2 pods run generation 3; web-1 refuses generation 3 and goes on with generation 2: shop.json:3:7: no\nshop.json:4:1: nor this",
        ],
    );
    check(
        &[carrier("web-0", refuses(3, None)), refusing],
        (0, 0),
        [
            "False",
            "Refused",
            "0 of 2 pods run generation 3; web-0 refuses generation 3 and runs nothing of this resource; 1 more refuse it: shop.json:3:7: no\nshop.json:4:1: nor this",
        ],
    );
    let together = carrier("web-0", report(Some(2), vec![rejection(None, None)]));
    check(
        &[together],
        (0, 0),
        [
            "False",
            "Refused",
            "0 of 1 pods run generation 3; web-0 refuses what it was given and goes on with generation 2: shop.json:3:7: no\nshop.json:4:1: nor this",
        ],
    );
}

#[test]
fn what_is_said_of_another_resource_or_of_an_older_generation_is_no_refusal() {
    let other = report(Some(3), vec![rejection(Some("other.json"), Some(3))]);
    check(
        &[carrier("web-0", other)],
        (1, 0),
        ["True", "Applied", "1 of 1 pods run generation 3"],
    );
    let tally = tally("shop", 3, &[carrier("web-0", refuses(2, Some(1)))]);
    assert!(tally.refusals.is_empty(), "{tally:?}");
    assert_eq!(tally.verdict.unwrap().reason, "Pending");
}

#[test]
fn generations_and_refusals_are_listed_up_to_ten() {
    let carriers: Vec<Carrier> = (0..30)
        .map(|i| carrier(&format!("web-{i:02}"), refuses(3, Some(i / 2 - 10))))
        .collect();
    let tally = tally("shop", 3, &carriers);
    let newest: Vec<(i64, i32)> = tally
        .generations
        .iter()
        .map(|count| (count.generation, count.pods))
        .collect();
    assert_eq!(newest, (0..10).map(|i| (4 - i, 2)).collect::<Vec<_>>());
    let pods: Vec<&str> = tally
        .refusals
        .iter()
        .map(|refusal| refusal.pod.as_str())
        .collect();
    assert_eq!(pods.len(), 10);
    assert_eq!(pods[0], "web-00");
    assert!(tally.verdict.unwrap().message.contains("; 29 more refuse it"));
}

#[test]
fn counts_stay_as_they_were_until_every_pod_was_asked() {
    let known = [carrier("web-0", runs(3)), carrier("web-1", runs(3))];
    let before = tally("shop", 3, &known);
    let applied = serde_json::json!({
        "type": "Applied", "status": "True", "reason": "Applied", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z",
    });
    let mut previous = LogShippingStatus {
        observed_generation: Some(3),
        conditions: vec![serde_json::from_value(applied).unwrap()],
        generations: before.generations.clone(),
        ..LogShippingStatus::default()
    };
    previous.pods.current = 2;
    let unknown = [carrier("web-0", runs(3)), carrier("web-1", Heard::NotAsked)];
    let next = |previous: &LogShippingStatus, carriers: &[Carrier]| {
        unless_incomplete(tally("shop", 3, carriers), carriers, previous, Some(3))
    };
    let kept = next(&previous, &unknown);
    assert_eq!(
        (kept.current, &kept.generations, &kept.verdict),
        (2, &before.generations, &None)
    );
    assert_eq!(next(&previous, &known), before);
    previous.observed_generation = Some(2);
    assert_eq!(next(&previous, &unknown).current, 1, "nothing of it was told yet");
}

proptest! {
    /// Whatever is heard: every pod is counted at most once, and the condition is one of three.
    #[test]
    fn no_pod_counts_twice(heard in proptest::collection::vec(0..7i64, 0..40)) {
        let carriers: Vec<Carrier> = heard.iter().enumerate().map(|(i, kind)| {
            let heard = match kind {
                0 => Heard::NotStarted,
                1 => Heard::NotAsked,
                2 => Heard::Silent(Silence::Foreign),
                3 => report(None, Vec::new()),
                4 => refuses(3, Some(2)),
                kind => runs(kind - 3),
            };
            carrier(&format!("web-{i}"), heard)
        }).collect();
        let tally = tally("shop", 3, &carriers);
        let running: i32 = tally.generations.iter().map(|count| count.pods).sum();
        prop_assert!(tally.current <= running);
        prop_assert!(usize::try_from(running + tally.unknown).unwrap() <= carriers.len());
        let verdict = tally.verdict.unwrap();
        prop_assert!(["True", "False", "Unknown"].contains(&verdict.status));
        let is_refused = !tally.refusals.is_empty();
        prop_assert_eq!(verdict.reason == "Refused", is_refused);
    }
}
