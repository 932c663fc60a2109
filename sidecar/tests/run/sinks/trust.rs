//! TLS: who is trusted, who we are, and what happens when either changes.

use super::{Shipper, http, one_sink, wait_for_all};
use crate::scripted::{Reply, Scripted};
use crate::support::{Place, eventually, numbered};
use crate::tls::{Authority, Identity, Renewable};
use serde_json::{Value, json};
use std::os::unix::fs::symlink;
use std::path::Path;
use tokio_rustls::TlsAcceptor;

const HOST: &str = "127.0.0.1";

/// A receiver over TLS that takes everything, and a place with a file of ten lines.
fn receiver(acceptor: TlsAcceptor) -> (Scripted, Place) {
    let receiver = Scripted::start_with(Some(acceptor), |_| Reply::status(204));
    let place = Place::new();
    place.append("a.log", &numbered(0..10));
    (receiver, place)
}

fn tls_document(receiver: &Scripted, tls: Value) -> Value {
    let mut settings = http(&format!("https://{}/", receiver.address));
    settings["tls"] = tls;
    one_sink("http", settings)
}

fn authority_file(place: &Place, authority: &Authority) -> String {
    let path = place.path("ca.crt");
    std::fs::write(&path, &authority.pem).unwrap();
    path.display().to_string()
}

#[test]
fn own_authority_is_trusted() {
    let authority = Authority::new();
    let (receiver, place) = receiver(Renewable::new(authority.vouch_for(HOST)).acceptor());
    let tls = json!({"caFile": authority_file(&place, &authority)});
    let shipper = Shipper::start_in(place, &tls_document(&receiver, tls));
    wait_for_all(&receiver, 10);
    shipper.terminate();
}

#[test]
fn stranger_gets_nothing_unless_verification_is_turned_off() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let (receiver, place) = receiver(Renewable::new(stranger.vouch_for(HOST)).acceptor());
    let tls = json!({"caFile": authority_file(&place, &authority)});
    let shipper = Shipper::start_in(place, &tls_document(&receiver, tls));
    shipper.wait_for_error("invalid peer certificate");
    assert!(receiver.requests().is_empty());
    let place = shipper.kill();
    let careless = tls_document(&receiver, json!({"insecureSkipVerify": true}));
    let shipper = Shipper::start_in(place, &careless);
    wait_for_all(&receiver, 10);
    shipper.terminate();
}

#[test]
fn certificate_for_another_name_is_refused_unless_that_name_is_asked_for() {
    let authority = Authority::new();
    let (receiver, place) = receiver(Renewable::new(authority.vouch_for("logs.test")).acceptor());
    let ca_file = authority_file(&place, &authority);
    let tls = json!({"caFile": ca_file});
    let shipper = Shipper::start_in(place, &tls_document(&receiver, tls));
    shipper.wait_for_error("certificate not valid for name");
    assert!(receiver.requests().is_empty());
    let place = shipper.kill();
    let tls = json!({"caFile": ca_file, "serverName": "logs.test"});
    let shipper = Shipper::start_in(place, &tls_document(&receiver, tls));
    wait_for_all(&receiver, 10);
    shipper.terminate();
}

#[test]
fn expired_certificate_is_said_and_its_renewal_is_enough() {
    let authority = Authority::new();
    let server = Renewable::new(authority.vouch_for_in_2020(HOST));
    let (receiver, place) = receiver(server.acceptor());
    let tls = json!({"caFile": authority_file(&place, &authority)});
    let shipper = Shipper::start_in(place, &tls_document(&receiver, tls));
    shipper.wait_for_error("certificate expired");
    assert!(receiver.requests().is_empty());
    server.renew(authority.vouch_for(HOST));
    wait_for_all(&receiver, 10);
    assert!(shipper.sink()["retries"].as_u64() > Some(0));
    shipper.terminate();
}

