//! A document that changes while a stream is open.

use crate::container::Kind;
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

#[test]
fn runs_of_a_container_before_a_later_document_named_it_are_not_missed() {
    let api = Api::with(&[("web", Kind::Regular), ("side", Kind::Regular)]);
    for _ in 0..5 {
        api.change("side", |container| container.restart(logship::io::clock::wall()));
    }
    api.write("side", "of now");
    api.write("web", "first");
    let shipper = Shipper::start(&api);
    shipper.wait_for(&["first".to_owned()]);
    let mut changed = document(&["web", "side"], &to_stdout());
    changed["generation"] = json!(2);
    std::fs::write(shipper.place.path("config/shop.json"), changed.to_string()).unwrap();
    eventually("the other container's output", || {
        shipper.place.lines().contains(&"of now".to_owned()).then_some(())
    });
    let gaps = "logship_output_gaps_total{cause=\"restart\"} 0\n";
    assert!(shipper.metrics().contains(gaps), "{}", shipper.metrics());
    shipper.terminate();
}
