//! A checkpoint that cannot be used or written is said once and costs duplicates, never lines.

use crate::http_sink;
use crate::ledger::Ledger;
use crate::support::{PATIENCE_MS, Place, Running, document, eventually, numbered};
use serde_json::Value;

const CHECKPOINT: &str = "state/shop.checkpoint.json";
const CANNOT_BE_WRITTEN: &str = "the checkpoint cannot be written";

fn times(place: &Place, said: &str) -> usize {
    place.stderr().matches(said).count()
}

/// The place's process, sending to this ledger.
fn start(place: &Place, ledger: &Ledger) -> Running {
    Running::start(&mut place.by_document(&http_sink(&ledger.url(0), PATIENCE_MS)))
}

/// Where files are read from their end at the first start.
fn start_at_the_end(place: &Place, ledger: &Ledger) -> Running {
    let sinks = http_sink(&ledger.url(0), PATIENCE_MS);
    let mut command = place.by_document(&sinks);
    let text = document(&sinks).to_string().replace("Beginning", "End");
    std::fs::write(place.path("config/shop.json"), text).unwrap();
    Running::start(&mut command)
}

/// The position of the only file.
fn saved_offset(place: &Place) -> Option<u64> {
    let text = std::fs::read(place.path(CHECKPOINT)).ok()?;
    let checkpoint: Value = serde_json::from_slice(&text).ok()?;
    checkpoint["files"]["access"][0]["offset"].as_u64()
}

#[test]
fn unusable_checkpoint_is_said_once_and_set_aside_and_everything_is_sent_again() {
    let good = r#"{"version":1,"resource":"shop","files":{},"containers":{}}"#;
    let cases: [(&str, Vec<u8>, &str); 6] = [
        ("empty", Vec::new(), "not a checkpoint"),
        (
            "torn",
            good.as_bytes()[..good.len() - 5].to_vec(),
            "not a checkpoint",
        ),
        ("zeros", vec![0; 4096], "not a checkpoint"),
        ("not text", b"\xff\xfe{}".to_vec(), "not a checkpoint"),
        (
            "foreign",
            good.replace("shop", "other").into_bytes(),
            "belongs to resource",
        ),
        (
            "future",
            good.replace(":1,", ":2,").into_bytes(),
            "written in form 2",
        ),
    ];
    for (case, text, reason) in cases {
        let (place, ledger) = (Place::new(), Ledger::start());
        let lines = numbered(0..10);
        place.append("a.log", &lines);
        std::fs::create_dir(place.path("state")).unwrap();
        std::fs::write(place.path(CHECKPOINT), &text).unwrap();
        // The source has run before, so skipping what is there would be loss.
        let running = start_at_the_end(&place, &ledger);
        eventually(case, || ledger.has(0..10).then_some(()));
        eventually("the new position", || {
            (saved_offset(&place)? == lines.len() as u64).then_some(())
        });
        assert_eq!(running.terminate(), Some(0), "{case}");
        let said = place.stderr();
        assert_eq!(times(&place, "setting it aside"), 1, "{case}: {said}");
        assert!(said.contains(reason), "{case}: {said}");
        let aside = std::fs::read(place.path("state/shop.checkpoint.unusable")).unwrap();
        assert_eq!(aside, text, "{case}");
    }
}

#[test]
fn checkpoint_that_is_missing_is_a_first_start() {
    let (place, ledger) = (Place::new(), Ledger::start());
    place.append("a.log", &numbered(0..10));
    let running = start_at_the_end(&place, &ledger);
    eventually("the first position", || saved_offset(&place));
    place.append("a.log", &numbered(10..20));
    eventually("the new lines", || ledger.has(10..20).then_some(()));
    assert_eq!(running.terminate(), Some(0));
    assert_eq!(ledger.distinct(), 10);
    assert_eq!(times(&place, "WARN"), 0, "{}", place.stderr());
}

#[test]
fn unreadable_and_unwritable_checkpoint_is_said_once_a_start_and_saved_when_it_can_be() {
    let (place, ledger) = (Place::new(), Ledger::start());
    let lines = numbered(0..10);
    place.append("a.log", &lines);
    // A directory that is not empty can neither be read nor replaced, not even by root.
    let obstacle = place.path(CHECKPOINT);
    std::fs::create_dir_all(obstacle.join("x")).unwrap();
    for starts in 1..3 {
        let running = start(&place, &ledger);
        eventually("all lines of this start", || {
            let came: usize = ledger
                .arrivals()
                .iter()
                .map(|arrival| arrival.numbers.len())
                .sum();
            (came == 10 * starts).then_some(())
        });
        eventually("it is said", || {
            (times(&place, CANNOT_BE_WRITTEN) == starts).then_some(())
        });
        assert_eq!(running.terminate(), Some(0));
        assert_eq!(times(&place, "the checkpoint cannot be read"), starts);
        assert_eq!(times(&place, CANNOT_BE_WRITTEN), starts, "{}", place.stderr());
    }
    let running = start(&place, &ledger);
    eventually("it is said", || {
        (times(&place, CANNOT_BE_WRITTEN) == 3).then_some(())
    });
    std::fs::remove_dir_all(&obstacle).unwrap();
    eventually("the position is saved", || {
        (saved_offset(&place)? == lines.len() as u64).then_some(())
    });
    eventually("that is said", || {
        (times(&place, "the checkpoint is written again") == 1).then_some(())
    });
    assert_eq!(running.terminate(), Some(0));
}
