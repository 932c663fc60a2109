//! Containers that are started again, of every kind, while we look and while we do not.

use crate::container::{Container, Kind};
use crate::kubelet::{Api, Cut, Refusal};
use crate::shipper::{Shipper, document, to_stdout};
use crate::support::eventually;
use logship::io::clock;

fn write(api: &Api, container: &str, lines: &[&str], written: &mut Vec<String>) {
    for line in lines {
        api.write(container, line);
        written.push((*line).to_owned());
    }
}

fn restart(api: &Api) {
    api.change("web", |container| container.restart(clock::wall()));
}

#[test]
fn gap_of_a_restart_is_closed_once_by_the_previous_instance() {
    let api = Api::start();
    let mut written = Vec::new();
    write(&api, "web", &["a", "b"], &mut written);
    let shipper = Shipper::start(&api);
    shipper.wait_for(&written);
    // Nobody reads the last words.
    api.set_down(true);
    write(&api, "web", &["b", "last words"], &mut written);
    restart(&api);
    write(&api, "web", &["a", "again"], &mut written);
    api.set_down(false);
    shipper.wait_for(&written);
    let previous = api
        .asked()
        .iter()
        .filter(|asked| asked.target.contains("previous=true"))
        .count();
    // Once, and once more to see that nothing new comes.
    assert_eq!(previous, 2);
    assert_eq!(shipper.gaps(), [0; 3]);
    shipper.terminate();
}

/// Waits until the pod was looked at twice without a question for output between: the end of the container is known. A restart in the very moment between
/// a look and the question behind it is another matter, see [`restart_that_the_status_does_not_tell_yet_is_no_gap_and_loses_nothing`].
fn wait_until_the_end_is_known(api: &Api) {
    eventually("the end is known", || {
        let asked = api.asked();
        let last = &asked[asked.len().checked_sub(2)?..];
        last.iter()
            .all(|asked| !asked.target.contains("/log"))
            .then_some(())
    });
}

#[test]
fn crash_loop_that_is_watched_loses_nothing() {
    let api = Api::start();
    let mut written = Vec::new();
    let shipper = Shipper::start(&api);
    for run in 0..8 {
        write(
            &api,
            "web",
            &["begins", &format!("run {run}"), "crashes"],
            &mut written,
        );
        api.change("web", |container| container.run().has_ended = true);
        shipper.wait_for(&written);
        wait_until_the_end_is_known(&api);
        restart(&api);
    }
    write(&api, "web", &["stays"], &mut written);
    shipper.wait_for(&written);
    assert_eq!(shipper.gaps(), [0; 3]);
    shipper.terminate();
}

#[test]
fn instances_that_nobody_has_any_more_are_counted_and_told() {
    let api = Api::start();
    let mut written = Vec::new();
    write(&api, "web", &["a"], &mut written);
    let shipper = Shipper::start(&api);
    shipper.wait_for(&written);
    api.set_down(true);
    for run in 0..3 {
        restart(&api);
        api.write("web", &format!("run {run}"));
    }
    written.extend(["run 1", "run 2"].map(str::to_owned));
    api.set_down(false);
    shipper.wait_for(&written);
    // The rest of the first, and all of the one behind it.
    assert_eq!(shipper.gaps(), [2, 0, 0]);
    assert!(
        shipper
            .metrics()
            .contains("logship_output_gaps_total{cause=\"restart\"} 2\n")
    );
    let said = shipper.terminate().stderr();
    assert!(said.contains("output of 2 of its runs may be missing"), "{said}");
}

#[test]
fn instances_that_ended_before_the_first_look_are_counted_once_also_across_a_restart_of_the_sidecar() {
    let api = Api::start();
    for run in 0..4 {
        api.write("web", &format!("run {run}"));
        if run < 3 {
            restart(&api);
        }
    }
    let mut shipper = Shipper::start(&api);
    shipper.wait_for(&["run 2", "run 3"].map(str::to_owned));
    assert_eq!(shipper.gaps(), [2, 0, 0]);
    assert!(
        shipper
            .place
            .stderr()
            .contains("output of 2 of its runs may be missing")
    );
    eventually("the position is saved", || shipper.has_saved("\"restarts\":3"));
    shipper.crash(&api, &document(&["web"], &to_stdout()));
    api.write("web", "more");
    eventually("what is new", || {
        (shipper.place.lines().last()? == "more").then_some(())
    });
    assert_eq!(shipper.gaps(), [0; 3]);
    shipper.terminate();
}

