mod arrivals;
mod copies;
mod counts;
mod framing;

use super::*;
use crate::engine::batch::{Lane, LaneSettings};
use crate::engine::checkpoint::{Fingerprint, Trail};
use crate::pipeline::{Run, Steps};
use crate::record::time::Nanos;
use crate::sink::encode::Text;
use crate::sink::verdict::Verdict;
use logship_crd::agent_config::Framing;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Small, but larger than what is read again each time.
const READ_BYTES: usize = Trail::BYTES_MAX + 7;
/// No test needs so many.
const READS_MAX: usize = 100_000;
const INTERVAL: Duration = Duration::from_secs(1);

fn settings(start_at: StartAt) -> TailSettings {
    TailSettings {
        scan_interval: INTERVAL,
        start_at,
        context: Context::default(),
        framer: Arc::new(FramerSettings {
            framing: Framing::Lines,
            multiline: None,
            record_bytes_max: 1 << 20,
        }),
        keep_open_records: false,
        open_files_max: 1000,
    }
}

/// A directory in memory, followed for as long as there is something to do.
struct World {
    tail: Tail,
    outlets: Outlets,
    now: Tick,
    /// The time of day, which may jump.
    wall: Nanos,
    next_id: StreamId,
    /// Names of inodes, and their contents, which live on while the file is open.
    names: BTreeMap<String, u64>,
    contents: BTreeMap<u64, Vec<u8>>,
    open: BTreeMap<StreamId, u64>,
    /// What files say of their size, where it is not so.
    says: BTreeMap<u64, u64>,
    /// Who cannot be opened.
    forbidden: BTreeSet<u64>,
    /// How often files were opened.
    opens: usize,
    /// How often files were read.
    reads: usize,
    shipped: String,
    reports: Vec<Report>,
}

impl World {
    fn new(start_at: StartAt, known: Option<Vec<FilePosition>>) -> Self {
        Self::with(settings(start_at), known)
    }

    fn with(settings: TailSettings, known: Option<Vec<FilePosition>>) -> Self {
        let lane = Lane::new(LaneSettings {
            age_max: Duration::ZERO,
            ..LaneSettings::of(Arc::new(Text))
        });
        Self {
            tail: Tail::new(0, settings, known),
            outlets: Outlets::new(vec![lane], Run::new(&Steps::default(), 0), usize::MAX),
            now: Tick::ZERO,
            wall: 0,
            next_id: 0,
            names: BTreeMap::new(),
            contents: BTreeMap::new(),
            open: BTreeMap::new(),
            says: BTreeMap::new(),
            forbidden: BTreeSet::new(),
            opens: 0,
            reads: 0,
            shipped: String::new(),
            reports: Vec::new(),
        }
    }

    fn write(&mut self, name: &str, inode: u64, text: &str) {
        self.names.insert(name.to_owned(), inode);
        self.contents
            .entry(inode)
            .or_default()
            .extend_from_slice(text.as_bytes());
    }

    fn entries(&self) -> Vec<Entry> {
        let entry = |(name, inode): (&String, &u64)| Entry {
            name: name.clone(),
            identity: Identity {
                device: 1,
                inode: *inode,
            },
            size: self.contents[inode].len() as u64 / if siblings::is_compressed(name) { 2 } else { 1 },
            modified_ns: i128::from(*inode),
            matches: std::path::Path::new(name)
                .extension()
                .is_some_and(|extension| extension == "log"),
        };
        self.names.iter().map(entry).collect()
    }

    /// Lists the directory as it is now; what happens next happens before anything of it is opened.
    fn list(&mut self) {
        let entries = self.entries();
        self.reports
            .extend(self.tail.listed(self.now, entries, &mut self.next_id));
    }

    /// Does what is to be done other than reading on.
    fn poll_all(&mut self) {
        while let Some(output) = self.tail.poll(self.now, &mut self.outlets) {
            self.perform(output);
        }
    }

