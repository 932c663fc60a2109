//! Records that span reads, files and runs.

use super::*;
use crate::config::{Boundary, Multiline};
use crate::sink::encode::Json;

fn framed(framing: Framing, multiline: Option<Multiline>) -> TailSettings {
    TailSettings {
        framer: Arc::new(FramerSettings {
            framing,
            multiline,
            record_bytes_max: 1 << 20,
        }),
        keep_open_records: framing != Framing::Lines,
        ..settings(StartAt::Beginning)
    }
}

fn containers(known: Option<Vec<FilePosition>>) -> World {
    World::with(framed(Framing::Cri, None), known)
}

fn traces(known: Option<Vec<FilePosition>>) -> World {
    let rules = Multiline {
        boundary: Boundary::Start(regex::bytes::Regex::new("^#").unwrap()),
        lines_max: 100,
        timeout: Duration::from_secs(2),
    };
    World::with(framed(Framing::Lines, Some(rules)), known)
}

fn line(stream: &str, tag: &str, content: &str) -> String {
    format!("2026-01-02T03:04:05.000000006Z {stream} {tag} {content}\n")
}

impl World {
    /// The next run on the same directory.
    fn restarted(self, start: fn(Option<Vec<FilePosition>>) -> Self) -> Self {
        Self {
            names: self.names,
            contents: self.contents,
            ..start(self.tail.positions())
        }
    }

    fn rotate(&mut self, name: &str, to: &str) {
        let inode = self.names.remove(name).unwrap();
        self.names.insert(to.to_owned(), inode);
    }

    fn offsets(&self) -> Vec<u64> {
        let positions = self.tail.positions().unwrap();
        positions.iter().map(|position| position.offset).collect()
    }

    fn drain(&mut self) {
        self.tail.drain(self.now);
        self.run(Duration::ZERO);
        assert!(self.tail.is_drained());
    }
}

#[test]
fn last_line_completed_after_a_crash_is_sent_once_and_whole() {
    let mut world = World::new(StartAt::Beginning, None);
    world.write("a.log", 1, "first\nhalf");
    world.run(INTERVAL);
    assert_eq!(world.shipped, "first\n");
    let mut world = world.restarted(|known| World::new(StartAt::Beginning, known));
    world.write("a.log", 1, " and half\n");
    world.run(INTERVAL);
    assert_eq!(world.shipped, "half and half\n");
}

#[test]
fn pieces_are_joined_across_a_stop_and_nothing_of_the_other_stream_is_repeated() {
    let mut world = containers(None);
    world.write(
        "0.log",
        1,
        &(line("stdout", "P", "beg") + &line("stderr", "F", "sent")),
    );
    world.run(INTERVAL);
    world.drain();
    assert_eq!(world.shipped, "sent\n");
    let mut world = world.restarted(containers);
    world.write(
        "0.log",
        1,
        &(line("stderr", "F", "new") + &line("stdout", "F", "in")),
    );
    world.run(INTERVAL);
    assert_eq!(world.shipped, "new\nbegin\n");
}

#[test]
fn pieces_are_joined_across_a_rotation() {
    let mut world = containers(None);
    let old = line("stdout", "F", "x") + &line("stdout", "P", "beg");
    world.write("0.log", 1, &old);
    world.run(INTERVAL);
    world.rotate("0.log", "0.log.1");
    let new = line("stderr", "F", "other") + &line("stdout", "F", "in");
    world.write("0.log", 2, &new);
    world.run(INTERVAL);
    assert_eq!(world.shipped, "x\nother\nbegin\n");
    assert_eq!(world.offsets(), [old.len() as u64, new.len() as u64]);
}

#[test]
fn pieces_are_joined_across_a_rotation_and_a_crash_in_between() {
    let mut world = containers(None);
    world.write("0.log", 1, &line("stdout", "P", "beg"));
    world.run(INTERVAL);
    world.rotate("0.log", "0.log.1");
    world.write(
        "0.log",
        2,
        &(line("stderr", "F", "sent") + &line("stdout", "P", "i")),
    );
    world.run(INTERVAL);
    assert_eq!(world.shipped, "sent\n");
    assert_eq!(world.offsets(), [0, 0]);
    let mut world = world.restarted(containers);
    world.write("0.log", 2, &line("stdout", "F", "n"));
    world.run(INTERVAL);
    assert_eq!(world.shipped, "begin\n");
}

