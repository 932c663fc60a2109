//! One world: its clock, what it knows of the engine's run, and the loop that lets either the engine or the world take the next step.

mod acts;
mod rest;
mod shell;
mod writers;

use self::writers::Writer;
use crate::adapter::{Answer, Saved, Subject, Tick, lacks, positions};
use crate::filesystem::{FileSystem, Node};
use crate::oracle::checkpoint::Covered;
use crate::oracle::{Kind, Oracle, Violation, WordId};
use crate::profile::Profile;
use crate::sabotage::Sabotage;
use crate::sinks::Sink;
use fastrand::Rng;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Range;
use std::time::Duration;

/// More steps at one moment that change nothing are too many.
const IDLE_STEPS_MAX: u32 = 300;
/// No world needs so many steps, besides those for each of its words.
const STEPS_MAX: u64 = 50_000;
/// A refused word stands alone after some.
const STEPS_OF_A_WORD_MAX: u64 = 4;
/// A drain may end so much later than it should.
const DRAIN_SLACK: Duration = Duration::from_millis(200);
/// Files are read for the last time so long before a drain ends.
const LAST_LOOK: Duration = Duration::from_secs(2);

/// What the kernel tells.
#[derive(Debug, Clone)]
enum Change {
    /// Of this directory, or of all.
    Names(Option<usize>),
    Contents(usize, String),
}

/// A descriptor of the engine.
#[derive(Debug)]
struct Descriptor {
    node: Node,
    /// Which contents of the file are being read.
    epoch: u32,
    /// How far they were read at least; none before the first read.
    read: Option<u64>,
    /// It was opened by a name that says that it is compressed, and it is.
    unpacks: bool,
    looked_at: Tick,
    /// The bytes that the last read found.
    given: Range<u64>,
    /// Where the last read began that did not come to the end.
    asked: Option<u64>,
}

/// A drain under way.
#[derive(Debug)]
struct Draining {
    since: Tick,
    /// What was written by then must arrive.
    owed_until: Tick,
    /// Of what was written before, what nobody could read then need not arrive, although a copy may have been made since.
    known: usize,
    readable: BTreeSet<WordId>,
    /// Nothing kept files from being listed, opened and read.
    clean: bool,
}

/// What is true of a source's directory.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
struct Directory {
    watched: bool,
    listing_fails: bool,
    /// It was listed in this run.
    listed: bool,
    /// What had a name in the last listing.
    named: BTreeSet<Node>,
    /// What is in the first listing of the very first run is skipped, where that is asked for.
    skips: bool,
}

/// One simulated world.
pub struct World {
    profile: Profile,
    rng: Rng,
    now: Tick,
    fs: FileSystem,
    oracle: Oracle,
    sinks: Vec<Sink>,
    writers: Vec<Writer>,
    subject: Option<Subject>,
    restart_at: Tick,
    descriptors: BTreeMap<u64, Descriptor>,
    /// The most that were held at once in this run.
    open_files_max: usize,
    directories: Vec<Directory>,
    events: VecDeque<(Tick, Change)>,
    saved: Option<Vec<u8>>,
    /// Positions that this run began with and whose files were not opened yet.
    restored: BTreeSet<Node>,
    /// Files that were there at the very first listing and were not opened yet.
    skipped: BTreeSet<Node>,
    draining: Option<Draining>,
    /// Until then sinks wished to be left alone.
    pause_until: Tick,
    reads_fail: bool,
    longest_read: usize,
    saves_fail: bool,
    saves_failed_at: Tick,
    wall_ns: i128,
    idle_steps: u32,
    steps: u64,
    names_made: u32,
    /// Nothing has happened yet that excuses a loss or a repetition.
    calm: bool,
    /// So often something may still happen between two steps of the engine.
    disturbances_left: usize,
    sabotage: Sabotage,
    trace: Option<Vec<String>>,
}

/// What a world has seen when it ends well.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tally {
    pub words: usize,
    pub steps: u64,
}

impl World {
    pub fn new(seed: u64, sabotage: Sabotage, traced: bool) -> Self {
        let mut rng = Rng::with_seed(seed);
        let profile = Profile::new(&mut rng);
        let sources = profile.setup.sources;
        let skips = profile.setup.start_at_end;
        let directory = |_| Directory {
            skips,
            ..Directory::default()
        };
        let sinks = 0..profile.setup.sinks.len();
        let overtakes: Vec<bool> = sinks.map(|sink| profile.overtakes(sink)).collect();
        Self {
            now: Tick::ZERO,
            fs: FileSystem::new(sources + 1, profile.reuse_inodes),
            oracle: Oracle::new(&overtakes, profile.watched),
            sinks: (0..profile.setup.sinks.len())
                .map(|number| Sink::new(number, &profile))
                .collect(),
            writers: Vec::new(),
            subject: None,
            restart_at: Tick::ZERO,
            descriptors: BTreeMap::new(),
            open_files_max: 0,
            directories: (0..sources).map(directory).collect(),
            events: VecDeque::new(),
            saved: None,
            restored: BTreeSet::new(),
            skipped: BTreeSet::new(),
            draining: None,
            pause_until: Tick::ZERO,
            reads_fail: false,
            longest_read: 0,
            saves_fail: false,
            saves_failed_at: Tick::ZERO,
            wall_ns: 1_700_000_000_000_000_000,
            idle_steps: 0,
            steps: 0,
            names_made: 0,
            calm: !skips && profile.lost_answers == 0 && profile.given_up == 0,
            disturbances_left: 2 * profile.length,
            sabotage,
            trace: traced.then(Vec::new),
            profile,
            rng,
        }
    }

