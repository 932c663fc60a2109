//! A document that changes while a stream is open.

use crate::kubelet::Api;
use crate::shipper::{Shipper, document, to_stdout};
use crate::support::eventually;
use serde_json::json;
use std::time::Duration;

#[test]
fn change_of_the_pipeline_neither_loses_nor_repeats_output() {
    let api = Api::start();
    let shipper = Shipper::start(&api);
    let mut written = Vec::new();
    for generation in 2..6 {
        for number in 0..200 {
            let line = format!("{generation} {number}");
            api.write("web", &line);
            written.push(line);
            if number % 20 == 0 {
                std::thread::park_timeout(Duration::from_millis(5));
            }
            if number == 100 {
                let mut changed = document(&["web"], &to_stdout());
                changed["generation"] = json!(generation);
                changed["drainMs"] = json!(5000 + generation);
                std::fs::write(shipper.place.path("config/shop.json"), changed.to_string()).unwrap();
            }
        }
        if generation % 2 == 0 {
            // In the middle of a restart, too.
            api.change("web", |container| container.restart(logship::io::clock::wall()));
        }
        shipper.wait_for(&written);
        let applied = format!(
            "logship_config_reloads_total{{result=\"applied\"}} {}\n",
            generation - 1
        );
        eventually("the change", || {
            shipper.metrics().contains(&applied).then_some(())
        });
    }
    assert_eq!(shipper.gaps(), [0; 3]);
    shipper.terminate();
}