#[test]
fn last_piece_that_never_comes_after_a_rotation_is_not_waited_for() {
    let mut world = containers(None);
    let old = line("stdout", "P", "beg");
    world.write("0.log", 1, &old);
    world.run(INTERVAL);
    world.rotate("0.log", "0.log.1");
    let new = line("stderr", "F", "other");
    world.write("0.log", 2, &new);
    world.run(Duration::from_secs(6));
    assert_eq!(world.shipped, "other\nbeg\n");
    assert_eq!(world.offsets(), [old.len() as u64, new.len() as u64]);
    world.run(Duration::from_secs(60));
    assert_eq!(world.open.len(), 1);
}

#[test]
fn torn_line_at_the_end_of_a_rotated_file_is_sent_before_it_is_closed() {
    let mut world = containers(None);
    world.write("0.log", 1, "2026-01-02T03:04:05.000000006Z stdout F torn");
    world.run(Duration::from_secs(60));
    assert_eq!(world.shipped, "");
    world.names.remove("0.log");
    world.run(Duration::from_secs(60));
    assert_eq!((&world.shipped[..], world.open.len()), ("torn\n", 0));
}

#[test]
fn malformed_lines_are_counted_by_the_tail() {
    let mut world = containers(None);
    world.write(
        "0.log",
        1,
        &("junk\n".to_owned() + &line("stdout", "F", "x") + "more junk\n"),
    );
    world.run(INTERVAL);
    assert_eq!(
        (&world.shipped[..], world.tail.counts().malformed),
        ("junk\nx\nmore junk\n", 2)
    );
}

#[test]
fn records_of_containers_are_sent_with_their_time_and_stream() {
    let mut world = containers(None);
    world.outlets.lanes[0] = Lane::new(LaneSettings {
        age_max: Duration::ZERO,
        ..LaneSettings::of(Arc::new(Json))
    });
    world.write("0.log", 1, &line("stderr", "F", "x"));
    world.run(INTERVAL);
    let record: serde_json::Value = serde_json::from_str(&world.shipped).unwrap();
    assert_eq!(
        (&record["timestamp"], &record["stream"]),
        (&"2026-01-02T03:04:05.000000006Z".into(), &"stderr".into())
    );
}

#[test]
fn trace_is_one_record_across_a_rotation() {
    let mut world = traces(None);
    world.write("a.log", 1, "# a\n 1\n");
    world.run(INTERVAL);
    world.rotate("a.log", "a.log.1");
    world.write("a.log", 2, " 2\n# b\n");
    world.run(INTERVAL);
    assert_eq!(world.shipped, "# a\n 1\n 2\n");
    assert_eq!(world.offsets(), [7, 3]);
}

#[test]
fn trace_is_one_record_across_a_truncation() {
    let mut world = traces(None);
    world.write("a.log", 1, "# a\n 1\n");
    world.run(INTERVAL);
    world.contents.insert(1, b" 2\n#\n".to_vec());
    world.tail.changed(world.now, false);
    world.run(INTERVAL);
    assert_eq!(world.shipped, "# a\n 1\n 2\n");
}

#[test]
fn trace_that_was_not_complete_at_a_crash_is_sent_once_and_whole_after_it() {
    let mut world = traces(None);
    world.write("a.log", 1, "# a\n# b\n 1\n");
    world.run(INTERVAL);
    assert_eq!(world.shipped, "# a\n");
    let mut world = world.restarted(traces);
    world.write("a.log", 1, " 2\n# c\n");
    world.run(INTERVAL);
    assert_eq!(world.shipped, "# b\n 1\n 2\n");
}

#[test]
fn open_trace_and_line_of_a_pod_are_sent_at_the_stop_and_their_rest_after_it() {
    let mut world = traces(None);
    world.write("a.log", 1, "# a\n ha");
    world.run(INTERVAL);
    world.drain();
    assert_eq!(world.shipped, "# a\n ha\n");
    let mut world = world.restarted(traces);
    world.write("a.log", 1, "lf\n# b\n");
    world.run(INTERVAL);
    assert_eq!(world.shipped, "lf\n");
}
