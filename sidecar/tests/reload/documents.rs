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
/// Should the machine stall in one change, so many of the same kind are noticed in time, one after the other. What nobody tells of is found within
/// five seconds, so one alone may be luck.
const AGAIN: usize = 3;

/// Puts documents into a directory as the kubelet does: the files are links through a link, which is swapped.
fn mount(directory: &Path, version: i64, documents: &[(&str, &Value)]) {
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

/// Makes changes, each to the next generation, and has them noticed soon; returns the last generation.
fn apply_soon(shipper: &Shipper, mut generation: i64, mut change: impl FnMut(i64)) -> i64 {
    #[expect(clippy::disallowed_methods, reason = "the time of a change is real")]
    let mut noticed = || {
        generation += 1;
        let begin = Instant::now();
        change(generation);
        shipper.wait_for(generation);
        begin.elapsed()
    };
    let first = noticed();
    if first >= NOTICED {
        let again: Vec<Duration> = (0..AGAIN).map(|_| noticed()).collect();
        assert!(
            again.iter().all(|time| *time < NOTICED),
            "{first:?}, then {again:?}"
        );
    }
    generation
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
    let mut generation = 1;
    for _ in 0..3 {
        generation = apply_soon(&shipper, generation, |generation| {
            let document = document(generation, &book.url("bus"));
            mount(&directory, generation, &[("shop.json", &document)]);
        });
    }
    shipper.terminate();
}

#[test]
fn single_file_of_a_mounted_directory_is_followed_through_its_links() {
    let (place, book) = (Place::new(), Book::start());
    let (directory, logs) = (place.path("mounted"), place.path("logs"));
    let documents = |generation| {
        let mut document = document(generation, &book.url("bus"));
        document["sources"][0]["files"]["directory"] = logs.display().to_string().into();
        document
    };
    mount(&directory, 1, &[("shop.yaml", &documents(1))]);
    // A link of the person's own, from elsewhere.
    let link = place.path("mine.yaml");
    symlink(directory.join("shop.yaml"), &link).unwrap();
    let port = free_port();
    let mut command = place.binary();
    command
        .args(["run", "--config"])
        .arg(&link)
        .arg(format!("--admin-port={port}"));
    let shipper = Shipper::run(place, port, &mut command, link);
    shipper.wait_for(1);
    apply_soon(&shipper, 1, |generation| {
        mount(&directory, generation, &[("shop.yaml", &documents(generation))]);
    });
    shipper.terminate();
}

#[test]
fn document_that_is_replaced_or_written_in_place_is_noticed_and_a_touch_is_no_change() {
    let book = Book::start();
    let shipper = Shipper::start(&document(1, &book.url("bus")));
    shipper.wait_for(1);
    let path = shipper.place.path("config/shop.json");
    let text = |generation| document(generation, &book.url("bus")).to_string();
    let applied =
        || i64::try_from(shipper.metric("logship_config_reloads_total{result=\"applied\"}")).unwrap();
    let replaced = apply_soon(&shipper, 1, |generation| replace(&path, &text(generation)));
    let written = apply_soon(&shipper, replaced, |generation| {
        std::fs::write(&path, text(generation)).unwrap();
    });
    assert_eq!(applied(), written - 1);
    // The same bytes in another file, then a change that shows that this was looked at.
    replace(&path, &text(written));
    let last = apply_soon(&shipper, written, |generation| replace(&path, &text(generation)));
    assert_eq!(applied(), last - 1);
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
    let (directory, logs) = (place.path("elsewhere"), place.path("logs"));
    // Where the document of a generation is.
    let folder = |generation: i64| {
        let mut document = document(generation, &book.url("bus"));
        document["sources"][0]["files"]["directory"] = logs.display().to_string().into();
        let folder = directory.join(generation.to_string());
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("shop.yaml"), document.to_string()).unwrap();
        folder
    };
    // Two links: a swap of the second is seen in none of the directories that are watched.
    let (first, second) = (place.path("mine.yaml"), directory.join("current"));
    symlink(folder(1), &second).unwrap();
    symlink(second.join("shop.yaml"), &first).unwrap();
    let port = free_port();
    let mut command = place.binary();
    command
        .args(["run", "--config"])
        .arg(&first)
        .arg(format!("--admin-port={port}"));
    let shipper = Shipper::run(place, port, &mut command, first);
    shipper.wait_for(1);
    apply_soon(&shipper, 1, |generation| {
        let next = directory.join("next");
        symlink(folder(generation), &next).unwrap();
        std::fs::rename(next, &second).unwrap();
        hang_up(&shipper.running);
    });
    // One that changes nothing is no reason to end.
    hang_up(&shipper.running);
    shipper.place.append("app.log", &numbered(0..10));
    eventually("it ships", || (book.count() == 10).then_some(()));
    shipper.terminate();
}
