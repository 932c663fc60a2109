//! Many sidecars on one API server that is restarted.

use crate::kubelet::Api;
use crate::shipper::{Shipper, document, to_stdout};
use crate::support::eventually;
use logship::io::clock;
use std::collections::BTreeMap;

const SIDECARS: usize = 20;
/// Restarts of which one has to go well: those whose pauses end while the machine stalls come at once, all of them only if there is no jitter.
const RESTARTS: usize = 5;

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
    let mut expected = vec!["before".to_owned()];
    let mut herds = Vec::new();
    while herds.len() < RESTARTS && herds.iter().all(|most| *most >= SIDECARS / 2) {
        expected.push(format!("behind {}", herds.len()));
        herds.push(restart(&api, &sidecars, &expected));
    }
    assert!(herds.iter().any(|most| *most < SIDECARS / 2), "{herds:?}");
    for sidecar in sidecars {
        assert_eq!(sidecar.gaps(), [0; 3]);
        sidecar.terminate();
    }
}

/// Breaks all connections, and writes the last of the expected lines: how many sidecars came back within the same tenth of a second at most.
fn restart(api: &Api, sidecars: &[Shipper], expected: &[String]) -> usize {
    let broken = clock::wall();
    api.set_down(true);
    api.set_down(false);
    api.write("web", &expected[expected.len() - 1]);
    for sidecar in sidecars {
        sidecar.wait_for(expected);
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
    let together = |from: &i64| {
        let same = times.iter().filter(|time| (*from..from + 100).contains(time));
        same.count()
    };
    times.iter().map(together).max().unwrap_or_default()
}