    /// Lives through everything that the seed holds.
    pub fn run(&mut self) -> Result<Tally, Violation> {
        let profile = self.profile.clone();
        self.note(|| format!("{profile:?}"));
        for _ in 0..self.rng.u32(..4) {
            self.act()?;
        }
        for _ in 0..profile.length {
            self.act()?;
            let pause = match self.rng.u32(..20) {
                0..6 => 0,
                6..12 => self.rng.u64(..50),
                12..16 => self.rng.u64(..1000),
                16..19 => self.rng.u64(..8000),
                _ => self.rng.u64(..90_000),
            };
            self.run_until(self.now + Duration::from_millis(pause), true)?;
        }
        self.come_to_rest()?;
        Ok(Tally {
            words: self.oracle.next_word(),
            steps: self.steps,
        })
    }

    /// What happened, if that was asked for.
    pub fn trace(&self) -> String {
        self.trace.as_deref().unwrap_or_default().join("\n")
    }

    /// Lets time pass; `disturbed`: things happen between the engine's steps.
    fn run_until(&mut self, until: Tick, disturbed: bool) -> Result<(), Violation> {
        loop {
            let asleep = self.sabotage == Sabotage::FallsAsleep && self.steps > 100;
            let demand = match &mut self.subject {
                Some(subject) if !asleep => subject.poll(self.now),
                _ => None,
            };
            match demand {
                Some(demand) => {
                    self.steps += 1;
                    self.now += Duration::from_micros(self.rng.u64(..100));
                    self.perform(demand)?;
                    let disturbs = disturbed && self.disturbances_left > 0;
                    if disturbs && self.rng.u32(..100) < self.profile.interleaved {
                        self.disturbances_left -= 1;
                        self.act()?;
                    }
                    let steps_max = STEPS_MAX + STEPS_OF_A_WORD_MAX * self.oracle.next_word() as u64;
                    if self.idle_steps > IDLE_STEPS_MAX || self.steps > steps_max {
                        return Err(Violation::new(Kind::Busy, "there is always something to do"));
                    }
                }
                None if !self.observe(until)? => return Ok(()),
                None => {}
            }
        }
    }

    /// Lets the next thing happen that the engine is told of; none before `until`: false.
    fn observe(&mut self, until: Tick) -> Result<bool, Violation> {
        self.check_drain_time()?;
        self.idle_steps = 0;
        let deadline = match (&self.subject, self.sabotage) {
            (Some(_), Sabotage::NeverRests) => Some(self.now),
            (Some(_), Sabotage::FallsAsleep) if self.steps > 100 => None,
            (Some(subject), _) => subject.next_deadline(),
            (None, _) => Some(self.restart_at),
        };
        let answer = self.sinks.iter().filter_map(Sink::next_answer).min();
        let event = self.events.front().map(|(at, _)| *at);
        let Some(next) = deadline
            .into_iter()
            .chain(answer)
            .chain(event)
            .min()
            .filter(|at| *at <= until)
        else {
            self.now = self.now.max(until);
            return Ok(false);
        };
        let before = self.now;
        self.now = self.now.max(next);
        if self.subject.is_none() {
            if self.restart_at <= self.now {
                self.start();
            }
            return Ok(true);
        }
        if self.tell_answer()? || self.tell_event() {
            return Ok(true);
        }
        if deadline.is_some_and(|at| at <= before) {
            let what = format!("there is nothing to do at {before:?}, but the deadline is {deadline:?}");
            return Err(Violation::new(Kind::Busy, what));
        }
        Ok(true)
    }

