//! A state volume that is smaller than the bound: a small file system in memory that only the process (and its entry in /proc) sees.

use crate::book::Book;
use crate::kubelet::Api;
use crate::shipper::{document, same, with_api};
use crate::support::{PATIENCE_MS, Place, Running, ask_admin, eventually, free_port};
use crate::{disk_bytes, lines_on_disk};
use logship::io::clock;
use serde_json::json;
use std::path::Path;
use std::process::Command;

/// Mounts 1 MiB at `$0`, and runs the rest of the arguments; `$1` learns the process.
const ON_SMALL_VOLUME: &str = r#"mount -t tmpfs -o size=1m none "$0" || exit 1
echo $$ > "$1.new"; mv "$1.new" "$1"
shift 1; exec "$@""#;

/// Whether this machine lets us mount in a namespace of our own.
fn can_mount() -> bool {
    let mut unshare = Command::new("unshare");
    let outcome = unshare.args(["--map-root-user", "--mount", "true"]).output();
    outcome.is_ok_and(|output| output.status.success())
}

#[test]
fn full_volume_holds_reading_back_until_the_sink_is_back_and_costs_nothing() {
    if !can_mount() {
        return;
    }
    let (api, book, place, port) = (Api::start(), Book::start(), Place::new(), free_port());
    std::fs::create_dir(place.path("state")).unwrap();
    let sinks = json!([{"name": "bus", "batch": {"maxBytes": 65536, "maxAgeMs": 20},
        "http": {"url": book.url("bus"), "headers": {}, "compression": "none", "timeoutMs": PATIENCE_MS}}]);
    let mut command = place.by_whole_document(&document(&["web"], &sinks), port);
    with_api(&mut command, &api);
    let running = Running::start(&mut wrap(&place, &command));
    let process = eventually("the process begins", || {
        std::fs::read_to_string(place.path("process")).ok()
    });
    let root = Path::new("/proc").join(process.trim()).join("root");
    let state = root.join(place.path("state").strip_prefix("/").unwrap());
    book.close(true);
    let expected: Vec<String> = (0..3000)
        .map(|number| format!("{number} {}", "x".repeat(8000)))
        .collect();
    let now = clock::wall();
    api.change("web", |container| {
        for (line, time) in expected.iter().zip((now..).step_by(1000)) {
            container.run().write(time, line.as_bytes());
        }
    });
    let failures = || {
        let metrics = ask_admin(port, "/metrics");
        let line = metrics
            .lines()
            .find_map(|line| line.strip_prefix("logship_spill_failures_total "));
        line.unwrap().parse::<u64>().unwrap()
    };
    eventually("writes fail", || (failures() > 2).then_some(()));
    let spool = state.join("shop.output.spool");
    let (bytes, lines) = (disk_bytes(&spool), lines_on_disk(&spool).len());
    assert!(bytes > 500_000, "{bytes}");
    assert!(lines > 0 && lines < 200, "{lines}");
    book.close(false);
    eventually("all of it", || (book.count() >= expected.len()).then_some(()));
    same(&book.messages("bus"), &expected);
    eventually("the volume is free", || (disk_bytes(&spool) == 0).then_some(()));
    assert_eq!(running.terminate(), Some(0));
    let said = place.stderr();
    assert_eq!(
        said.matches("cannot be kept on the state volume").count(),
        1,
        "{said}"
    );
}

fn wrap(place: &Place, command: &Command) -> Command {
    let mut wrapped = Command::new("unshare");
    wrapped
        .args(["--map-root-user", "--mount", "sh", "-c", ON_SMALL_VOLUME])
        .arg(place.path("state"))
        .arg(place.path("process"))
        .arg(command.get_program())
        .args(command.get_args());
    for (name, value) in command.get_envs() {
        wrapped.env(name, value.unwrap_or_default());
    }
    place.redirect(&mut wrapped);
    wrapped
}