    fn run(&mut self, for_time: Duration) {
        let until = self.now + for_time;
        loop {
            while let Some(output) = self
                .tail
                .poll(self.now, &mut self.outlets)
                .or_else(|| self.tail.next_read())
            {
                self.perform(output);
            }
            while let Some((id, batch)) = self.outlets.lanes[0].poll(self.now, true) {
                self.shipped.push_str(std::str::from_utf8(&batch.body).unwrap());
                self.outlets.lanes[0].settle(self.now, id, Verdict::Delivered, 0.5);
            }
            while let Some((id, position)) = self.outlets.reached() {
                self.tail.reached(id, position);
            }
            match self.tail.deadline() {
                Some(deadline) if deadline <= until => self.now = self.now.max(deadline),
                _ => break,
            }
        }
        self.now = until;
    }

    fn perform(&mut self, output: Output) {
        match output {
            Output::List { .. } => {
                self.list();
            }
            Output::Open { file, name, .. } => {
                let Some(&inode) = self.names.get(&name) else {
                    let error = "no such file".to_owned();
                    self.reports.extend(self.tail.failed(self.now, file, error));
                    return;
                };
                if self.forbidden.contains(&inode) {
                    let error = "permission denied".to_owned();
                    self.reports.extend(self.tail.failed(self.now, file, error));
                    return;
                }
                let contents = &self.contents[&inode];
                let head = &contents[..contents.len().min(Fingerprint::BYTES_MAX)];
                let look = Look {
                    identity: Identity { device: 1, inode },
                    size: self.says.get(&inode).copied().unwrap_or(contents.len() as u64),
                    head,
                };
                self.reports
                    .extend(self.tail.opened(self.now, file, look, &mut self.outlets));
                self.open.insert(file, inode);
                self.opens += 1;
            }
            Output::Read {
                file,
                offset,
                look_at_head,
            } => {
                self.reads += 1;
                assert!(self.reads < READS_MAX, "there is always something to read");
                let contents = &self.contents[&self.open[&file]];
                let rest = contents
                    .get(usize::try_from(offset).unwrap()..)
                    .unwrap_or_default();
                let bytes = &rest[..rest.len().min(READ_BYTES)];
                let head = look_at_head.then(|| &contents[..contents.len().min(Fingerprint::BYTES_MAX)]);
                let chunk = Chunk {
                    size: contents.len() as u64,
                    head,
                    bytes,
                    wall: self.wall,
                };
                self.reports
                    .extend(self.tail.chunk(self.now, file, &chunk, &mut self.outlets));
            }
            Output::Close { file } => {
                assert!(self.open.remove(&file).is_some(), "{file} is not open");
            }
            Output::Report(report) => self.reports.push(report),
            other => panic!("a tail asks for {other:?}"),
        }
    }
}

#[test]
fn renamed_file_is_read_to_its_end_before_its_successor_and_closed_after_a_quiet_time() {
    let mut world = World::new(StartAt::Beginning, None);
    world.write("a.log", 1, "first line\n");
    world.run(INTERVAL);
    world.names.remove("a.log");
    world.write("a.log.1", 1, "end of the old one\n");
    world.write("a.log", 2, "begin of the new one\n");
    world.run(INTERVAL);
    assert_eq!(
        world.shipped,
        "first line\nend of the old one\nbegin of the new one\n"
    );
    world.write("a.log.1", 1, "late words\n");
    world.run(INTERVAL * 2);
    assert!(world.shipped.ends_with("late words\n"));
    assert_eq!(world.open.len(), 2);
    world.run(INTERVAL * 60);
    assert_eq!(world.open.len(), 1);
}

#[test]
fn reused_inode_with_other_contents_is_a_new_file() {
    let mut world = World::new(StartAt::Beginning, None);
    world.write("a.log", 1, "old contents\n");
    world.run(INTERVAL);
    let mut world = World::new(StartAt::Beginning, world.tail.positions());
    world.write("a.log", 1, "quite other contents, and longer\n");
    world.run(INTERVAL);
    assert_eq!(world.shipped, "quite other contents, and longer\n");
}

