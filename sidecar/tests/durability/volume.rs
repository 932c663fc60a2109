//! A state volume without room: a small file system in memory that only the process (and its entry in /proc) sees.

use crate::http_sink;
use crate::ledger::Ledger;
use crate::support::{PATIENCE_MS, Place, Running, eventually, numbered};
use serde_json::Value;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Mounts 64 KiB at `$0`, and runs the rest of the arguments once the volume is as it should be; `$1` learns the process.
const ON_SMALL_VOLUME: &str = r#"mount -t tmpfs -o size=64k none "$0" || exit 1
[ "$2" = empty ] || head -c 65536 /dev/zero > "$0/filler"
echo $$ > "$1.new"; mv "$1.new" "$1"
shift 2; exec "$@""#;
const CANNOT_BE_WRITTEN: &str = "the checkpoint cannot be written";

/// Whether this machine lets us mount in a namespace of our own.
fn can_mount() -> bool {
    let mut unshare = Command::new("unshare");
    let outcome = unshare.args(["--map-root-user", "--mount", "true"]).output();
    outcome.is_ok_and(|output| output.status.success())
}

/// The process with its volume.
struct Small {
    place: Place,
    ledger: Ledger,
    running: Running,
    /// The state directory as the process sees it.
    state: PathBuf,
}

impl Small {
    fn start(volume: &str) -> Self {
        let (place, ledger) = (Place::new(), Ledger::start());
        std::fs::create_dir(place.path("state")).unwrap();
        place.append("a.log", &numbered(0..10));
        let command = place.by_document(&http_sink(&ledger.url(0), PATIENCE_MS));
        let running = Running::start(&mut wrap(&place, &command, volume));
        let process = eventually("the process begins", || {
            std::fs::read_to_string(place.path("process")).ok()
        });
        let root = Path::new("/proc").join(process.trim()).join("root");
        let state = root.join(place.path("state").strip_prefix("/").unwrap());
        Self {
            place,
            ledger,
            running,
            state,
        }
    }

    fn wait_for_lines(&self, count: usize) {
        eventually("the lines", || self.ledger.has(0..count).then_some(()));
    }

    fn wait_for_position(&self, lines: usize) {
        let bytes = numbered(0..lines).len() as u64;
        eventually("the position is saved", || {
            let text = std::fs::read(self.state.join("shop.checkpoint.json")).ok()?;
            let checkpoint: Value = serde_json::from_slice(&text).ok()?;
            (checkpoint["files"]["access"][0]["offset"] == bytes).then_some(())
        });
    }

    fn fill(&self) {
        let mut zeros = std::io::repeat(0);
        let mut filler = File::create(self.state.join("filler")).unwrap();
        let error = std::io::copy(&mut zeros, &mut filler).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
    }

    fn make_room(&self) {
        std::fs::remove_file(self.state.join("filler")).unwrap();
    }

    fn wait_until_said(&self, times: usize) {
        let said = || self.place.stderr().matches(CANNOT_BE_WRITTEN).count();
        eventually("it is said", || (said() == times).then_some(()));
    }

    /// Ends the process and says how often each line came.
    fn finish(self) -> Vec<usize> {
        assert_eq!(self.running.terminate(), Some(0));
        let arrivals = self.ledger.arrivals();
        arrivals.into_iter().flat_map(|arrival| arrival.numbers).collect()
    }
}

fn wrap(place: &Place, command: &Command, volume: &str) -> Command {
    let said = File::options().append(true).open(place.path("stderr")).unwrap();
    let mut wrapped = Command::new("unshare");
    wrapped
        .args(["--map-root-user", "--mount", "sh", "-c", ON_SMALL_VOLUME])
        .arg(place.path("state"))
        .arg(place.path("process"))
        .arg(volume)
        .arg(command.get_program())
        .args(command.get_args())
        .env_clear()
        .envs(
            command
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        )
        .stderr(said);
    wrapped
}

#[test]
fn volume_that_is_full_at_the_start_is_said_once_and_the_position_is_saved_when_there_is_room() {
    if !can_mount() {
        return println!("skipped: no namespace to mount in");
    }
    let small = Small::start("full");
    small.wait_for_lines(10);
    small.wait_until_said(1);
    small.place.append("a.log", &numbered(10..20));
    small.wait_for_lines(20);
    small.make_room();
    small.wait_for_position(20);
    small.wait_until_said(1);
    assert_eq!(small.finish(), (0..20).collect::<Vec<_>>());
}

#[test]
fn volume_that_fills_up_is_said_once_each_time_and_shipping_goes_on() {
    if !can_mount() {
        return println!("skipped: no namespace to mount in");
    }
    let small = Small::start("empty");
    small.wait_for_position(10);
    for round in 1..3 {
        small.fill();
        small.place.append("a.log", &numbered(round * 10..round * 10 + 5));
        small.wait_for_lines(round * 10 + 5);
        small.wait_until_said(round);
        small
            .place
            .append("a.log", &numbered(round * 10 + 5..round * 10 + 10));
        small.wait_for_lines(round * 10 + 10);
        small.make_room();
        small.wait_for_position(round * 10 + 10);
        small.wait_until_said(round);
    }
    assert_eq!(small.finish(), (0..30).collect::<Vec<_>>());
}

#[test]
fn stop_on_a_full_volume_is_no_later_and_says_that_everything_was_sent() {
    if !can_mount() {
        return println!("skipped: no namespace to mount in");
    }
    let small = Small::start("full");
    small.wait_for_lines(10);
    assert_eq!(small.running.terminate(), Some(0));
    assert!(
        small.place.stderr().contains("everything was sent"),
        "{}",
        small.place.stderr()
    );
}
