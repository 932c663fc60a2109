//! A node with the containers of one pod: what they write, which of it the kubelet still serves, and what the pod's status says, which
//! may be old. It remembers every line.

use crate::container::{Container, Kind, Query, Reader, SECOND};
use logship::engine::Tick;
use logship::engine::follow::{ContainerState, Instance};
use logship::record::time::Nanos;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// The clock of the node when the world begins: 2026-01-02T03:00:00Z.
const BEGIN: Nanos = 1_767_322_800 * SECOND;
/// The kubelet looks at most this often whether a file is to be rotated.
const ROTATION_INTERVAL: Duration = Duration::from_secs(3);
pub const NAMES: [&str; 2] = ["web", "job"];

/// A line that a container wrote.
#[derive(Debug, Clone)]
pub struct Written {
    pub container: usize,
    pub run: usize,
    file: usize,
    pub text: String,
    pub time: Nanos,
    /// It is not served any more.
    pub gone: Option<Gone>,
}

/// When a line was served for the last time.
#[derive(Debug, Clone, Copy)]
pub struct Gone {
    pub at: Tick,
    /// Its run was read before, or one before that, so that something is missing where it should be.
    pub is_told: bool,
}

/// Where the end of a line is not written yet.
#[derive(Debug, Clone)]
struct Open {
    time: Nanos,
    text: String,
}

#[derive(Debug)]
pub struct Node {
    pub containers: Vec<Container>,
    pub lines: Vec<Written>,
    /// How often each text was written.
    pub texts: BTreeMap<String, usize>,
    /// Of the lines, those that may still be served.
    served: Vec<usize>,
    open: Vec<Option<Open>>,
    rotated_at: Vec<Tick>,
    /// What the status says, while it is old.
    old: Option<Vec<(ContainerState, u32, Option<i64>)>>,
    /// The previous run of each was removed.
    is_removed: Vec<bool>,
    /// Runs of which lines were taken.
    read: BTreeSet<(usize, usize)>,
    /// Runs whose last reader seemed to come to the end, and did not.
    cut: BTreeSet<(usize, usize)>,
    /// By which the clock was set.
    pub clock: Nanos,
}

impl Node {
    pub fn new() -> Self {
        Self {
            containers: NAMES
                .iter()
                .map(|name| Container::new(name, Kind::Regular, BEGIN))
                .collect(),
            lines: Vec::new(),
            texts: BTreeMap::new(),
            served: Vec::new(),
            open: vec![None; NAMES.len()],
            rotated_at: vec![Tick::ZERO; NAMES.len()],
            old: None,
            is_removed: vec![false; NAMES.len()],
            read: BTreeSet::new(),
            cut: BTreeSet::new(),
            clock: 0,
        }
    }

    /// What its clock shows.
    pub fn wall(&self, now: Tick) -> Nanos {
        BEGIN + i64::try_from(now.as_nanos()).unwrap() + self.clock
    }

    /// A container writes a line, this much before its time is taken.
    pub fn write(&mut self, time: Nanos, container: usize, text: &str) {
        self.write_piece(time, container, text);
        self.end_line(time, container, "");
    }

    /// A piece of a line that goes on.
    pub fn write_piece(&mut self, time: Nanos, container: usize, text: &str) {
        let run = self.containers[container].run();
        if run.has_ended {
            return;
        }
        run.write_piece(time, text.as_bytes(), false);
        let open = self.open[container].get_or_insert(Open {
            time,
            text: String::new(),
        });
        open.text.push_str(text);
    }

    /// The last piece of the open line.
    pub fn end_line(&mut self, time: Nanos, container: usize, text: &str) {
        if self.open[container].is_none() || self.containers[container].run().has_ended {
            return;
        }
        self.containers[container]
            .run()
            .write_piece(time, text.as_bytes(), true);
        self.complete(container, text);
    }

    fn complete(&mut self, container: usize, text: &str) {
        let Some(open) = self.open[container].take() else {
            return;
        };
        let run = self.containers[container].runs.len() - 1;
        let file = self.containers[container].run().file();
        let text = open.text + text;
        *self.texts.entry(text.clone()).or_default() += 1;
        self.served.push(self.lines.len());
        self.lines.push(Written {
            container,
            run,
            file,
            text,
            time: open.time,
            gone: None,
        });
    }

