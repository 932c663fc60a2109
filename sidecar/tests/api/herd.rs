//! Many sidecars on one API server that is restarted.

use crate::kubelet::Api;
use crate::shipper::{Shipper, document, to_stdout};
use crate::support::eventually;
use logship::io::clock;
use std::collections::BTreeMap;

const SIDECARS: usize = 20;

#[test]
fn api_server_that_is_restarted_under_twenty_sidecars_is_asked_by_one_after_the_other_and_nothing_is_lost() {
    let api = Api::start();
    let document = document(&["web"], &to_stdout());
    let sidecars: Vec<_> = (0..SIDECARS)
        .map(|number| Shipper::of(&format!("web-{number}"), &api, &document))
        .collect();
    api.write("web", "before");
    for sidecar in &sidecars {
        sidecar.wait_for(&["before".to_owned()]);
    }
    let broken = clock::wall();
    api.set_down(true);
    api.set_down(false);
    api.write("web", "behind");
    let expected = ["before", "behind"].map(str::to_owned);
    for sidecar in &sidecars {
        sidecar.wait_for(&expected);
    }
    // When each came back, in milliseconds.
    let mut first = BTreeMap::new();
    eventually("all come back", || {
        for asked in api.asked().into_iter().filter(|asked| asked.at >= broken) {
            first.entry(asked.pod).or_insert((asked.at - broken) / 1_000_000);
        }
        (first.len() == SIDECARS).then_some(())
    });
    let times: Vec<i64> = first.into_values().collect();
    let most = times
        .iter()
        .map(|from| {
            times
                .iter()
                .filter(|time| (*from..from + 100).contains(time))
                .count()
        })
        .max();
    assert!(most < Some(SIDECARS / 2), "{times:?}");
    for sidecar in sidecars {
        assert_eq!(sidecar.gaps(), [0; 3]);
        sidecar.terminate();
    }
}
