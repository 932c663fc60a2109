//! Connections that freeze while there is nothing to read: neither end tells, so they are given up in time.

use crate::kubelet::{Api, Cut};
use crate::shipper::Shipper;
use std::time::Duration;

/// Seconds of silence.
const SECONDS: &str = "LOGSHIP_IDLE_SECONDS";
/// A silent stream is given up after three to four minutes.
const PATIENCE_SECONDS: std::ops::RangeInclusive<u64> = 180..=240;

#[test]
#[ignore = "an hour: LOGSHIP_IDLE_SECONDS=3600 cargo test -p logship --test api idle -- --ignored"]
#[expect(
    clippy::disallowed_methods,
    reason = "the length of the run is a setting of the test"
)]
fn idle_connections_that_freeze_are_opened_again_and_what_comes_in_the_end_is_shipped() {
    let seconds: u64 = std::env::var(SECONDS).map_or(3600, |text| text.parse().unwrap());
    let api = Api::start();
    api.write("web", "before");
    let shipper = Shipper::start(&api);
    shipper.wait_for(&["before".to_owned()]);
    for _ in 0..seconds / 10 {
        // Whatever connection there is by now is dead.
        api.cut(Cut::Freeze);
        std::thread::park_timeout(Duration::from_secs(10));
    }
    api.write("web", "behind");
    let mut waited = 0;
    while shipper.place.lines().len() < 2 {
        assert!(waited <= *PATIENCE_SECONDS.end(), "{}", shipper.place.stderr());
        std::thread::park_timeout(Duration::from_secs(1));
        waited += 1;
    }
    shipper.wait_for(&["before", "behind"].map(str::to_owned));
    let streams = api.streams() as u64;
    println!("{seconds} s of silence: {streams} streams; the line behind it came after {waited} s");
    let [most, fewest] = [PATIENCE_SECONDS.start(), PATIENCE_SECONDS.end()].map(|each| seconds / each);
    assert!((fewest..=most + 2).contains(&streams), "{streams}");
    assert_eq!(shipper.gaps(), [0; 3]);
    shipper.terminate();
}
