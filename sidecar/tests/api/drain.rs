//! The end of a pod: the last lines before it are shipped, and what is away does not keep it.

use crate::kubelet::{Api, Cut};
use crate::shipper::Shipper;

#[test]
fn last_lines_before_the_end_are_shipped() {
    let api = Api::start();
    api.write("web", "a");
    let shipper = Shipper::start(&api);
    shipper.wait_for(&["a".to_owned()]);
    // Nothing comes on the open stream any more.
    api.cut(Cut::Freeze);
    let last: Vec<String> = (0..1000).map(|number| format!("last {number}")).collect();
    for line in &last {
        api.write("web", line);
    }
    let place = shipper.terminate();
    let expected: Vec<String> = std::iter::once("a".to_owned()).chain(last).collect();
    crate::shipper::same(&place.lines(), &expected);
}

#[test]
fn api_that_is_away_keeps_nobody_beyond_the_drain_time() {
    let api = Api::start();
    api.write("web", "a");
    let shipper = Shipper::start(&api);
    shipper.wait_for(&["a".to_owned()]);
    api.set_down(true);
    api.write("web", "b");
    let place = shipper.terminate();
    assert_eq!(place.lines(), ["a"]);
    assert!(
        place.stderr().contains("the drain time is over"),
        "{}",
        place.stderr()
    );
}
