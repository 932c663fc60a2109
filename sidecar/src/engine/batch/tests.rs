use super::*;
use crate::sink::encode::Text;
use proptest::prelude::*;

const AGE: Duration = Duration::from_millis(200);

fn settings(bytes_max: usize) -> LaneSettings {
    LaneSettings {
        bytes_max,
        age_max: AGE,
        ..LaneSettings::of(Arc::new(Text))
    }
}

fn append(lane: &mut Lane, body: &[u8], sequence: u64) {
    let common = lane.prepare(&Labels::default());
    lane.append(Tick::ZERO, &common, &Record::new(0, body), sequence);
}

fn send(lane: &mut Lane, now: Tick) -> Option<(BatchId, Vec<u8>)> {
    lane.poll(now, true).map(|(id, batch)| (id, batch.body.to_vec()))
}

fn retry(after: Option<Duration>) -> Verdict {
    Verdict::Retry {
        after,
        error: "down".to_owned(),
    }
}

#[test]
fn batch_waits_for_bytes_or_age() {
    let mut lane = Lane::new(settings(8));
    append(&mut lane, b"abc", 1);
    assert_eq!(lane.poll(Tick::ZERO, false), None);
    assert_eq!(lane.deadline(), Some(AGE));
    append(&mut lane, b"defgh", 2);
    let (id, batch) = lane.poll(Tick::ZERO, false).unwrap();
    assert_eq!(batch.body, "abc\n");
    assert_eq!(lane.settle(Tick::ZERO, id, Verdict::Delivered, 0.5), []);
    assert_eq!(lane.acknowledged(2), 1);
    let (id, batch) = lane.poll(AGE, false).unwrap();
    assert_eq!(batch.body, "defgh\n");
    lane.settle(AGE, id, Verdict::Delivered, 0.5);
    assert_eq!(lane.acknowledged(2), 2);
}

#[test]
fn failed_batch_is_repeated_after_backoff_or_the_receivers_wish() {
    let mut lane = Lane::new(settings(1));
    append(&mut lane, b"a", 1);
    let (id, body) = send(&mut lane, Tick::ZERO).unwrap();
    lane.settle(Tick::ZERO, id, retry(None), 1.0);
    assert_eq!(lane.deadline(), Some(Duration::from_millis(200)));
    assert_eq!(send(&mut lane, Duration::from_millis(199)), None);
    assert_eq!(send(&mut lane, Duration::from_millis(200)), Some((id, body)));
    lane.settle(Tick::ZERO, id, retry(Some(Duration::from_secs(60))), 1.0);
    assert_eq!(lane.deadline(), Some(Duration::from_secs(60)));
    assert_eq!(lane.acknowledged(1), 0);
}

#[test]
fn lane_whose_batches_are_all_on_their_way_has_no_deadline() {
    let mut lane = Lane::new(LaneSettings {
        in_flight_max: 1,
        ..settings(1)
    });
    append(&mut lane, b"a", 1);
    append(&mut lane, b"b", 2);
    let (id, _) = send(&mut lane, Tick::ZERO).unwrap();
    assert_eq!((send(&mut lane, AGE), lane.deadline()), (None, None));
    lane.settle(Tick::ZERO, id, retry(None), 1.0);
    // The second is ready, but waits until the receiver is given another chance.
    assert_eq!(lane.deadline(), Some(Duration::from_millis(200)));
}

#[test]
fn failing_batch_is_given_up_at_its_age() {
    let mut lane = Lane::new(LaneSettings {
        retry_age_max: Some(Duration::from_secs(5)),
        ..settings(1)
    });
    append(&mut lane, b"a", 1);
    let (id, _) = send(&mut lane, Tick::ZERO).unwrap();
    assert_eq!(lane.settle(Duration::from_secs(4), id, retry(None), 1.0), []);
    let later = Duration::from_secs(6);
    let (id, _) = send(&mut lane, later).unwrap();
    let given_up = lane.settle(later, id, retry(None), 1.0);
    assert_eq!(given_up[0].error, "given up after 6 s: down");
    assert_eq!((lane.counts.rejected, lane.acknowledged(1)), (1, 1));
}

#[test]
fn no_wish_of_the_receiver_outlives_the_age_at_which_a_batch_is_given_up() {
    let mut lane = Lane::new(LaneSettings {
        retry_age_max: Some(Duration::from_secs(5)),
        ..settings(1)
    });
    append(&mut lane, b"a", 1);
    let (id, _) = send(&mut lane, Tick::ZERO).unwrap();
    lane.settle(
        Duration::from_secs(1),
        id,
        retry(Some(Duration::from_secs(3600))),
        1.0,
    );
    assert_eq!(lane.deadline(), Some(Duration::from_secs(5)));
}