    /// The newest file is as large as it may be.
    pub fn rotate(&mut self, now: Tick, container: usize) {
        let is_due = now >= self.rotated_at[container] + ROTATION_INTERVAL;
        // A line on both sides is not seen through.
        if is_due && self.open[container].is_none() && !self.containers[container].run().has_ended {
            self.rotated_at[container] = now;
            self.containers[container].run().rotate();
        }
    }

    /// A container ends, perhaps within a line.
    pub fn end(&mut self, container: usize) {
        self.complete(container, "");
        self.containers[container].run().has_ended = true;
    }

    pub fn restart(&mut self, now: Tick, container: usize) {
        self.end(container);
        let wall = self.wall(now);
        self.containers[container].restart(wall);
        self.is_removed[container] = false;
    }

    /// The kubelet removes what is left of the run before.
    pub fn remove_previous(&mut self, container: usize) {
        self.is_removed[container] = true;
    }

    /// The status stays as it is now, or is the true one.
    pub fn keep_status(&mut self, keep: bool) {
        let all = 0..self.containers.len();
        self.old = keep.then(|| all.map(|index| self.status(index)).collect());
    }

    fn status(&self, container: usize) -> (ContainerState, u32, Option<i64>) {
        let (last, before) = self.containers[container].runs.split_last().unwrap();
        let state = if last.has_ended {
            ContainerState::Ended
        } else {
            ContainerState::Running
        };
        let restarts = u32::try_from(before.len()).unwrap();
        (state, restarts, Some(last.started().div_euclid(SECOND)))
    }

    /// A container as the pod's status has it.
    pub fn instance(&self, now: Tick, container: usize) -> Instance {
        let old = self.old.as_ref().map(|all| all[container]);
        let (state, restarts, started) = old.unwrap_or_else(|| self.status(container));
        Instance {
            container: NAMES[container].to_owned(),
            state,
            restarts,
            started,
            found: self.wall(now),
        }
    }

    /// The kubelet's reader of a container's output, if there is such output.
    pub fn open(&self, container: usize, query: Query) -> Option<Reader> {
        if query.previous && self.is_removed[container] {
            return None;
        }
        Reader::new(&self.containers[container], query)
    }

    /// Lines of a run were taken.
    pub fn was_read(&mut self, container: usize, run: usize) {
        self.read.insert((container, run));
    }

    /// The answer with a run's output ended cleanly, but not where that ends.
    pub fn was_cut(&mut self, container: usize, run: usize) {
        self.cut.insert((container, run));
    }

    /// It is asked for again.
    pub fn was_opened(&mut self, container: usize, run: usize) {
        self.cut.remove(&(container, run));
    }

    /// A process begins that knows nothing of these containers.
    pub fn begin_reading(&mut self, is_unknown: impl Fn(usize) -> bool) {
        self.read.retain(|(container, _)| !is_unknown(*container));
    }

    /// Notes what is not served any more, neither to a new reader nor to these of a container.
    pub fn forget(&mut self, now: Tick, open: &[(usize, usize, usize)]) {
        let Self {
            containers,
            lines,
            served,
            is_removed,
            read,
            cut,
            ..
        } = self;
        served.retain(|index| {
            let line = &mut lines[*index];
            let runs = &containers[line.container].runs;
            let last = runs.len() - 1;
            let is_kept = line.run == last || (line.run + 1 == last && !is_removed[line.container]);
            let is_current = line.file == runs[line.run].file();
            let of_run = (line.container, line.run);
            let mut open = open.iter();
            let is_open =
                open.any(|(container, run, file)| (*container, *run) == of_run && *file <= line.file);
            if is_open || (is_current && is_kept) {
                return true;
            }
            let mut read_before = read.range((line.container, 0)..of_run);
            let follows_one = read_before.next().is_some();
            // Where two restarts follow, so ends also what was read to the end of a container that ran: nobody can tell them apart.
            let seems_read = !is_kept && cut.contains(&of_run);
            let is_read = read.contains(&of_run) || (follows_one && line.run < last);
            line.gone = Some(Gone {
                at: now,
                is_told: is_read && !seems_read,
            });
            false
        });
    }
}
