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

/// What is known of a line by who reads it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Line {
    pub time: Nanos,
    pub text: String,
}

/// A line that a container wrote.
#[derive(Debug, Clone)]
pub struct Written {
    pub container: usize,
    pub run: usize,
    file: usize,
    pub line: Line,
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

/// A line of which the end is not written yet.
#[derive(Debug, Clone)]
struct Open {
    line: Line,
    /// Of the last piece.
    time: Nanos,
}

impl Open {
    fn new(time: Nanos) -> Self {
        let text = String::new();
        Self {
            line: Line { time, text },
            time,
        }
    }

    /// Of the next piece. One after the other is read and written, so only a clock that is set back puts one before the last: what comes in
    /// disorder are the lines of two outputs.
    fn time_of_next(&mut self, time: Nanos) -> Nanos {
        self.time = if self.time - time < SECOND {
            self.time.max(time)
        } else {
            time
        };
        self.time
    }
}

/// An answer with a run's output.
#[derive(Debug)]
struct Look {
    opened: Tick,
    /// It seemed to come to the end, and did not.
    is_cut: bool,
}

#[derive(Debug)]
pub struct Node {
    pub containers: Vec<Container>,
    pub lines: Vec<Written>,
    /// How often each was written.
    pub written: BTreeMap<Line, usize>,
    /// Of the lines, those that may still be served.
    served: Vec<usize>,
    /// Lines of which the end is not written yet.
    open: Vec<Option<Open>>,
    rotated_at: Vec<Tick>,
    /// What the status says, while it is old.
    old: Option<Vec<(ContainerState, u32, Option<i64>)>>,
    /// The previous run of each was removed.
    is_removed: Vec<bool>,
    /// Runs of which lines were taken.
    read: BTreeSet<(usize, usize)>,
    /// The last answer with the output of each run.
    looks: BTreeMap<(usize, usize), Look>,
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
            written: BTreeMap::new(),
            served: Vec::new(),
            open: vec![None; NAMES.len()],
            rotated_at: vec![Tick::ZERO; NAMES.len()],
            old: None,
            is_removed: vec![false; NAMES.len()],
            read: BTreeSet::new(),
            looks: BTreeMap::new(),
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
        let open = self.open[container].get_or_insert_with(|| Open::new(time));
        let time = open.time_of_next(time);
        run.write_piece(time, text.as_bytes(), false);
        open.line.text.push_str(text);
    }

    /// The last piece of the open line.
    pub fn end_line(&mut self, time: Nanos, container: usize, text: &str) {
        let run = self.containers[container].run();
        let Some(open) = self.open[container].as_mut().filter(|_| !run.has_ended) else {
            return;
        };
        let time = open.time_of_next(time);
        run.write_piece(time, text.as_bytes(), true);
        self.complete(container, text);
    }

    fn complete(&mut self, container: usize, text: &str) {
        let Some(Open { mut line, .. }) = self.open[container].take() else {
            return;
        };
        let run = self.containers[container].runs.len() - 1;
        let file = self.containers[container].run().file();
        line.text.push_str(text);
        *self.written.entry(line.clone()).or_default() += 1;
        self.served.push(self.lines.len());
        self.lines.push(Written {
            container,
            run,
            file,
            line,
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

    /// A container as the pod's status has it when it is looked at.
    pub fn look(&mut self, now: Tick, container: usize) -> Instance {
        let old = self.old.as_ref().map(|all| all[container]);
        let (state, restarts, started) = old.unwrap_or_else(|| self.status(container));
        self.was_found(container, restarts);
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

    /// A run's output is asked for.
    pub fn was_opened(&mut self, now: Tick, container: usize, run: usize) {
        let look = Look {
            opened: now,
            is_cut: false,
        };
        self.looks.insert((container, run), look);
    }

    /// The answer ended cleanly, but not where the output ends.
    pub fn was_cut(&mut self, container: usize, run: usize) {
        if let Some(look) = self.looks.get_mut(&(container, run)) {
            look.is_cut = true;
        }
    }

    /// The pod is looked at, and so often it was restarted: of a run that may be asked for again nothing seems to be read.
    fn was_found(&mut self, container: usize, restarts: u32) {
        let restarts = usize::try_from(restarts).unwrap();
        for ((_, run), look) in self.looks.range_mut((container, 0)..(container + 1, 0)) {
            look.is_cut &= run + 1 < restarts;
        }
    }

    /// Whether a line that is gone seems to have been read: two restarts followed the clean end of the last answer with its run before
    /// the pod was looked at. What was read to the end of a container that ran ends so too, and nobody can tell them apart.
    pub fn seems_read(&self, written: &Written, gone: Gone) -> bool {
        let look = self.looks.get(&(written.container, written.run));
        let was_cut = look.is_some_and(|look| look.is_cut && gone.at >= look.opened);
        was_cut && !self.keeps(written.container, written.run)
    }

    /// Whether a run's output is still served.
    fn keeps(&self, container: usize, run: usize) -> bool {
        let last = self.containers[container].runs.len() - 1;
        run == last || (run + 1 == last && !self.is_removed[container])
    }

    /// A process begins that knows of no lines but those of these runs, however much was read by the one before.
    pub fn begin_reading(&mut self, is_known: impl Fn(usize, usize) -> bool) {
        self.read.retain(|(container, run)| is_known(*container, *run));
    }

    /// Notes what is not served any more, neither to a new reader nor to these of a container.
    pub fn forget(&mut self, now: Tick, open: &[(usize, usize, usize)]) {
        let served = std::mem::take(&mut self.served);
        let (kept, gone): (Vec<_>, Vec<_>) = served
            .into_iter()
            .partition(|index| self.serves(&self.lines[*index], open));
        self.served = kept;
        for index in gone {
            let line = &self.lines[index];
            let of_run = (line.container, line.run);
            let last = self.containers[line.container].runs.len() - 1;
            let mut read_before = self.read.range((line.container, 0)..of_run);
            let follows_one = read_before.next().is_some();
            let is_told = self.read.contains(&of_run) || (follows_one && line.run < last);
            self.lines[index].gone = Some(Gone { at: now, is_told });
        }
    }

    fn serves(&self, line: &Written, open: &[(usize, usize, usize)]) -> bool {
        let Written {
            container, run, file, ..
        } = *line;
        let is_current = file == self.containers[container].runs[run].file();
        let mut open = open.iter();
        let is_open = open.any(|(opened, of, from)| (*opened, *of) == (container, run) && *from <= file);
        is_open || (is_current && self.keeps(container, run))
    }
}