#[test]
fn failing_lane_that_drops_holds_no_position_and_one_that_blocks_does() {
    for (when_full, acknowledged) in [(WhenFull::Drop, 9), (WhenFull::Block, 0)] {
        let mut lane = Lane::new(LaneSettings {
            when_full,
            ..settings(1)
        });
        append(&mut lane, b"a", 1);
        let (id, _) = send(&mut lane, Tick::ZERO).unwrap();
        assert_eq!(lane.acknowledged(9), 0, "it may still be delivered");
        lane.settle(Tick::ZERO, id, retry(None), 1.0);
        assert_eq!(lane.acknowledged(9), acknowledged);
    }
}

#[test]
fn waiting_lane_that_must_hurry_tries_at_once_and_then_often() {
    let mut lane = Lane::new(settings(1));
    append(&mut lane, b"a", 1);
    let hour = Some(Duration::from_secs(3600));
    let (id, _) = send(&mut lane, Tick::ZERO).unwrap();
    lane.settle(Tick::ZERO, id, retry(hour), 1.0);
    let until = Duration::from_secs(20);
    lane.hurry(until);
    assert!(send(&mut lane, Tick::ZERO).is_some());
    lane.settle(Tick::ZERO, id, retry(hour), 1.0);
    assert!(lane.deadline().unwrap() < until);
    for now in 1..10 {
        let now = Duration::from_secs(10 + now);
        send(&mut lane, now);
        lane.settle(now, id, retry(None), 1.0);
        assert!(lane.deadline().unwrap() <= now + Duration::from_secs(1));
    }
}

#[test]
fn full_lane_has_no_room_until_a_batch_is_delivered() {
    let mut lane = Lane::new(settings(4));
    append(&mut lane, b"aaa", 1);
    let (id, _) = send(&mut lane, Tick::ZERO).unwrap();
    assert!(lane.has_room());
    append(&mut lane, b"bbb", 2);
    assert!(!lane.has_room());
    lane.settle(Tick::ZERO, id, Verdict::Delivered, 0.0);
    send(&mut lane, Tick::ZERO);
    assert!(lane.has_room());
}

#[test]
fn lane_that_drops_has_room_and_counts_what_it_dropped() {
    let mut lane = Lane::new(LaneSettings {
        when_full: WhenFull::Drop,
        ..settings(4)
    });
    for sequence in 1..=5 {
        append(&mut lane, b"aaa", sequence);
        send(&mut lane, Tick::ZERO);
        assert!(lane.has_room());
    }
    assert_eq!((lane.counts.dropped, lane.bytes()), (3, 8));
    assert_eq!(lane.acknowledged(5), 0);
}

#[test]
fn lowest_batch_that_is_not_settled_holds_the_position() {
    let mut lane = Lane::new(LaneSettings {
        in_flight_max: 3,
        ..settings(1)
    });
    for sequence in 1..=3 {
        append(&mut lane, b"a", sequence);
    }
    let ids: Vec<BatchId> = (0..3).map(|_| send(&mut lane, Tick::ZERO).unwrap().0).collect();
    lane.settle(Tick::ZERO, ids[2], Verdict::Delivered, 0.5);
    lane.settle(Tick::ZERO, ids[1], retry(None), 0.5);
    assert_eq!(lane.acknowledged(3), 0);
    lane.settle(Tick::ZERO, ids[0], Verdict::Delivered, 0.5);
    assert_eq!(lane.acknowledged(3), 1);
}

#[test]
fn records_of_one_answer_are_delivered_repeated_and_rejected_each_on_its_own() {
    let mut lane = Lane::new(settings(100));
    for (sequence, body) in [b"a", b"b", b"c"].into_iter().enumerate() {
        append(&mut lane, body, sequence as u64 + 1);
    }
    let (id, _) = send(&mut lane, Tick::ZERO).unwrap();
    let verdict = Verdict::Partly {
        failures: vec![(0, Failure::Rejected("poison".to_owned())), (2, Failure::Retry)],
        after: None,
        error: "busy".to_owned(),
    };
    let rejected = lane.settle(Tick::ZERO, id, verdict, 0.5);
    assert_eq!((&rejected[0].batch.body[..], rejected.len()), (&b"a\n"[..], 1));
    let (again, body) = send(&mut lane, Duration::from_secs(1)).unwrap();
    assert_eq!(body, b"c\n");
    assert_eq!(lane.acknowledged(3), 0);
    lane.settle(Tick::ZERO, again, Verdict::Delivered, 0.5);
    assert_eq!(
        (lane.counts.sent, lane.counts.rejected, lane.acknowledged(3)),
        (2, 1, 3)
    );
    assert_eq!(lane.bytes(), 0);
}

