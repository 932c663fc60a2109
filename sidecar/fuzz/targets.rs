//! What is fuzzed. libFuzzer runs these (`sidecar/fuzz/README.md`), and `cargo test` runs them on the committed corpora and on
//! mutations of them (`sidecar/tests/fuzz.rs`).
//!
//! A target is a function that must not panic on any bytes; it panics where an invariant of its own is broken. A new one is a line in
//! [`TARGETS`], a function, and a folder `sidecar/fuzz/corpus/NAME` with at least one input.

#[path = "targets/answer.rs"]
mod answer;
#[path = "targets/checkpoint.rs"]
mod checkpoint;
#[path = "targets/configuration.rs"]
mod configuration;
#[path = "targets/disk.rs"]
#[expect(
    dead_code,
    reason = "shared with the tests of spills, whose machine may lose its power"
)]
mod disk;
#[path = "targets/framer.rs"]
mod framer;
#[path = "targets/gzip.rs"]
mod gzip;
#[path = "targets/life.rs"]
mod life;
#[path = "targets/parse.rs"]
mod parse;
#[path = "targets/spool.rs"]
mod spool;
#[path = "targets/when.rs"]
mod when;

use logship_crd::agent_config::{Framing, ParseFormat};

/// A function that must not panic on any bytes.
pub type Target = fn(&[u8]);

/// All targets by name.
pub const TARGETS: &[(&str, Target)] = &[
    ("parse_json", |bytes| parse::step(ParseFormat::Json, bytes)),
    ("parse_logfmt", |bytes| parse::step(ParseFormat::Logfmt, bytes)),
    ("parse_nginx", |bytes| {
        parse::step(ParseFormat::NginxCombined, bytes);
    }),
    ("parse_apache", |bytes| {
        parse::step(ParseFormat::ApacheCommon, bytes);
    }),
    ("parse_syslog", |bytes| parse::step(ParseFormat::Syslog, bytes)),
    ("parse_cri", |bytes| parse::step(ParseFormat::Cri, bytes)),
    ("parse_regex", parse::regex),
    ("frame_lines", |bytes| framer::plain(Framing::Lines, bytes)),
    ("frame_cri", |bytes| framer::plain(Framing::Cri, bytes)),
    ("frame_docker", |bytes| framer::plain(Framing::DockerJson, bytes)),
    ("frame_multiline", framer::multiline),
    ("checkpoint", checkpoint::target),
    ("spool", spool::target),
    ("configuration", configuration::target),
    ("when", when::target),
    ("answer", answer::target),
    ("gzip", gzip::target),
];
