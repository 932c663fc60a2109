//! What a seed's world is like: which things happen in it, and how often. Each world leaves some out, so that the others come together.

use fastrand::Rng;

/// Something that happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    Write,
    Repeat,
    Long,
    Large,
    Pass,
    PassLong,
    Cut,
    Freeze,
    Refuse,
    Rotate,
    End,
    Restart,
    RemovePrevious,
    KeepStatus,
    TellStatus,
    SinkDown,
    SinkUp,
    Crash,
    Stop,
    HandOver,
    SetClock,
}

const ALWAYS: [(Act, u32); 4] = [
    (Act::Write, 30),
    (Act::Repeat, 6),
    (Act::Pass, 24),
    (Act::SinkUp, 4),
];
const SOMETIMES: [(Act, u32); 16] = [
    (Act::Long, 6),
    (Act::Large, 6),
    (Act::PassLong, 2),
    (Act::Cut, 10),
    (Act::Freeze, 2),
    (Act::Refuse, 6),
    (Act::Rotate, 6),
    (Act::End, 3),
    (Act::Restart, 4),
    (Act::RemovePrevious, 1),
    (Act::KeepStatus, 2),
    (Act::TellStatus, 4),
    (Act::SinkDown, 3),
    (Act::Crash, 3),
    (Act::Stop, 2),
    (Act::HandOver, 3),
];
/// Of so many worlds the clock is set in one.
const CLOCKS: u32 = 16;

#[derive(Debug)]
pub struct Profile {
    acts: Vec<(Act, u32)>,
    pub steps: usize,
    /// Lines may have times so much before those of the lines before them.
    pub disorder_ms: i64,
    /// No chunk is longer.
    pub chunk_bytes: usize,
    /// Answers are given only when time passes.
    pub is_late: bool,
}

impl Profile {
    pub fn new(rng: &mut Rng) -> Self {
        let mut acts = ALWAYS.to_vec();
        acts.extend(SOMETIMES.iter().filter(|_| rng.bool()));
        if rng.u32(..CLOCKS) == 0 {
            acts.push((Act::SetClock, 3));
        }
        let has = |wanted: Act| acts.iter().any(|(act, _)| *act == wanted);
        if has(Act::SetClock) || (has(Act::KeepStatus) && rng.bool()) {
            // Who begins does not know what the clock showed before, nor that lines were taken of another run than the status said.
            acts.retain(|(act, _)| ![Act::Crash, Act::Stop, Act::HandOver].contains(act));
        } else {
            acts.retain(|(act, _)| *act != Act::KeepStatus);
        }
        let has_large = acts.iter().any(|(act, _)| *act == Act::Large);
        let chunks = if has_large { [4096, 1 << 20] } else { [7, 200] };
        Self {
            acts,
            steps: rng.usize(20..60),
            disorder_ms: if rng.bool() { 900 } else { 0 },
            chunk_bytes: *rng.choice(&chunks).unwrap(),
            is_late: rng.bool(),
        }
    }

    pub fn has(&self, act: Act) -> bool {
        self.acts.iter().any(|(found, _)| *found == act)
    }

    pub fn next(&self, rng: &mut Rng) -> Act {
        let whole: u32 = self.acts.iter().map(|(_, weight)| weight).sum();
        let mut at = rng.u32(..whole);
        for (act, weight) in &self.acts {
            if at < *weight {
                return *act;
            }
            at -= weight;
        }
        Act::Pass
    }
}
