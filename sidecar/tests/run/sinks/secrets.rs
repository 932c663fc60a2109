//! Credentials: what is sent, and that it is seen nowhere else.

use super::{Shipper, http, one_sink, wait_for_all, with};
use crate::scripted::{Reply, Scripted};
use crate::support::{Place, ask_admin, eventually, finish, numbered};
use serde_json::{Value, json};
use std::path::Path;

const TOKEN: &str = "n0t-for-y0ur-eyes";

/// Everything that the process wrote or answers, and the files that it left.
fn everything(shipper: &Shipper) -> String {
    let mut all = shipper.place.stdout() + &shipper.place.stderr();
    for path in ["/status", "/metrics"] {
        all += &ask_admin(shipper.port, path);
    }
    let mut command = shipper.place.binary();
    let listed = command
        .args(["deadletters", "--state-dir"])
        .arg(shipper.place.path("state"));
    let listed = finish(listed).stdout;
    all += &String::from_utf8_lossy(&listed);
    for entry in std::fs::read_dir(shipper.place.path("state")).unwrap() {
        all += &String::from_utf8_lossy(&std::fs::read(entry.unwrap().path()).unwrap());
    }
    all
}

fn file(path: &Path, text: &str) -> String {
    std::fs::write(path, text).unwrap();
    path.display().to_string()
}

/// Ships to a receiver that repeats the credentials in its refusals, and looks for `secrets` everywhere.
fn check(auth: impl Fn(&Place) -> Value, expected: &str, secrets: &[&str]) {
    let receiver = Scripted::start(|asked| {
        let said = asked.headers["authorization"].to_str().unwrap().to_owned();
        match asked.number {
            0 => Reply::with(401, &[], format!("who is {said}?")),
            1 => Reply::with(400, &[], format!("bad record of {said}")),
            _ => Reply::status(204),
        }
    });
    let place = Place::new();
    place.append("a.log", &numbered(0..1));
    let auth = auth(&place);
    let settings = with(http(&receiver.url()), json!({"auth": auth}));
    let shipper = Shipper::start_in(place, &one_sink("http", settings));
    eventually("the refusal is kept", || {
        (shipper.dead_letters().lines().count() == 1).then_some(())
    });
    let seen = everything(&shipper);
    assert!(
        seen.contains("status 401") && seen.contains("bad record of"),
        "{seen}"
    );
    for secret in secrets {
        assert!(!seen.contains(secret), "{secret}: {seen}");
    }
    shipper.place.append("a.log", "more\n");
    eventually("more", || receiver.taken().contains_key("more").then_some(()));
    for asked in receiver.requests() {
        assert_eq!(asked.headers["authorization"], expected);
    }
    shipper.terminate();
}

#[test]
fn token_is_sent_and_seen_nowhere_else_even_if_the_receiver_repeats_it() {
    let auth = |place: &Place| json!({"bearerFile": file(&place.path("token"), TOKEN)});
    check(auth, &format!("Bearer {TOKEN}"), &[TOKEN]);
}

#[test]
fn password_is_sent_and_seen_nowhere_else_even_if_the_receiver_repeats_it() {
    let auth = |place: &Place| {
        json!({"basic": {
            "usernameFile": file(&place.path("username"), "shipper"),
            "passwordFile": file(&place.path("password"), "pa55"),
        }})
    };
    check(auth, "Basic c2hpcHBlcjpwYTU1", &["pa55", "c2hpcHBlcjpwYTU1"]);
}

#[test]
fn unusable_token_is_said_and_nothing_is_sent_without_one() {
    let receiver = Scripted::start(|_| Reply::status(204));
    let place = Place::new();
    place.append("a.log", &numbered(0..1));
    let token = place.path("token");
    let auth = json!({"bearerFile": file(&token, "two\nlines")});
    let settings = with(http(&receiver.url()), json!({"auth": auth}));
    let shipper = Shipper::start_in(place, &one_sink("http", settings));
    eventually("some attempts", || {
        (shipper.sink()["retries"].as_u64()? >= 4).then_some(())
    });
    shipper.wait_for_error("failed to use the credentials");
    assert!(receiver.requests().is_empty());
    file(&token, TOKEN);
    wait_for_all(&receiver, 1);
    assert_eq!(
        receiver.requests()[0].headers["authorization"],
        format!("Bearer {TOKEN}")
    );
    shipper.terminate();
}