#[test]
fn restart_goes_on_in_the_middle_of_a_line_that_was_sent_without_its_newline() {
    let mut world = World::new(StartAt::Beginning, None);
    world.write("a.log", 1, "half");
    world.run(INTERVAL * 10);
    assert_eq!(world.shipped, "half\n");
    let mut world = World::new(StartAt::Beginning, world.tail.positions());
    world.write("a.log", 1, "half\nnext\n");
    world.run(INTERVAL);
    assert_eq!(world.shipped, "next\n");
}

#[test]
fn start_at_end_skips_only_what_was_there_before_the_first_start() {
    let mut world = World::new(StartAt::End, None);
    world.write("a.log", 1, "before\n");
    world.run(INTERVAL);
    world.write("a.log", 1, "after\n");
    world.write("b.log", 2, "new file\n");
    world.run(INTERVAL * 2);
    assert_eq!(world.shipped, "after\nnew file\n");
    let known = world.tail.positions();
    let mut world = World::new(StartAt::End, known);
    world.write("c.log", 3, "written while down\n");
    world.run(INTERVAL);
    assert_eq!(world.shipped, "written while down\n");
}

#[test]
fn file_rewritten_with_as_many_bytes_is_noticed_at_its_next_change() {
    let mut world = World::new(StartAt::Beginning, None);
    world.write("a.log", 1, "one\n");
    world.run(INTERVAL);
    world.contents.insert(1, b"two\nthree\n".to_vec());
    world.run(INTERVAL * 2);
    assert_eq!(world.shipped, "one\ntwo\nthree\n");
    assert!(world.reports.contains(&Report::FileTruncated("a.log".to_owned())));
}

#[test]
fn file_rewritten_while_the_sinks_kept_it_waiting_is_noticed_although_the_bytes_before_the_offset_are_equal()
{
    let mut world = World::new(StartAt::Beginning, None);
    let filler = "x".repeat(READ_BYTES);
    world.write("a.log", 1, &format!("old\n{filler}\n"));
    world.list();
    world.poll_all();
    let read = world.tail.next_read().unwrap();
    world.perform(read);
    world.contents.insert(1, format!("new\n{filler}\n").into_bytes());
    world.run(INTERVAL);
    assert!(world.shipped.contains("new\n"), "{}", world.shipped);
    assert!(world.reports.contains(&Report::FileTruncated("a.log".to_owned())));
}

#[test]
fn unreadable_directory_is_said_once() {
    let mut tail = Tail::new(0, settings(StartAt::Beginning), None);
    assert!(tail.listing_failed(Tick::ZERO, "missing").is_some());
    assert!(tail.listing_failed(INTERVAL, "missing").is_none());
}

#[test]
fn chunk_is_taken_only_as_far_as_the_sinks_have_room() {
    let mut world = World::new(StartAt::Beginning, None);
    world.write("a.log", 1, "");
    world.run(Duration::ZERO);
    world.outlets.lanes[0] = Lane::new(LaneSettings {
        bytes_max: 1 << 10,
        ..LaneSettings::of(Arc::new(Text))
    });
    let bytes = vec![b'\n'; 128 << 10];
    let chunk = Chunk {
        size: bytes.len() as u64,
        head: None,
        bytes: &bytes,
        wall: 0,
    };
    world.tail.chunk(world.now, 1, &chunk, &mut world.outlets);
    match world.tail.next_read() {
        Some(Output::Read { offset, .. }) => assert_eq!(offset, (4 << 10) - Trail::BYTES_MAX as u64),
        other => panic!("no read but {other:?}"),
    }
}

#[test]
fn start_at_end_skips_nothing_that_came_after_a_failed_first_listing() {
    let mut world = World::new(StartAt::End, None);
    world.tail.listing_failed(world.now, "missing");
    world.write("a.log", 1, "written meanwhile\n");
    world.run(INTERVAL);
    assert_eq!(world.shipped, "written meanwhile\n");
}
