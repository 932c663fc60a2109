//! The real binary on a scripted API that keeps one file, and sinks that are away.

use crate::book::Book;
use crate::kubelet::{Api, Cut};
use crate::shipper::{Shipper, document, same, with_api};
use crate::support::{PATIENCE_MS, Place, Running, eventually, free_port};
use crate::{disk_bytes, lines_on_disk, spool};
use logship::io::clock;
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;

const MIB: u64 = 1 << 20;

fn to(url: &str, spill_bytes: u64) -> Value {
    let sinks = json!([{"name": "bus", "batch": {"maxBytes": 65536, "maxAgeMs": 20},
        "http": {"url": url, "headers": {}, "compression": "none", "timeoutMs": PATIENCE_MS}}]);
    let mut document = document(&["web"], &sinks);
    document["sources"][0]["containerOutput"]["spill"] = json!({"maxBytes": spill_bytes});
    document
}

fn numbered(range: std::ops::Range<usize>) -> Vec<String> {
    range
        .map(|number| format!("line {number} {}", "x".repeat(60 + number % 90)))
        .collect()
}

/// Writes lines, a microsecond apart.
fn write(api: &Api, lines: &[String]) {
    let now = clock::wall();
    api.change("web", |container| {
        for (line, time) in lines.iter().zip((now..).step_by(1000)) {
            container.run().write(time, line.as_bytes());
        }
    });
}

/// What was written before is served no more, to nobody who asks from now on.
fn rotate_away(api: &Api) {
    api.change("web", |container| container.run().rotate());
    api.cut(Cut::Reset);
}

fn wait_until_on_disk(shipper: &Shipper, count: usize) {
    let spool = spool(&shipper.place);
    eventually(&format!("{count} lines on the disk"), || {
        (lines_on_disk(&spool).len() == count).then_some(())
    });
}

fn wait_until_sent(book: &Book, way: &str, expected: &[String]) {
    eventually(&format!("{} lines", expected.len()), || {
        (book.messages(way).len() >= expected.len()).then_some(())
    });
    same(&book.messages(way), expected);
}

fn wait_until_gone(spool: &Path) {
    eventually("the spool is empty", || (disk_bytes(spool) == 0).then_some(()));
}

fn metric(shipper: &Shipper, name: &str) -> u64 {
    let metrics = shipper.metrics();
    let line = metrics
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap().parse().unwrap()
}