/// Puts a pair into a directory as the kubelet does: the files are links through a link, which is swapped.
fn mount(directory: &Path, version: usize, certificate: &str, key: &str) {
    let target = directory.join(format!("..{version}"));
    std::fs::create_dir_all(&target).unwrap();
    for (file, text) in [("tls.crt", certificate), ("tls.key", key)] {
        std::fs::write(target.join(file), text).unwrap();
        let link = directory.join(file);
        if !link.is_symlink() {
            symlink(Path::new("..data").join(file), link).unwrap();
        }
    }
    let next = directory.join("..data_tmp");
    symlink(format!("..{version}"), &next).unwrap();
    std::fs::rename(&next, directory.join("..data")).unwrap();
}

/// The settings of a client whose pair is mounted in `identity/`.
fn client_tls(place: &Place, authority: &Authority) -> Value {
    let path = |file: &str| place.path("identity").join(file).display().to_string();
    json!({
        "caFile": authority_file(place, authority),
        "certFile": path("tls.crt"), "keyFile": path("tls.key"),
    })
}

#[test]
fn client_without_the_demanded_certificate_is_refused_and_it_is_said() {
    let authority = Authority::new();
    let server = Renewable::new(authority.vouch_for(HOST));
    let (acceptor, _) = server.acceptor_for_clients_of(&authority);
    let (receiver, place) = receiver(acceptor);
    let tls = json!({"caFile": authority_file(&place, &authority)});
    let shipper = Shipper::start_in(place, &tls_document(&receiver, tls));
    shipper.wait_for_error("CertificateRequired");
    assert!(receiver.requests().is_empty());
    shipper.kill();
}

#[test]
fn client_certificate_that_is_swapped_twice_is_used_without_a_restart() {
    let authority = Authority::new();
    let server = Renewable::new(authority.vouch_for(HOST));
    let (acceptor, clients) = server.acceptor_for_clients_of(&authority);
    let (receiver, place) = receiver(acceptor);
    let mounted = |place: &Place, version: usize, identity: &Identity| {
        mount(
            &place.path("identity"),
            version,
            &identity.certificate_pem,
            &identity.key_pem,
        );
    };
    let identities: Vec<Identity> = (0..3).map(|_| authority.vouch_for("shipper")).collect();
    mounted(&place, 0, &identities[0]);
    let tls = client_tls(&place, &authority);
    let shipper = Shipper::start_in(place, &tls_document(&receiver, tls));
    let mut lines = 10;
    for (version, identity) in identities.iter().enumerate() {
        mounted(&shipper.place, version, identity);
        eventually("the certificate is shown", || {
            shipper.place.append("a.log", &numbered(lines..lines + 1));
            lines += 1;
            clients.have_seen(identity).then_some(())
        });
    }
    wait_for_all(&receiver, lines);
    assert_eq!(shipper.sink()["retries"], 0);
    shipper.terminate();
}

#[test]
fn unusable_certificate_is_said_for_as_long_as_it_is_there() {
    let authority = Authority::new();
    let server = Renewable::new(authority.vouch_for(HOST));
    let (acceptor, _) = server.acceptor_for_clients_of(&authority);
    let (receiver, place) = receiver(acceptor);
    let (ours, other) = (authority.vouch_for("shipper"), authority.vouch_for("shipper"));
    mount(&place.path("identity"), 0, &ours.certificate_pem, &other.key_pem);
    let tls = client_tls(&place, &authority);
    let shipper = Shipper::start_in(place, &tls_document(&receiver, tls));
    let said = "failed to use the certificate";
    eventually("some attempts", || {
        (shipper.sink()["retries"].as_u64()? >= 4).then_some(())
    });
    shipper.wait_for_error(said);
    assert!(shipper.sink()["error"].as_str().unwrap().contains(said));
    mount(
        &shipper.place.path("identity"),
        1,
        &ours.certificate_pem,
        &ours.key_pem,
    );
    wait_for_all(&receiver, 10);
    shipper.terminate();
}
