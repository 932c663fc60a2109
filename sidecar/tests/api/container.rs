//! A container as the kubelet keeps it: runs one after the other, each with log files of which the last is written to; and the
//! kubelet's reader of them, with what it does not see. Pure.

use logship::record::time::{Nanos, parse_rfc3339, rfc3339};
use serde_json::{Value, json};

pub const SECOND: Nanos = 1_000_000_000;
/// What one step of a reader gives at most.
const STEP_BYTES: usize = 64 << 10;

/// Where the pod's status has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Regular,
    Init,
    Ephemeral,
}

impl Kind {
    pub const fn of_spec(self) -> &'static str {
        match self {
            Self::Regular => "containers",
            Self::Init => "initContainers",
            Self::Ephemeral => "ephemeralContainers",
        }
    }

    pub const fn of_status(self) -> &'static str {
        match self {
            Self::Regular => "containerStatuses",
            Self::Init => "initContainerStatuses",
            Self::Ephemeral => "ephemeralContainerStatuses",
        }
    }
}

/// A container with all that it ever wrote.
#[derive(Debug)]
pub struct Container {
    pub name: String,
    pub kind: Kind,
    pub runs: Vec<Run>,
    /// It waits for its next start.
    backs_off: bool,
}

/// From a start to the next.
#[derive(Debug)]
pub struct Run {
    files: Vec<Vec<(Nanos, Vec<u8>)>>,
    started: Nanos,
    pub has_ended: bool,
    /// Its readers do not hear of the next new file: they were busy.
    pub is_blind: bool,
    /// What the reader says in the middle of everything, without a time.
    notices: Vec<Vec<u8>>,
}

impl Run {
    fn new(started: Nanos) -> Self {
        Self {
            files: vec![Vec::new()],
            started,
            has_ended: false,
            is_blind: false,
            notices: Vec::new(),
        }
    }

    pub fn write(&mut self, time: Nanos, text: &[u8]) {
        let line = [&rfc3339(time)[..], b" ", text].concat();
        self.files.last_mut().unwrap().push((time, line));
    }

    pub fn rotate(&mut self) {
        self.files.push(Vec::new());
    }

    pub fn notice(&mut self, text: &str) {
        self.notices.push(text.as_bytes().to_vec());
    }
}

impl Container {
    /// It runs.
    pub fn new(name: &str, kind: Kind, started: Nanos) -> Self {
        Self {
            name: name.to_owned(),
            kind,
            runs: vec![Run::new(started)],
            backs_off: false,
        }
    }

    pub fn run(&mut self) -> &mut Run {
        self.runs.last_mut().unwrap()
    }

    /// It ends, and is not started again before a while.
    pub fn back_off(&mut self) {
        self.run().has_ended = true;
        self.backs_off = true;
    }

    pub fn restart(&mut self, now: Nanos) {
        self.run().has_ended = true;
        self.backs_off = false;
        self.runs.push(Run::new(now));
    }

    /// Its part of the pod's status.
    pub fn status(&self) -> Value {
        let time = |run: &Run| String::from_utf8(rfc3339(run.started).to_vec()).unwrap();
        let state = |run: &Run| {
            if run.has_ended {
                json!({"terminated": {"exitCode": 1, "startedAt": time(run)}})
            } else {
                json!({"running": {"startedAt": time(run)}})
            }
        };
        let (last, before) = self.runs.split_last().unwrap();
        let (present, previous) = if self.backs_off {
            (json!({"waiting": {"reason": "CrashLoopBackOff"}}), Some(last))
        } else {
            (state(last), before.last())
        };
        json!({"name": self.name, "restartCount": before.len(), "ready": true, "image": "i", "imageID": "",
               "state": present, "lastState": previous.map_or_else(|| json!({}), state)})
    }
}

/// The kubelet's reader: from the beginning of the file that is current when it is made, passing over lines older than whole seconds.
#[derive(Debug)]
pub struct Reader {
    run: usize,
    file: usize,
    line: usize,
    notice: usize,
    follows: bool,
    since: Option<Nanos>,
    /// How many files there were when it last heard of a new one. None: it watches only once it has come to the end of a file.
    files: Option<usize>,
}

/// A step of it.
#[derive(Debug)]
pub enum Step {
    Bytes(Vec<u8>),
    Wait,
    End,
}

impl Reader {
    /// Of the run that a query asks for. None: there is no such run.
    pub fn new(container: &Container, query: &str) -> Option<Self> {
        let value = |name: &str| {
            let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            pairs.find_map(|(found, value)| (found == name).then(|| value.replace("%3A", ":")))
        };
        let last = container.runs.len() - 1;
        let run = match value("previous") {
            // The kubelet goes by the status.
            Some(_) if !container.backs_off => last.checked_sub(1)?,
            _ => last,
        };
        let since = value("sinceTime").map(|text| parse_rfc3339(text.as_bytes()).unwrap());
        assert_eq!(value("timestamps").as_deref(), Some("true"));
        Some(Self {
            run,
            file: container.runs[run].files.len() - 1,
            line: 0,
            notice: container.runs[run].notices.len(),
            follows: value("follow").is_some(),
            since: since.map(|since| since.div_euclid(SECOND) * SECOND),
            files: None,
        })
    }

    pub fn step(&mut self, container: &Container) -> Step {
        let run = &container.runs[self.run];
        let mut bytes = Vec::new();
        while let Some(notice) = run.notices.get(self.notice) {
            bytes.extend_from_slice(notice);
            self.notice += 1;
        }
        loop {
            let file = &run.files[self.file];
            while let Some((time, line)) = file.get(self.line).filter(|_| bytes.len() < STEP_BYTES) {
                self.line += 1;
                if self.since.is_none_or(|since| *time >= since) {
                    bytes.extend_from_slice(line);
                    bytes.push(b'\n');
                }
            }
            if !bytes.is_empty() {
                return Step::Bytes(bytes);
            }
            if !self.follows || run.has_ended {
                return Step::End;
            }
            if run.is_blind && self.file == 0 {
                return Step::Wait;
            }
            let known = *self.files.get_or_insert(run.files.len());
            if known == run.files.len() {
                return Step::Wait;
            }
            // However many were created: it opens the current one.
            self.files = Some(run.files.len());
            self.file = run.files.len() - 1;
            self.line = 0;
        }
    }
}