#[test]
fn records_that_the_receiver_lost_are_counted_and_not_sent_again() {
    let mut lane = Lane::new(settings(100));
    for sequence in 1..=3 {
        append(&mut lane, b"a", sequence);
    }
    let (id, _) = send(&mut lane, Tick::ZERO).unwrap();
    let error = "out of bounds".to_owned();
    let lost = lane.settle(Tick::ZERO, id, Verdict::Lost { records: 2, error }, 0.5);
    assert_eq!((lost[0].records, lost[0].batch.records()), (2, 3));
    assert_eq!((lane.counts.sent, lane.counts.rejected), (1, 2));
    assert!(lane.is_empty());
}

proptest! {
    /// Whatever mixture of success, failure and poison, and however many batches are on their way: every record is delivered once
    /// or rejected once, exactly the poison records are rejected, with one batch at a time in order, and the position
    /// never runs ahead.
    #[test]
    fn poison_takes_no_other_record_with_it(
        poison in proptest::collection::vec(any::<bool>(), 1..40),
        answers in proptest::collection::vec(0u8..4, 0..20),
        bytes_max in 1usize..40,
        in_flight_max in 1usize..4,
    ) {
        let mut lane = Lane::new(LaneSettings { in_flight_max, ..settings(bytes_max) });
        let mut answers = answers.into_iter();
        let mut settled = vec![false; poison.len()];
        let mut order = Vec::new();
        let mut now = Tick::ZERO;
        for (index, bad) in poison.iter().enumerate() {
            append(&mut lane, format!("{index}{}", if *bad { "x" } else { "" }).as_bytes(), index as u64 + 1);
        }
        let numbers = |body: &[u8]| -> Vec<(usize, bool)> {
            let lines = std::str::from_utf8(body).unwrap().lines();
            lines.map(|line| (line.trim_end_matches('x').parse().unwrap(), line.ends_with('x'))).collect()
        };
        while !lane.is_empty() {
            now += Duration::from_secs(60);
            let mut sent: Vec<_> = std::iter::from_fn(|| send(&mut lane, now)).collect();
            prop_assert!(!sent.is_empty() && sent.len() <= in_flight_max);
            sent.reverse();
            for (id, body) in sent {
                let records = numbers(&body);
                let has_poison = records.iter().any(|(_, bad)| *bad);
                let verdict = match answers.next() {
                    Some(0) => retry(None),
                    Some(1) => {
                        let failure = |(number, bad): (usize, bool)| match bad {
                            true => Some((number, Failure::Rejected(String::new()))),
                            false if number % 2 == 0 => Some((number, Failure::Retry)),
                            false => None,
                        };
                        let failures: Vec<_> =
                            records.iter().enumerate().filter_map(|(number, (_, bad))| failure((number, *bad))).collect();
                        for (number, (record, _)) in records.iter().enumerate() {
                            if failures.iter().all(|(failed, _)| *failed != number) {
                                prop_assert!(!std::mem::replace(&mut settled[*record], true));
                            }
                        }
                        Verdict::Partly { failures, after: None, error: String::new() }
                    }
                    _ if has_poison => Verdict::Refused { error: String::new() },
                    _ => {
                        for (record, _) in &records {
                            prop_assert!(!std::mem::replace(&mut settled[*record], true));
                            order.push(*record);
                        }
                        Verdict::Delivered
                    }
                };
                for rejected in lane.settle(now, id, verdict, 0.5) {
                    for (record, bad) in numbers(&rejected.batch.body) {
                        prop_assert!(bad && !std::mem::replace(&mut settled[record], true));
                    }
                }
                let contiguous = settled.iter().take_while(|settled| **settled).count() as u64;
                prop_assert!(lane.acknowledged(poison.len() as u64) <= contiguous);
            }
        }
        prop_assert!(settled.iter().all(|settled| *settled));
        prop_assert!(in_flight_max > 1 || order.is_sorted());
        prop_assert_eq!(lane.bytes(), 0);
    }
}
