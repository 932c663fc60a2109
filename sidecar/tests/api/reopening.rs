//! Streams that are opened again all the time, of output that is as odd as is legal.

use crate::container::SECOND;
use crate::kubelet::{Api, Cut};
use crate::shipper::{Shipper, document, to_stdout};
use crate::support::eventually;
use logship::io::clock;
use logship::record::time::Nanos;
use std::time::{Duration, SystemTime};

/// Seconds of the long run, for the long form.
const SECONDS: &str = "LOGSHIP_REOPEN_SECONDS";

/// Waits until a position was saved after this moment, and until there was time enough to save one that holds all that has arrived.
fn wait_until_saved(shipper: &Shipper, since: Nanos) {
    /// The kernel's clock for files goes in steps.
    const STEP: Nanos = SECOND / 50;
    let arrived = clock::wall();
    eventually("the position is saved", || {
        let saved = std::fs::metadata(shipper.place.path("state/shop.checkpoint.json")).ok()?;
        let saved = saved
            .modified()
            .ok()?
            .duration_since(SystemTime::UNIX_EPOCH)
            .ok()?;
        let is_late = i128::try_from(saved.as_nanos()).ok()? + i128::from(STEP) >= i128::from(since);
        (is_late && clock::wall() - arrived > SECOND * 6 / 5).then_some(())
    });
}

/// 1000 lines a second, every tenth equal to the one before, some with times that go back; a stream that is broken every
/// second, in each way in turn; now and then a rotation, and a crash of the sidecar.
#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "the length of the run is a setting of the test"
)]
fn output_that_is_reopened_every_second_arrives_once() {
    let seconds = std::env::var(SECONDS).map_or(4, |text| text.parse().unwrap());
    let api = Api::start();
    let document = document(&["web"], &to_stdout());
    let mut shipper = Shipper::with(&api, &document);
    let mut written = Vec::new();
    for second in 0..seconds {
        for step in 0..100 {
            let now = clock::wall();
            api.change("web", |container| {
                for number in 0..10 {
                    let text = format!("line {}", written.len() - usize::from(number == 9));
                    // The reader of the other pipe was late.
                    let late = if number == 5 { SECOND / 2 } else { 0 };
                    container.run().write(now - late, text.as_bytes());
                    written.push(text);
                }
            });
            std::thread::park_timeout(Duration::from_millis(10));
            if step == 50 {
                let cuts = [Cut::End, Cut::Reset, Cut::Within, Cut::ResetWithin];
                api.cut(cuts[second % cuts.len()]);
            }
        }
        if second % 60 == 2 {
            let last = clock::wall();
            shipper.wait_for(&written);
            wait_until_saved(&shipper, last);
            shipper.crash(&api, &document);
        }
        if second % 10 == 3 {
            shipper.wait_for(&written);
            api.change("web", |container| container.run().rotate());
        }
    }
    shipper.wait_for(&written);
    assert!(api.streams() >= seconds, "{}", api.streams());
    assert_eq!(shipper.gaps(), [0; 3]);
    shipper.terminate();
}

#[test]
fn thousand_lines_of_a_second_and_fifty_of_a_nanosecond_and_equal_ones_arrive_once() {
    let api = Api::start();
    let shipper = Shipper::start(&api);
    let (now, mut written) = (clock::wall(), Vec::new());
    for number in 0..1050 {
        // The last fifty at one instant, of five different texts.
        let (time, text) = if number < 1000 {
            (now + number, format!("line {}", number / 3))
        } else {
            (now + 1000, format!("line {}", number % 5))
        };
        api.change("web", |container| container.run().write(time, text.as_bytes()));
        written.push(text);
        if [0, 1, 500, 1020, 1049].contains(&number) {
            api.cut(Cut::ResetWithin);
            shipper.wait_for(&written);
        }
    }
    shipper.wait_for(&written);
    assert_eq!(shipper.gaps(), [0; 3]);
    shipper.terminate();
}

/// Lines that are as late as one of the lines before them are asked for, and told apart when they are served again.
#[test]
fn lines_that_are_late_by_more_than_a_second_arrive_once() {
    let api = Api::start();
    let shipper = Shipper::start(&api);
    let (now, mut written) = (clock::wall(), Vec::new());
    for number in 0..200 {
        let late = if number % 7 == 0 { 25 * SECOND } else { 0 };
        let text = format!("line {number}");
        api.change("web", |container| {
            container.run().write(now + number - late, text.as_bytes());
        });
        written.push(text);
        if number % 40 == 0 {
            shipper.wait_for(&written);
            api.cut(Cut::Reset);
        }
    }
    shipper.wait_for(&written);
    shipper.terminate();
}
