//! An authority that is exchanged while we run.

use super::{Shipper, http, one_sink, wait_for_all};
use crate::scripted::{Reply, Scripted};
use crate::support::{Place, eventually, numbered};
use crate::tls::{Authority, Renewable};
use serde_json::json;

#[test]
fn authority_that_is_exchanged_is_trusted_without_a_restart_and_the_old_one_no_longer() {
    const REFUSED: &str = "invalid peer certificate";
    let (authority, stranger) = (Authority::new(), Authority::new());
    let server = Renewable::new(authority.vouch_for("127.0.0.1"));
    let receiver = Scripted::start_with(Some(server.acceptor()), |_| Reply::status(204));
    let place = Place::new();
    place.append("a.log", &numbered(0..10));
    let ca_file = place.path("ca.crt");
    std::fs::write(&ca_file, &stranger.pem).unwrap();
    let mut settings = http(&format!("https://{}/", receiver.address));
    settings["tls"] = json!({"caFile": ca_file});
    let shipper = Shipper::start_in(place, &one_sink("http", settings));
    shipper.wait_for_error(REFUSED);
    std::fs::write(&ca_file, &authority.pem).unwrap();
    wait_for_all(&receiver, 10);
    std::fs::write(&ca_file, &stranger.pem).unwrap();
    eventually("the connection that was trusted is given up", || {
        shipper.place.append("a.log", "more\n");
        shipper.sink()["error"].as_str()?.contains(REFUSED).then_some(())
    });
    shipper.kill();
}