    fn tell_answer(&mut self) -> Result<bool, Violation> {
        let Self {
            subject: Some(subject),
            sinks,
            now,
            profile,
            sabotage,
            oracle,
            rng,
            pause_until,
            ..
        } = self
        else {
            return Ok(false);
        };
        for (number, sink) in sinks.iter_mut().enumerate() {
            if let Some((batch, answer)) = sink.answer(*now, profile, sabotage, oracle, rng)? {
                if let Answer::Retry(Some(pause)) = answer {
                    *pause_until = (*pause_until).max(*now + pause);
                }
                let text = format!("{now:?} sink {number} answers {batch} with {answer:?}");
                subject.answered(*now, number, batch, answer);
                self.note(|| text);
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn tell_event(&mut self) -> bool {
        let due = self.events.front().is_some_and(|(at, _)| *at <= self.now);
        let Some((_, change)) = due.then(|| self.events.pop_front()).flatten() else {
            return false;
        };
        let now = self.now;
        match (&mut self.subject, &change) {
            (Some(subject), Change::Names(source)) => subject.renamed(now, *source),
            (Some(subject), Change::Contents(source, name)) => subject.touched(now, *source, name),
            (None, _) => {}
        }
        self.note(|| format!("{now:?} told of {change:?}"));
        true
    }

    /// A new process starts from the last checkpoint.
    fn start(&mut self) {
        if let Some(saved) = &mut self.saved
            && self.rng.u32(..100) < self.profile.torn_checkpoints
        {
            saved.truncate(self.rng.usize(..20));
        }
        let mut setup = self.profile.setup.clone();
        self.sabotage.spoil_setup(&mut setup);
        let covered = self.covered();
        self.subject = Some(Subject::start(&setup, self.saved.as_deref(), self.rng.u64(..)));
        let now = self.now;
        self.note(|| format!("{now:?} start, covered: {covered:?}"));
        self.oracle.restarted(&covered);
        self.restored = covered.into_keys().collect();
        for (source, directory) in self.directories.iter_mut().enumerate() {
            let first = self.saved.as_deref().is_none_or(|saved| lacks(saved, source));
            directory.listed = false;
            directory.named.clear();
            directory.skips = first && self.profile.setup.start_at_end;
        }
    }

    /// The process ends, killed or finished, and its descriptors with it. It starts again after a while.
    fn end(&mut self) -> Result<(), Violation> {
        if self.subject.take().is_none() {
            return Ok(());
        }
        let followed = self.descriptors.values().filter(|at| self.is_current(at));
        let followed = followed.map(|at| at.node).collect();
        let saves_failed = self.saves_fail || self.now < self.saves_failed_at + Duration::from_secs(2);
        if !saves_failed {
            let slack = self.longest_read + self.profile.split_bytes();
            self.oracle
                .check_not_behind(&self.covered(), &followed, self.now, slack as u64)?;
        }
        for sink in &mut self.sinks {
            sink.ended(&mut self.oracle, &mut self.rng)?;
        }
        self.oracle.ended(self.now);
        for descriptor in std::mem::take(&mut self.descriptors).into_values() {
            self.fs.let_go(descriptor.node);
        }
        self.open_files_max = 0;
        self.events.clear();
        self.directories
            .iter_mut()
            .for_each(|directory| directory.watched = false);
        self.restored.clear();
        self.skipped.clear();
        self.draining = None;
        let pause = [0, 20, 2000, 60_000][self.rng.usize(..4)];
        self.restart_at = self.now + Duration::from_millis(pause);
        Ok(())
    }

    fn check_drain_time(&self) -> Result<(), Violation> {
        let until = self
            .draining
            .as_ref()
            .map(|draining| draining.since + self.profile.setup.drain);
        if until.is_some_and(|until| self.now > until + DRAIN_SLACK) {
            return Err(Violation::new(
                Kind::Stuck,
                "the drain takes longer than its time",
            ));
        }
        Ok(())
    }

    /// What a file holds for those who unpack it.
    fn text(&self, node: Node) -> &[u8] {
        let file = self.fs.file(node);
        file.unpacked.as_ref().unwrap_or(&file.bytes)
    }

    fn directory_of(&self, node: Node) -> usize {
        usize::try_from(self.fs.file(node).device - 1).expect("a device is a directory's number plus one")
    }

    fn is_current(&self, descriptor: &Descriptor) -> bool {
        self.oracle.epoch(descriptor.node) == descriptor.epoch
    }

    /// How far the last checkpoint covers each file.
    fn covered(&self) -> Covered {
        let offset = |(node, saved): (Node, Saved)| (node, saved.offset);
        self.positions().into_iter().map(offset).collect()
    }

    /// What the last checkpoint says of the files that are there and that it recognises.
    fn positions(&self) -> Vec<(Node, Saved)> {
        let saved = self.saved.as_deref().and_then(positions).unwrap_or_default();
        let found = saved.into_iter().filter_map(|saved| {
            let node = self.fs.with_identity(saved.device, saved.inode)?;
            let is_it = saved.is_telling() && saved.fits(self.text(node));
            is_it.then_some((node, saved))
        });
        found.collect()
    }

    fn note(&mut self, what: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            trace.push(what());
        }
    }
}