/// Kilobytes that the process had in memory at most.
fn memory_peak(shipper: &Shipper) -> u64 {
    let id = shipper.running.as_ref().unwrap().child().id();
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.unwrap().trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn what_comes_in_an_outage_and_is_rotated_away_arrives_once_and_in_order() {
    let (api, book) = (Api::start(), Book::start());
    let shipper = Shipper::with(&api, &to(&book.url("bus"), 16 * MIB));
    let expected = numbered(0..50_000);
    write(&api, &expected[..100]);
    wait_until_sent(&book, "bus", &expected[..100]);
    let before = memory_peak(&shipper);
    book.close(true);
    for (number, lines) in expected[100..].chunks(9980).enumerate() {
        write(&api, lines);
        wait_until_on_disk(&shipper, (number + 1) * 9980);
        rotate_away(&api);
    }
    let spilled = disk_bytes(&spool(&shipper.place));
    assert!((5 * MIB..16 * MIB).contains(&spilled), "{spilled}");
    eventually("it is told", || {
        (metric(&shipper, "logship_spill_bytes") == spilled).then_some(())
    });
    assert_eq!(metric(&shipper, "logship_spill_bytes_max"), 16 * MIB);
    book.close(false);
    wait_until_sent(&book, "bus", &expected);
    wait_until_gone(&spool(&shipper.place));
    assert_eq!(metric(&shipper, "logship_spill_lost_bytes_total"), 0);
    let grown = memory_peak(&shipper) - before;
    assert!(grown < 16 << 10, "{grown} KiB more than {before}");
    let said = shipper.terminate().stderr();
    assert_eq!(
        said.matches("is kept on the state volume until they do").count(),
        1,
        "{said}"
    );
    assert_eq!(
        said.matches("was kept on the state volume was sent").count(),
        1,
        "{said}"
    );
}

#[test]
fn kill_in_an_outage_costs_nothing_and_repeats_nothing() {
    let (api, book) = (Api::start(), Book::start());
    let document = to(&book.url("bus"), 16 * MIB);
    let mut shipper = Shipper::with(&api, &document);
    book.close(true);
    let mut expected = numbered(0..5000);
    write(&api, &expected);
    wait_until_on_disk(&shipper, 5000);
    rotate_away(&api);
    shipper.crash(&api, &document);
    let more = numbered(5000..10_000);
    write(&api, &more);
    expected.extend(more);
    wait_until_on_disk(&shipper, 10_000);
    rotate_away(&api);
    shipper.crash(&api, &document);
    book.close(false);
    write(&api, &["last".to_owned()]);
    expected.push("last".to_owned());
    wait_until_sent(&book, "bus", &expected);
    wait_until_gone(&spool(&shipper.place));
    shipper.terminate();
}

#[test]
fn kill_while_the_backlog_is_sent_repeats_only_what_no_checkpoint_knew() {
    let (api, book) = (Api::start(), Book::start());
    // By ways of their own: what the first has sent may be taken when it is dead already.
    let [first, second] = ["first", "second"].map(|way| to(&book.url(way), 16 * MIB));
    let mut shipper = Shipper::with(&api, &first);
    book.close(true);
    let expected = numbered(0..20_000);
    write(&api, &expected);
    wait_until_on_disk(&shipper, 20_000);
    rotate_away(&api);
    book.close(false);
    eventually("some of it", || (book.count() > 2000).then_some(()));
    shipper.crash(&api, &second);
    eventually("the last one", || {
        book.messages("second")
            .ends_with(&expected[expected.len() - 1..])
            .then_some(())
    });
    let [first, second] = ["first", "second"].map(|way| book.messages(way));
    let again = second.iter().take_while(|line| first.contains(line)).count();
    same(&first, &expected[..first.len()]);
    same(&second, &expected[first.len() - again..]);
    wait_until_gone(&spool(&shipper.place));
    shipper.terminate();
}

#[test]
fn bound_holds_reading_back_and_is_never_exceeded() {
    let (api, book) = (Api::start(), Book::start());
    let shipper = Shipper::with(&api, &to(&book.url("bus"), MIB));
    book.close(true);
    // More than the buffers of the connections take besides.
    let expected: Vec<String> = (0..3000)
        .map(|number| format!("{number} {}", "x".repeat(8000)))
        .collect();
    write(&api, &expected);
    let spool = spool(&shipper.place);
    eventually("the bound is reached", || {
        assert!(disk_bytes(&spool) <= MIB);
        (metric(&shipper, "logship_spill_full_total") == 1).then_some(())
    });
    let taken = shipper.count("records");
    for _ in 0..20 {
        assert!(disk_bytes(&spool) <= MIB);
        std::thread::park_timeout(Duration::from_millis(50));
    }
    assert_eq!(shipper.count("records"), taken, "nothing more is taken");
    book.close(false);
    eventually("all of it", || {
        assert!(disk_bytes(&spool) <= MIB);
        (book.count() >= expected.len()).then_some(())
    });
    same(&book.messages("bus"), &expected);
    let said = shipper.terminate().stderr();
    assert_eq!(said.matches("that is the bound").count(), 1, "{said}");
}

#[test]
fn damaged_segment_costs_what_is_damaged_and_is_counted() {
    let (api, book) = (Api::start(), Book::start());
    let document = to(&book.url("bus"), 16 * MIB);
    let mut shipper = Shipper::with(&api, &document);
    book.close(true);
    let expected = numbered(0..30_000);
    write(&api, &expected);
    wait_until_on_disk(&shipper, 30_000);
    rotate_away(&api);
    let spool = spool(&shipper.place);
    let mut segments: Vec<_> = std::fs::read_dir(&spool)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    segments.sort();
    assert!(segments.len() > 3, "{segments:?}");
    // A byte, a header of another form, and a file that is gone.
    let change = |segment: &Path, at: usize| {
        let mut bytes = std::fs::read(segment).unwrap();
        bytes[at] ^= 1;
        std::fs::write(segment, bytes).unwrap();
    };
    change(&segments[0], 100_000);
    change(&segments[1], 3);
    std::fs::remove_file(&segments[2]).unwrap();
    let left: usize = [0, 3]
        .iter()
        .chain(&(4..segments.len()).collect::<Vec<_>>())
        .map(|index| lines_in(&segments[*index]))
        .sum();
    shipper.crash(&api, &document);
    book.close(false);
    write(&api, &["last".to_owned()]);
    eventually("the rest", || (book.count() > left).then_some(()));
    let came = book.messages("bus");
    assert_eq!(came.len(), left + 1);
    assert_eq!(came.last().unwrap(), "last");
    let mut rest = expected.iter();
    assert!(
        came[..left]
            .iter()
            .all(|line| rest.any(|expected| expected == line)),
        "in order"
    );
    let lost = metric(&shipper, "logship_spill_lost_bytes_total");
    assert!(lost > MIB && lost < 3 * MIB, "{lost}");
    let aside = spool.join("unusable");
    assert!(aside.exists());
    let said = shipper.terminate().stderr();
    assert!(said.contains("are damaged or gone and are lost"), "{said}");
}

fn lines_in(segment: &Path) -> usize {
    crate::lines_of_segment(segment).len()
}

#[test]
fn changed_document_sends_the_backlog_the_new_way() {
    let (api, old, new) = (Api::start(), Book::start(), Book::start());
    let shipper = Shipper::with(&api, &to(&old.url("old"), 16 * MIB));
    old.close(true);
    let mut expected = numbered(0..10_000);
    write(&api, &expected);
    wait_until_on_disk(&shipper, 10_000);
    rotate_away(&api);
    let mut changed = to(&new.url("new"), 8 * MIB);
    changed["generation"] = json!(2);
    std::fs::write(shipper.place.path("config/shop.json"), changed.to_string()).unwrap();
    wait_until_sent(&new, "new", &expected);
    let more = numbered(10_000..10_100);
    write(&api, &more);
    expected.extend(more);
    wait_until_sent(&new, "new", &expected);
    assert_eq!(old.count(), 0);
    assert_eq!(metric(&shipper, "logship_spill_bytes_max"), 8 * MIB);
    wait_until_gone(&spool(&shipper.place));
    shipper.terminate();
}

/// The next one in its place.
fn again(place: Place, api: &Api, document: &Value) -> Shipper {
    let port = free_port();
    let mut command = place.by_whole_document(document, port);
    Shipper {
        running: Some(Running::start(with_api(&mut command, api))),
        place,
        port,
    }
}

#[test]
fn stop_with_a_dead_sink_leaves_what_is_not_sent_to_the_next_start() {
    let (api, book) = (Api::start(), Book::start());
    let mut document = to(&book.url("bus"), 16 * MIB);
    // The rest is read meanwhile.
    document["drainMs"] = json!(5000);
    let shipper = Shipper::with(&api, &document);
    book.close(true);
    let expected = numbered(0..2000);
    write(&api, &expected);
    eventually("it is read", || (shipper.count("records") > 0).then_some(()));
    // At once: it never waited for the sink as long as it does before it spills.
    let place = shipper.terminate();
    assert_eq!(lines_on_disk(&spool(&place)).len(), 2000);
    rotate_away(&api);
    book.close(false);
    let shipper = again(place, &api, &document);
    wait_until_sent(&book, "bus", &expected);
    wait_until_gone(&spool(&shipper.place));
    shipper.terminate();
}

#[test]
fn without_a_state_directory_nothing_is_kept_and_that_is_said_once() {
    let (api, book) = (Api::start(), Book::start());
    let place = Place::new();
    let file = place.path("shop.json");
    std::fs::write(&file, to(&book.url("bus"), 16 * MIB).to_string()).unwrap();
    let mut command = place.binary();
    command
        .args(["run", "--admin-port=0", "--config"])
        .arg(&file)
        .env("POD_NAME", "web-0")
        .env("POD_NAMESPACE", "shop");
    let running = crate::support::Running::start(crate::shipper::with_api(&mut command, &api));
    write(&api, &["hello".to_owned()]);
    wait_until_sent(&book, "bus", &["hello".to_owned()]);
    assert_eq!(running.terminate(), Some(0));
    assert_eq!(
        place.stderr().matches("there is no state directory").count(),
        1,
        "{}",
        place.stderr()
    );
}
