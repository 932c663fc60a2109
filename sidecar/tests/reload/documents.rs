//! The ways in which documents change on a disk, each of which is noticed.

use crate::book::Book;
use crate::shipper::{Shipper, document, replace};
use crate::support::{Place, Running, eventually, free_port, numbered};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// Ours within what was promised for noticing, and what a loaded machine adds.
const NOTICED: Duration = Duration::from_secs(2);

/// Puts documents into a directory as the kubelet does: the files are links through a link, which is swapped.
fn mount(directory: &Path, version: usize, documents: &[(&str, &Value)]) {
    let target = directory.join(format!("..{version}"));
    std::fs::create_dir_all(&target).unwrap();
    for (name, document) in documents {
        std::fs::write(target.join(name), document.to_string()).unwrap();
    }
    let next = directory.join("..data_tmp");
    symlink(format!("..{version}"), &next).unwrap();
    let before = std::fs::canonicalize(directory.join("..data")).ok();
    std::fs::rename(&next, directory.join("..data")).unwrap();
    for (name, _) in documents {
        let link = directory.join(name);
        if !link.is_symlink() {
            symlink(Path::new("..data").join(name), link).unwrap();
        }
    }
    if let Some(before) = before {
        std::fs::remove_dir_all(before).unwrap();
    }
}

/// `run` on a directory of documents that somebody else fills.
fn on_directory(place: &Place, directory: &Path, port: u16) -> Command {
    let mut command = place.binary();
    command
        .args(["run", "--config-dir"])
        .arg(directory)
        .arg("--state-dir")
        .arg(place.path("state"))
        .arg(format!("--admin-port={port}"))
        .env(
            "LOGSHIP_DIRECTORIES",
            json!({"shop/access": place.path("logs")}).to_string(),
        );
    command
}

#[expect(clippy::disallowed_methods, reason = "the time of a change is real")]
fn applies_soon(shipper: &Shipper, generation: i64, change: impl FnOnce()) {
    let begin = Instant::now();
    change();
    shipper.wait_for(generation);
    let time = begin.elapsed();
    assert!(time < NOTICED, "{time:?}");
}

#[test]
fn swap_of_a_mounted_directory_is_noticed_at_once_and_again() {
    let (place, book) = (Place::new(), Book::start());
    let directory = place.path("mounted");
    mount(&directory, 1, &[("shop.json", &document(1, &book.url("bus")))]);
    let port = free_port();
    let mut command = on_directory(&place, &directory, port);
    let shipper = Shipper::run(place, port, &mut command, directory.join("shop.json"));
    shipper.wait_for(1);
    for version in 2..5 {
        let document = document(i64::try_from(version).unwrap(), &book.url("bus"));
        applies_soon(&shipper, document["generation"].as_i64().unwrap(), || {
            mount(&directory, version, &[("shop.json", &document)]);
        });
    }
    shipper.terminate();
}

#[test]
fn single_file_of_a_mounted_directory_is_followed_through_its_links() {
    let (place, book) = (Place::new(), Book::start());
    let directory = place.path("mounted");
    let documents = |generation| {
        let mut document = document(generation, &book.url("bus"));
        document["sources"][0]["files"]["directory"] = place.path("logs").display().to_string().into();
        document
    };
    mount(&directory, 1, &[("shop.yaml", &documents(1))]);
    // A link of the person's own, from elsewhere.
    let link = place.path("mine.yaml");
    symlink(directory.join("shop.yaml"), &link).unwrap();
    let changed = documents(2);
    let port = free_port();
    let mut command = place.binary();
    command
        .args(["run", "--config"])
        .arg(&link)
        .arg(format!("--admin-port={port}"));
    let shipper = Shipper::run(place, port, &mut command, link);
    shipper.wait_for(1);
    applies_soon(&shipper, 2, || mount(&directory, 2, &[("shop.yaml", &changed)]));
    shipper.terminate();
}

#[test]
fn document_that_is_replaced_or_written_in_place_is_noticed_and_a_touch_is_no_change() {
    let book = Book::start();
    let shipper = Shipper::start(&document(1, &book.url("bus")));
    shipper.wait_for(1);
    let path = shipper.place.path("config/shop.json");
    applies_soon(&shipper, 2, || {
        replace(&path, &document(2, &book.url("bus")).to_string());
    });
    applies_soon(&shipper, 3, || {
        std::fs::write(&path, document(3, &book.url("bus")).to_string()).unwrap();
    });
    let applied = || shipper.metric("logship_config_reloads_total{result=\"applied\"}");
    assert_eq!(applied(), 2);
    // The same bytes in another file, then a change that shows that this was looked at.
    replace(&path, &document(3, &book.url("bus")).to_string());
    applies_soon(&shipper, 4, || {
        replace(&path, &document(4, &book.url("bus")).to_string());
    });
    assert_eq!(applied(), 3);
    assert_eq!(
        shipper.metric("logship_config_reloads_total{result=\"rejected\"}"),
        0
    );
    shipper.terminate();
}

#[test]
fn another_generation_of_the_same_words_touches_nothing() {
    let book = Book::start();
    let shipper = Shipper::start(&document(1, &book.url("bus")));
    shipper.place.append("app.log", &numbered(0..10));
    eventually("the lines", || (book.count() == 10).then_some(()));
    let mut same = document(1, &book.url("bus"));
    same["generation"] = 2.into();
    shipper.apply(&same);
    shipper.place.append("app.log", &numbered(10..20));
    eventually("more lines", || (book.count() == 20).then_some(()));
    assert_eq!(book.connections(), 1);
    assert_eq!(shipper.status()["pipelines"][0]["generation"], 2);
    shipper.terminate();
}

fn hang_up(running: &Running) {
    kill_process(Pid::from_child(running.child()), Signal::HUP).unwrap();
}

/// Where nothing is noticed otherwise: the file that the link leads to is in a directory that is not watched.
#[test]
fn hangup_makes_it_look_at_once() {
    let (place, book) = (Place::new(), Book::start());
    let directory = place.path("elsewhere");
    for version in ["one", "two"] {
        std::fs::create_dir_all(directory.join(version)).unwrap();
    }
    let documents = |generation| {
        let mut document = document(generation, &book.url("bus"));
        document["sources"][0]["files"]["directory"] = place.path("logs").display().to_string().into();
        document.to_string()
    };
    std::fs::write(directory.join("one/shop.yaml"), documents(1)).unwrap();
    std::fs::write(directory.join("two/shop.yaml"), documents(2)).unwrap();
    // Two links: a swap of the second is seen in none of the directories that are watched.
    let (first, second) = (place.path("mine.yaml"), directory.join("current"));
    symlink(directory.join("one"), &second).unwrap();
    symlink(second.join("shop.yaml"), &first).unwrap();
    let port = free_port();
    let mut command = place.binary();
    command
        .args(["run", "--config"])
        .arg(&first)
        .arg(format!("--admin-port={port}"));
    let shipper = Shipper::run(place, port, &mut command, first);
    shipper.wait_for(1);
    applies_soon(&shipper, 2, || {
        let next = directory.join("next");
        symlink(directory.join("two"), &next).unwrap();
        std::fs::rename(next, &second).unwrap();
        hang_up(&shipper.running);
    });
    // One that changes nothing is no reason to end.
    hang_up(&shipper.running);
    shipper.place.append("app.log", &numbered(0..10));
    eventually("it ships", || (book.count() == 10).then_some(()));
    shipper.terminate();
}
