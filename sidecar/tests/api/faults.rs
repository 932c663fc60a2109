//! Whatever goes wrong between the API and us: each line arrives once, in its order.

use crate::kubelet::{Api, Cut, Refusal};
use crate::shipper::Shipper;
use crate::support::{eventually, shortest};
use std::time::Duration;

/// Writes numbered lines, some of them equal, all with more than ASCII, and remembers them.
struct Writer<'a> {
    api: &'a Api,
    written: Vec<String>,
}

impl Writer<'_> {
    fn write(&mut self, count: usize) {
        for _ in 0..count {
            let text = format!("größe {} – 日本", self.written.len() / 2);
            self.api.write("web", &text);
            self.written.push(text);
        }
    }
}

fn refusals(codes: &[u16], retry_after: Option<u32>) -> Vec<Refusal> {
    codes.iter().map(|&code| Refusal { code, retry_after }).collect()
}

#[test]
fn no_fault_loses_or_repeats_a_line() {
    let api = Api::start();
    let mut writer = Writer {
        api: &api,
        written: Vec::new(),
    };
    writer.write(10);
    let shipper = Shipper::start(&api);
    shipper.wait_for(&writer.written);
    let codes: [&[u16]; 6] = [&[], &[410], &[500, 503], &[429], &[403], &[404]];
    let mut codes = codes.iter().cycle();
    for chunk_bytes in [usize::MAX, 1, 7] {
        api.set_chunks(chunk_bytes);
        for cut in [Cut::End, Cut::Reset, Cut::Within, Cut::ResetWithin] {
            writer.write(3);
            api.refuse(&refusals(codes.next().unwrap(), None));
            api.cut(cut);
            writer.write(3);
            shipper.wait_for(&writer.written);
        }
    }
    assert_eq!(shipper.gaps(), [0; 3]);
    shipper.terminate();
}

#[test]
fn token_that_is_not_taken_any_more_is_replaced_by_the_one_that_is_mounted_then() {
    let api = Api::start();
    let mut writer = Writer {
        api: &api,
        written: Vec::new(),
    };
    writer.write(5);
    let shipper = Shipper::start(&api);
    shipper.wait_for(&writer.written);
    api.take_only("second");
    api.cut(Cut::Reset);
    writer.write(5);
    eventually("the old token is refused", || {
        api.asked()
            .iter()
            .any(|asked| asked.refused == Some(401))
            .then_some(())
    });
    eventually("that is said", || {
        shipper.place.stderr().contains("refused with 401").then_some(())
    });
    api.write_token("second");
    shipper.wait_for(&writer.written);
    shipper.terminate();
}

#[test]
fn api_that_wants_to_be_left_alone_is() {
    let api = Api::start();
    api.write("web", "a");
    let shipper = Shipper::start(&api);
    shipper.wait_for(&["a".to_owned()]);
    let mut written = vec!["a".to_owned()];
    let [least, limit] = [2, 4].map(Duration::from_secs);
    let pause = shortest(limit, || {
        let before = api.asked().len();
        api.refuse(&refusals(&[429], Some(2)));
        api.cut(Cut::Reset);
        api.write("web", "more");
        written.push("more".to_owned());
        shipper.wait_for(&written);
        let asked = &api.asked()[before..];
        assert_eq!(asked[0].refused, Some(429), "{asked:?}");
        let pause = Duration::from_nanos((asked[1].at - asked[0].at).cast_unsigned());
        assert!(least <= pause, "{pause:?}");
        pause
    });
    assert!(pause < limit, "{pause:?}");
    shipper.terminate();
}

#[test]
fn connection_that_freezes_while_it_is_busy_is_opened_again() {
    let api = Api::start();
    let mut written: Vec<String> = (0..1500)
        .map(|number| format!("{number} {}", "x".repeat(1000)))
        .collect();
    for line in &written {
        api.write("web", line);
    }
    let shipper = Shipper::start(&api);
    shipper.wait_for(&written);
    api.cut(Cut::Freeze);
    for number in 0..10 {
        written.push(format!("behind {number}"));
        api.write("web", &written[written.len() - 1]);
    }
    shipper.wait_for(&written);
    assert_eq!(shipper.gaps(), [0; 3]);
    shipper.terminate();
}

/// The kernel notices the other ends that vanish, without waking us: a timer of kind 2 in its list of connections.
#[test]
fn kernel_watches_over_connections() {
    let api = Api::start();
    api.write("web", "a");
    let shipper = Shipper::start(&api);
    shipper.wait_for(&["a".to_owned()]);
    let remote = format!(":{:04X} 01", api.port);
    eventually("a timer of keep-alive", || {
        let connections = std::fs::read_to_string("/proc/net/tcp").unwrap();
        let mut ours = connections.lines().filter(|line| line.contains(&remote));
        ours.any(|line| {
            line.split_whitespace()
                .nth(5)
                .is_some_and(|timer| timer.starts_with("02:"))
        })
        .then_some(())
    });
    shipper.terminate();
}

#[test]
fn notices_of_the_api_are_said_and_counted_and_not_shipped() {
    let api = Api::start();
    api.write("web", "a");
    let shipper = Shipper::start(&api);
    shipper.wait_for(&["a".to_owned()]);
    let watch = "failed to watch file \"/var/log/pods/0.log\": no space left on device";
    api.change("web", |container| container.run().notice(&format!("{watch}\n")));
    eventually("the first is counted", || {
        (shipper.count("notices") == 1).then_some(())
    });
    api.write("web", "b");
    shipper.wait_for(&["a".to_owned(), "b".to_owned()]);
    // Without a newline, and then the end.
    let retrieve = "unable to retrieve container logs for containerd://abc";
    api.change("web", |container| container.run().notice(retrieve));
    api.cut(Cut::End);
    eventually("the second is counted", || {
        (shipper.count("notices") >= 2).then_some(())
    });
    api.write("web", "c");
    shipper.wait_for(&["a", "b", "c"].map(str::to_owned));
    assert!(shipper.metrics().contains("\nlogship_output_notices_total "));
    let said = shipper.terminate().stderr();
    assert!(said.contains("no space left on device"), "{said}");
    assert!(said.contains("unable to retrieve container logs"), "{said}");
}