#[test]
fn container_that_backs_off_has_its_last_output_read_once_and_those_before_are_counted() {
    let api = Api::start();
    for run in 0..3 {
        api.write("web", &format!("run {run}"));
        if run < 2 {
            restart(&api);
        }
    }
    api.change("web", Container::back_off);
    let shipper = Shipper::start(&api);
    shipper.wait_for(&["run 2".to_owned()]);
    assert_eq!(shipper.gaps(), [2, 0, 0]);
    // Its end came twice, and the pod was looked at again.
    eventually("the end is believed", || {
        let asked = api.asked();
        let is_of_log = |asked: &crate::kubelet::Asked| asked.target.contains("/log?");
        let last = asked.iter().rposition(is_of_log)?;
        (api.streams() == 2 && last + 1 < asked.len()).then_some(())
    });
    restart(&api);
    api.write("web", "run 3");
    shipper.wait_for(&["run 2", "run 3"].map(str::to_owned));
    assert_eq!(shipper.gaps(), [2, 0, 0]);
    let mut asked = api.asked().into_iter();
    assert!(!asked.any(|asked| asked.target.contains("previous=true")));
    shipper.terminate();
}

/// The first restart of a container comes at once, so between two looks a container can crash twice.
#[test]
fn container_that_crashes_again_at_once_and_backs_off_misses_nothing_if_its_stream_was_open() {
    let api = Api::start();
    let mut written = Vec::new();
    let shipper = Shipper::start(&api);
    for round in 0..4 {
        let (first, second) = (format!("run {round} followed"), format!("run {round} short"));
        write(&api, "web", &[&first], &mut written);
        shipper.wait_for(&written);
        api.change("web", |container| {
            container.restart(clock::wall());
            container.run().write(clock::wall(), second.as_bytes());
            container.back_off();
        });
        written.push(second);
        shipper.wait_for(&written);
        restart(&api);
    }
    assert_eq!(shipper.gaps(), [0; 3]);
    shipper.terminate();
}

/// The pod's status is older than the kubelet's: the present instance that is read is already the next one.
#[test]
fn restart_that_the_status_does_not_tell_yet_is_no_gap_and_loses_nothing() {
    let api = Api::start();
    let mut written = Vec::new();
    write(&api, "web", &["a"], &mut written);
    let shipper = Shipper::start(&api);
    shipper.wait_for(&written);
    api.keep_status(true);
    api.refuse(
        &[Refusal {
            code: 500,
            retry_after: None,
        }; 2],
    );
    api.cut(Cut::Reset);
    api.write("web", "last words");
    eventually("time passes between the instances", || {
        std::thread::park_timeout(std::time::Duration::from_millis(2100));
        Some(())
    });
    restart(&api);
    api.write("web", "again");
    eventually("the next instance is read", || {
        shipper.place.lines().contains(&"again".to_owned()).then_some(())
    });
    api.keep_status(false);
    api.cut(Cut::Reset);
    api.write("web", "more");
    eventually("everything", || (shipper.place.lines().len() >= 4).then_some(()));
    let mut lines = shipper.place.lines();
    lines.sort_unstable();
    assert_eq!(lines, ["a", "again", "last words", "more"]);
    assert_eq!(shipper.gaps()[0], 0);
    shipper.terminate();
}

#[test]
fn init_and_ephemeral_containers_and_several_in_one_resource_are_shipped() {
    let api = Api::with(&[
        ("setup", Kind::Init),
        ("web", Kind::Regular),
        ("worker", Kind::Regular),
        ("debug", Kind::Ephemeral),
    ]);
    let names = ["setup", "web", "worker", "debug"];
    let shipper = Shipper::with(&api, &document(&names, &to_stdout()));
    let mut written = Vec::new();
    for round in 0..3 {
        for name in names {
            write(&api, name, &[&format!("{name} {round}")], &mut written);
        }
        if round == 0 {
            api.change("setup", |container| container.run().has_ended = true);
            api.change("setup", |container| container.restart(clock::wall()));
        }
        api.cut(Cut::Reset);
    }
    eventually("all lines", || {
        (shipper.place.lines().len() >= written.len()).then_some(())
    });
    let mut lines = shipper.place.lines();
    lines.sort_unstable();
    written.sort_unstable();
    assert_eq!(lines, written);
    shipper.terminate();
}
